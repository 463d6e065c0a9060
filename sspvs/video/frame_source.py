"""Decoded frames of any stretch of a video, by jumping to the key frame before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import av.error
import numpy as np

from sspvs.types import FloatArray, VideoInfo
from sspvs.video.deinterlace import Deinterlacer
from sspvs.video.pyav_stream import DecodeCounts, decode_frames, open_container, silent, video_stream
from sspvs.video.stream_clock import StreamClock

EDGE_SECONDS = 1e-4
"""Frames that reach into a segment by less than this are not part of it: bounds are rounded numbers."""
SKIP_SECONDS = 2.0
"""Stretches shorter than this are decoded through rather than jumped over."""
SEEK_MARGINS_SECONDS = (0.0, 2.0, 20.0)
"""How much earlier to look for a key frame when a jump landed behind its target."""


class FrameSource:
    """Decoded frames of any stretch of a video; jumps to the key frame before it."""

    def __init__(
        self,
        path: Path,
        info: VideoInfo,
        key_seconds: FloatArray | None = None,
        beat: Callable[[], None] = silent,
    ) -> None:
        """Prepare to read; entering the context opens the file.

        Args:
            path: The video.
            info: What its container says.
            key_seconds: Times of its key frames, when they are known: then it jumps only where a jump saves work.
            beat: Called for every packet.
        """
        self.path = path
        self._info = info
        self._key_seconds = key_seconds
        self._beat = beat
        self.deinterlacer = Deinterlacer()
        self._stack = ExitStack()
        self._frames: Iterator[tuple[float, Any]] = iter(())
        self._held: tuple[float, Any] | None = None  # the frame on screen where this source stands
        self._following: tuple[float, Any] | None = None  # the one after it, if it was looked at
        self._peeked = False

    def __enter__(self) -> FrameSource:
        self._rewind()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def between(self, start: float, end: float) -> Iterator[tuple[Any, float, float]]:
        """Frames on screen during [start, end).

        Args:
            start: Seconds from the first frame of the video.
            end: Seconds.

        Yields:
            (frame, shown, gone): a PyAV frame and when it appears and disappears, clipped to the stretch.
        """
        if not self._lies_ahead(start):
            self._seek(start)
        while self._held is not None and self._held[0] < end - EDGE_SECONDS:
            seconds, frame = self._held
            if not self._peeked:
                self._following, self._peeked = next(self._frames, None), True
            gone = self._following[0] if self._following is not None else self._clock.end(frame)
            if gone > start + EDGE_SECONDS:
                yield frame, max(seconds, start), min(gone, end)
            if gone >= end + EDGE_SECONDS:
                return  # the frame reaches over the end: the next stretch may begin with it
            self._held, self._peeked = self._following, False

    def at(self, seconds: float) -> Any | None:
        """The frame whose presentation time is `seconds`, or None when it does not come."""
        for frame, _, _ in self.between(seconds, seconds + 2 * EDGE_SECONDS):
            exact = self._held is not None and abs(self._held[0] - seconds) < EDGE_SECONDS
            return frame if exact else None
        return None

    def _lies_ahead(self, seconds: float) -> bool:
        """Whether decoding on gets there sooner than a jump."""
        if self._held is None or seconds < self._held[0] - EDGE_SECONDS:
            return False
        if self._key_seconds is None:
            return seconds <= self._held[0] + SKIP_SECONDS
        now, then = np.searchsorted(self._key_seconds, [self._held[0], seconds + EDGE_SECONDS], side="right")
        return bool(now == then)

    def _rewind(self) -> None:
        self._stack.close()
        self._container = self._stack.enter_context(open_container(self.path))
        self._stream = video_stream(self._container, self.path)
        self._clock = StreamClock(self._stream.time_base, self._info.fps)
        self._begin()

    def _seek(self, seconds: float) -> None:
        for margin in SEEK_MARGINS_SECONDS:
            target = seconds - margin
            if target <= 0:
                break
            pts = round((target + self._info.start_seconds) / self._stream.time_base)
            try:
                self._container.seek(pts, stream=self._stream, backward=True)
            except av.error.FFmpegError:
                break
            self._clock = StreamClock(self._stream.time_base, self._info.fps, self._info.start_seconds)
            self._begin()
            if self._held is not None and self._held[0] <= seconds + EDGE_SECONDS:
                return
        self._rewind()

    def _begin(self) -> None:
        self._frames = self._decode()
        self._held, self._peeked = next(self._frames, None), False

    def _decode(self) -> Iterator[tuple[float, Any]]:
        for frame in self.deinterlacer(decode_frames(self._container, self._stream, DecodeCounts(self._beat))):
            yield self._clock.seconds(frame.pts), frame
