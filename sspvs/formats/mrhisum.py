"""MR.HiSum (Sul et al., NeurIPS 2023): "most replayed" curves of 31,892 YouTube-8M videos, one value a second.

Beside `mr_hisum.h5` lie `metadata.csv` (which YouTube video is which) and a split file.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sspvs.atomic import atomic_h5
from sspvs.errors import DatasetError
from sspvs.files import read_json, read_text
from sspvs.formats.community import Tally
from sspvs.formats.format import FORMATS, Format, Ledger, Settings
from sspvs.formats.head import PathHead
from sspvs.formats.inspection import Inspection, explain_keys, span
from sspvs.formats.seconds import shots_a_second, values_a_second
from sspvs.parsing import table_records
from sspvs.selection import knapsack
from sspvs.table import DatasetStore, FeatureKind, LoadedVideo, Video, VideoTable, layout, read_dataset
from sspvs.types import Annotations, BoolArray, FloatArray, Shots

METADATA, SPLIT = "metadata.csv", "mr_hisum_split.json"
KEY, NAME = "video_id", "youtube_id"
BUDGET = 0.15
_BY_DESIGN = ("MR.HiSum", "half-open ends, where the community's")


@FORMATS.register("mrhisum")
class MrHiSum(Format):
    """The h5 file."""

    what = "MR.HiSum's layout: one value a second, half-open shots, no annotators (h5)"
    family = "mrhisum"
    order = 40
    needs = ("gtscore", "shots (change_points)")
    holds = frozenset({"features", "gtscore", "shots", "fps", "picks other than every 15th frame", "user summaries"})
    needs_clock = True

    def read(self, path: Path, settings: Settings) -> VideoTable:  # noqa: ARG002
        """The videos; names come from `metadata.csv` and parts from the split file, where these lie beside it."""
        store, names, parts = read_dataset(path), _names_beside(path), _parts_beside(path)
        videos = [
            Video(
                key, part=parts.get(key, ""), read=partial(_load, store, key, names.get(key, key), parts.get(key, ""))
            )
            for key in store
        ]
        kind = FeatureKind(fingerprint=store.features.fingerprint)
        return VideoTable(videos, kind=kind, name="mrhisum", on_close=store.features.close)

    def inspect(self, path: Path, found: Inspection) -> None:
        explain_keys(path, found, "mrhisum")
        tally = Tally()
        for video in found.loaded(self.read(path, Settings())):
            assert video.annotations is not None
            tally.add(video.annotations, has_features=video.features is not None)
        found.facts["seconds a video (T = N)"] = span(tally.n_frames)
        names = f"{len(found.names)} from metadata.csv" if _names_beside(path) else "put metadata.csv beside it"
        found.facts["names"] = names
        if tally.with_features < len(tally.n_frames):
            found.facts["features"] = "are YouTube-8M's frame features; metadata.csv names the record of each"
        tally.add_uses(found)
        found.advice.append(f"as a dataset file: sspvs data convert '{path}' --to community --out D.h5")

    def write(self, path: Path, videos: Iterator[LoadedVideo], ledger: Ledger) -> None:
        with atomic_h5(path) as file:
            for video in videos:
                values = _seconds(video, ledger)
                group = file.create_group(layout.group_name(video.id))
                for name, array in values.items():
                    group[name] = array


@FORMATS.register("mrhisum-metadata")
class MrHiSumMetadata(Format):
    """The table of its videos."""

    what = "MR.HiSum's table of videos (CSV)"
    order = 110
    keys: ClassVar = {
        KEY: ("text", "the video's key in the h5 file"),
        "yt8m_file": ("text", "the YouTube-8M record file that has its features"),
        "random_id": ("text", "its id in that file"),
        NAME: ("text", "its id on YouTube"),
        "duration": ("text", "seconds"),
        "views": ("text", "how often it was watched"),
        "labels": ("text", "YouTube-8M class numbers"),
    }
    instead = "it only names videos: convert the h5 file beside it"
    names_videos = False

    def matches(self, head: PathHead) -> bool:
        """A table with both names of each video."""
        return {KEY, NAME} <= set(head.columns)

    def inspect(self, path: Path, found: Inspection) -> None:
        found.names = _read_names(path)
        found.n_videos = len(found.names)
        for column in PathHead(path).columns:
            _, meaning = self.keys.get(column, ("", "no column that we know"))
            found.key(column, found.n_videos, "a column", "text", meaning)
        found.use("names of the videos: put it beside the h5 file", True)


def _read_names(path: Path) -> dict[str, str]:
    """Key -> YouTube id."""
    try:
        names, rows = table_records(read_text(path))
        if not {KEY, NAME} <= set(names):
            raise DatasetError(f"{path}: expected columns '{KEY}' and '{NAME}', found {names}")
        return {row[KEY].strip(): row[NAME].strip() for _, row in rows if row[KEY] and row[NAME]}
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot read the table: {error}; fetch it again") from error


def _names_beside(h5: Path) -> dict[str, str]:
    """Key -> YouTube id, from the table in the same folder; empty when there is none that can be read."""
    try:
        return _read_names(h5.parent / METADATA) if (h5.parent / METADATA).is_file() else {}
    except DatasetError:
        return {}


def _parts_beside(h5: Path) -> dict[str, str]:
    """Key -> `train`, `val` or `test`, from the split file in the same folder; empty when there is none."""
    try:
        lists = read_json(h5.parent / SPLIT) if (h5.parent / SPLIT).is_file() else {}
    except (ValueError, OSError):
        return {}
    if not isinstance(lists, dict):
        return {}
    return {str(key): part for part in ("train", "val", "test") for key in lists.get(f"{part}_keys", [])}


def _load(store: DatasetStore, key: str, name: str, part: str) -> LoadedVideo:
    loaded = store.load(key)
    annotations, features = loaded.annotations, loaded.features
    assert annotations is not None
    if features is not None:
        features = replace(features, name=name)
        if len(features.picks) != len(annotations.picks):
            raise ValueError(f"{len(features.picks)} features for {len(annotations.picks)} seconds of gtscore")
    # what MR.HiSum means by its layout is no repair
    repairs = tuple(text for text in annotations.repairs if not any(sign in text for sign in _BY_DESIGN))
    annotations = replace(annotations, video_name=name, repairs=repairs)
    return replace(loaded, name=name, annotations=annotations, features=features, part=part, frame_rate=1.0)


def _seconds(video: LoadedVideo, ledger: Ledger) -> dict[str, Any]:
    """Key -> array of one video, at one value a second: (T,) gtscore and summary, (S, 2) shots, (T, D) features."""
    annotations, fps, resample = video.annotations, ledger.fps(video), ledger.settings.resample
    assert annotations is not None  # `lacks` saw to it
    assert annotations.gtscore is not None
    assert annotations.shots is not None
    gtscore = values_a_second(annotations.gtscore, annotations.picks, annotations.n_frames, fps, resample)
    shots = shots_a_second(annotations.shots, fps)
    if len(annotations.picks) != annotations.n_frames or fps != 1:
        how = "the mean over each second" if resample == "mean" else "the value at the start of each second"
        ledger.change(f"one value a second: {how}; shots cut at the nearest second", video.id)
    arrays: dict[str, Any] = {
        layout.GTSCORE: gtscore.astype(np.float32),
        layout.CHANGE_POINTS: shots.bounds.astype(np.int64),
        layout.GT_SUMMARY: _summary(annotations, gtscore.astype(np.float64), shots, fps, ledger).astype(np.float32),
    }
    if video.features is not None:
        values, picks = video.features.features, video.features.picks
        features = values_a_second(values, picks, annotations.n_frames, fps, resample)
        arrays[layout.FEATURES] = features.astype(np.float32)
    return arrays


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
