"""Video-text pairs for pretraining: what is drawn of each, the batches, and the Lightning data module.

Axis letters: B batch, T picks, L tokens, M masked frames, D feature width.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import torch

from sspvs.data import drawing
from sspvs.data.batch import PretrainBatch, Text, filled_up, pad_rows, stack_tokens
from sspvs.data.drawing import MaskSettings
from sspvs.data.loader import BatchLoader, ExampleDataset, LengthBuckets, Pick, VideoDataModule, padding_share
from sspvs.data.pairs import ExtractionSettings, load_pairs, split_pairs, stream_widths_of
from sspvs.data.texts import load_tokenizer_of
from sspvs.errors import DatasetError, listed
from sspvs.models.tokenizers import Tokenizer
from sspvs.table import FeatureKind, Video, VideoTable
from sspvs.table.table import check_alike
from sspvs.table.text import FIELDS, TextSettings, assemble_tokens, only_field
from sspvs.types import Fingerprint, FloatArray, IntArray
from sspvs.world.writing import WorldSource, manifests_of_world

logger = logging.getLogger(__name__)
PretrainLoader: TypeAlias = BatchLoader[PretrainBatch]
Mode = Literal["train", "val", "predict"]
Captions = Literal["all", "in-turn"]
TextType = Literal["all", "category", "query", "title", "description"]
_TEXT, _MASKS, _EXTRACTION = TextSettings(), MaskSettings(), ExtractionSettings()
_MEASURED = 1 << 17  # longest epoch whose padding is counted
_PARTNER_STREAM = 1  # keeps this generator apart from the items'
_SIDES = {
    "train": ("to train on", "add videos"),
    "val": ("to validate on", "hold out more (data.val_share), add to data.val"),
}  # what the videos of a mode are there for, and where more come from


class Example(NamedTuple):
    """One video, ready for a batch."""

    id: str
    frames: FloatArray  # (T, D) float32
    text: Text  # its own, or another video's
    masked_index: IntArray  # (M,) int64; empty when nothing is masked
    is_match: bool  # whether the text is its own
    own_text: Text | None = None  # in validation
    text_group: int = 0  # of the text: the same number for texts that are the same


class PretrainDataset(ExampleDataset[Example]):
    """Video-text pairs.

    Args:
        items: The pairs.
        tokenizer: The text tower's.
        text: Tokens of each field.
        masks: Which frames are masked.
        max_frames: Longest run of frames; None: whole videos.
        padding_counts: Fill shorter runs up to `max_frames` with zeros that count as frames.
        val_draws: How many draws of a video `val` has, drawn anew in each epoch; None: one, the same in every epoch.
        negative_probability: How often a video gets another's text.
        captions: `all` that is written about a video, or one of its captions `in-turn`; see `captions_of`.
        seed: Of everything that is drawn.
        mode: `train`: everything is drawn anew in each draw. `val`: drawn once and for all, texts cut at their end,
            each video's own text comes along. `predict`: own texts, whole videos, nothing masked.

    Raises:
        DatasetError: Texts of others are wanted and all videos have the same one.
        ValueError: An argument is out of range.

    Example:
        >>> data = sspvs.PretrainDataModule("pairs.jsonl", encoder="small", num_workers=0)
        >>> data.setup("fit")
        >>> dataset = data.dataset("train")
        >>> isinstance(dataset, sspvs.PretrainDataset), dataset[0].frames.shape[1]
        (True, 16)
    """

    def __init__(
        self,
        items: Sequence[Video],
        tokenizer: Tokenizer,
        *,
        text: TextSettings | None = None,
        masks: MaskSettings | None = None,
        max_frames: int | None = 256,
        padding_counts: bool = False,
        val_draws: int | None = None,
        negative_probability: float = 0.5,
        captions: Captions = "all",
        seed: int = 0,
        mode: Mode = "train",
    ) -> None:
        super().__init__(VideoTable(tuple(items), checked=True), max_frames)
        if padding_counts and max_frames is None:
            raise ValueError("padding_counts fills videos up to max_frames, got max_frames null; give a number")
        self.padding_counts, self.val_draws = padding_counts and mode != "predict", val_draws
        if not 0 <= negative_probability <= 1:
            raise ValueError(f"negative_probability must be between 0 and 1, got {negative_probability}")
        self.tokenizer = tokenizer
        self.text = TextSettings() if text is None else text
        self.masks = MaskSettings() if masks is None else masks
        self.captions, self.mode, self.seed = captions, mode, seed
        if mode == "predict":
            self.max_frames = None
        self.negative_probability = 0.0 if mode == "predict" else negative_probability
        self._by_name = np.array(sorted(range(len(self.items)), key=lambda i: self.items[i].id), np.int64)
        self._groups = drawing.same_text_groups([self.items[i].text for i in self._by_name])  # in the order of names
        self._group_of = np.zeros(len(self.items), np.int64)
        self._group_of[self._by_name] = self._groups
        self._partners: tuple[int | None, IntArray] | None = None
        if self.negative_probability and len(np.unique(self._groups)) < 2:
            whose, ways = _SIDES[mode]
            raise DatasetError(
                f"all {len(self.items)} videos {whose} have the same title or text, so that none can be given "
                f"another's; {ways}, or set data.negative_probability to 0"
                if len(self.items) > 1
                else f"there is only one video {whose}, which can be given no other's text; {ways}, or set "
                "data.negative_probability to 0"
            )

    def _example(self, pick: Pick) -> Example:
        again = self.mode == "val" and self.val_draws is not None
        draw = pick.draw if self.mode == "train" or again else None
        item = self.items[pick.item]
        generator = drawing.item_generator(self.seed, item.id, draw)
        partner = pick.item
        if generator.random() < self.negative_probability:
            other = int(self._partners_of(draw)[pick.item])
            partner = pick.item if other == drawing.NO_PARTNER else other
        start, stop = drawing.draw_crop(item.n_picks, self.max_frames, generator)
        masked, length = np.zeros(0, np.int64), stop - start
        if self.padding_counts:
            assert self.max_frames is not None
            length = self.max_frames
        if self.mode != "predict":
            masked = drawing.draw_masked(length, self.masks, generator)
        text = self._text(partner, generator if self.mode == "train" else None)
        own_text = self._text(pick.item, None) if self.mode == "val" else None
        frames = filled_up(self.table.features(item, start, stop), length)
        group = int(self._group_of[partner])
        name = drawing.draw_name(item.id, pick.draw % self.val_draws) if again and self.val_draws else item.id
        return Example(name, frames, text, masked, partner == pick.item, own_text, group)

    def texts_of(self, index: int) -> list[Text]:
        """What training draws of: the tokens of all that is written about a video, or of each caption."""
        text = self.items[index].text
        texts = drawing.captions_of(text) if self.captions == "in-turn" else [text]
        return [assemble_tokens(one, self.tokenizer, self.text) for one in texts]

    def _text(self, index: int, generator: np.random.Generator | None) -> Text:
        text = self.items[index].text
        if generator is not None and self.captions == "in-turn":
            captions = drawing.captions_of(text)
            text = captions[int(generator.integers(len(captions)))]
        return assemble_tokens(text, self.tokenizer, self.text, generator)

    def _partners_of(self, draw: int | None) -> IntArray:
        """(n,) the item whose text each item gets in this draw; the same for every order of the items."""
        if self._partners is None or self._partners[0] != draw:
            generator = np.random.default_rng([self.seed, 0 if draw is None else draw + 1, _PARTNER_STREAM, 0])
            ordered = drawing.draw_partners(self._groups, generator)
            partners = np.full(len(self.items), drawing.NO_PARTNER, np.int64)
            found = ordered != drawing.NO_PARTNER
            partners[self._by_name[found]] = self._by_name[ordered[found]]
            self._partners = draw, partners
        return self._partners[1]


def collate(examples: Sequence[Example] | Example) -> PretrainBatch:
    """A batch of examples of one width, zeros at the end of shorter videos; see `PretrainBatch`."""
    rows = [examples] if isinstance(examples, Example) else list(examples)
    frames, frame_mask = pad_rows([row.frames for row in rows])
    masked, counted = pad_rows([row.masked_index for row in rows], torch.int64)
    # Of equal entries the model masks one; in a video of one frame, which has none, it masks a place in the padding.
    filler = torch.where(counted[:, :1], masked[:, :1], frames.shape[1] - 1)
    tokens, token_mask = stack_tokens([row.text for row in rows])
    own = [row.own_text for row in rows if row.own_text is not None]
    own_tokens, own_token_mask = stack_tokens(own) if len(own) == len(rows) else (None, None)
    return PretrainBatch(
        frames=frames,
        frame_mask=frame_mask,
        tokens=tokens,
        token_mask=token_mask,
        masked_index=torch.where(counted, masked, filler),
        masked_counted=counted,
        is_match=torch.tensor([row.is_match for row in rows], dtype=torch.bool),
        ids=tuple(row.id for row in rows),
        own_tokens=own_tokens,
        own_token_mask=own_token_mask,
        text_group=torch.tensor([row.text_group for row in rows]),
    )


class PretrainDataModule(VideoDataModule[PretrainBatch]):
    """Video-text pairs from an SSPVS release folder, a manifest of features or raw videos, or shards.

    Batches are planned for all ranks from the seed and the epoch (`sspvs.data.loader`): the same whatever
    the number of workers, no item on two ranks, and after a restart from a checkpoint the epoch goes on at the batch
    where it stopped.

    Args:
        train: Release folder, manifest (.csv, .jsonl) or folder of shards to train on; or give a `world`.
        val: The same to validate on. Null: the release's validation list, the rows whose `split` is `val`, or else
            `val_share` of `train`, held out.
        predict: The same for `predict` and `test`; null: the validation pairs, or all where nothing is held out.
        encoder: The text tower's name, whose tokenizer is used; the model's own setting, linked.
        vocab_size: Ids of the text tower `small`; the model's own setting, linked. Null: its default.
        text: Tokens of each text field.
        masks: Which frames are masked and recovered.
        max_frames: Longest run of a video's frames, drawn at random while training; null: whole videos.
        padding_counts: Fill shorter videos up to `max_frames` with rows of zeros that count as frames, as in the
            released SSPVS: they are attended to, compared with words, and may be the ones that are masked.
        batch_size: Videos of a batch on one device.
        val_batch_size: The same in validation; null: as `batch_size`.
        val_draws: How often validation goes through its list, with new runs of frames, masks and pairs in each draw and
            each validation. Null: once, the same in every validation, so that figures can be compared.
        repeats: How often the list is gone through in an epoch, each time drawn anew.
        keep_last: Train on the last batch of an epoch also where it is smaller.
        negative_probability: How often a video gets another's text. Contrastive losses over the batch want 0.
        captions: What training gives the text tower of a video in each draw: `all` that is written about it, or one of
            its captions, `in-turn`. The captions are its query, its title and each line of its description.
        bucket_batches: Batches among which videos of like length are sought, so that little padding is computed; 1
            takes them as they come.
        resample: Of shards: draw shards with repetition instead of each once an epoch.
        val_share: Of the videos, held out where no other setting gives what to validate on; two at least, and none of
            fewer than four. 0 for none.
        num_workers: Processes that read, for each device.
        seed: Of everything that is drawn.
        extraction: How features of raw videos are extracted.
        download: Fetch the tokenizer's files when they are not on this machine.
        world: A synthetic world to train and validate on instead, made unless it is there.
        streams: Streams of features in h5 files, such as `[features, captions]`, in their order; null: all there are.
        text_type: Pretrain on one text field alone, as the released code can: the others count as empty, and videos
            that have the same in this field do not get each other's text.

    Raises:
        DatasetError: The data is not what it should be (when it is first needed).

    Example:
        >>> data = sspvs.PretrainDataModule("pairs.jsonl", encoder="small", batch_size=2, num_workers=0)
        >>> data.setup("fit")
        >>> next(iter(data.train_dataloader())).frames.shape[-1] == data.feature_dim
        True
    """

    def __init__(
        self,
        train: str | None = None,
        val: str | None = None,
        predict: str | None = None,
        encoder: str = "bert-base-uncased",
        vocab_size: int | None = None,
        text: TextSettings = _TEXT,
        masks: MaskSettings = _MASKS,
        max_frames: int | None = 256,
        padding_counts: bool = False,
        batch_size: int = 8,
        val_batch_size: int | None = None,
        val_draws: int | None = None,
        repeats: int = 1,
        keep_last: bool = False,
        negative_probability: float = 0.5,
        captions: Captions = "all",
        bucket_batches: int = 16,
        resample: bool = False,
        val_share: float = 0.1,
        num_workers: int = 2,
        seed: int = 0,
        extraction: ExtractionSettings = _EXTRACTION,
        download: bool = False,
        world: WorldSource | None = None,
        streams: list[str] | None = None,
        text_type: TextType = "all",
    ) -> None:
        super().__init__()
        self.streams = streams
        self.text_type: TextType = text_type
        if text_type != "all":
            if not getattr(text, text_type):
                raise ValueError(f"data.text_type {text_type}: data.text gives this field no tokens")
            none: dict[str, Any] = {name: 0 for name in FIELDS if name != text_type and getattr(text, name)}
            text = replace(text, **none)
        if (train is None) == (world is None):
            raise ValueError("give data.train (a release folder, a manifest or shards) or data.world, and not both")
        if world is not None:
            train, own_val = map(str, manifests_of_world(world))
            val = own_val if val is None else val
        if not 0 <= val_share < 1:
            raise ValueError(f"val_share must be at least 0 and below 1, got {val_share}")
        if num_workers < 0:
            raise ValueError(f"num_workers must not be negative, got {num_workers}")
        given: dict[Mode, str | None] = {"train": train, "val": val, "predict": predict}
        self.paths = {mode: Path(path) for mode, path in given.items() if path is not None}
        self.encoder, self.vocab_size, self.download = encoder, vocab_size, download
        self.text, self.masks = text, masks
        self.max_frames, self.batch_size = max_frames, batch_size
        self.val_batch_size = batch_size if val_batch_size is None else val_batch_size
        if val_draws is not None and val_draws < 1:
            raise ValueError(f"val_draws must be null or at least 1, got {val_draws}")
        self.padding_counts, self.val_draws = padding_counts, val_draws
        self.keep_last, self.repeats, self.negative_probability = keep_last, repeats, negative_probability
        self.captions: Captions = captions
        self.bucket_batches, self.resample, self.val_share = bucket_batches, resample, val_share
        self.num_workers, self.seed = num_workers, seed
        self.extraction = extraction
        self._pairs: dict[Path, VideoTable] = {}

    @property
    def feature_dim(self) -> int:
        """D of all streams, as the data has it; known before `setup`."""
        return sum(self.stream_widths)

    @cached_property
    def stream_widths(self) -> tuple[int, ...]:
        """D of each stream of features; known before `setup`, from the first videos."""
        known = self._pairs.get(path := self.paths["train"])
        return stream_widths_of(path, self.extraction, self.streams) if known is None else known.stream_widths

    @property
    def feature_fingerprint(self) -> Fingerprint | None:
        """What made the features, after `setup`; None when unknown."""
        return next((table.common_fingerprint for table in self._pairs.values()), None)

    def prepare_data(self) -> None:
        """On one process of each machine: extract raw videos, and look at all features."""
        self._load()

    def setup(self, stage: str | None = None) -> None:
        """Read what `prepare_data` has prepared, and check that all of it fits together."""
        self._load()
        kinds = {str(path): FeatureKind(one.feature_dim, one.common_fingerprint) for path, one in self._pairs.items()}
        check_alike(kinds, "extract all of them with the same settings")
        train, val = self._parts["train"], self._parts["val"]
        shared = {item.id for item in train} & {item.id for item in val}
        if shared:
            raise DatasetError(
                f"{len(shared)} videos are in training and in validation, such as '{min(shared)}'; take them out of one"
            )
        if stage in (None, "fit") and "val" not in self.paths and self.val_share and not val:
            logger.warning(
                "nothing is validated on: the %d videos are too few to hold out data.val_share %g of them (it takes "
                "four with different titles and texts); give data.val, or set data.val_share to 0",
                len(train),
                self.val_share,
            )

    def dataset(self, mode: Mode, part: Mode | None = None) -> PretrainDataset:
        """The examples of training, validation or prediction, after `setup`; of another part's videos with `part`."""
        items = self._parts[mode if part is None else part]
        if not items:
            raise DatasetError(f"no videos for {mode}; give {mode}, or a val_share above 0")
        tokenizer = load_tokenizer_of(items, self.encoder, download=self.download, vocab_size=self.vocab_size)
        return PretrainDataset(
            items,
            tokenizer,
            text=self.text,
            masks=self.masks,
            max_frames=self.max_frames,
            padding_counts=self.padding_counts,
            val_draws=self.val_draws,
            negative_probability=self.negative_probability,
            captions=self.captions,
            seed=self.seed,
            mode=mode,
        )

    def train_dataloader(self) -> PretrainLoader:
        dataset = self.dataset("train")
        loader = self.loader(dataset, collate, training=True)
        if len(loader) * self.batch_size <= _MEASURED:
            assert isinstance(loader.sampler, LengthBuckets)
            share = padding_share(list(loader.sampler), dataset.lengths)
            logger.info("%d videos, %.1f %% of the frames computed are padding", len(dataset), 100 * share)
        return loader

    def val_dataloader(self) -> PretrainLoader | list[PretrainLoader]:
        """Batches of this rank, the same in every epoch but for `val_draws`; none where nothing is held out."""
        return self.loader(self.dataset("val"), collate, draws=self.val_draws or 1) if self._parts["val"] else []

    def test_dataloader(self) -> PretrainLoader:
        """The pairs of `predict`, drawn as in validation."""
        dataset = self.dataset("val", "predict" if "predict" in self.paths else "val")
        return self.loader(dataset, collate, draws=self.val_draws or 1)

    def predict_dataloader(self) -> PretrainLoader:
        """Whole videos with their own texts, nothing masked."""
        return self.loader(self.dataset("predict"), collate)

    def _load(self) -> None:
        for path in self.paths.values():
            if path not in self._pairs:
                self._pairs[path] = load_pairs(path, self.extraction, streams=self.streams, progress=True)

    @cached_property
    def _parts(self) -> dict[Mode, Sequence[Video]]:
        """The videos of each mode."""
        found = {mode: self._pairs[path].videos for mode, path in self.paths.items()}
        if "val" in found:
            train = [video for video in found["train"] if video.part != "val"]
            val = predict = [video for video in found["val"] if video.part != "train"]
        else:
            train, val = split_pairs(found["train"], self.val_share)
            predict = val or train
        parts: dict[Mode, Sequence[Video]] = {"train": train, "val": val, "predict": found.get("predict", predict)}
        if (field := self.text_type) == "all":
            return parts
        every = [video.text for videos in parts.values() for video in videos]
        if not any(getattr(text, field) for text in every):
            there = [name for name in FIELDS if any(getattr(text, name) for text in every)]
            raise DatasetError(
                f"data.text_type {field}: none of the videos of {self.paths['train']} has one; they have "
                f"{listed(there) or 'no text at all'}"
            )
        return {
            mode: [replace(video, text=only_field(video.text, field)) for video in videos]
            for mode, videos in parts.items()
        }
