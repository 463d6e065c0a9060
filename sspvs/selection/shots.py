"""Shots: read from a file or an array, of uniform length, from KTS or from cuts; short ones merged, long ones split."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sspvs.files import read_json
from sspvs.selection.kts import DEFAULT_PENALTY, kts, kts_about
from sspvs.types import BoolArray, FloatArray, IntArray, Shots, Timeline

UNIFORM_SHOT_SECONDS = 2.0  # length of uniform shots: the unit that TVSum's raters scored

KTS_SHOT_SECONDS = 5.0  # mean length of KTS shots: about that of the shots published with TVSum

LONG_TAKE_SECONDS = 10.0
"""Uncut stretches that are longer may show more than one thing."""

_SHORTEST_SECONDS = 1.0  # of a KTS shot, where picks are that close; half the mean, if that is less
_SLACK_SECONDS = 0.05  # times written with one decimal


def given_shots(
    source: str | Path | npt.ArrayLike, video: Timeline | int, *, unit: Literal["frames", "seconds"] = "frames"
) -> tuple[Shots, tuple[str, ...]]:
    """Shots from a JSON file or an array of [start, end) pairs.

    The pairs must be in order, start at 0, end with the video and leave no gap. Ends that are all inclusive (each
    shot starts one frame after the end of the one before, and the last one ends in frame N - 1), as in many files of
    this field, are repaired, with a warning.

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


