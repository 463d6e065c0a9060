"""Raw timestamps as strictly increasing seconds, whatever the container did to them."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

CLOCK_JUMP_SECONDS = 1.0
"""Timestamps that fall back by more than this have been restarted; by less, they are a glitch of one frame."""


class StreamClock:
    """Turns raw timestamps into strictly increasing seconds, the first frame at 0.

    A missing timestamp is one frame after the last one. A timestamp that stands still or falls back a little is
    half a frame after the last one; after a fall of more than a second the clock has been restarted by whatever
    joined the streams, and goes on from there.
    """

    def __init__(self, time_base: Fraction, fps: float, start_seconds: float | None = None) -> None:
        """Start a clock.

        Args:
            time_base: Seconds of one tick of the raw timestamps.
            fps: Average frames per second, to guess with.
            start_seconds: Raw time of the video's first frame, when the frames that follow are later ones.
        """
        self._time_base = time_base
        self._frame_seconds = 1.0 / fps
        self._origin = start_seconds
        self._last = 0.0 if start_seconds is None else -math.inf
        self.repaired = 0

    def seconds(self, pts: int | None) -> float:
        """Presentation time of the next frame, whose raw timestamp is `pts`."""
        raw = None if pts is None else float(pts * self._time_base)
        if self._origin is None:
            self._origin = raw or 0.0
            self.repaired += raw is None
            return self._last
        now = self._last + self._frame_seconds if raw is None else raw - self._origin
        if raw is None or now <= self._last:
            self.repaired += 1
            step = 1.0 if raw is None or now < self._last - CLOCK_JUMP_SECONDS else 0.5
            now = self._last + step * self._frame_seconds
            if raw is not None and step == 1.0:
                self._origin = raw - now
        self._last = now
        return now

    def end(self, last_frame: Any) -> float:
        """When the last frame ends."""
        length = float((getattr(last_frame, "duration", None) or 0) * self._time_base)
        sane = 0 < length <= max(CLOCK_JUMP_SECONDS, 10 * self._frame_seconds)
        return self._last + (length if sane else self._frame_seconds)
