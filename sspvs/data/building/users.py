"""What annotators said in seconds, on the video's frames."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sspvs.data.annotations.record import AnnotatedVideo, FrameChoices, FrameRatings, SecondScores, TimeIntervals
from sspvs.data.building.clock import VideoClock
from sspvs.errors import DatasetError
from sspvs.types import BoolArray, FloatArray, Timeline

_TICK = 1e-6  # times that differ by less are the same
_LITTLE_SECONDS, _LITTLE_SHARE = 1.0, 0.01  # beyond the end of the video


class Users(NamedTuple):
    """What U annotators said about the N frames of a video.

    Attributes:
        scores: (U, N) float32.
        chosen: (U, N) bool; None where annotators scored and did not choose.
        low: The score that counts as importance 0.
        span: How much above it counts as importance 1.
        repairs: Sentences about what was repaired.
    """

    scores: FloatArray
    chosen: BoolArray | None
    low: float = 0.0
    span: float = 1.0
    repairs: tuple[str, ...] = ()


def users_of(video: AnnotatedVideo, clock: VideoClock) -> Users:
    """The annotators' arrays of a video.

    Raises:
        DatasetError: When they do not fit the video.
    """
    opinions = video.opinions
    if isinstance(opinions, FrameChoices):
        return Users(opinions.chosen.astype(np.float32), opinions.chosen)
    if isinstance(opinions, FrameRatings):
        return Users(opinions.ratings, None, opinions.lowest, opinions.highest - opinions.lowest)
    if clock.timeline is None:
        raise DatasetError(
            f"{video.where}: annotations in seconds, but the frame rate is unknown; add 'fps' or 'duration', "
            "or give --fps"
        )
    if isinstance(opinions, TimeIntervals):
        return _choices(opinions, clock.timeline, video.where)
    return _held(opinions, clock.timeline, video.where)


def frames_in(intervals: FloatArray, timeline: Timeline) -> BoolArray:
    """The frames that start within stretches of time; each stretch has at least the frame on screen at its start.

    Args:
        intervals: (K, 2) start and end in seconds, within the video.
        timeline: When each frame is shown.

    Returns:
        (N,) bool.
    """
    chosen = np.zeros(timeline.n_frames, dtype=np.bool_)
    first, last = np.searchsorted(timeline.frame_seconds, intervals.T - _TICK, side="left")
    for index, (start, end) in enumerate(zip(first, last, strict=True)):
        if end > start:
            chosen[start:end] = True
        else:
            chosen[timeline.frame_at(float(intervals[index, 0]))] = True
    return chosen


def _choices(opinions: TimeIntervals, timeline: Timeline, where: str) -> Users:
    end = timeline.end_seconds
    rows, repairs = [], []
    for name, intervals in opinions.seconds.items():
        beyond = float(intervals.max(initial=0.0)) - end
        outside = (intervals[:, 1] > end + _little(end)) | (intervals[:, 0] >= end)
        if outside.any():
            wrong = intervals[outside][0]
            raise DatasetError(
                f"{where}, annotator '{name}': interval {wrong[0]:g} .. {wrong[1]:g} s is beyond the video's end at "
                f"{end:.2f} s; expected seconds from the start of the video"
            )
        if beyond > _TICK:
            repairs.append(f"an interval of annotator '{name}' ended {beyond:.2f} s after the video and was cut")
        rows.append(frames_in(np.minimum(intervals, end), timeline))
    chosen = np.stack(rows)
    return Users(chosen.astype(np.float32), chosen, repairs=tuple(repairs))


def _held(opinions: SecondScores, timeline: Timeline, where: str) -> Users:
    """Each second's score held to its frames, the last one to the end."""
    end = timeline.end_seconds
    seconds = np.floor(timeline.frame_seconds + _TICK).astype(np.int64)
    rows, repairs = [], []
    for name, scores in opinions.scores.items():
        if not np.floor(end + _TICK) - _little(end) <= len(scores) <= np.ceil(end - _TICK) + _little(end):
            raise DatasetError(
                f"{where}, annotator '{name}': {len(scores)} scores for a video of {end:.2f} s; expected one per second"
            )
        if len(scores) < np.floor(end + _TICK):
            repairs.append(f"annotator '{name}' has {len(scores)} scores for {end:.2f} s: the last one was held")
        elif len(scores) > np.ceil(end - _TICK):
            repairs.append(f"annotator '{name}' has {len(scores)} scores for {end:.2f} s: those beyond were left out")
        rows.append(scores[np.minimum(seconds, len(scores) - 1)])
    return Users(np.stack(rows).astype(np.float32), None, repairs=tuple(repairs))


def _little(end: float) -> float:
    return max(_LITTLE_SECONDS, _LITTLE_SHARE * end)
