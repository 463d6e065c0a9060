"""MR.HiSum (Sul et al., NeurIPS 2023): "most replayed" curves of 31,892 YouTube-8M videos, one value a second."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sspvs.atomic import atomic_h5
from sspvs.errors import SspvsError
from sspvs.formats.inspection import Inspection, Tally, explain_keys, span
from sspvs.formats.kind import Job, Kind, Ledger, Settings, Writer
from sspvs.formats.mrhisum_metadata import names_beside, subsets_beside
from sspvs.formats.record import Entry, Source, VideoRecord, shots_a_second, values_a_second
from sspvs.selection import knapsack
from sspvs.table import DatasetStore, layout, read_dataset
from sspvs.table.h5_survey import unread_parts
from sspvs.table.layout import CHANGE_POINTS, GT_SUMMARY, GTSCORE
from sspvs.types import Annotations, BoolArray, FloatArray, FrameFeatures, IntArray, Shots

HOLDS = frozenset({"features", "gtscore", "shots", "fps", "picks other than every 15th frame", "user summaries"})
BUDGET = 0.15
_BY_DESIGN = ("MR.HiSum", "half-open ends, where the community's")


def inspect(path: Path, inspection: Inspection) -> None:
    """Every video of an MR.HiSum file."""
    explain_keys(path, inspection, "mrhisum")
    names, tally = names_beside(path), Tally()
    with read_dataset(path) as store:
        inspection.n_videos = len(store)
        for key in inspection.watched(store):
            try:
                annotations = _annotations(store, key)
                has_features = store.has_features(key)
                if has_features:
                    _check_length(store.features[key], annotations)
            except (SspvsError, ValueError) as error:
                inspection.problem(error, key)
                continue
            tally.add(annotations, has_features=has_features)
            if key in names:
                inspection.names[key] = names[key]
            for sentence in annotations.repairs:
                inspection.repair(sentence, key)
    inspection.facts["seconds a video (T = N)"] = span(tally.n_frames)
    inspection.facts["names"] = f"{len(inspection.names)} from metadata.csv" if names else "put metadata.csv beside it"
    if tally.with_features < len(tally.n_frames):
        inspection.facts["features"] = "are YouTube-8M's frame features; metadata.csv says which record has which"
    inspection.uses = tally.uses()
    inspection.advice.append(f"as a dataset file: sspvs data convert '{path}' --to community --out D.h5")


def _annotations(store: DatasetStore, key: str) -> Annotations:
    """One video; what MR.HiSum means by its layout is no repair."""
    annotations = store[key]
    repairs = tuple(text for text in annotations.repairs if not any(sign in text for sign in _BY_DESIGN))
    return replace(annotations, repairs=repairs)


def _check_length(features: FrameFeatures, annotations: Annotations) -> None:
    if len(features.picks) != len(annotations.picks):
        raise ValueError(f"{len(features.picks)} features for {len(annotations.picks)} seconds of gtscore")


def read(path: Path, settings: Settings) -> Source:
    """Open an MR.HiSum file; names come from `metadata.csv` and subsets from the split file, where these lie beside."""
    store = read_dataset(path)
    return Source(settings.name or "mrhisum", _entries(store), len(store), store.features.fingerprint)


def _entries(store: DatasetStore) -> Iterator[Entry]:
    names, subsets = names_beside(store.path), subsets_beside(store.path)
    with store:
        for key in store:
            name, subset = names.get(key, key), subsets.get(key, "")
            yield key, lambda key=key, name=name, subset=subset: _record(store, key, name, subset)  # type: ignore[misc]


def _record(store: DatasetStore, key: str, name: str, subset: str) -> VideoRecord:
    annotations = _annotations(store, key)
    features = None
    if store.has_features(key):
        _check_length(features := store.features[key], annotations)
        features = replace(features, name=name)
    annotations = replace(annotations, video_name=name)
    unread = tuple(unread_parts(store.path, key))
    return VideoRecord(key, name, annotations, features, subset=subset, frame_rate=1.0, unread=unread)


def lacks(record: VideoRecord) -> str | None:
    """MR.HiSum needs a mean annotator, shots, and the clock to make them one a second."""
    annotations = record.annotations
    lacks = [
        what
        for what, there in (
            ("gtscore", annotations is not None and annotations.gtscore is not None),
            ("shots (change_points)", annotations is not None and annotations.shots is not None),
        )
        if not there
    ]
    return " and ".join(lacks) or None


def write(path: Path, records: Iterator[VideoRecord], job: Job) -> None:
    """Write MR.HiSum's layout, resampling to one value a second."""
    write_mrhisum(path, (_seconds(record, job) for record in records))


