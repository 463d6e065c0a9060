"""A video's length, picks and times, and its annotators' arrays on them, from its annotations and its features."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sspvs.annotations.record import AnnotatedVideo, FrameChoices, FrameRatings, SecondScores, TimeIntervals
from sspvs.errors import DatasetError
from sspvs.types import Annotations, BoolArray, FloatArray, FrameFeatures, Timeline
from sspvs.types.video import MOST_FRAMES

COMMUNITY_STEP = 15  # the community's picks are every 15th frame
FEW_FRAMES = 5
SMALL_SHARE = 0.01  # Decoders disagree by so many frames, or this share of them, about one and the same video

_SAME_SECONDS = 1.0
_SAME_LENGTH = 0.02
_TICK = 1e-6  # times that differ by less are the same
_LITTLE_SECONDS, _LITTLE_SHARE = 1.0, 0.01  # beyond the end of the video


class VideoOnClock(NamedTuple):
    """A video's annotations at its frames and picks, and what goes with them."""

    annotations: Annotations  # without shots
    timeline: Timeline | None  # when each frame is shown; None when the frame rate is unknown
    features: FrameFeatures | None  # of the same N and picks; None when there are none


def on_clock(video: AnnotatedVideo, features: FrameFeatures | None, every: int = COMMUNITY_STEP) -> VideoOnClock:
    """Annotations on the features' picks, or on every `every`-th frame; `gtscore` is the mean annotator, 0 to 1."""
    n_frames = video.n_frames or (features.n_frames if features else None) or _frames_from_time(video)
    if n_frames > MOST_FRAMES:
        raise DatasetError(
            f"{video.where}: {n_frames} frames are more than a video has; correct 'n_frames', 'fps' or so"
        )
    repairs: tuple[str, ...] = ()
    if features is not None:
        features, repairs = fitted(features, n_frames, video.where)
    fps = video.fps or _rate(video, features, n_frames)
    timeline = None if features is None else features.timeline
    if timeline is None and fps is not None:
        timeline = Timeline(np.arange(n_frames) / fps, n_frames / fps)
    _check_length(video, n_frames, timeline)
    users = users_of(video, timeline)
    picks = np.arange(0, n_frames, every, dtype=np.int64) if features is None else features.picks
    mean = users.scores[:, picks].mean(axis=0, dtype=np.float64)
    annotations = Annotations(
        key=video.key,
        video_name=video.name,
        n_frames=n_frames,
        picks=picks,
        user_summaries=users.chosen,
        user_scores=users.scores,
        gtscore=((mean - users.low) / users.span).astype(np.float32),
        title=video.title,
        category=video.category,
        fps=fps,
        repairs=(*video.repairs, *repairs, *users.repairs),
    )
    return VideoOnClock(annotations, timeline, features)


def fitted(features: FrameFeatures, n_frames: int, where: str) -> tuple[FrameFeatures, tuple[str, ...]]:
    """Features on the annotations' N, where decoders differ by little, and sentences about what was changed."""
    if features.n_frames == n_frames:
        return features, ()
    if abs(features.n_frames - n_frames) > max(FEW_FRAMES, SMALL_SHARE * n_frames):
        raise DatasetError(
            f"{where}: annotations of {n_frames} frames, but features of {features.n_frames}; expected the same video "
            "at the same frame rate: extract features from the video that was annotated"
        )
    keep = features.picks < n_frames
    dropped = int((~keep).sum())
    sentence = f"features of {features.n_frames} frames were fitted to the annotations' {n_frames}"
    if dropped:
        sentence += f": {dropped} of {len(keep)} picks were beyond and left out"
    streams = {name: replace(one, features=one.features[keep]) for name, one in features.streams.items()}
    kept = replace(features, features=features.features[keep], picks=features.picks[keep], streams=streams)
    return replace(kept, n_frames=n_frames, timeline=None, frame_change=None), (sentence,)


def _frames_from_time(video: AnnotatedVideo) -> int:
    seconds = video.duration_seconds
    if seconds is None and isinstance(video.opinions, SecondScores):
        seconds = float(max(map(len, video.opinions.scores.values())))
    if seconds is None or video.fps is None:
        unknown = "frame rate" if video.fps is None else "length"
        raise DatasetError(
            f"{video.where}: the {unknown} is unknown; add 'n_frames', or 'duration' and 'fps' (or --fps), or give "
            "--features"
        )
    return max(round(seconds * video.fps), 1)


def _rate(video: AnnotatedVideo, features: FrameFeatures | None, n_frames: int) -> float | None:
    if features is not None and features.timeline is not None:
        return n_frames / features.timeline.end_seconds
    if video.duration_seconds:
        return n_frames / video.duration_seconds
    return features.info.fps if features is not None and features.info is not None else None


def _check_length(video: AnnotatedVideo, n_frames: int, timeline: Timeline | None) -> None:
    """What people wrote of frames, rate and length must be of one video; SumMe's own differ by up to 3 %."""
    stated = video.duration_seconds
    if stated is None or timeline is None or not isinstance(video.opinions, TimeIntervals | SecondScores):
        return
    if abs(timeline.end_seconds - stated) > max(_SAME_SECONDS, _SAME_LENGTH * stated):
        raise DatasetError(
            f"{video.where}: {n_frames} frames last {timeline.end_seconds:.2f} s at "
            f"{n_frames / timeline.end_seconds:g} per second, but the annotations say {stated:g} s; correct "
            "'duration', 'fps' or 'n_frames'"
        )


class Users(NamedTuple):
    """The arrays of U annotators over the N frames of a video."""

    scores: FloatArray  # (U, N) float32
    chosen: BoolArray | None  # (U, N) bool; None where annotators scored and did not choose
    low: float = 0.0  # the score that counts as importance 0
    span: float = 1.0  # how much above it counts as importance 1
    repairs: tuple[str, ...] = ()


def users_of(video: AnnotatedVideo, timeline: Timeline | None) -> Users:
    """The annotators' arrays of a video; seconds need its timeline."""
    opinions = video.opinions
    if isinstance(opinions, FrameChoices):
        return Users(opinions.chosen.astype(np.float32), opinions.chosen)
    if isinstance(opinions, FrameRatings):
        return Users(opinions.ratings, None, low=1.0, span=4.0)
    if timeline is None:
        raise DatasetError(
            f"{video.where}: annotations in seconds, but the frame rate is unknown; add 'fps' or 'duration', "
            "or give --fps"
        )
    if isinstance(opinions, TimeIntervals):
        return _choices(opinions, timeline, video.where)
    return _held(opinions, timeline, video.where)


def frames_in(intervals: FloatArray, timeline: Timeline) -> BoolArray:
    """(N,) the frames that start within (K, 2) seconds; each stretch has at least the frame on screen at its start."""
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
