"""VideoXum (Lin et al., IEEE TMM 2024): ten people's visual summaries of 14,001 ActivityNet videos, with sentences.

A JSON list of `{video_id, duration, sampled_frames, timestamps, tsum, vsum, vsum_onehot}`: `vsum` has, for each of n
sentences, each person's [start, end] in seconds (n x 10 x 2; files with people first occur too); `vsum_onehot` has
the same as 0/1 a second (10 x T).
"""

import json
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.errors import DatasetError
from sspvs.formats.format import FORMATS, Format, Ledger, Settings
from sspvs.formats.head import PathHead
from sspvs.formats.inspection import Inspection, span
from sspvs.formats.seconds import annotations_of_summaries, summaries_a_second
from sspvs.selection.shots import runs
from sspvs.table import LoadedVideo, Video, VideoTable
from sspvs.types import BoolArray, FloatArray

PEOPLE = 10
KEYS = {
    "video_id": ("text", "the video's id (ActivityNet)"),
    "duration": ("number", "seconds"),
    "sampled_frames": ("number", "T, how many frames were sampled, one a second"),
    "timestamps": ("n x 2", "the part of the video, in seconds, that each sentence is about"),
    "tsum": ("n", "sentences: together a summary in words"),
    "vsum": ("n x 10 x 2", "for each sentence, the [start, end] in seconds that each of ten people kept of it"),
    "vsum_onehot": ("10 x T", "1 where a person's summary has the second"),
}


@FORMATS.register("videoxum")
class VideoXum(Format):
    """A list of entries, or one of them."""

    what = "VideoXum annotations: people's summaries a second, with sentences (JSON)"
    order = 120
    keys = KEYS
    needs = ("user summaries",)
    holds = frozenset({"user summaries", "sentences", "fps", "names beside the keys"})
    needs_clock = True

    def matches(self, head: PathHead) -> bool:
        """A list of entries with `vsum` or `vsum_onehot` (or one such entry)."""
        entry = head.first if isinstance(head.json, list) else head.json
        return isinstance(entry, dict) and bool({"vsum", "vsum_onehot"} & set(entry))

    def read(self, path: Path, settings: Settings) -> VideoTable:
        part = settings.subset or next((part for part in ("train", "val", "test") if path.name.startswith(part)), "")
        assumptions = ("each second is a frame of its own", "gtscore is the mean of the people's summaries")
        videos = [
            Video(_id_of(entry, number), part=part, read=partial(_load_entry, entry, number, part))
            for number, entry in enumerate(_entries_of(path))
        ]
        return VideoTable(videos, name="videoxum", assumptions=assumptions)

    def inspect(self, path: Path, found: Inspection) -> None:
        entries = _entries_of(path)
        videos = [
            (video.annotations.n_frames, video.annotations.n_users, len(video.sentences))
            for video in found.loaded(self.read(path, Settings()))
            if video.annotations is not None
        ]
        present = Counter(name for entry in entries if isinstance(entry, dict) for name in entry)
        for name, count in present.items():
            shape, meaning = KEYS.get(name, ("", "no key that we know"))
            found.key(name, count, shape, "JSON", meaning)
        for entry in (entry for n, entry in enumerate(entries) if _id_of(entry, n) == found.video):
            found.detail = {name: str(entry.get(name))[:200] for name in KEYS}
        found.facts |= {
            "seconds a video (N = T)": span([seconds for seconds, _, _ in videos]),
            "people a video (U)": span([users for _, users, _ in videos]),
            "sentences a video": span([sentences for _, _, sentences in videos]),
        }
        found.use("evaluation after conversion, under all protocols but with no shots for the F1", bool(videos))
        found.use("training", False, "no features: sspvs extract, at one frame a second")
        found.advice.append(f"as a dataset file: sspvs data convert '{path}' --to community --out D.h5")

    def write(self, path: Path, videos: Iterator[LoadedVideo], ledger: Ledger) -> None:
        with path.open("w", encoding="utf-8") as file:
            file.write("[")
            for number, video in enumerate(videos):
                file.write((",\n" if number else "\n") + json.dumps(_entry_of(video, ledger)))
            file.write("\n]\n")


