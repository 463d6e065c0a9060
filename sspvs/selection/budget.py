"""How much a summary may hold: a share of the video, seconds, or a number of shots."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sspvs.types import FloatArray, IntArray, Shots, Timeline

DEFAULT_RATIO = 0.15
"""The field's budget since SumMe and TVSum."""

_ROUND_OFF = 1e-9


@dataclass(frozen=True)
class Budget:
    """What the user asks for; at most one of the three.

    Attributes:
        ratio: Share of the video, 0 < ratio <= 1; 1 is the whole video. `DEFAULT_RATIO` when nothing is given.
        duration_seconds: Longest summary, > 0.
        max_shots: Most shots, >= 1.

    Raises:
        ValueError: If more than one is given, or one is out of its range.
    """

    ratio: float | None = None
    duration_seconds: float | None = None
    max_shots: int | None = None

    def __post_init__(self) -> None:
        given = [name for name, value in vars(self).items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"give one budget, got {' and '.join(given)}")
        if not given:
            object.__setattr__(self, "ratio", DEFAULT_RATIO)
        if self.ratio is not None and not 0 < self.ratio <= 1:
            raise ValueError(f"ratio must be more than 0 and at most 1, got {self.ratio}")
        if self.duration_seconds is not None and not 0 < self.duration_seconds < math.inf:
            raise ValueError(f"duration_seconds must be a positive number, got {self.duration_seconds}")
        if self.max_shots is not None and (self.max_shots < 1 or self.max_shots != int(self.max_shots)):
            raise ValueError(f"max_shots must be a whole number, at least 1, got {self.max_shots}")

    def limits(self, shots: Shots, timeline: Timeline | None = None) -> Limits:
        """What the budget means for one video.

        A ratio allows floor(ratio * N) frames. Where the frame rate varies, time counts instead of frames: seconds, or
        that share of the time. At a constant rate both limits hold, and seconds allow the frames that they last for. A
        number of shots allows as many frames as the longest shots have. One frame is always allowed.

        Args:
            shots: The video's shots.
            timeline: When each frame is shown; needed for seconds.

        Raises:
            ValueError: If a timeline is missing or of another video.
        """
        if timeline is not None and timeline.n_frames != shots.n_frames:
            raise ValueError(f"shots of {shots.n_frames} frames do not fit a timeline of {timeline.n_frames}")
        if self.max_shots is not None:
            longest = np.sort(shots.lengths)[::-1][: int(self.max_shots)]
            return Limits(int(longest.sum()), math.inf, None)
        edges = None if timeline is None else frame_edges(timeline)
        total = math.inf if edges is None else float(edges[-1])
        if self.duration_seconds is not None:
            if timeline is None:
                raise ValueError("a budget in seconds needs a timeline; give a ratio")
            seconds = float(self.duration_seconds)
            share = seconds / total if total > seconds else 1.0
        else:
            assert self.ratio is not None
            share = float(self.ratio)
            seconds = share * total
        if timeline is not None and not timeline.has_constant_rate:
            return Limits(shots.n_frames, seconds, edges)
        # 0.29 * 100 is 28.999999999999996 in binary; its floor is meant to be 29.
        return Limits(max(int(share * shots.n_frames + _ROUND_OFF), 1), seconds, edges)


@dataclass(frozen=True)
class Limits:
    """The most that the summary of one video may hold.

    Attributes:
        frames: Most frames.
        seconds: Most seconds; infinite when time does not matter.
        edges: (N + 1,) seconds at which frames start, and the end of the video; None when time does not matter.
    """

    frames: int
    seconds: float
    edges: FloatArray | None

    def seconds_of(self, bounds: IntArray) -> FloatArray:
        """(M,) seconds of (M, 2) frame ranges; zeros when time does not matter."""
        if self.edges is None:
            return np.zeros(len(bounds))
        durations: FloatArray = self.edges[bounds[:, 1]] - self.edges[bounds[:, 0]]
        return durations

    def shares_of(self, bounds: IntArray) -> FloatArray:
        """(M,) the part of the limits that each of (M, 2) frame ranges takes: of the frames or of the seconds."""
        shares: FloatArray = self.seconds_of(bounds) / self.seconds
        if self.edges is None or self.frames < len(self.edges) - 1:  # all frames of a video are no limit
            shares = np.maximum(shares, (bounds[:, 1] - bounds[:, 0]) / self.frames)
        return shares

    def allow(self, bounds: IntArray) -> bool:
        """Whether (M, 2) frame ranges together are within the limits."""
        frames = int((bounds[:, 1] - bounds[:, 0]).sum())
        return frames <= self.frames and float(self.seconds_of(bounds).sum()) <= self.seconds * (1 + _ROUND_OFF)


def frame_edges(timeline: Timeline) -> FloatArray:
    """(N + 1,) seconds of picture before each frame, and of all; see `Timeline.shown_seconds`."""
    return timeline.shown_seconds
