"""Clips of videos for contrastive refinement, unlabelled or of a fold's videos, and the Lightning data module.

Axis letters: B batch, T picks of a video, t of a clip, D feature width, P rows that are compared.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import torch

from sspvs.data.batch import RefineBatch, pad_rows
from sspvs.data.drawing import Short, draw_clip, item_generator
from sspvs.data.feature_files import feature_files
from sspvs.data.fold_data import FoldDataModule, Part, as_paths
from sspvs.data.judged import JudgedVideos, warn_of_left_out, without_judged
from sspvs.data.loader import BatchLoader, Pick, PickedDataset
from sspvs.data.unlabelled import Unlabelled, held_out, likely_width, load_unlabelled, readable
from sspvs.errors import DatasetError, SspvsError, listed, one_line
from sspvs.table import FeatureMemory, Video, VideoTable, check_features
from sspvs.table.streams import FEATURES
from sspvs.types import Fingerprint, FloatArray, IntArray
from sspvs.world.writing import WorldSource, unlabelled_of_world

logger = logging.getLogger(__name__)
RefineLoader: TypeAlias = BatchLoader[RefineBatch]
Mode = Literal["train", "fixed", "whole"]
DEFAULT_ROOM = 2 << 30  # bytes of unlabelled features that stay in memory: of a device's reading processes together
_TRIES = 8  # videos that are tried in the place of one that cannot be read


class JudgedVideoError(DatasetError):
    """A video that is not to be trained on: it is tested or validated on under another name."""


class Clip(NamedTuple):
    """A clip, or a whole video."""

    id: str
    frames: FloatArray


class RefineDataset(PickedDataset[Clip]):
    """Clips, or whole videos, of several tables.

    Args:
        tables: The videos.
        clip_frames: Frames of a clip.
        short: What is done with shorter videos; see `draw_clip`.
        seed: Of everything that is drawn.
        mode: `train`: clips, drawn anew in each draw. `fixed`: one clip of each video, always the same. `whole`: whole
            videos.
        skip_bad: In training, read the next video in the place of an unlabelled one that cannot be read, and warn,
            once for each.
        judged: The tested and validated videos: in training, a record that is one of them is replaced likewise.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> data = sspvs.RefineDataModule("features.h5", clip_frames=8, batch_size=2)
        >>> data.setup("fit")
        >>> isinstance(data.train_dataloader().dataset, sspvs.RefineDataset)
        True
    """

    def __init__(
        self,
        tables: Sequence[VideoTable],
        *,
        clip_frames: int = 200,
        short: Short = "stretch",
        seed: int = 0,
        mode: Mode = "train",
        skip_bad: bool = False,
        judged: JudgedVideos | None = None,
    ) -> None:
        if clip_frames < 1:
            raise ValueError(f"clip_frames must be at least 1, got {clip_frames}")
        self.tables = tuple(table for table in tables if len(table))
        self.clip_frames, self.short = clip_frames, short
        self.seed, self.mode, self.skip_bad, self.judged = seed, mode, skip_bad, judged
        self._ends: IntArray = np.cumsum([len(table) for table in self.tables], dtype=np.int64)
        # Of all reading processes together: what one could not read, none tries again.
        self._left_out = torch.zeros(len(self), dtype=torch.bool)
        with suppress(RuntimeError):  # no shared memory, or `ulimit -f`: then each process tries for itself
            self._left_out.share_memory_()  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @property
    def n_unread(self) -> int:
        """Videos that others stood in for until now."""
        return int(self._left_out.sum())

    @property
    def lengths(self) -> IntArray:
        """(n,) frames of each video's example; where it is only known once read, those of a whole clip."""
        if not self.tables:
            return np.zeros(0, np.int64)
        stored = np.concatenate([table.n_picks for table in self.tables])
        known = np.where(stored == 0, self.clip_frames, stored)
        if self.mode == "whole":
            return known
        if self.short == "stretch":
            return np.full_like(known, self.clip_frames)
        return np.minimum(known, self.clip_frames)

    @property
    def shards(self) -> IntArray | None:
        """(n,) file numbers where all videos are in files that are read from front to back; else None."""
        shards: list[IntArray] = []
        first = 0
        for table in self.tables:
            if table.shards is None:
                return None
            shards.append(table.shards + first)
            first = int(shards[-1].max()) + 1
        return np.concatenate(shards) if shards else None

    def _example(self, pick: Pick) -> Clip:
        """One clip; in training, the next video's where it cannot be read (`skip_bad`) or is a judged one."""
        number = int(np.searchsorted(self._ends, pick.item, side="right"))
        table = self.tables[number]
        first = int(self._ends[number]) - len(table)
        tries = min(_TRIES, len(table)) if self.mode == "train" else 1
        for step in range(tries):
            place = (pick.item - first + step) % len(table)
            is_last = step + 1 == tries
            if self._left_out[first + place] and not is_last:
                continue
            video = table.videos[place]
            try:
                return self._drawn(table, video, pick.draw)
            except SspvsError as error:
                is_judged = isinstance(error, JudgedVideoError)
                if is_last or not (is_judged or (self.skip_bad and not table.required)):
                    raise
                self._left_out[first + place] = True
                logger.warning(
                    "%s %s, another video stands in for it (%d so far): %s",
                    video.id,
                    "is not trained on" if is_judged else "cannot be read",
                    self.n_unread,
                    one_line(error),
                )
        raise AssertionError("a range of at least one try")

    def _drawn(self, table: VideoTable, video: Video, draw: int) -> Clip:
        if self.mode == "whole":
            return Clip(video.id, table.rows(video, lambda n_picks: np.arange(n_picks, dtype=np.int64)))
        generator = item_generator(self.seed, video.id, draw if self.mode == "train" else None)
        compared = self.judged if self.mode == "train" and not video.n_picks else None
        length, probes = 0, np.zeros(0, np.int64)

        def choose(n_picks: int) -> IntArray:
            nonlocal length, probes
            rows = draw_clip(n_picks, self.clip_frames, generator, self.short)
            if compared is not None:
                length, probes = n_picks, compared.rows(n_picks)
            return np.concatenate([rows, probes])

        frames = table.rows(video, choose)  # (t + P, D)
        cut = len(frames) - len(probes)
        if compared is not None and len(probes):
            same = compared.same_as(length, frames[cut:])
            if same is not None:
                raise JudgedVideoError(f"it has the features of {same}, which is tested or validated on")
        return Clip(video.id, frames[:cut])


