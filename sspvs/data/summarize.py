"""Annotated videos for the summarizer: runs of frames with their importance and text, and the Lightning data module.

Axis letters: B batch, T picks, L tokens, D feature width.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import torch

from sspvs.data.batch import SummarizeBatch, Text, filled_up, pad_rows, stack_tokens
from sspvs.data.drawing import draw_crop, item_generator
from sspvs.data.fold_data import FoldDataModule, Part, Targets, min_max, survey_fold
from sspvs.data.loader import BatchLoader, ExampleDataset, Pick
from sspvs.data.texts import load_tokenizer_of, read_texts
from sspvs.errors import DatasetError, listed
from sspvs.models.tokenizers import Tokenizer
from sspvs.table import VideoTable
from sspvs.table.text import TextSettings, TokenFields, assemble_tokens, tokenize
from sspvs.types import FloatArray
from sspvs.world.writing import WorldSource

logger = logging.getLogger(__name__)
SummarizeLoader: TypeAlias = BatchLoader[SummarizeBatch]
SUMMARIZER_TEXT = TextSettings(category=2, query=4, title=10, description=0)
"""Tokens of each field; the summarizer does not read the description, as published."""


class Example(NamedTuple):
    """One video, ready for a batch."""

    id: str  # the video, as `dataset/key`
    frames: FloatArray  # (T, D) float32
    target: FloatArray  # (T,) float32 importance
    text: Text | None = None  # what is written about it; None without a text tower
    has_text: bool = False  # whether any of its fields has a token


class SummarizeDataset(ExampleDataset[Example]):
    """Annotated videos.

    Args:
        table: The videos, with targets.
        tokenizer: The text tower's; None: no text.
        text: Tokens of each field.
        max_frames: Longest run of frames while training, drawn anew in each draw; None: whole videos.
        padding_counts: While training, fill shorter runs up to `max_frames` with zeros that count as frames.
        targets: `window`: the table has raw targets, to be normalised over each run of frames.
        seed: Of everything that is drawn.
        mode: `train`: runs of frames, and of the tokens of texts that are too long, are drawn. `whole`: whole videos,
            texts cut at their end.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> data = sspvs.SummarizeDataModule("dataset.h5")
        >>> data.setup("fit")
        >>> dataset = data.dataset("test")
        >>> isinstance(dataset, sspvs.SummarizeDataset), len(dataset[0].frames) == len(dataset[0].target)
        (True, True)
    """

    def __init__(
        self,
        table: VideoTable,
        *,
        tokenizer: Tokenizer | None = None,
        text: TextSettings = SUMMARIZER_TEXT,
        max_frames: int | None = 512,
        padding_counts: bool = False,
        targets: Targets = "video",
        seed: int = 0,
        mode: Literal["train", "whole"] = "train",
    ) -> None:
        super().__init__(table, max_frames)
        if padding_counts and max_frames is None:
            raise ValueError("padding_counts fills videos up to max_frames, got max_frames null; give a number")
        self.padding_counts, self.targets = padding_counts and mode == "train", targets
        self.tokenizer, self.text = tokenizer, text
        self.mode, self.seed = mode, seed
        if mode == "whole":
            self.max_frames = None
        self._fields = [] if tokenizer is None else [tokenize(item.text, tokenizer) for item in self.items]

    @property
    def n_with_text(self) -> int:
        """Videos that anything is written about, in the fields that get tokens."""
        return sum(map(self._has_tokens, self._fields))

    def _example(self, pick: Pick) -> Example:
        item, training = self.items[pick.item], self.mode == "train"
        generator = item_generator(self.seed, item.id, pick.draw if training else None)
        start, stop = draw_crop(item.n_picks, self.max_frames, generator)
        assert item.target is not None
        frames, target = self.table.features(item, start, stop), item.target[start:stop]
        if self.padding_counts:
            assert self.max_frames is not None
            frames, target = (filled_up(rows, self.max_frames) for rows in (frames, target))
        target = min_max(target) if self.targets == "window" else target.astype(np.float32, copy=False)
        if self.tokenizer is None:
            return Example(item.id, frames, target)
        fields = self._fields[pick.item]
        text = assemble_tokens(fields, self.tokenizer, self.text, generator if training else None)
        return Example(item.id, frames, target, text, self._has_tokens(fields))

    def _has_tokens(self, fields: TokenFields) -> bool:
        return any(ids and length for ids, length in zip(fields, self.text.lengths, strict=True))


def collate(examples: Sequence[Example] | Example) -> SummarizeBatch:
    """A batch of examples of one width, zeros at the end of shorter videos; see `SummarizeBatch`."""
    rows = [examples] if isinstance(examples, Example) else list(examples)
    frames, frame_mask = pad_rows([row.frames for row in rows])
    target = pad_rows([row.target for row in rows])[0]
    batch = SummarizeBatch(frames, frame_mask, target, tuple(row.id for row in rows))
    texts = [row.text for row in rows if row.text is not None]
    if len(texts) < len(rows):
        return batch
    has_text = torch.tensor([row.has_text for row in rows], dtype=torch.bool)
    return SummarizeBatch(*batch[:4], *stack_tokens(texts), has_text)


class SummarizeDataModule(FoldDataModule[SummarizeBatch]):
    """One fold of annotated videos: those it trains on, those that choose the checkpoint, those it tests.

    Batches are planned for all ranks from the seed and the epoch (`sspvs.data.loader`): no video is on two ranks, and
    after a restart from a checkpoint the epoch goes on at the batch where it stopped. Features stay in memory once
    read.

    Args:
        dataset: The dataset file that is tested (`sspvs data build`), with features; or give a `world`.
        others: Dataset file of another set, or a list of several, to train on as well (augmented) or alone (transfer).
            A warning names those of their videos that have the features of tested or validated ones; they are
            trained on.
        splits: A split file of any style. Null: the world's own, or folds drawn by `split_seed`, five where there are
            as many videos.
        fold: Which of the folds, from 0. Null: nothing is tested and all videos are trained on, but those held out to
            choose the checkpoint: for a model to use.
        setting: Of folds that are drawn, or of a canonical split file: `augmented` adds all videos of `others` to the
            training, `transfer` trains on them alone. Other split files have their own.
        split_seed: Draws folds, and the videos that are held out of training to choose the checkpoint.
        validate_on: What chooses the checkpoint. `held-out`: the split's validation videos, or `val_share` of the
            training videos where it has none. `test`: the tested videos, as most published figures have it; never to be
            reported beside others. `nothing`: there is no validation. With the last two the split's validation videos
            are trained on.
        val_share: Of the training videos of the tested dataset (of all, where it has none among them), held out.
        encoder: The text tower's name, whose tokenizer is used; the model's own setting, linked.
        vocab_size: Ids of the text tower `small`; the model's own setting, linked. Null: its default.
        use_text: The model's text guidance, linked; anything but `none` gives tokens.
        text: Tokens of each text field. Published for SumMe: 1, 3, 1, for TVSum: 1, 3, 10, of category, query, title.
        texts: A manifest (.csv, .jsonl) with `id` (a video's key or name) and the text fields, a text-info JSON of the
            SSPVS release, or its folder of token ids, in place of the dataset's own texts: its title and category, and
            where it has no title the video's name as the search query.
        title_as_query: Give the title in the place of the search query, as published for TVSum.
        max_frames: Longest run of a video's frames, drawn at random while training; null: whole videos.
        padding_counts: While training, fill shorter videos up to `max_frames` with rows of zeros that count as frames
            of importance 0, as in the released SSPVS: they are attended to, and longer videos weigh more in the loss.
        targets: What importance is learned: min-max normalised over the whole `video`, or over the `window` that is
            trained on, rows of zeros included; or `raw`, as the dataset has it.
        batch_size: Videos of a batch on one device.
        val_batch_size: The same in validation and testing; null: as `batch_size`.
        repeats: How often the list is gone through in an epoch, each time drawn anew.
        keep_last: Train on the last batch of an epoch also where it is smaller.
        bucket_batches: Batches among which videos of like length are sought, so that less padding is computed; 1 takes
            them as they come. Small sets would meet in the same batches again and again.
        num_workers: Processes that read, for each device.
        seed: Of the order and the runs of frames.
        download: Fetch the tokenizer's files when they are not on this machine.
        world: A synthetic world's annotated videos instead, made unless it is there.
        streams: Streams of features, such as `[features, captions]`, in their order; null: all that the dataset has.
        protocol: What correlations of validated and tested videos are computed under, by which a checkpoint is chosen,
            and what `sspvs crossval` shows without --protocol; null: `per-user`.
        rule: How scores become summaries for their F1, such as `sspvs`; null: `default`.

    Raises:
        DatasetError: The data is not what it should be (when it is first needed).
        FingerprintMismatchError: Datasets with features that were made differently (likewise).

    Example:
        >>> data = sspvs.SummarizeDataModule("dataset.h5", splits="splits.json", fold=0, batch_size=2)
        >>> data.setup("fit")
        >>> batch = next(iter(data.train_dataloader()))
        >>> batch.frames.shape[:2] == batch.target.shape
        True
    """

    def __init__(
        self,
        dataset: str | None = None,
        others: list[str] | str | None = None,
        splits: str | None = None,
        fold: int | None = 0,
        setting: Literal["canonical", "augmented", "transfer"] = "canonical",
        split_seed: int = 0,
        validate_on: Literal["held-out", "test", "nothing"] = "held-out",
        val_share: float = 0.2,
        encoder: str = "small",
        vocab_size: int | None = None,
        use_text: str = "none",
        text: TextSettings = SUMMARIZER_TEXT,
        texts: str | None = None,
        title_as_query: bool = False,
        max_frames: int | None = 512,
        padding_counts: bool = False,
        targets: Targets = "video",
        batch_size: int = 4,
        val_batch_size: int | None = None,
        repeats: int = 1,
        keep_last: bool = False,
        bucket_batches: int = 1,
        num_workers: int = 0,
        seed: int = 0,
        download: bool = False,
        world: WorldSource | None = None,
        streams: list[str] | None = None,
        protocol: str | None = None,
        rule: str | None = None,
    ) -> None:
        if (dataset is None) == (world is None):
            raise ValueError("give data.dataset (a dataset file) or data.world, and not both")
        how = (setting, split_seed, validate_on, val_share, num_workers)
        super().__init__(dataset, others, splits, fold, *how, world, streams, protocol, rule)
        if self.world_files is not None and texts is None:
            texts = str(self.world_files.texts)
        self.text_path = None if texts is None else Path(texts)
        self.encoder, self.vocab_size, self.download = encoder, vocab_size, download
        self.use_text, self.text, self.title_as_query = use_text, text, title_as_query
        self.max_frames, self.batch_size = max_frames, batch_size
        self.val_batch_size = batch_size if val_batch_size is None else val_batch_size
        if text.whole and use_text != "none" and self.val_batch_size != 1:
            raise ValueError(
                "data.text.whole gives texts of different lengths, each in a batch of its own, and "
                f"data.val_batch_size is {self.val_batch_size}; set it to 1"
            )
        self.padding_counts, self.targets = padding_counts, targets
        self.repeats, self.keep_last, self.bucket_batches = repeats, keep_last, bucket_batches
        self.seed = seed

    def setup(self, stage: str | None = None) -> None:
        """Look at the fold's videos, once; warn where those of other datasets are judged ones again."""
        if self.is_ready:
            return
        super().setup(stage)
        if self.judged_again:
            logger.warning(
                "%d of the training videos of data.others have the features of videos that are tested or validated "
                "on: %s; the figures will flatter, take them out of these datasets",
                len(self.judged_again),
                listed(self.judged_again),
            )

    def dataset(self, part: Part, *, mode: Literal["train", "whole"] = "whole") -> SummarizeDataset:
        """The examples of a part of the fold, after `setup`."""
        table, tokenizer = self.table.select(getattr(self.fold_videos, part)), None
        if self.use_text != "none":
            videos, size = table.videos, self.vocab_size
            tokenizer = load_tokenizer_of(videos, self.encoder, download=self.download, vocab_size=size)
        return SummarizeDataset(
            table,
            tokenizer=tokenizer,
            text=self.text,
            max_frames=self.max_frames,
            padding_counts=self.padding_counts,
            targets=self.targets,
            seed=self.seed,
            mode=mode,
        )

    def train_dataloader(self) -> SummarizeLoader:
        dataset = self.dataset("train", mode="train")
        if self.use_text != "none":
            if not dataset.n_with_text:
                raise DatasetError(
                    f"text guidance ({self.use_text}) needs text, and nothing is written about the {len(dataset)} "
                    "training videos in the fields that data.text gives tokens to; give data.texts, or "
                    "set model.summarizer.text_guidance to none"
                )
            logger.info("text about %d of %d training videos", dataset.n_with_text, len(dataset))
        return self.loader(dataset, collate, training=True)

    def _whole_videos(self, part: Part) -> SummarizeLoader:
        return self.loader(self.dataset(part), collate)

    def _look_at(self, ids: Sequence[str]) -> VideoTable:
        texts = {} if self.text_path is None else read_texts(self.text_path, self.stores)
        raw = self.targets != "video"
        return survey_fold(ids, self.stores, self.memory, texts, self.title_as_query, self.streams, raw_targets=raw)
