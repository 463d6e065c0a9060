"""Shots that somebody gives: read, checked, and turned into half-open frame ranges at the door."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sspvs.files import read_json
from sspvs.types import FloatArray, IntArray, Shots, Timeline

_SLACK_SECONDS = 0.05  # times written with one decimal


def given_shots(
    source: str | Path | npt.ArrayLike,
    video: Timeline | int,
    *,
    unit: Literal["frames", "seconds"] = "frames",
) -> tuple[Shots, tuple[str, ...]]:
    """Shots from a JSON file or an array of [start, end) pairs.

    The pairs must be in order, start at 0, end with the video and leave no gap. Ends that are all inclusive (each
    shot starts one frame after the end of the one before, and the last one ends in frame N - 1), as in many files of
    this field, are repaired, and the repair is told.

    Args:
        source: (S, 2) numbers, or the path of a JSON file that holds a list of pairs, or an object whose `shots` are
            pairs or objects with `start_frame` and `end_frame` (or `start_seconds` and `end_seconds`), such as a
            `summary.json`.
        video: The timeline, or N when only frames are known.
        unit: What the numbers count. Seconds need a timeline, and go to the nearest frame.

    Returns:
        The S shots, and sentences about what was repaired.

    Raises:
        ValueError: If the source cannot be read as pairs, or the pairs do not cover the video.
    """
    if unit not in ("frames", "seconds"):
        raise ValueError(f"unit must be 'frames' or 'seconds', got {unit!r}")
    n_frames = video.n_frames if isinstance(video, Timeline) else video
    where = f" in {source}" if isinstance(source, str | Path) else ""
    pairs = _pairs(_read(source, unit) if isinstance(source, str | Path) else source, where)
    warnings: tuple[str, ...] = ()
    if unit == "seconds":
        if not isinstance(video, Timeline):
            raise ValueError("shots in seconds need a timeline; give frames")
        bounds = _frames_of(pairs, video, where)
    else:
        if (pairs != np.round(pairs)).any():
            raise ValueError(f"shots in frames must be whole numbers{where}; are they seconds?")
        bounds = pairs.astype(np.int64)
        if bounds[-1, 1] == n_frames - 1 and (bounds[1:, 0] == bounds[:-1, 1] + 1).all():
            bounds[:, 1] += 1
            warnings = (f"The shots{where} have inclusive ends; they were read as half-open by adding 1.",)
    _check(bounds, n_frames, where)
    return Shots(bounds, n_frames), warnings


def _read(path: str | Path, unit: str) -> list[Any]:
    """The list of pairs that a JSON file holds."""
    try:
        content = read_json(path)
    except OSError as error:
        raise ValueError(f"cannot read the shots file {path}: {error.strerror or error}") from None
    except ValueError as error:  # not UTF-8, or not JSON
        raise ValueError(f"the shots file {path} is not JSON: {error}") from None
    if isinstance(content, dict):
        content = content.get("shots")
    if not isinstance(content, list):
        raise ValueError(f"expected a list of [start, end] pairs, or an object with `shots`, in {path}")
    keys = ("start_frame", "end_frame") if unit == "frames" else ("start_seconds", "end_seconds")
    rows = []
    for row in content:
        if isinstance(row, dict):
            if not all(key in row for key in keys):
                raise ValueError(f"every shot in {path} must have {keys[0]} and {keys[1]}, got {sorted(row)}")
            row = [row[key] for key in keys]
        rows.append(row)
    return rows


def _pairs(rows: npt.ArrayLike, where: str) -> FloatArray:
    try:
        pairs = np.asarray(rows, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"shots must be [start, end] pairs of numbers{where}") from None
    if pairs.ndim != 2 or pairs.shape[1] != 2 or len(pairs) == 0:
        raise ValueError(f"shots must be [start, end] pairs, got shape {pairs.shape}{where}")
    if not np.isfinite(pairs).all():
        raise ValueError(f"shots must be finite numbers{where}")
    return pairs


def _frames_of(pairs: FloatArray, timeline: Timeline, where: str) -> IntArray:
    """Seconds to the nearest frame edge; a first start or last end that all but meets the video's does meet it."""
    edges = np.append(timeline.frame_seconds, timeline.end_seconds)  # the file's own clock, its gaps included
    slack = max(timeline.end_seconds / timeline.n_frames, _SLACK_SECONDS)
    low, high = float(pairs.min()), float(pairs.max())
    if low < -slack or high > timeline.end_seconds + slack:
        raise ValueError(
            f"shots must lie within the video's 0 .. {timeline.end_seconds:.3f} s, got {low:g} .. {high:g}{where}"
        )
    pairs = pairs.copy()
    if pairs[0, 0] <= slack < pairs[0, 1]:
        pairs[0, 0] = 0
    if pairs[-1, 0] < timeline.end_seconds - slack <= pairs[-1, 1]:
        pairs[-1, 1] = timeline.end_seconds
    after = np.clip(np.searchsorted(edges, pairs), 1, len(edges) - 1)
    nearer_before = pairs - edges[after - 1] <= edges[after] - pairs
    frames: IntArray = np.where(nearer_before, after - 1, after).astype(np.int64)
    return frames


def _check(bounds: IntArray, n_frames: int, where: str) -> None:
    """Say which pair is wrong, and how."""
    empty = np.flatnonzero(bounds[:, 1] <= bounds[:, 0])
    if len(empty):
        raise ValueError(f"shot {empty[0]} has no frame{where}: {_show(bounds[empty[0]])}")
    if bounds[0, 0] != 0:
        raise ValueError(f"the first shot must start at frame 0, got {bounds[0, 0]}{where}")
    broken = np.flatnonzero(bounds[1:, 0] != bounds[:-1, 1])
    if len(broken):
        first, second = bounds[broken[0]], bounds[broken[0] + 1]
        kind = "a gap" if second[0] > first[1] else "an overlap"
        raise ValueError(f"there is {kind} between the shots {_show(first)} and {_show(second)}{where}")
    if bounds[-1, 1] != n_frames:
        raise ValueError(f"the last shot must end with the video at {n_frames}, got {bounds[-1, 1]}{where}")


def _show(bound: IntArray) -> str:
    return f"[{bound[0]}, {bound[1]})"