def _seconds(record: VideoRecord, job: Job) -> SecondsOfVideo:
    annotations, fps, resample = record.annotations, job.fps(record), job.settings.resample
    assert annotations is not None  # `lacks` saw to it
    assert annotations.gtscore is not None
    assert annotations.shots is not None
    clock = (annotations.picks, annotations.n_frames, fps, resample)
    gtscore = values_a_second(annotations.gtscore, *clock)
    shots = shots_a_second(annotations.shots, fps)
    features = None if record.features is None else record.features.features
    if features is not None and record.features is not None:
        features = values_a_second(features, record.features.picks, annotations.n_frames, fps, resample)
    if len(annotations.picks) != annotations.n_frames or fps != 1:
        how = "the mean over each second" if resample == "mean" else "the value at the start of each second"
        job.ledger.change(f"one value a second: {how}; shots cut at the nearest second", record.key)
    summary = _summary(annotations, gtscore.astype(np.float64), shots, fps, job.ledger)
    return SecondsOfVideo(record.key, gtscore, shots.bounds, summary, features)


def _summary(annotations: Annotations, gtscore: FloatArray, shots: Shots, fps: float, ledger: Ledger) -> BoolArray:
    """The one summary: the source's own where it has just one a second, else MR.HiSum's rule on gtscore."""
    users = annotations.user_summaries
    if users is not None and len(users) == 1 and fps == 1:
        own: BoolArray = users[0]
        return own
    worth = [float(np.mean(gtscore[start:end])) for start, end in shots]
    chosen = knapsack(worth, shots.lengths, int(BUDGET * shots.n_frames))
    ledger.change("gt_summary is the 15 % knapsack of gtscore over the shots", annotations.key)
    if users is not None:
        ledger.leave_out("the annotators' own summaries (there is room for one)", annotations.key)
    summary: BoolArray = np.repeat(chosen, shots.lengths)
    return summary


KIND = Kind(
    name="mrhisum",
    what="MR.HiSum's layout: one value a second, half-open shots, no annotators (h5)",
    matches=lambda glimpse: glimpse.family == "mrhisum",
    inspect=inspect,
    read=read,
    writer=Writer(write, "file", HOLDS, lacks, needs_clock=True),
)


@dataclass(frozen=True)
class SecondsOfVideo:
    """One video at one value a second.

    Attributes:
        key: Group name.
        gtscore: (T,) mean importance.
        shots: (S, 2) half-open ranges of seconds.
        summary: (T,) the summary.
        features: (T, D), or None.
    """

    key: str
    gtscore: FloatArray
    shots: IntArray
    summary: BoolArray
    features: FloatArray | None = None


def write_mrhisum(path: Path, videos: Iterable[SecondsOfVideo]) -> None:
    """Write a file in MR.HiSum's layout, atomically; videos may come from a generator.

    Raises:
        OutputError: When the file cannot be written.
    """
    with atomic_h5(path) as file:
        for video in videos:
            group = file.create_group(layout.group_name(video.key))
            group[GTSCORE] = np.asarray(video.gtscore, dtype=np.float32)
            group[CHANGE_POINTS] = np.asarray(video.shots, dtype=np.int64)
            group[GT_SUMMARY] = np.asarray(video.summary, dtype=np.float32)
            if video.features is not None:
                group[layout.FEATURES] = np.asarray(video.features, dtype=np.float32)
