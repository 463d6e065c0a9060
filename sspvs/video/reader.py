"""One interface to every decoder: which frames are taken from a video, and at what size.

A pick is the frame that a viewer sees at t = 0, 1/rate, 2/rate ... seconds: the last frame whose presentation
time is at or before t. Times come from presentation timestamps, never from index / fps, so variable frame rate
needs no special case.
"""

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from sspvs.errors import VideoError
from sspvs.files import START_BYTES, VIDEO, why_not
from sspvs.types import DecodeReport, FloatArray, FrameTrace, ImageArray, IntArray, Timeline, VideoInfo
from sspvs.video.files import list_of_files

SOUND_BLOCK_SECONDS = 30
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
        """Width and height in pixels, each at least 1, of what a picture of `width` x `height` becomes."""
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
        frames: (C, H, W, 3) uint8 RGB, C at most the chunk size.
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


class VideoReader(ABC):
    """A video open for reading; a context manager.

    Attributes:
        info: Facts of the container.
    """

    info: VideoInfo

    def __init__(self, timeline: Timeline | None = None) -> None:
        self._timeline = timeline
        self._decode_report: DecodeReport | None = None
        self._trace: FrameTrace | None = None
        self._beat: Callable[[], None] = silent

    def sample(
        self, rate_hz: float | None = 2.0, resize: Resize = DEFAULT_RESIZE, chunk_frames: int = 32
    ) -> Iterator[FrameChunk]:
        """One pass over the whole video, its picks in chunks.

        A pick is the frame on screen at t = 0, 1/rate, 2/rate ...; a rate above the frame rate gives each frame
        once. Memory does not depend on the length of the video.

        Args:
            rate_hz: Picks per second; None gives every frame.
            resize: Size of the frames given.
            chunk_frames: The most picks in a chunk.

        Yields:
            Chunks in order; all but the last have `chunk_frames` picks.

        Raises:
            VideoError: The video cannot be decoded at all, or the decoder crashed.
            DecodeTimeoutError: The decoder gave nothing within its time limit.
            ValueError: A rate or chunk size that is not positive.
        """
        if rate_hz is not None and not 0 < rate_hz < float("inf"):
            raise ValueError(f"rate_hz must be positive or None, got {rate_hz}")
        if chunk_frames < 1:
            raise ValueError(f"chunk_frames must be at least 1, got {chunk_frames}")
        return self._sample(rate_hz, resize, chunk_frames)

    @abstractmethod
    def _sample(self, rate_hz: float | None, resize: Resize, chunk_frames: int) -> Iterator[FrameChunk]: ...

    @abstractmethod
    def scan(self) -> None:
        """One pass without taking frames, for `timeline`, `decode_report` and `trace`."""

    def frames_at(self, frames: Sequence[int], resize: Resize = DEFAULT_RESIZE) -> ImageArray:
        """The frames with these indices, exactly.

        Makes the pass that gives the timeline first if none was made and none was given.

        Args:
            frames: Frame indices in [0, N), in any order; repeats are fine.
            resize: Size of the frames given.

        Returns:
            (len(frames), H, W, 3) uint8 RGB.

        Raises:
            ValueError: An index outside the video.
            VideoError: The frames cannot be decoded.
        """
        if self._timeline is None:
            self.scan()
        outside = [int(frame) for frame in frames if not 0 <= frame < self.timeline.n_frames]
        if outside:
            last = self.timeline.n_frames - 1
            raise ValueError(f"frame {outside[0]} is outside the video, which has frames 0 to {last}")
        return self._frames_at(frames, resize)

    @abstractmethod
    def _frames_at(self, frames: Sequence[int], resize: Resize) -> ImageArray: ...

    def sound(self, rate: int = 16_000, *, scan: bool = True) -> Iterator[FloatArray]:
        """The whole sound in one channel, on the clock of the pictures; nothing where there is none.

        Args:
            rate: Samples a second.
            scan: Whether the pass that gives the timeline is made first, if none was made and none was given. Without
                it the clock is the file's own, from the first frame on, and the sound is given to its own end.

        Yields:
            (n,) float32 samples in [-1, 1], block after block from the first frame to the end of the last one.
        """
        if self._timeline is None and scan:
            self.scan()
        return self._sound(rate)

    def _sound(self, rate: int) -> Iterator[FloatArray]:
        from sspvs.video.sound import open_audio

        timeline, step = self._timeline, SOUND_BLOCK_SECONDS * rate
        with open_audio(Path(self.info.path), self.info, timeline, [], rate, 1) as source:
            if source is None:
                return
            n_samples = sys.maxsize if timeline is None else round(timeline.end_seconds * rate)
            for first in range(0, n_samples, step):
                yield source.read(first, min(first + step, n_samples))[0]
                if timeline is None and source.ended:
                    return

    def subtitles(self) -> list[tuple[float, float, str]]:
        """(start, end, text with markup) of subtitles inside the video that are text, on the clock of the pictures."""
        if self._timeline is None:
            self.scan()
        return self._subtitles()

    def _subtitles(self) -> list[tuple[float, float, str]]:
        from sspvs.video.pyav_stream import subtitles_inside

        origins = self.timeline.origins or ((0.0, self.info.start_seconds),)
        return list(subtitles_inside(Path(self.info.path), origins, self._beat))

    @property
    def timeline(self) -> Timeline:
        """When each decoded frame is shown; known once a pass has run to its end."""
        if self._timeline is None:
            raise ValueError(f"{self.info.path}: the timeline is known after sample() has run to its end")
        return self._timeline

    @property
    def decode_report(self) -> DecodeReport:
        """What decoding met; known once a pass has run to its end."""
        if self._decode_report is None:
            raise ValueError(f"{self.info.path}: decode_report is known after sample() has run to its end")
        return self._decode_report

    @property
    def trace(self) -> FrameTrace | None:
        """What every frame looks like, in a few numbers.

        None before a pass has run to its end, and for decoders that do not decode every frame (decord).
        """
        return self._trace

    @property
    def frame_change(self) -> FloatArray | None:
        """(N,) float32 mean absolute luma change (0..255) of each frame against the one before; None as `trace`."""
        return None if self._trace is None else self._trace.change

    def close(self) -> None:  # noqa: B027 - some hold nothing open
        """Release the file and the decoder; closing twice is fine."""

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def silent() -> None:
    """What decoding calls for every packet when nothing waits for it."""


def check_file(path: Path) -> None:
    """Refuse what cannot be a video before any decoder sees it."""
    try:
        if path.is_dir():
            raise VideoError(f"expected a video file, got a folder: {path}")
        if not path.exists():
            raise VideoError(f"no such file: {path}")
        if not path.is_file():  # opening a named pipe would wait for a writer for ever
            raise VideoError(f"expected a video file, got a pipe, socket or device: {path}")
        if path.stat().st_size == 0:
            raise VideoError(f"expected a video, got an empty file: {path}")
        reason = why_not(path, *VIDEO)
        if reason is not None:
            raise VideoError(f"expected a video, but {reason}: {path}")
        with path.open("rb") as file:
            what = list_of_files(file.read(START_BYTES))
        if what is not None:
            raise VideoError(
                f"expected a video, but it is {what}, which names other files; give those, or join them: {path}"
            )
    except OSError as error:
        raise VideoError(f"cannot read {path}: {error.strerror}") from error
