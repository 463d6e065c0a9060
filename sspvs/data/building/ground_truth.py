"""The arrays that a dataset file has of each video, from what its annotators said: the published datasets' rules."""

from __future__ import annotations

import numpy as np

from sspvs.data.annotations.record import AnnotatedVideo
from sspvs.data.building.clock import VideoClock
from sspvs.data.building.users import Users
from sspvs.selection import DEFAULT_RATIO, Budget, select
from sspvs.types import Annotations, BoolArray, FloatArray, IntArray, Shots

GTSUMMARY_RULE = "exact knapsack of gtscore over the shots, at the picks; ours, nothing is evaluated on it"


def annotations_of(
    video: AnnotatedVideo, clock: VideoClock, users: Users, shots: Shots, repairs: tuple[str, ...] = ()
) -> Annotations:
    """All that a dataset file says about a video.

    Args:
        video: What was read from the annotation file.
        clock: N, picks and times.
        users: The annotators' arrays.
        shots: The video cut into shots.
        repairs: What was repaired besides.

    Returns:
        The annotations, with all repairs.
    """
    chosen = users.chosen
    notes: tuple[str, ...] = ()
    made = ""
    if chosen is None:
        every_frame = np.arange(clock.n_frames, dtype=np.int64)
        chosen = np.stack([summary_frames(scores, every_frame, shots) for scores in users.scores])
        made = "user summaries are the best part of the best shot, and "
    budget = Budget().limits(shots).frames
    if shots.lengths.min() > budget:
        notes = (
            f"no shot fits into {DEFAULT_RATIO:.0%} of the video ({budget} frames): {made}summaries of methods will be "
            "empty, with F1 0; shorter shots are better (--max-shot-seconds, or other --shots)",
        )
    mean = users.scores[:, clock.picks].mean(axis=0, dtype=np.float64)  # (T,)
    gtscore = ((mean - users.low) / users.span).astype(np.float32)
    return Annotations(
        key=video.key,
        video_name=video.name,
        n_frames=clock.n_frames,
        picks=clock.picks,
        user_summaries=chosen,
        user_scores=users.scores,
        gtscore=gtscore,
        gtsummary=summary_frames(gtscore, clock.picks, shots)[clock.picks],
        shots=shots,
        title=video.title,
        category=video.category,
        fps=clock.fps,
        repairs=(*video.repairs, *clock.repairs, *users.repairs, *repairs, *notes),
    )


def summary_frames(scores: FloatArray, picks: IntArray, shots: Shots) -> BoolArray:
    """(N,) the frames of the best shots within 15 %: exact knapsack, budget rounded down.

    Where no shot fits, the best part of the best one: what an annotator prefers is never nothing.

    Args:
        scores: (T,) importance at the picks.
        picks: (T,) frame indices.
        shots: The video cut into shots.
    """
    frames = np.zeros(shots.n_frames, dtype=np.bool_)
    for start, end in select(scores, picks, shots).segments:
        frames[start:end] = True
    return frames
