"""Scores of whole videos to the figures that choose a checkpoint; results are evaluated by `sspvs.benchmark`."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Generic, Literal, TypeAlias, TypeVar

import numpy as np
import pytorch_lightning as pl

from sspvs.annotations.folds import Splits
from sspvs.data.loader import BatchLoader
from sspvs.data.summarization.folds import FoldVideos, plan_everything, plan_fold, split_of, tell_fold
from sspvs.data.summarization.memory import FeatureMemory
from sspvs.data.summarization.stores import Stores
from sspvs.data.summarization.survey import Surveyed, first_width, survey
from sspvs.evaluation.evaluate import evaluate_video, unavailable
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.protocol import DEFAULT_PROTOCOL, PROTOCOLS, Protocol
from sspvs.evaluation.rank_correlation import mean_of_defined
from sspvs.evaluation.requirements import consensus_scores
from sspvs.evaluation.results import METRICS
from sspvs.evaluation.summary_rule import SummaryRule
from sspvs.types import Annotations, Fingerprint, FloatArray
from sspvs.world.writing import WorldDataset, WorldSource, dataset_of_world

logger = logging.getLogger(__name__)
_FALLBACK = "mean-annotator"


def judge(annotations: Mapping[str, Annotations], scores: Mapping[str, FloatArray]) -> dict[str, float]:
    """Means over the videos that were scored.

    Correlations are under `per-user`; when that is not available on one of the videos, all are held against the mean
    annotator instead. F1 is of 15 % summaries, over those videos that have users' summaries and shots.

    Args:
        annotations: Videos by id.
        scores: (T,) finite scores at the picks, by id.

    Returns:
        `kendall_tau`, `spearman_rho`, `f_score_avg`, `f_score_max`. What is undefined for a video is left out of the
        mean (scores that are constant have no correlation), and NaN when it is for all. F1 is missing when no video has
        what it takes, and everything when no video was scored.

    Raises:
        ValueError: Scores of no such video, of another length, or not finite.
    """
    unknown = [name for name in scores if name not in annotations]
    if unknown:
        raise ValueError(f"scores of {unknown[0]}, which is not among the {len(annotations)} videos that are judged")
    if not scores:
        return {}
    judged = {name: annotations[name] for name in scores}
    protocol = protocol_for(list(judged.values()))
    if protocol.name == _FALLBACK:
        judged = {name: _with_mean_annotator(video) for name, video in judged.items()}
    rule, rows = SummaryRule(), []
    for name, video in judged.items():
        rows.append(evaluate_video(video, Prediction.of(scores[name], video), [protocol], rule)[protocol.name])
    figures = {metric: mean_of_defined([getattr(row, metric) for row in rows]) for metric in METRICS}
    has_summaries = any(not np.isnan(row.f_score_avg) for row in rows)
    return {name: value for name, value in figures.items() if has_summaries or not name.startswith("f_score")}


def protocol_for(videos: Sequence[Annotations]) -> Protocol:
    """`per-user` where it is available on all of the videos, else `mean-annotator`."""
    wanted = PROTOCOLS[DEFAULT_PROTOCOL]
    lacking = [video for video in videos if unavailable(wanted, video) is not None]
    if not lacking:
        return wanted
    logger.debug("%d of %d videos have no scores of single users", len(lacking), len(videos))
    return PROTOCOLS[_FALLBACK]


def _with_mean_annotator(video: Annotations) -> Annotations:
    """With a gtscore, also where only users' scores or summaries are known."""
    return replace(video, gtscore=consensus_scores(video))


Batch = TypeVar("Batch")
Part: TypeAlias = Literal["train", "val", "test"]


def as_paths(given: Sequence[str] | str | None) -> tuple[str, ...]:
    """A setting that names one file, several, or none."""
    if given is None:
        return ()
    return (given,) if isinstance(given, str) else tuple(given)