def _entries_of(path: Path) -> list[Any]:
    content = PathHead(path).json
    entries = [content] if isinstance(content, dict) else content
    if not isinstance(entries, list):
        raise DatasetError(f"{path}: expected a JSON list of VideoXum entries, found damaged JSON; fetch it again")
    return entries


def _id_of(entry: Any, number: int) -> str:
    """An entry's id; its number where it has none."""
    known = entry.get("video_id") if isinstance(entry, dict) else None
    return str(known) if known else f"entry {number}"


def _load_entry(entry: Any, number: int, part: str) -> LoadedVideo:
    """One entry, at one frame a second."""
    if not isinstance(entry, dict) or not entry.get("video_id"):
        raise DatasetError(f"entry {number}: expected an object with 'video_id', found {type(entry).__name__}")
    key, repairs = str(entry["video_id"]), []  # type: str, list[str]
    summaries = _onehot(entry, key, repairs)
    intervals = _intervals(entry, key, PEOPLE if summaries is None else len(summaries), repairs)
    if summaries is None and intervals is None:
        raise DatasetError(f"{key}: expected 'vsum' or 'vsum_onehot', found {', '.join(entry)}")
    if summaries is None:
        assert intervals is not None
        summaries = _seconds_in(intervals, _n_seconds(entry, key))
        repairs.append("no 'vsum_onehot': made from the intervals of 'vsum'")
    _check_seconds(entry, key, summaries, intervals, repairs)
    annotations = annotations_of_summaries(key, summaries, 1, fps=1.0, repairs=tuple(repairs))
    unread = tuple(f"'{name}'" for name in entry if name not in KEYS)
    if intervals is not None and (intervals != np.rint(intervals)).any():
        unread += ("fractions of a second of 'vsum'",)
    sentences, times = _sentences(entry, key)
    return LoadedVideo(key, key, annotations, sentences=sentences, sentence_seconds=times, part=part, unread=unread)