def collate(clips: Sequence[Clip] | Clip) -> RefineBatch:
    """A batch of clips of one width, padded with zeros to the longest."""
    rows = [clips] if isinstance(clips, Clip) else list(clips)
    frames, frame_mask = pad_rows([row.frames for row in rows])
    return RefineBatch(frames, frame_mask, tuple(row.id for row in rows))


class RefineDataModule(FoldDataModule[RefineBatch]):
    """Clips to refine features on; no label is read but to judge.

    Unlabelled features alone, one fold of annotated videos alone (its tested videos are never trained on), or both:
    then the unlabelled videos are trained on beside the fold's training videos. Unlabelled videos, and those of
    `others`, that are the tested or validated ones again are not trained on: features of as many frames, but for one at
    the end, that point the same way (`JudgedVideos`). A YouTube-8M record is compared when it is drawn. Batches are
    planned for all ranks as in the other data modules (`sspvs.data.loader`), and what is drawn depends on the video
    and the draw alone.

    Args:
        features: Unlabelled features, one path or a list of them: h5 files, and folders (with their subfolders) of
            .h5, .npy and .npz files, YouTube-8M frame-level .tfrecord files (or its bytes as .npy or h5), and shards
            of `sspvs data shard`.
        dataset: The dataset file that is tested (`sspvs data build`), with features; or give a `world`, or neither.
        others: Dataset file of another set, or a list of several, to train on as well (augmented) or alone (transfer).
        splits: A split file of any style. Null: the world's own, or folds drawn by `split_seed`.
        fold: Which of the folds, from 0. Null: nothing is tested and all videos are trained on, but those held out.
        setting: Of folds that are drawn; a split file has its own.
        split_seed: Draws folds, and the videos that are held out of training.
        validate_on: `nothing`: the last epoch is taken, as published. `held-out`: the split's validation videos, or
            `val_share` of the training videos; without annotated videos, of the unlabelled ones. `test`: the tested
            videos, which must never be reported beside others.
        val_share: Of the training videos of the tested dataset, or of the unlabelled videos, held out.
        clip_frames: Frames of a clip: a random subset of a video's, in their order.
        short: Videos with fewer: `stretch` repeats their nearest frames, as published; `mask` pads them.
        repeats: Clips of each video in an epoch.
        batch_size: Clips of a batch on one device. Published: 32, of SumMe 8, of YouTube-8M 128.
        val_batch_size: Videos of a batch in validation and testing. Null: 1; of unlabelled clips as `batch_size`.
        num_workers: Processes that read, for each device.
        seed: Of the order and the clips.
        skip_bad: Leave out unlabelled videos that are damaged or not like most, with a warning that counts them;
            false: refuse. Annotated videos that are damaged are always refused.
        memory_bytes: Of unlabelled features that stay in memory once read: of a device's reading processes together.
        world: A synthetic world's annotated videos instead of a dataset, made unless it is there.
        world_unlabelled: Train on the world's pretraining videos as well, without their texts.
        streams: Streams of features of the annotated videos, such as `[features, motion]`; null: all that there are,
            beside unlabelled features `features` alone.
        protocol: What correlations of validated and tested videos are computed under, by which a checkpoint is chosen,
            and what `sspvs crossval` shows without --protocol; null: `per-user`.
        rule: How scores become summaries for their F1, such as `sspvs`; null: `default`.

    Raises:
        ValueError: An argument is out of range, or two of them do not go together.
        DatasetError: The data is not what it should be (when it is first needed).
        FingerprintMismatchError: Features that were made differently (likewise).

    Example:
        >>> data = sspvs.RefineDataModule("features.h5", clip_frames=8, batch_size=2)
        >>> data.setup("fit")
        >>> next(iter(data.train_dataloader())).frames.shape
        torch.Size([2, 8, 16])
    """

    def __init__(
        self,
        features: list[str] | str | None = None,
        dataset: str | None = None,
        others: list[str] | str | None = None,
        splits: str | None = None,
        fold: int | None = 0,
        setting: Literal["canonical", "augmented", "transfer"] = "canonical",
        split_seed: int = 0,
        validate_on: Literal["held-out", "test", "nothing"] = "nothing",
        val_share: float = 0.2,
        clip_frames: int = 200,
        short: Short = "stretch",
        repeats: int = 1,
        batch_size: int = 32,
        val_batch_size: int | None = None,
        num_workers: int = 0,
        seed: int = 0,
        skip_bad: bool = True,
        memory_bytes: int = DEFAULT_ROOM,
        world: WorldSource | None = None,
        world_unlabelled: bool = False,
        streams: list[str] | None = None,
        protocol: str | None = None,
        rule: str | None = None,
    ) -> None:
        if dataset is not None and world is not None:
            raise ValueError("give data.dataset (a dataset file) or data.world, not both")
        annotated = dataset is not None or world is not None
        streams = [FEATURES] if features and streams is None else streams  # unlabelled videos have this one
        if not annotated and not features:
            raise ValueError("give data.features (unlabelled), or data.dataset or data.world (annotated), or both")
        if not annotated and (others or splits or validate_on == "test"):
            raise ValueError(
                "data.others, data.splits and validate_on test are about annotated videos: give data.dataset or "
                "data.world as well, or leave them out"
            )
        if clip_frames < 1 or memory_bytes < 0:
            raise ValueError(
                f"clip_frames must be at least 1 and memory_bytes at least 0, got {clip_frames} and {memory_bytes}"
            )
        how = (setting, split_seed, validate_on, val_share, num_workers)
        super().__init__(dataset, others, splits, fold, *how, world, streams, protocol, rule)
        self.features = as_paths(features)
        if world is not None and world_unlabelled:
            self.features += (str(unlabelled_of_world(world)),)
        self.clip_frames, self.repeats, self.seed = clip_frames, repeats, seed
        self.short: Short = short
        self.batch_size = batch_size
        self.val_batch_size = val_batch_size or (1 if annotated else batch_size)
        self.skip_bad = skip_bad
        self.clip_memory = FeatureMemory(memory_bytes // max(1, num_workers))
        self._unlabelled: Unlabelled | None = None

    @property
    def is_annotated(self) -> bool:
        """Whether there are annotated videos, which can be tested and judged."""
        return bool(self.paths)

    @property
    def stream_widths(self) -> tuple[int, ...]:
        """D of each stream of features, as the data has it; known before `setup`, from the first videos."""
        if self._unlabelled is not None:
            return (self._unlabelled.kind.width or 0,)
        return super().stream_widths if self.is_annotated else (self._likely_width,)

    @property
    def feature_fingerprint(self) -> Fingerprint | None:
        """What made the features, after `setup`; None when unknown."""
        known = super().feature_fingerprint
        return known if known is not None or self._unlabelled is None else self._unlabelled.kind.fingerprint

    @property
    def unit_length(self) -> bool:
        """Whether unlabelled features are bytes, whose rows get unit length as they are read; after `setup`."""
        return self._unlabelled is not None and self._unlabelled.unit_length

    def share_reading(self, other: FoldDataModule[RefineBatch]) -> None:
        super().share_reading(other)
        if isinstance(other, RefineDataModule) and (other.features, other.skip_bad) == (self.features, self.skip_bad):
            self.clip_memory, self._unlabelled = other.clip_memory, other._unlabelled

    def prepare_data(self) -> None:
        """On one process of each machine: look at the unlabelled features; what is found is kept beside them."""
        self._load()

    def setup(self, stage: str | None = None) -> None:
        """Look at all videos, once, and check that they fit together."""
        if self.is_annotated:
            super().setup(stage)
        self._load()
        if self.is_annotated and self._unlabelled is not None:
            check_features(
                self._unlabelled.kind,
                self.table.kind,
                ", ".join(self.features),
                like=f"those of {self.paths[0]}",
                remedy="extract all of them with one backbone",
            )

    def clips(self, part: Part, *, mode: Mode = "whole") -> RefineDataset:
        """The examples of a part, after `setup`."""
        tables = list(self._unlabelled_parts.get(part, ()))
        if self.is_annotated:
            own = self._training_videos if part == "train" else getattr(self.fold_videos, part)
            tables.insert(0, self.table.select(own))
        return RefineDataset(
            tables,
            clip_frames=self.clip_frames,
            short=self.short,
            seed=self.seed,
            mode=mode,
            skip_bad=self.skip_bad,
            judged=self.judged if self.is_annotated and self.features else None,
        )

    def train_dataloader(self) -> RefineLoader:
        return self.loader(self.clips("train", mode="train"), collate, training=True)

    def val_dataloader(self) -> RefineLoader | list[RefineLoader]:
        """Whole annotated videos of this rank, each once, or fixed clips of unlabelled ones; none where nothing is."""
        if self.is_annotated:
            return super().val_dataloader()
        held_out = self.clips("val", mode="fixed")
        return self.loader(held_out, collate) if len(held_out) else []

    def test_dataloader(self) -> RefineLoader:
        if not self.is_annotated:
            raise ValueError("unlabelled videos cannot be tested; give data.dataset or data.world as well")
        return super().test_dataloader()

    @cached_property
    def _likely_width(self) -> int:
        return likely_width(self.features)

    @cached_property
    def _training_videos(self) -> list[str]:
        train, again = self.fold_videos.train, self.judged_again
        warn_of_left_out(again, "training videos of data.others")
        kept = [name for name in train if name not in set(again)]
        if train and not kept:
            raise DatasetError(
                "all training videos are tested or validated on under another name; give other data.others"
            )
        return kept

    @cached_property
    def _unlabelled_parts(self) -> dict[str, list[VideoTable]]:
        self._load()
        tables = [] if self._unlabelled is None else list(self._unlabelled.tables)
        if self.is_annotated:
            return {"train": without_judged(tables, self.judged)}
        if self.validate_on == "nothing":
            return {"train": tables}
        train, val = held_out(tables, self.val_share, self.split_seed)
        return {"train": train, "val": readable(val, skip_bad=self.skip_bad)}

    def _look_at(self, ids: Sequence[str]) -> VideoTable:
        """The survey, and every video read: none of the annotated ones may be missing."""
        table, problems = super()._look_at(ids), list[str]()
        for video in table.videos:
            try:
                table.features(video)
            except SspvsError as error:
                problems.append(one_line(error))
        table.close()
        if problems:
            raise DatasetError(listed(problems, separator="; "))
        return table

    def _load(self) -> None:
        if self.features and self._unlabelled is None:
            _refuse_same_files(self.features, self.paths)
            self._unlabelled = load_unlabelled(self.features, self.clip_memory, skip_bad=self.skip_bad, progress=True)

    def _whole_videos(self, part: Part) -> RefineLoader:
        return self.loader(self.clips(part), collate)


def _refuse_same_files(features: Sequence[str], datasets: Sequence[Path]) -> None:
    """Refuse a dataset file that is among the unlabelled features as well: its tested videos would be trained on."""
    known = {path.resolve() for path in datasets}
    for file in feature_files(features) if known else ():
        if file.path.resolve() in known:
            raise ValueError(
                f"{file.path} is in data.features and among the datasets as well; take it out of data.features"
            )
