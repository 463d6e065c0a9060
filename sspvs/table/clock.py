"""N, picks and shots of a video in a dataset file of any exporter; what can be read in one way only is repaired."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sspvs.errors import DatasetError
from sspvs.table import layout
from sspvs.table.group_reader import GroupReader
from sspvs.table.layout import CHANGE_POINTS, GTSCORE, N_FRAME_PER_SEG, USER_SCORES, USER_SUMMARY
from sspvs.types import IntArray, Shots

COMMUNITY_STEP = 15
"""The community's picks are every 15th frame."""


class Clock(NamedTuple):
    """N and the picks.

    Attributes:
        n_frames: N.
        picks: (T,) frame indices.
        one_pick_a_frame: The file has neither: each score is a frame of its own, as in MR.HiSum (1 per second).
    """

    n_frames: int
    picks: IntArray
    one_pick_a_frame: bool = False


def read_clock(reader: GroupReader) -> Clock:
    """N and the picks of a group; `reader.repairs` says what was repaired."""
    n_frames, has_picks = reader.count(layout.N_FRAMES), reader.whole_column(layout.PICKS) is not None
    n_scores = _length(reader, GTSCORE) or _length(reader, layout.FEATURES)
    if n_frames is None and not has_picks and USER_SUMMARY not in reader and GTSCORE in reader and n_scores:
        reader.repairs.append(
            f"no '{layout.PICKS}' and no '{layout.N_FRAMES}': each of the {n_scores} scores was read as a frame of its "
            "own (as in MR.HiSum, one a second)"
        )
        return Clock(n_scores, np.arange(n_scores, dtype=np.int64), one_pick_a_frame=True)
    if n_frames is None:
        n_frames = _frames_of_users(reader)
    picks = reader.picks(layout.PICKS, n_frames)
    if picks is None:
        return Clock(n_frames, _missing_picks(reader, n_frames, n_scores))
    n_steps = reader.count(layout.N_STEPS)
    if n_steps is not None and n_steps != len(picks):
        reader.repairs.append(f"'{layout.N_STEPS}' says {n_steps}, but there are {len(picks)} picks: not used")
    return Clock(n_frames, picks)


def _length(reader: GroupReader, key: str) -> int | None:
    """T, from an array of one value a pick; None when it is not there."""
    shape = reader.shape(key)
    if not shape:
        return None
    return max(shape) if key == GTSCORE else shape[0]


def _frames_of_users(reader: GroupReader) -> int:
    """N from annotations of every frame, where the file has no `n_frames`."""
    for key in (USER_SUMMARY, USER_SCORES):
        shape = reader.shape(key)
        if key == USER_SCORES and shape and max(shape) == _length(reader, GTSCORE):
            continue  # at the picks
        if shape and len(shape) <= 2:
            n_frames = max(shape)
            reader.repairs.append(f"no '{layout.N_FRAMES}': the {n_frames} frames of '{key}' were taken")
            return n_frames
    if reader.is_nested:
        raise DatasetError(
            f"{reader.where}: expected a video's arrays, found only groups ({reader.contents}); names with '/' make "
            "nested groups: write it again with other names"
        )
    missing = " and ".join(f"'{key}'" for key in (layout.N_FRAMES, layout.PICKS) if key not in reader)
    raise DatasetError(
        f"{reader.where}: expected '{layout.N_FRAMES}' and '{layout.PICKS}', found {reader.contents}; add {missing}: "
        "the length of the video in frames, and which of them were sampled"
    )


