"""What the data modules of annotated videos share: one fold's videos looked at once, and what scores of them are worth.

Results are evaluated by `sspvs.benchmark`; the figures here choose a checkpoint. Axis letters: T picks.
"""

import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import numpy as np
from tqdm import tqdm

from sspvs.annotations.splits import Splits
from sspvs.annotations.video_names import VideoRef
from sspvs.data.folds import (
    DrawnSetting,
    FoldVideos,
    Stores,
    ValidateOn,
    log_fold,
    plan_everything,
    plan_fold,
    split_of,
)
from sspvs.data.judged import JudgedVideos
from sspvs.data.loader import BatchLoader, VideoDataModule
from sspvs.data.texts import text_of
from sspvs.errors import DatasetError, FeatureFileError, listed, one_line
from sspvs.evaluation.evaluate import evaluate, unavailable
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.protocol import DEFAULT_PROTOCOL, PROTOCOLS
from sspvs.evaluation.rank_correlation import mean_of_defined
from sspvs.evaluation.requirements import consensus_scores
from sspvs.evaluation.results import METRICS
from sspvs.evaluation.summary_rule import rule_named
from sspvs.table import DatasetStore, FeatureMemory, FeatureStream, StreamReader, Video, VideoTable
from sspvs.table.streams import FEATURES, dataset_name, short_name, union
from sspvs.table.table import check_alike, check_lengths, filled, with_facts
from sspvs.table.text import TextFields, TokenFields
from sspvs.types import Annotations, Fingerprint, FloatArray
from sspvs.world.writing import WorldDataset, WorldSource, dataset_of_world

logger = logging.getLogger(__name__)
Batch = TypeVar("Batch")
Part: TypeAlias = Literal["train", "val", "test"]
Targets = Literal["video", "window", "raw"]
"""What importance is learned: min-max normalised over the whole `video` or over the `window` that is trained on, or
the `raw` numbers."""
_FALLBACK = "mean-annotator"
_SAME = 1e-6  # of the largest score: what float32 means of equal scores may differ by
_MANY = 500  # videos that take long enough for a progress bar


def importance_target(annotations: Annotations) -> FloatArray:
    """(T,) float32 importance, 0 at the least and 1 at the most important pick: see `importance_of`."""
    return min_max(importance_of(annotations))


def importance_of(annotations: Annotations) -> FloatArray:
    """(T,) `gtscore` as it is; without it the mean of the users' scores, else of their summaries."""
    scores = consensus_scores(annotations)
    if scores is None:
        raise DatasetError(
            f"{annotations.video_name} ({annotations.key}): expected gtscore, user_scores or user_summary, found none; "
            "add annotations of it (`sspvs data build`), or take the video out of the split"
        )
    return np.asarray(scores, np.float64)


def min_max(scores: FloatArray) -> FloatArray:
    """(T,) float32 scores from 0 to 1; zeros where they are all the same."""
    exact = np.asarray(scores, np.float64)
    low, high = float(exact.min()), float(exact.max())
    if high - low <= _SAME * max(abs(low), abs(high)):
        return np.zeros(len(exact), np.float32)
    target: FloatArray = ((exact - low) / (high - low)).astype(np.float32)
    return target


def survey_fold(
    ids: Sequence[str],
    stores: Stores,
    memory: FeatureMemory | None,
    texts: Mapping[str, TextFields | TokenFields] | None = None,
    title_as_query: bool = False,
    streams: Sequence[str] | None = None,
    *,
    raw_targets: bool = False,
) -> VideoTable:
    """The table of annotated videos `dataset/key` with targets and `streams` of features; None: all that there are."""
    names = streams_of(stores, streams)
    if names[0] == FEATURES:
        _refuse_without_features(ids, stores)
    reader, videos, problems = StreamReader(), list[Video](), list[str]()
    for name in tqdm(ids, desc="looking at the videos", leave=False, disable=None if len(ids) > _MANY else True):
        store, key = _place(name, stores)
        try:
            known = store[key]
            target = importance_of(known) if raw_targets else importance_target(known)
            own = {*store.features.stream_names(key), names[0]}
            found = tuple(with_facts(FeatureStream(store.path, key, name=one), reader) for one in names if one in own)
            if found[0].n_picks != len(target):
                raise DatasetError(
                    f"{name}: {found[0].n_picks} features, but {len(target)} picks; extract the features again"
                )
        except (DatasetError, FeatureFileError) as error:
            problems.append(one_line(error))
            continue
        given = (texts or {}).get(name)
        text = text_of(known, store.name, title_as_query=title_as_query) if given is None else given
        videos.append(Video(name, found, text=text, target=target, read=partial(store.load, key)))
        check_lengths(videos[-1])
    reader.close()
    if problems:
        count = f"{len(problems)} of {len(ids)} videos cannot be used: " if len(problems) > 1 else ""
        raise DatasetError(f"{count}{listed(problems, separator='; ')}")
    for name in names:
        kinds = {video.id + one.title: one.kind for video in videos for one in video.streams if one.name == name}
        check_alike(kinds, "extract all of them with one backbone")
    videos, notes = filled(videos, names)
    for note in notes:
        logger.warning("%s", note)
    unknown = Counter(
        VideoRef.parse(video.id).dataset for video in videos if None in {one.fingerprint for one in video.streams}
    )
    if unknown:
        logger.warning(
            "no feature fingerprint in %s: what made these features is unknown, and whether they fit a checkpoint",
            ", ".join(sorted(unknown)),
        )
    return VideoTable(videos, memory, required=True)