def _array(entry: dict[str, Any], name: str, key: str) -> FloatArray | None:
    if entry.get(name) in (None, []):
        return None
    try:
        values = np.asarray(entry[name], dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise DatasetError(
            f"{key}: '{name}': expected {KEYS[name][0]} numbers, found lists of other lengths"
        ) from error
    if not np.isfinite(values).all():
        raise DatasetError(f"{key}: '{name}' has NaN or null values")
    return values


def _intervals(entry: dict[str, Any], key: str, people: int, repairs: list[str]) -> FloatArray | None:
    """(n, U, 2) each person's part of each sentence; with people first it is turned round."""
    values = _array(entry, "vsum", key)
    if values is None:
        return None
    if values.ndim != 3 or values.shape[2] != 2:
        raise DatasetError(f"{key}: 'vsum': expected n x {PEOPLE} x [start, end], found shape {values.shape}")
    if values.shape[1] != people and values.shape[0] == people:
        values = values.transpose(1, 0, 2)
        repairs.append("'vsum' has people first: turned round")
    if (values[..., 1] < values[..., 0]).any():
        raise DatasetError(f"{key}: 'vsum' has an interval that ends before it starts")
    return values


def _onehot(entry: dict[str, Any], key: str, repairs: list[str]) -> BoolArray | None:
    """(U, T) each person's summary; (n, U, T), one a sentence, is joined."""
    values = _array(entry, "vsum_onehot", key)
    if values is None:
        return None
    if values.ndim == 3 and values.shape[1] == PEOPLE:
        repairs.append("'vsum_onehot' has a row a sentence and person: joined over the sentences")
        values = values.max(axis=0)
    if values.ndim == 3 and values.shape[0] == 1:
        values = values[0]
    if values.ndim != 2:
        raise DatasetError(f"{key}: 'vsum_onehot': expected {PEOPLE} x T, found shape {values.shape}")
    if values.shape[1] == PEOPLE and values.shape[0] == entry.get("sampled_frames") != PEOPLE:
        repairs.append("'vsum_onehot' has seconds first: turned round")
        values = values.T
    if not np.isin(values, (0, 1)).all():
        raise DatasetError(f"{key}: 'vsum_onehot': expected 0 and 1, found {values.min():g}..{values.max():g}")
    return values > 0


def _n_seconds(entry: dict[str, Any], key: str) -> int:
    sampled, duration = entry.get("sampled_frames"), entry.get("duration")
    if isinstance(sampled, int) and sampled > 0:
        return sampled
    if isinstance(duration, (int, float)) and duration > 0:
        return int(np.ceil(duration))
    raise DatasetError(f"{key}: expected 'sampled_frames' or 'duration', found neither as a number above 0")


def _seconds_in(intervals: FloatArray, n_seconds: int) -> BoolArray:
    """(U, T) the seconds s, at whose start frame s is sampled, that the intervals [start, end) reach into."""
    seconds = np.arange(n_seconds)
    starts, ends = np.floor(intervals[..., 0]), np.ceil(intervals[..., 1])  # (n, U)
    inside = (seconds >= starts[..., None]) & (seconds < ends[..., None])  # (n, U, T)
    joined = np.logical_or.reduce(inside, axis=0)
    return np.asarray(joined, dtype=np.bool_)


def _check_seconds(
    entry: dict[str, Any], key: str, summaries: BoolArray, intervals: FloatArray | None, repairs: list[str]
) -> None:
    sampled = entry.get("sampled_frames")
    if isinstance(sampled, int) and sampled != summaries.shape[1]:
        repairs.append(f"'sampled_frames' says {sampled}, but 'vsum_onehot' has {summaries.shape[1]}: not used")
    if intervals is not None and len(summaries) != intervals.shape[1]:
        raise DatasetError(
            f"{key}: 'vsum' is of {intervals.shape[1]} people and 'vsum_onehot' of {len(summaries)}; expected the same"
        )


def _sentences(entry: dict[str, Any], key: str) -> tuple[tuple[str, ...], FloatArray | None]:
    sentences = entry.get("tsum") or []
    if not isinstance(sentences, list):
        raise DatasetError(f"{key}: 'tsum': expected a list of sentences, found {type(sentences).__name__}")
    times = _array(entry, "timestamps", key)
    if times is not None and times.shape != (len(sentences), 2):
        if sentences:
            raise DatasetError(f"{key}: {len(sentences)} sentences, but timestamps of shape {times.shape}")
        times = None
    return tuple(map(str, sentences)), times


def _entry_of(video: LoadedVideo, ledger: Ledger) -> dict[str, Any]:
    """A video as an entry; each run of selected seconds is an interval, [0, 0] fills up where a person has fewer."""
    annotations, times, fps = video.annotations, video.sentence_seconds, ledger.fps(video)
    assert annotations is not None  # `lacks` saw to it
    assert annotations.user_summaries is not None
    summaries = annotations.user_summaries
    if fps != 1:
        summaries = summaries_a_second(summaries, fps)
        ledger.change("one summary value a second: in where at least half of the second is", video.id)
    if not video.sentences:
        ledger.change("no sentences in the source: 'tsum' and 'timestamps' are empty", video.id)
    chosen = [runs(row).astype(float).tolist() for row in summaries]
    n_intervals = max(map(len, chosen))
    filled = [parts + [[0.0, 0.0]] * (n_intervals - len(parts)) for parts in chosen]  # (U, n, 2)
    if video.id != video.name:
        ledger.leave_out("keys such as video_7 (ids are the videos' own names)", video.id)
    return {
        "video_id": video.name,
        "duration": annotations.n_frames / fps,
        "sampled_frames": int(summaries.shape[1]),
        "timestamps": [] if times is None else times.tolist(),
        "tsum": list(video.sentences),
        "vsum": [[person[number] for person in filled] for number in range(n_intervals)],
        "vsum_onehot": summaries.astype(int).tolist(),
    }
