"""Videos that are not trained on, because they are tested or validated on under another name.

Axis letters: T picks, t of a clip, D feature width, P rows that are compared.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch

from sspvs.data.batch import RefineBatch
from sspvs.data.loader import BatchLoader, LengthBuckets, batch_loader
from sspvs.data.refinement.dataset import ClipPart, Mode, RefineDataset, Short, collate
from sspvs.data.refinement.sources import AnnotatedSource, Choose, ClipMemory, ClipSource, JudgedVideoError
from sspvs.data.refinement.survey import (
    Unlabelled,
    all_of,
    held_out,
    likely_width,
    load_unlabelled,
    readable,
    refuse_damaged,
    refuse_same_files,
    refuse_unlike,
)
from sspvs.data.summarization.fold_data import FoldDataModule, Part, as_paths
from sspvs.data.summarization.memory import FeatureMemory
from sspvs.data.summarization.same_videos import JudgedVideos, judged_again, listed
from sspvs.data.summarization.survey import SummarizeItem, Surveyed
from sspvs.errors import DatasetError, SspvsError
from sspvs.types import Annotations, Fingerprint, FloatArray, IntArray
from sspvs.world.writing import WorldSource, unlabelled_of_world

logger = logging.getLogger(__name__)


def without_judged(parts: Sequence[ClipPart], judged: JudgedVideos) -> tuple[ClipPart, ...]:
    """Unlabelled videos without those that are tested or validated; see `JudgedVideos`.

    Records are compared when they are read: only then is their length known.

    Args:
        parts: Unlabelled videos.
        judged: The tested and validated ones.
    """
    kept, left_out = list[ClipPart](), list[str]()
    for part in parts:
        lengths, same = part.source.lengths[part.numbers], np.zeros(len(part.numbers), bool)
        for place in np.flatnonzero(lengths):
            same[place] = _is_judged(part.source, int(part.numbers[place]), int(lengths[place]), judged)
        left_out += [part.source.name(int(number)) for number in part.numbers[same]]
        source = ComparedSource(part.source, judged) if (lengths == 0).any() else part.source
        kept.append(ClipPart(source, part.numbers[~same]))
    _tell(left_out, "unlabelled videos")
    return tuple(kept)


def training_items(
    items: Sequence[SummarizeItem], tested: Path, judged: JudgedVideos, memory: FeatureMemory
) -> list[SummarizeItem]:
    """Annotated training videos without those of other datasets that are tested or validated.

    Args:
        items: The fold's training videos.
        tested: The file of the tested dataset, whose split says what is trained on.
        judged: The tested and validated ones.
        memory: Reads the features.

    Raises:
        DatasetError: None is left.
    """
    again = judged_again([item for item in items if item.path != tested], judged, memory)
    memory.close()
    _tell(again, "training videos of data.others")
    kept = [item for item in items if item.id not in set(again)]
    if items and not kept:
        raise DatasetError("all training videos are tested or validated on under another name; give other data.others")
    return kept


class ComparedSource:
    """Videos of unknown length, each compared with the judged ones when it is read.

    Args:
        source: The videos.
        judged: The tested and validated ones.
    """

    annotated = False

    def __init__(self, source: ClipSource, judged: JudgedVideos) -> None:
        self.source, self.judged = source, judged
        self.lengths: IntArray = source.lengths
        self.shards: IntArray | None = source.shards

    def name(self, number: int) -> str:
        """A video's id."""
        return self.source.name(number)

    def read(self, number: int, choose: Choose) -> FloatArray:
        """(t, D) float32 of the wanted rows; see `ClipSource`.

        Raises:
            JudgedVideoError: It is one of those that are judged.
            SspvsError: They cannot be read.
        """
        length = 0
        probes: IntArray = np.zeros(0, np.int64)

        def and_probes(n_frames: int) -> IntArray:
            nonlocal length, probes
            length, probes = n_frames, self.judged.rows(n_frames)
            return np.concatenate([choose(n_frames), probes])

        features = self.source.read(number, and_probes)  # (t + P, D)
        cut = len(features) - len(probes)
        if len(probes):
            same = self.judged.same_as(length, features[cut:])
            if same is not None:
                raise JudgedVideoError(f"it has the features of {same}, which is tested or validated on")
        return features[:cut]

    def close(self) -> None:
        """Close all files."""
        self.source.close()