def streams_of(stores: Stores, wanted: Sequence[str] | None = None) -> list[str]:
    """The datasets of the streams that any video of datasets has, or of those that are wanted, in their order."""
    there = union(store.features.stream_names(key) for store in stores.values() for key in store)
    names = there if wanted is None else [dataset_name(name) for name in wanted]
    missing = [short_name(name) for name in names if name not in there]
    if missing and there:
        paths = listed([str(store.path) for store in stores.values()])
        raise DatasetError(f"{paths}: no stream {listed(missing)}; there are {listed([*map(short_name, there)])}")
    return names or [FEATURES]


def widths_of(stores: Stores, names: Sequence[str]) -> tuple[int, ...]:
    """D of each stream, from the first video that has it."""
    reader, widths = StreamReader(), dict[str, int]()
    for store in stores.values():
        for key in store:
            for name in (set(names) - set(widths)) & set(store.features.stream_names(key)):
                widths[name] = reader.shape(FeatureStream(store.path, key, name=name))[1]
            if len(widths) == len(names):
                reader.close()
                return tuple(widths[name] for name in names)
    raise DatasetError(_without_features(stores.tested, list(stores.tested)))


def _refuse_without_features(ids: Sequence[str], stores: Stores) -> None:
    without: dict[str, list[str]] = {}
    for video in ids:
        store, key = _place(video, stores)
        if not store.has_features(key):
            without.setdefault(store.name, []).append(key)
    if without:
        raise DatasetError("; ".join(_without_features(stores[name], keys) for name, keys in without.items()))


def _without_features(store: DatasetStore, keys: Sequence[str]) -> str:
    return (
        f"{store.path}: no features of {len(keys)} of {len(store)} videos ({listed(keys)}); build "
        "the dataset with them: `sspvs data build ... --features FEATURES.h5` (or `--videos FOLDER` to extract them)"
    )


def _place(video: str, stores: Stores) -> tuple[DatasetStore, str]:
    name, _, key = video.rpartition("/")
    return stores[name], key


def judge(
    annotations: Mapping[str, Annotations],
    scores: Mapping[str, FloatArray],
    protocol: str = DEFAULT_PROTOCOL,
    rule: str = "default",
) -> dict[str, float]:
    """Mean `kendall_tau`, `spearman_rho`, `f_score_avg` and `f_score_max` of (T,) finite scores, by video id.

    Correlations are under a protocol, or all against the mean annotator where one video lacks what it needs. F1 is of
    summaries by a rule of `RULES`, and missing where no video has users' summaries and shots. An undefined value
    (constant scores) is left out of its mean, which is NaN when all are.
    """
    unknown = [name for name in scores if name not in annotations]
    if unknown:
        raise ValueError(f"scores of {unknown[0]}, which is not among the {len(annotations)} videos that are judged")
    if not scores:
        return {}
    judged, under = {name: annotations[name] for name in scores}, PROTOCOLS[protocol]
    if any(unavailable(under, video) is not None for video in judged.values()):
        under = PROTOCOLS[_FALLBACK]
        judged = {name: replace(video, gtscore=consensus_scores(video)) for name, video in judged.items()}
    predictions = {name: Prediction.of(scores[name], video) for name, video in judged.items()}
    result = evaluate(judged, predictions, method="", protocols=[under], rule=rule_named(rule))[under.name]
    has_summaries = not np.isnan(result.values("f_score_avg")).all()
    names = [name for name in METRICS if has_summaries or not name.startswith("f_score")]
    return {name: mean_of_defined(result.values(name)) for name in names}


def as_paths(given: Sequence[str] | str | None) -> tuple[str, ...]:
    """A setting that names one file, several, or none."""
    if given is None:
        return ()
    return (given,) if isinstance(given, str) else tuple(given)