class FoldDataModule(pl.LightningDataModule, Generic[Batch]):
    """One fold of annotated videos: those it trains on, those that choose the checkpoint, those it tests.

    Subclasses make the loaders; what is tested, judged and cross-validated is the same for all of them.

    Args:
        dataset: The dataset file that is tested; or give a `world`. Neither: there are no annotated videos, and
            whatever needs them refuses.
        others: Dataset file of another set, or several.
        splits: A split file; None: the world's own, or folds that are drawn.
        fold: Which of the folds; None: nothing is tested.
        setting: Of folds that are drawn.
        split_seed: Draws folds, and the videos that are held out of training.
        validate_on: What chooses the checkpoint.
        val_share: Of the training videos, held out.
        num_workers: Processes that read, for each device.
        world: A synthetic world's annotated videos.

    Raises:
        ValueError: An argument is out of range, or two of them do not go together.
    """

    def __init__(
        self,
        *,
        dataset: str | None,
        others: Sequence[str] | str | None,
        splits: str | None,
        fold: int | None,
        setting: Literal["canonical", "augmented", "transfer"],
        split_seed: int,
        validate_on: Literal["held-out", "test", "nothing"],
        val_share: float,
        num_workers: int,
        world: WorldSource | None,
    ) -> None:
        super().__init__()
        if not 0 < val_share < 1:
            raise ValueError(
                f"val_share must be above 0 and below 1, got {val_share}; to hold nothing out: validate_on nothing"
            )
        if num_workers < 0:
            raise ValueError(f"num_workers must not be negative, got {num_workers}")
        self.world_files: WorldDataset | None = None if world is None else dataset_of_world(world)
        if self.world_files is not None:
            dataset = str(self.world_files.dataset)
            splits = str(self.world_files.splits) if splits is None else splits
        self.paths = () if dataset is None else (Path(dataset), *map(Path, as_paths(others)))
        self.split_path = None if splits is None else Path(splits)
        self.fold, self.split_seed = fold, split_seed
        self.setting: Literal["canonical", "augmented", "transfer"] = setting
        self.validate_on: Literal["held-out", "test", "nothing"] = validate_on
        self.val_share, self.num_workers = val_share, num_workers
        self.memory = FeatureMemory()
        self._surveyed: Surveyed | None = None

    def share_reading(self, other: FoldDataModule[Batch]) -> None:
        """Read nothing again that another fold of the same data has read.

        Args:
            other: That fold; it may be in use no longer.
        """
        self.memory = other.memory

    @cached_property
    def stores(self) -> Stores:
        """The dataset files, opened.

        Raises:
            ValueError: There are none.
        """
        if not self.paths:
            raise ValueError("there are no annotated videos: give data.dataset (a dataset file) or data.world")
        return Stores(self.paths[0], self.paths[1:])

    @cached_property
    def split(self) -> Splits:
        """All folds, with the videos under their datasets' own names and keys; known before `setup`."""
        return split_of(self.stores, self.split_path, setting=self.setting, seed=self.split_seed)

    @property
    def n_folds(self) -> int:
        """Folds of the split."""
        return len(self.split.folds)

    @cached_property
    def fold_videos(self) -> FoldVideos:
        """The videos of this fold; known before `setup`."""
        if self.fold is None:
            return plan_everything(
                self.stores, validate_on=self.validate_on, val_share=self.val_share, seed=self.split_seed
            )
        return plan_fold(
            self.split,
            self.fold,
            self.stores,
            validate_on=self.validate_on,
            val_share=self.val_share,
            seed=self.split_seed,
        )

    @property
    def feature_dim(self) -> int:
        """D, as the data has it; known before `setup`, from the first video."""
        return first_width(self.stores.tested) if self._surveyed is None else self._surveyed.feature_dim

    @property
    def feature_fingerprint(self) -> Fingerprint | None:
        """What made the features, after `setup`; None when unknown."""
        return None if self._surveyed is None else self._surveyed.fingerprint

    @property
    def annotations(self) -> Mapping[str, Annotations]:
        """The videos that are validated or tested, by id; after `setup`."""
        return self._ready.annotations

    def judge(self, scores: Mapping[str, FloatArray]) -> dict[str, float]:
        """What scores of validated or tested videos are worth; see `sspvs.data.summarization.fold_data.judge`.

        Args:
            scores: (T,) finite scores at the picks, by id.
        """
        return judge(self.annotations, scores)

    def setup(self, stage: str | None = None) -> None:  # noqa: ARG002
        """Look at the fold's videos, once."""
        if self._surveyed is not None:
            return
        videos = self.fold_videos
        judged = dict.fromkeys((*videos.val, *videos.test))
        self._surveyed = self._look_at(list(dict.fromkeys((*videos.train, *judged))), judged)
        if self.fold is not None:
            tell_fold(self.split, self.fold, videos, self.stores)
        for store in self.stores.values():
            store.features.close()

    def val_dataloader(self) -> BatchLoader[Batch] | list[BatchLoader[Batch]]:
        """Whole videos of this rank, each once; none where nothing is validated on."""
        return self._whole_videos("val") if self.fold_videos.val else []

    def test_dataloader(self) -> BatchLoader[Batch]:
        """Whole videos of this rank, each once.

        Raises:
            ValueError: With `fold` null nothing is tested.
        """
        if not self.fold_videos.test:
            raise ValueError("data.fold is null: all videos are trained on and none is tested; say which fold")
        return self._whole_videos("test")

    def predict_dataloader(self) -> BatchLoader[Batch]:
        """The tested videos."""
        return self.test_dataloader()

    @property
    def _ready(self) -> Surveyed:
        if self._surveyed is None:
            self.setup()
        assert self._surveyed is not None
        return self._surveyed

    @abstractmethod
    def _whole_videos(self, part: Part) -> BatchLoader[Batch]:
        """A loader of whole videos of a part of the fold."""

    def _look_at(self, ids: Sequence[str], judged: Collection[str]) -> Surveyed:
        """The survey of the fold's videos."""
        return survey(ids, self.stores, judged=judged)
