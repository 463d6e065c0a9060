"""The shots of a dataset file: which convention their ends follow, and what to do about it.

Three are in circulation, for the same shots of 100 frames: inclusive ends (the community: `[0, 59], [60, 99]`),
half-open ends (MR.HiSum: `[0, 60], [60, 100]`), and an exporter that is off by one (last end 99, but inner ends
half-open, or lengths of end - start). The starts say the same in all of them, so each is read without doubt; shots
with a gap or an overlap, or that are not the whole video, are refused.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sspvs.errors import DatasetError
from sspvs.features.store.annotation_keys import CHANGE_POINTS, N_FRAME_PER_SEG
from sspvs.features.store.group_reader import GroupReader
from sspvs.types import IntArray, Shots


def read_shots(reader: GroupReader, n_frames: int) -> Shots | None:
    """The shots of a group, half-open; None when it has none. Tells the reader what was repaired.

    Args:
        reader: The group.
        n_frames: N.

    Raises:
        DatasetError: When the shots are not the whole video without gap or overlap.
    """
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