def _missing_picks(reader: GroupReader, n_frames: int, n_scores: int | None) -> IntArray:
    if n_scores == n_frames:
        reader.repairs.append(f"no '{layout.PICKS}', but a score for each of the {n_frames} frames: all are picks")
        return np.arange(n_frames, dtype=np.int64)
    every = -(-n_frames // COMMUNITY_STEP)
    hint = f" (every {COMMUNITY_STEP}th frame would be {every} picks)" if n_scores == every else ""
    raise DatasetError(
        f"{reader.where}: expected '{layout.PICKS}' (T,), found none, and {n_scores or 'no'} scores of {n_frames} "
        f"frames do not say which frames were sampled{hint}; add '{layout.PICKS}'"
    )


def read_shots(reader: GroupReader, n_frames: int) -> Shots | None:
    """The shots of a group, half-open; None when it has none; `reader.repairs` says what was repaired."""
    bounds = reader.whole_numbers(CHANGE_POINTS)
    lengths = reader.whole_column(N_FRAME_PER_SEG)
    if bounds is None:
        return _from_lengths(reader, lengths, n_frames)
    if bounds.ndim != 2 or bounds.shape[1] != 2:
        raise reader.problem(CHANGE_POINTS, "(S, 2) first and last frames", f"shape {bounds.shape}")
    shots, repair = half_open(bounds, n_frames, f"{reader.where}: '{CHANGE_POINTS}'")
    if repair:
        reader.repairs.append(f"'{CHANGE_POINTS}' {repair}")
    if lengths is not None and not np.array_equal(lengths, shots.lengths):
        reader.repairs.append(f"'{N_FRAME_PER_SEG}' {_lengths_repair(lengths, bounds, n_frames)}")
    return shots


def half_open(bounds: IntArray, n_frames: int, where: str) -> tuple[Shots, str]:
    """Half-open shots from (S, 2) bounds of any convention.

    A single shot, whose inner ends say nothing, is inclusive when it ends at N - 1 and half-open when it ends at N.

    Args:
        bounds: (S, 2) whole numbers as stored.
        n_frames: N.
        where: File, video and key, for messages.

    Returns:
        The shots, and what was repaired; empty for the community's inclusive ends.

    Raises:
        DatasetError: Naming the shot, when there is a gap or an overlap, or the shots are not the whole video.
    """
    starts, ends = bounds[:, 0], bounds[:, 1]
    steps = starts[1:] - ends[:-1]  # 1: inclusive ends; 0: half-open ends
    inclusive = bool((steps == 1).all())
    if not inclusive:
        _check_steps(bounds, where)
    if starts[0] != 0:
        raise DatasetError(f"{where}: shot 0 is {_show(bounds[0])}; expected the first shot to start at frame 0")
    last, single = int(ends[-1]), len(bounds) == 1
    if last not in (n_frames - 1, n_frames):
        raise DatasetError(
            f"{where}: shot {len(bounds) - 1} is {_show(bounds[-1])}; expected the last shot to end the video's "
            f"{n_frames} frames (at {n_frames - 1} with inclusive ends, at {n_frames} with half-open ones)"
        )
    empty = np.flatnonzero(np.diff(np.append(starts, n_frames)) < 1)
    if len(empty):
        raise DatasetError(f"{where}: shot {empty[0]} is {_show(bounds[empty[0]])}; expected at least one frame")
    shots = Shots.from_starts(starts, n_frames)
    if inclusive and last == n_frames - 1:
        return shots, ""
    if last == n_frames and (single or not inclusive):
        return shots, "has half-open ends, where the community's are inclusive: read as they are"
    if last == n_frames:
        return shots, f"has inclusive ends, but the last one is N = {n_frames}: read as {n_frames - 1}"
    return shots, f"has half-open ends, but the last one is N - 1 = {n_frames - 1}: the last frame was added to it"


def _check_steps(bounds: IntArray, where: str) -> None:
    """Refuse ends that are neither all inclusive nor all half-open, naming the shot that is off."""
    steps = bounds[1:, 0] - bounds[:-1, 1]
    if (steps == 0).all():
        return
    usual = 1 if (steps == 1).sum() >= (steps == 0).sum() else 0
    shot = int(np.flatnonzero(steps != usual)[0])
    kind = "a gap" if steps[shot] > usual else "an overlap"
    raise DatasetError(
        f"{where}: there is {kind} between shot {shot} {_show(bounds[shot])} and shot {shot + 1} "
        f"{_show(bounds[shot + 1])}; expected shots that follow each other, with ends that are all inclusive or all "
        "half-open"
    )


def _lengths_repair(lengths: npt.NDArray[np.int64], bounds: IntArray, n_frames: int) -> str:
    if np.array_equal(lengths, bounds[:, 1] - bounds[:, 0]):
        return f"was end - start (sums to {int(lengths.sum())}, not N = {n_frames}) and was computed anew"
    return f"did not fit the shots (sums to {int(lengths.sum())} of N = {n_frames}) and was computed anew"


def _from_lengths(reader: GroupReader, lengths: npt.NDArray[np.int64] | None, n_frames: int) -> Shots | None:
    """Shots from their lengths alone, where these are the whole video."""
    if lengths is None:
        return None
    if (lengths < 1).any() or lengths.sum() != n_frames:
        raise reader.problem(
            N_FRAME_PER_SEG,
            f"(S,) frames a shot that sum to N = {n_frames}, as there is no '{CHANGE_POINTS}'",
            f"shape {lengths.shape} with sum {int(lengths.sum())}",
            f"add '{CHANGE_POINTS}' (S, 2)",
        )
    reader.repairs.append(f"'{CHANGE_POINTS}' is missing: the shots were made from '{N_FRAME_PER_SEG}'")
    return Shots.from_starts(np.append(0, np.cumsum(lengths)[:-1]), n_frames)


def _show(bound: IntArray) -> str:
    return f"[{bound[0]}, {bound[1]}]"