def kts_shots(
    features: FloatArray,
    picks: IntArray,
    timeline: Timeline,
    *,
    mean_seconds: float = KTS_SHOT_SECONDS,
    longest_seconds: float = np.inf,
    frame_change: FloatArray | None = None,
) -> Shots:
    """Shots of a few seconds from features of any backbone, scale and rate.

    KTS at the price of a change that gives shots of `mean_seconds` on average, or shorter ones where the video has more
    cuts (`kts_about`). No shot is longer than `longest_seconds`: the best partition without longer ones is taken, and
    only where two picks are further apart than that is the stretch between them divided evenly.

    Args:
        features: (T, D) one row a pick.
        picks: (T,) frame indices, strictly increasing.
        timeline: When each frame is shown.
        mean_seconds: Mean length in seconds; two thirds of the longest, if that is less.
        longest_seconds: Longest shot in seconds; one may be longer by less than a frame.
        frame_change: (N,) how much each frame differs from the one before: where a change between two picks is.

    Raises:
        ValueError: If a length is not positive, a feature is not finite, or picks do not fit the timeline.
    """
    if not 0 < mean_seconds < np.inf or not longest_seconds > 0:
        raise ValueError(f"shot lengths must be positive, got mean {mean_seconds} and longest {longest_seconds}")
    count, n_frames = len(picks), timeline.n_frames
    cells = shots_from_picks(np.arange(count), picks, n_frames, frame_change)  # where a shot could start
    edges = timeline.shown_seconds[np.append(cells.bounds[:, 0], n_frames)]  # (T + 1,) seconds
    earliest = np.searchsorted(edges, edges - longest_seconds * (1 + 1e-9))
    earliest[1:] = np.minimum(earliest[1:], np.arange(count))
    inner = earliest > 0  # shots that the limit cuts off
    fewest = int((np.arange(count + 1) - earliest)[inner].min(initial=count))  # picks that fit into any longest shot
    mean = min(mean_seconds, longest_seconds / 1.5)
    seconds = float(np.minimum(np.diff(edges), mean).sum())  # a gap between two picks is at most one shot
    rate_hz = count / seconds
    starts = kts_about(
        features,
        max(1, round(seconds / mean)),
        rate_hz=rate_hz,
        min_shot_picks=max(1, min(round(min(_SHORTEST_SECONDS, mean / 2) * rate_hz), fewest // 2)),
        earliest=earliest,
    )
    shots = Shots.from_starts(cells.bounds[starts, 0], n_frames)
    if longest_seconds == np.inf:
        return shots
    return split_long(shots, timeline, longest_seconds, longer_than=longest_seconds * (1 + 1e-9))


def shots_from_picks(starts: IntArray, picks: IntArray, n_frames: int, frame_change: FloatArray | None = None) -> Shots:
    """Shots on the frame clock from shot starts on the pick clock.

    A change seen between two picks happened at one of the frames after the first and up to the second: at the one that
    differs most from the frame before it, or, when that is not known, half-way.

    Args:
        starts: (S,) pick indices that start a shot, strictly increasing, the first one 0 (as `kts` gives them).
        picks: (T,) frame indices, strictly increasing.
        n_frames: N.
        frame_change: (N,) how much each frame differs from the one before.

    Returns:
        S shots that cover [0, n_frames).
    """
    starts, picks = np.asarray(starts, dtype=np.int64), np.asarray(picks, dtype=np.int64)
    if len(picks) == 0 or (np.diff(picks) <= 0).any() or picks[0] < 0 or picks[-1] >= n_frames:
        raise ValueError(f"picks must increase strictly within [0, {n_frames})")
    if len(starts) == 0 or starts[0] != 0 or (np.diff(starts) <= 0).any() or starts[-1] >= len(picks):
        raise ValueError(f"starts must increase strictly from 0 and stay below the {len(picks)} picks")
    if frame_change is not None and len(frame_change) != n_frames:
        raise ValueError(f"frame_change must have {n_frames} values, got {len(frame_change)}")
    before, after = picks[starts[1:] - 1], picks[starts[1:]]
    frames = (before + after + 1) // 2
    if frame_change is not None:
        for index, (low, high) in enumerate(zip(before, after, strict=True)):
            changes = frame_change[low + 1 : high + 1]
            if changes.max() > changes.min():
                frames[index] = low + 1 + int(changes.argmax())
    return Shots.from_starts(np.append(0, frames), n_frames)


def shots_from_cuts(cuts: IntArray, n_frames: int) -> Shots:
    """Shots from detected cuts.

    Args:
        cuts: (C,) first frames of new shots, any order; 0 and repetitions are ignored.
        n_frames: N.

    Raises:
        ValueError: If a cut is outside [0, n_frames).
    """
    frames = np.unique(np.asarray(cuts, dtype=np.int64))
    if len(frames) and (frames[0] < 0 or frames[-1] >= n_frames):
        raise ValueError(f"cuts must be within [0, {n_frames}), got {frames[0]} .. {frames[-1]}")
    return Shots.from_starts(np.union1d([0], frames), n_frames)


def runs(frames: BoolArray) -> IntArray:
    """(M, 2) the stretches of (N,) chosen frames, picks or seconds, as [start, end)."""
    edges: IntArray = np.flatnonzero(np.diff(frames.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    return edges


def split_takes(
    shots: Shots,
    features: FloatArray,
    picks: IntArray,
    timeline: Timeline,
    *,
    penalty: float = DEFAULT_PENALTY,
    longer_than: float = LONG_TAKE_SECONDS,
    frame_change: FloatArray | None = None,
) -> Shots:
    """Divide long takes where what they show changes, by KTS.

    Args:
        shots: Between the cuts.
        features: (T, D) one row a pick.
        picks: (T,) frame indices, strictly increasing.
        timeline: When each frame is shown.
        penalty: As of `kts`.
        longer_than: Shots of at most this many seconds stay whole.
        frame_change: (N,) as of `shots_from_picks`.
    """
    edges, starts = timeline.shown_seconds, [shots.bounds[:, 0]]
    for start, end in shots:
        inside = slice(*np.searchsorted(picks, [start, end]).tolist())
        if edges[end] - edges[start] <= longer_than or inside.stop - inside.start < 2:
            continue
        changes = kts(features[inside], penalty=penalty)
        change = None if frame_change is None else frame_change[start:end]
        starts.append(start + shots_from_picks(changes, picks[inside] - start, end - start, change).bounds[1:, 0])
    return Shots.from_starts(np.sort(np.concatenate(starts)), shots.n_frames)


def uniform_shots(
    video: Timeline | int, shot_seconds: float = UNIFORM_SHOT_SECONDS, *, shot_frames: int | None = None
) -> Shots:
    """Shots of equal length.

    The video is divided into as many equal parts as come nearest to the wanted length, so no short rest is left over.

    Args:
        video: The timeline, or N when only frames are known (then `shot_frames` is needed).
        shot_seconds: Wanted length in seconds.
        shot_frames: Wanted length in frames, instead.

    Raises:
        ValueError: If the length is not positive, or a length in seconds comes without a timeline.
    """
    n_frames = video.n_frames if isinstance(video, Timeline) else video
    if n_frames < 1:
        raise ValueError(f"a video has at least one frame, got {n_frames}")
    if shot_frames is not None:
        if shot_frames < 1:
            raise ValueError(f"shot_frames must be at least 1, got {shot_frames}")
        count = min(max(round(n_frames / shot_frames), 1), n_frames)
        return Shots.from_starts(np.arange(count) * n_frames // count, n_frames)
    if not isinstance(video, Timeline):
        raise ValueError("uniform shots of a length in seconds need a timeline; without one give shot_frames")
    if not shot_seconds > 0:
        raise ValueError(f"shot_seconds must be positive, got {shot_seconds}")
    count = int(min(max(round(video.end_seconds / shot_seconds), 1), n_frames))
    targets = np.arange(count) * (video.end_seconds / count)
    slack = 1e-6 * video.end_seconds / n_frames  # a boundary that falls on a frame starts with that frame
    starts = np.searchsorted(video.frame_seconds, targets - slack, side="left")
    return Shots.from_starts(np.unique(np.minimum(starts, n_frames - 1)), n_frames)


def merge_short(
    shots: Shots, timeline: Timeline | None = None, min_seconds: float | None = None, *, min_frames: int | None = None
) -> Shots:
    """Merge shots that are shorter than a minimum with a neighbour.

    Again and again the shortest shot that is too short (the earliest of equals) joins the shorter of its neighbours
    (the one before, of equals), until no shot is too short or one is left.

    Args:
        shots: The shots.
        timeline: When each frame is shown; needed for seconds.
        min_seconds: Minimum in seconds.
        min_frames: Minimum in frames, instead.

    Raises:
        ValueError: If not exactly one minimum is given, or it is negative or not finite.
    """
    minimum = min_frames if min_seconds is None else min_seconds
    if minimum is None or (min_frames is not None and min_seconds is not None):
        raise ValueError("give min_seconds or min_frames, one of them")
    if not 0 <= minimum < np.inf:
        raise ValueError(f"the minimal shot length must be a number >= 0, got {minimum}")
    starts = shots.bounds[:, 0].tolist()
    if min_seconds is None:
        lengths = shots.lengths.astype(np.float64).tolist()
    else:
        if timeline is None:
            raise ValueError("a minimal shot length in seconds needs a timeline")
        lengths = np.diff(timeline.shown_seconds[np.append(starts, shots.n_frames)]).tolist()
        minimum -= 1e-9 * timeline.end_seconds  # a shot of the minimal length is long enough, round-off or not
    while len(starts) > 1:
        shot = min(range(len(lengths)), key=lengths.__getitem__)
        if lengths[shot] >= minimum:
            break
        has_next, has_previous = shot + 1 < len(lengths), shot > 0
        to_next = has_next and (not has_previous or lengths[shot + 1] < lengths[shot - 1])
        later = shot + 1 if to_next else shot  # loses its start
        lengths[later - 1] += lengths.pop(later)
        starts.pop(later)
    return Shots.from_starts(np.array(starts, dtype=np.int64), shots.n_frames)


def split_long(
    shots: Shots, timeline: Timeline, part_seconds: float, *, longer_than: float, min_part_seconds: float = 0.0
) -> Shots:
    """Divide long shots into equal parts.

    Args:
        shots: The shots.
        timeline: When each frame is shown.
        part_seconds: Longest part, > 0; a part may be longer by less than a frame.
        longer_than: Shots of at most this many seconds stay whole.
        min_part_seconds: Shots that would have to be divided into shorter parts have longer ones, or stay whole.

    Returns:
        Shots with all the old starts and the new ones.

    Raises:
        ValueError: If `part_seconds` is not positive.
    """
    if not part_seconds > 0:
        raise ValueError(f"part_seconds must be positive, got {part_seconds}")
    edges = timeline.shown_seconds
    frame_seconds = timeline.end_seconds / timeline.n_frames
    starts = [shots.bounds[:, 0]]
    for first, last in edges[shots.bounds]:
        length = last - first
        if length <= longer_than:
            continue
        count = int(np.ceil(length / part_seconds - 1e-9))
        if min_part_seconds > 0:  # a boundary moves by up to a frame to where a frame starts
            count = min(count, int(length / (min_part_seconds + frame_seconds)))
        inner = first + length * np.arange(1, count) / max(count, 1)
        starts.append(np.searchsorted(edges, inner - 1e-6, side="left"))
    rising = np.unique(np.concatenate(starts))
    return Shots.from_starts(rising[rising < shots.n_frames], shots.n_frames)


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
    edges = timeline.edges  # the file's own clock, its gaps included
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
