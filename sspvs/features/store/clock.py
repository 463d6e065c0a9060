"""How long a video of a dataset file is and which of its frames were picked."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sspvs.errors import DatasetError
from sspvs.features.store import layout
from sspvs.features.store.annotation_keys import GTSCORE, USER_SCORES, USER_SUMMARY
from sspvs.features.store.group_reader import GroupReader
from sspvs.types import IntArray

COMMUNITY_STEP = 15
"""The community's picks are every 15th frame."""


class Clock(NamedTuple):
    """N and the picks.

    Attributes:
        n_frames: N.
        picks: (T,) frame indices.
        one_pick_a_frame: The file says neither: each score is a frame of its own, as in MR.HiSum (1 per second).
    """

    n_frames: int
    picks: IntArray
    one_pick_a_frame: bool = False


def read_clock(reader: GroupReader) -> Clock:
    """N and the picks of a group. Tells the reader what was repaired.

    Raises:
        DatasetError: When they are missing, or do not fit each other.
    """
    n_frames, picks = reader.count(layout.N_FRAMES), reader.whole_column(layout.PICKS)
    n_scores = _length(reader, GTSCORE) or _length(reader, layout.FEATURES)
    if n_frames is None and picks is None and USER_SUMMARY not in reader and GTSCORE in reader and n_scores:
        reader.repairs.append(
            f"no '{layout.PICKS}' and no '{layout.N_FRAMES}': each of the {n_scores} scores was read as a frame of its "
            "own (as in MR.HiSum, one a second)"
        )
        return Clock(n_scores, np.arange(n_scores, dtype=np.int64), one_pick_a_frame=True)
    if n_frames is None:
        n_frames = _frames_of_users(reader)
    if picks is None:
        return Clock(n_frames, _missing_picks(reader, n_frames, n_scores))
    return Clock(n_frames, _checked_picks(reader, picks, n_frames))


def _length(reader: GroupReader, key: str) -> int | None:
    """T as an array of one value a pick says it; None when it is not there."""
    shape = reader.shape(key)
    if not shape:
        return None
    return max(shape) if key == GTSCORE else shape[0]


def _frames_of_users(reader: GroupReader) -> int:
    """N from what annotators said of every frame, when the file does not say it."""
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


def _checked_picks(reader: GroupReader, picks: IntArray, n_frames: int) -> IntArray:
    if len(picks) > 1 and picks[-1] == n_frames:
        reader.repairs.append(f"'{layout.PICKS}' ends in N = {n_frames}, which is no frame: it was left out")
        picks = picks[:-1]
    falls = np.flatnonzero(np.diff(picks) <= 0)
    if len(falls):
        found = f"{picks[falls[0]]} before {picks[falls[0] + 1]} at index {falls[0]}"
        raise reader.problem(layout.PICKS, "frame numbers that increase", found)
    if picks[0] < 0 or picks[-1] >= n_frames:
        outside = picks[0] if picks[0] < 0 else picks[-1]
        remedy = f"'{layout.N_FRAMES}' or '{layout.PICKS}' is of another video, or of another frame rate"
        raise reader.problem(layout.PICKS, f"frames 0..{n_frames - 1}", f"{outside}", remedy)
    n_steps = reader.count(layout.N_STEPS)
    if n_steps is not None and n_steps != len(picks):
        reader.repairs.append(f"'{layout.N_STEPS}' says {n_steps}, but there are {len(picks)} picks: not used")
    return picks
