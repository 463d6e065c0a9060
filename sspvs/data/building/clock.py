"""How long a video is, where its picks are and when its frames are shown: from its annotations and its features."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sspvs.data.annotations.record import AnnotatedVideo, SecondScores, TimeIntervals
from sspvs.errors import DatasetError
from sspvs.types import FrameFeatures, IntArray, Timeline
from sspvs.types.arrays import MOST_FRAMES

COMMUNITY_STEP = 15
"""The community's picks are every 15th frame."""

FEW_FRAMES = 5
SMALL_SHARE = 0.01
"""Decoders disagree by so many frames, or this share of them, about one and the same video."""

_SAME_SECONDS = 1.0
_SAME_LENGTH = 0.02


@dataclass(frozen=True)
class VideoClock:
    """The two clocks of a video.

    Attributes:
        n_frames: N.
        picks: (T,) frame indices.
        timeline: When each frame is shown; None when neither features nor annotations know the frame rate.
        fps: Frames per second; None when unknown.
        features: The video's features, of the same N and picks; None when there are none.
        repairs: Sentences about what was repaired.
    """

    n_frames: int
    picks: IntArray
    timeline: Timeline | None
    fps: float | None
    features: FrameFeatures | None = None
    repairs: tuple[str, ...] = ()


def clock_of(video: AnnotatedVideo, features: FrameFeatures | None, every: int = COMMUNITY_STEP) -> VideoClock:
    """The clock of a video.

    What the annotations say of N rules; the picks are those of the features, or every `every`-th frame; times come
    from the features' timeline where it is of the same N, else from the frame rate.

    Args:
        video: What was read from the annotation file.
        features: Its features, where there are any.
        every: Distance of the picks in frames, where there are none.

    Raises:
        DatasetError: When the length is unknown, or annotations and features are of different videos.
    """
    n_frames = video.n_frames or (features.n_frames if features else None) or _frames_from_time(video)
    if n_frames > MOST_FRAMES:
        raise DatasetError(
            f"{video.where}: {n_frames} frames are more than a video has; correct 'n_frames', 'fps' or so"
        )
    repairs: tuple[str, ...] = ()
    if features is not None:
        features, repairs = fitted(features, n_frames, video.where)
    fps = video.fps or _rate(video, features, n_frames)
    if features is not None and features.timeline is not None:
        timeline: Timeline | None = features.timeline
    else:
        timeline = None if fps is None else Timeline(np.arange(n_frames) / fps, n_frames / fps)
    _check_length(video, n_frames, timeline)
    picks = np.arange(0, n_frames, every, dtype=np.int64) if features is None else features.picks
    return VideoClock(n_frames, picks, timeline, fps, features, repairs)


def fitted(features: FrameFeatures, n_frames: int, where: str) -> tuple[FrameFeatures, tuple[str, ...]]:
    """Features on the annotations' N, where decoders differ by little.

    Args:
        features: The video's features.
        n_frames: N as the annotations have it.
        where: File and video, for messages.

    Returns:
        The features without picks beyond N, and what was repaired.

    Raises:
        DatasetError: When the two numbers of frames are too different to be of one video.
    """
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
    fitted_features = replace(
        features,
        features=features.features[keep],
        picks=features.picks[keep],
        n_frames=n_frames,
        timeline=None,
        frame_change=None,
    )
    return fitted_features, (sentence,)


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