class FoldDataModule(VideoDataModule[Batch]):
    """One fold of annotated videos: those it trains on, those that choose the checkpoint, those it tests.

    Subclasses make the loaders, and document the settings; what is tested, judged and cross-validated is the same for
    all of them. Without `dataset` and `world` there are no annotated videos, and whatever needs them raises an error.
    """

    def __init__(
        self,
        dataset: str | None,
        others: Sequence[str] | str | None,
        splits: str | None,
        fold: int | None,
        setting: DrawnSetting,
        split_seed: int,
        validate_on: ValidateOn,
        val_share: float,
        num_workers: int,
        world: WorldSource | None,
        streams: Sequence[str] | None = None,
        protocol: str | None = None,
        rule: str | None = None,
    ) -> None:
        super().__init__()
        if protocol is not None and protocol not in PROTOCOLS:
            raise ValueError(f"data.protocol must be null or one of {', '.join(PROTOCOLS)}, got {protocol!r}")
        rule_named(rule or "default")
        self.protocol, self.rule = protocol, rule
        if streams is not None and (not streams or len({*map(dataset_name, streams)}) < len(streams)):
            raise ValueError(f"streams names each stream of features once, got {streams}; null takes all")
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
        self.fold, self.setting, self.split_seed = fold, setting, split_seed
        self.validate_on, self.val_share, self.num_workers = validate_on, val_share, num_workers
        self.streams = None if streams is None else tuple(streams)
        self.memory = FeatureMemory()

    def share_reading(self, other: "FoldDataModule[Batch]") -> None:
        """Read nothing again that another fold of the same data has read."""
        self.memory = other.memory

    @cached_property
    def stores(self) -> Stores:
        """The dataset files, opened; ValueError when there are none."""
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
        how = (self.validate_on, self.val_share, self.split_seed)
        if self.fold is None:
            return plan_everything(self.stores, *how)
        return plan_fold(self.split, self.fold, self.stores, *how)

    @property
    def feature_dim(self) -> int:
        """D of all streams, as the data has it; known before `setup`, from the first video."""
        return sum(self.stream_widths)

    @property
    def stream_widths(self) -> tuple[int, ...]:
        """D of each stream of features; known before `setup`, from the first videos."""
        return self.table.stream_widths if self.is_ready else self._first_widths

    @cached_property
    def _first_widths(self) -> tuple[int, ...]:
        return widths_of(self.stores, streams_of(self.stores, self.streams))

    @property
    def feature_fingerprint(self) -> Fingerprint | None:
        """What made the features, after `setup`; None when unknown."""
        return self.table.fingerprint if self.is_ready else None

    @cached_property
    def annotations(self) -> Mapping[str, Annotations]:
        """The videos that are validated or tested, by id; none without annotated videos."""
        places = {name: _place(name, self.stores) for name in (self._judged_ids if self.paths else ())}
        return {name: store[key] for name, (store, key) in places.items()}

    def judge(self, scores: Mapping[str, FloatArray]) -> dict[str, float]:
        """The figures of scores of validated or tested videos; none without annotated videos. See `judge`."""
        how = (self.protocol or DEFAULT_PROTOCOL, self.rule or "default")
        return judge(self.annotations, scores, *how) if self.paths else {}

    def setup(self, stage: str | None = None) -> None:  # noqa: ARG002
        """Look at the fold's videos, once."""
        self.table  # noqa: B018

    def val_dataloader(self) -> BatchLoader[Batch] | list[BatchLoader[Batch]]:
        """Whole videos of this rank, each once; none where nothing is validated on."""
        return self._whole_videos("val") if self.fold_videos.val else []

    def test_dataloader(self) -> BatchLoader[Batch]:
        """Whole videos of this rank, each once; with `fold` null there are none, which is an error."""
        if not self.fold_videos.test:
            raise ValueError("data.fold is null: all videos are trained on and none is tested; give its number")
        return self._whole_videos("test")

    def predict_dataloader(self) -> BatchLoader[Batch]:
        return self.test_dataloader()

    @cached_property
    def table(self) -> VideoTable:
        """The fold's annotated videos, with their targets."""
        videos = self.fold_videos
        table = self._look_at(list(dict.fromkeys((*videos.train, *self._judged_ids))))
        if self.fold is not None:
            log_fold(self.split, self.fold, videos, self.stores)
        for store in self.stores.values():
            store.features.close()
        return table

    @property
    def is_ready(self) -> bool:
        """Whether the fold's videos were looked at."""
        return "table" in vars(self)

    @property
    def _judged_ids(self) -> list[str]:
        return list(dict.fromkeys((*self.fold_videos.val, *self.fold_videos.test)))

    @cached_property
    def judged(self) -> JudgedVideos:
        """The tested and validated videos, to be found again among others."""
        return JudgedVideos(self.table.select(self._judged_ids))

    @cached_property
    def judged_again(self) -> list[str]:
        """The training videos of `others` that are tested or validated ones under another name."""
        own = self.paths[0]
        others = [video for name in self.fold_videos.train if (video := self.table[name]).streams[0].path != own]
        again = [video.id for video in others if self.judged.has(video, self.table)]
        self.table.close()
        return again

    @abstractmethod
    def _whole_videos(self, part: Part) -> BatchLoader[Batch]:
        """A loader of whole videos of a part of the fold."""

    def _look_at(self, ids: Sequence[str]) -> VideoTable:
        """The survey of the fold's videos."""
        return survey_fold(ids, self.stores, self.memory, streams=self.streams)
