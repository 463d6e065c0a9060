"""Which frames are taken from a video, and at what size.

A pick is the frame that a viewer sees at t = 0, 1/rate, 2/rate ... seconds: the last frame whose presentation
time is at or before t. Times come from presentation timestamps, never from index / fps, so variable frame rate
needs no special case.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from sspvs.types import FloatArray, ImageArray, IntArray

CLOCK_TOLERANCE_SECONDS = 1e-6
"""Ticks and timestamps that differ by less are the same instant: both are rounded to floating point."""


@dataclass(frozen=True)
class Resize:
    """How frames are resized while they are decoded, so that full-size frames are never kept.

    Attributes:
        mode: `squash` gives `pixels` x `pixels`; `short_side` and `long_side` keep the aspect and set that side
            to `pixels` (`long_side` never enlarges); `none` keeps the displayed size.
        pixels: Size in pixels.
        filter: Resampling filter.
        height: With `squash` only: gives `pixels` x `height` instead of a square.
    """

    mode: Literal["squash", "short_side", "long_side", "none"] = "squash"
    pixels: int = 224
    filter: Literal["area", "bilinear", "bicubic"] = "area"
    height: int | None = None

    def __post_init__(self) -> None:
        if self.mode not in ("squash", "short_side", "long_side", "none"):
            raise ValueError(f"mode must be squash, short_side, long_side or none, got {self.mode!r}")
        if self.filter not in ("area", "bilinear", "bicubic"):
            raise ValueError(f"filter must be area, bilinear or bicubic, got {self.filter!r}")
        if self.pixels < 1:
            raise ValueError(f"pixels must be at least 1, got {self.pixels}")
        if self.height is not None and (self.mode != "squash" or self.height < 1):
            raise ValueError(f"height must be at least 1 and goes with squash only, got {self.height} ({self.mode})")

    def target_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height that a picture of `width` x `height` becomes.

        Args:
            width: Displayed width in pixels.
            height: Displayed height in pixels.

        Returns:
            (width, height), each at least 1.
        """
        if self.mode == "squash":
            return self.pixels, self.height or self.pixels
        if self.mode == "none":
            return width, height
        side = min(width, height) if self.mode == "short_side" else max(width, height)
        if self.mode == "long_side" and side <= self.pixels:
            return width, height
        scale = self.pixels / side
        return max(1, round(width * scale)), max(1, round(height * scale))


DEFAULT_RESIZE = Resize()


class FrameChunk(NamedTuple):
    """Some consecutive picks of a video.

    Attributes:
        frames: (C, H, W, 3) uint8 RGB, C at most the chunk size asked for.
        picks: (C,) int64 frame indices, strictly increasing over the whole stream.
        seconds: (C,) float64 presentation times, the first frame of the video at 0.
        shown: The same pictures as a viewer sees them, where that differs: networks are given untagged video of 720
            lines and more as BT.601, which their features always were made of, and viewers see BT.709.
    """

    frames: ImageArray
    picks: IntArray
    seconds: FloatArray
    shown: ImageArray | None = None

    @property
    def pictures(self) -> ImageArray:
        """The frames for people rather than networks."""
        return self.frames if self.shown is None else self.shown


def ticks_before(seconds: float, rate_hz: float) -> int:
    """How many of the instants 0, 1/rate, 2/rate ... lie before `seconds`."""
    return max(0, math.ceil((seconds - CLOCK_TOLERANCE_SECONDS) * rate_hz))


def is_pick(start_seconds: float, end_seconds: float, rate_hz: float | None) -> bool:
    """Whether a frame shown during [start, end) is on screen at one of the sampling instants."""
    if rate_hz is None:
        return True
    return ticks_before(end_seconds, rate_hz) > ticks_before(start_seconds, rate_hz)


def choose_picks(frame_seconds: FloatArray, end_seconds: float, rate_hz: float | None) -> IntArray:
    """The (T,) picks of a video with (N,) presentation times: strictly increasing frame indices."""
    if rate_hz is None:
        return np.arange(len(frame_seconds), dtype=np.int64)
    edges = np.append(frame_seconds, end_seconds) - CLOCK_TOLERANCE_SECONDS
    ticks = np.maximum(0, np.ceil(edges * rate_hz))
    return np.flatnonzero(np.diff(ticks) > 0).astype(np.int64)