def _is_judged(source: ClipSource, number: int, length: int, judged: JudgedVideos) -> bool:
    rows = judged.rows(length)
    if not len(rows):
        return False
    try:
        return judged.same_as(length, source.read(number, lambda _: rows)) is not None
    except SspvsError:
        return False  # it vanished since it was looked at: training says so


def _tell(left_out: Sequence[str], whose: str) -> None:
    if left_out:
        logger.warning(
            "%d of the %s have the features of videos that are tested or validated on, and are not trained on: %s",
            len(left_out),
            whose,
            listed(left_out),
        )


RefineLoader: TypeAlias = BatchLoader[RefineBatch]
DEFAULT_ROOM = 2 << 30
"""Bytes of unlabelled features that stay in memory: of a device's reading processes together."""


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

    Raises:
        ValueError: An argument is out of range, or two of them do not go together.
        DatasetError: The data is not what it should be (when it is first needed).
        FingerprintMismatchError: Features that were made differently (likewise).
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
    ) -> None:
        if dataset is not None and world is not None:
            raise ValueError("give data.dataset (a dataset file) or data.world, not both")
        annotated = dataset is not None or world is not None
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
        super().__init__(
            dataset=dataset,
            others=others,
            splits=splits,
            fold=fold,
            setting=setting,
            split_seed=split_seed,
            validate_on=validate_on,
            val_share=val_share,
            num_workers=num_workers,
            world=world,
        )
        self.features = as_paths(features)
        if world is not None and world_unlabelled:
            self.features += (str(unlabelled_of_world(world)),)
        self.clip_frames, self.repeats, self.seed = clip_frames, repeats, seed
        self.short: Short = short
        self.batch_size = batch_size
        self.val_batch_size = val_batch_size or (1 if annotated else batch_size)
        self.skip_bad = skip_bad
        self.clip_memory = ClipMemory(memory_bytes // max(1, num_workers))
        self._unlabelled: Unlabelled | None = None

    @property
    def is_annotated(self) -> bool:
        """Whether there are annotated videos, which can be tested and judged."""
        return bool(self.paths)

    @property
    def feature_dim(self) -> int:
        """D, as the data has it; known before `setup`, from the first videos."""
        if self._unlabelled is not None:
            return self._unlabelled.feature_dim
        return super().feature_dim if self.is_annotated else self._likely_width

    @property
    def feature_fingerprint(self) -> Fingerprint | None:
        """What made the features, after `setup`; None when unknown."""
        known = super().feature_fingerprint
        return known if known is not None or self._unlabelled is None else self._unlabelled.fingerprint

    @property
    def unit_length(self) -> bool:
        """Whether unlabelled features are bytes, whose rows get unit length as they are read; after `setup`."""
        return self._unlabelled is not None and self._unlabelled.unit_length

    @property
    def annotations(self) -> Mapping[str, Annotations]:
        """The videos that are validated or tested, by id; after `setup`. None of unlabelled videos."""
        return super().annotations if self.is_annotated else {}

    def judge(self, scores: Mapping[str, FloatArray]) -> dict[str, float]:
        """As for every fold; nothing can be said of unlabelled videos.

        Args:
            scores: (T,) finite scores at the picks, by id.
        """
        return super().judge(scores) if self.is_annotated else {}

    def share_reading(self, other: FoldDataModule[RefineBatch]) -> None:
        """As for every fold; unlabelled videos are not looked at again either.

        Args:
            other: That fold.
        """
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
        if self._surveyed is None or self._unlabelled is None:
            return
        refuse_unlike(self._surveyed, self._unlabelled, f"{self.paths[0]} and {', '.join(self.features)}")

    def clips(self, part: Part, *, mode: Mode = "whole") -> RefineDataset:
        """The examples of a part, after `setup`.

        Args:
            part: `train`, `val` or `test`; unlabelled videos are in the last of these never.
            mode: `train` draws clips, `fixed` gives one clip a video, `whole` whole videos.
        """
        parts: list[ClipPart] = []
        if self.is_annotated:
            items = self._ready.items
            own = self._training_items if part == "train" else [items[name] for name in getattr(self.fold_videos, part)]
            parts += all_of([AnnotatedSource(own, self.memory)])
        parts += self._unlabelled_parts.get(part, ())
        return RefineDataset(
            parts,
            clip_frames=self.clip_frames,
            short=self.short,
            seed=self.seed,
            mode=mode,
            skip_bad=self.skip_bad,
        )

    def train_dataloader(self) -> RefineLoader:
        """Batches of this rank's clips."""
        return self._loader(self.clips("train", mode="train"), training=True)

    def val_dataloader(self) -> RefineLoader | list[RefineLoader]:
        """Whole annotated videos of this rank, each once, or fixed clips of unlabelled ones; none where nothing is."""
        if self.is_annotated:
            return super().val_dataloader()
        held_out = self.clips("val", mode="fixed")
        return self._loader(held_out, training=False) if len(held_out) else []

    def test_dataloader(self) -> RefineLoader:
        """Whole videos of this rank, each once.

        Raises:
            ValueError: Nothing is tested: `fold` is null, or there are no annotated videos.
        """
        if not self.is_annotated:
            raise ValueError("unlabelled videos cannot be tested; give data.dataset or data.world as well")
        loader: RefineLoader = super().test_dataloader()
        return loader

    @cached_property
    def _likely_width(self) -> int:
        return likely_width(self.features)

    @cached_property
    def _judged(self) -> JudgedVideos:
        """The tested and validated videos, to be known again."""
        videos = self.fold_videos
        return JudgedVideos(
            [self._ready.items[name] for name in dict.fromkeys((*videos.val, *videos.test))], self.memory
        )

    @cached_property
    def _training_items(self) -> list[SummarizeItem]:
        items = [self._ready.items[name] for name in self.fold_videos.train]
        return training_items(items, self.paths[0], self._judged, self.memory)

    @cached_property
    def _unlabelled_parts(self) -> dict[str, tuple[ClipPart, ...]]:
        """Which unlabelled videos are trained on, and which are held out."""
        self._load()
        parts = () if self._unlabelled is None else all_of(self._unlabelled.sources)
        if self.is_annotated:
            return {"train": without_judged(parts, self._judged)}
        if self.validate_on == "nothing":
            return {"train": parts}
        train, val = held_out(parts, self.val_share, self.split_seed)
        return {"train": train, "val": readable(val, skip_bad=self.skip_bad)}

    def _look_at(self, ids: Sequence[str], judged: Collection[str]) -> Surveyed:
        surveyed = super()._look_at(ids, judged)
        refuse_damaged(surveyed.items.values(), self.memory)
        return surveyed

    def _load(self) -> None:
        if self.features and self._unlabelled is None:
            refuse_same_files(self.features, self.paths)
            self._unlabelled = load_unlabelled(self.features, self.clip_memory, skip_bad=self.skip_bad, progress=True)

    def _whole_videos(self, part: Part) -> RefineLoader:
        return self._loader(self.clips(part), training=False)

    def _loader(self, dataset: RefineDataset, *, training: bool) -> RefineLoader:
        trainer = self.trainer
        sampler = LengthBuckets(
            dataset.lengths,
            self.batch_size if training else self.val_batch_size,
            training=training,
            seed=self.seed,
            repeats=self.repeats,
            bucket_batches=1,
            shards=dataset.shards if training else None,
            world_size=1 if trainer is None else trainer.world_size,
            rank=0 if trainer is None else trainer.global_rank,
        )
        return batch_loader(
            dataset, sampler, collate, num_workers=self.num_workers, pin_memory=torch.cuda.is_available()
        )
