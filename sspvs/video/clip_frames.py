"""The frames of given stretches of a video, and their shape in the output."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from sspvs.types import ImageArray, VideoInfo
from sspvs.video.pyav_stream import (
    DecodeCounts,
    Orientation,
    StreamClock,
    decode_frames,
    open_container,
    video_stream,
)

EDGE_SECONDS = 1e-4
"""Frames that reach into a segment by less than this are not part of it: bounds are rounded numbers."""
SKIP_SECONDS = 2.0
"""Stretches shorter than this are decoded through rather than jumped over."""
SEEK_MARGINS_SECONDS = (0.0, 2.0, 20.0)
"""How much earlier to look for a key frame when a jump landed behind its target."""


class FrameSource:
    """Decoded frames of any stretch of a video; jumps to the key frame before it."""

    def __init__(self, path: Path, info: VideoInfo) -> None:
        self.path = path
        self._info = info
        self._stack = ExitStack()
        self._held: tuple[float, Any] | None = None

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
        if self._held is None or not self._held[0] - EDGE_SECONDS <= start <= self._held[0] + SKIP_SECONDS:
            self._seek(start)
        while self._held is not None and self._held[0] < end - EDGE_SECONDS:
            seconds, frame = self._held
            following = next(self._frames, None)
            gone = following[0] if following is not None else self._clock.end(frame)
            if gone > start + EDGE_SECONDS:
                yield frame, max(seconds, start), min(gone, end)
            if gone >= end + EDGE_SECONDS:
                # The frame reaches over the end: the next stretch may need it, put the other one back.
                self._frames = _prepend(following, self._frames)
                return
            self._held = following

    def _rewind(self) -> None:
        self._stack.close()
        self._container = self._stack.enter_context(open_container(self.path))
        self._stream = video_stream(self._container, self.path)
        self._clock = StreamClock(self._stream.time_base, self._info.fps)
        self._frames = self._decode()
        self._held = next(self._frames, None)

    def _seek(self, seconds: float) -> None:
        for margin in SEEK_MARGINS_SECONDS:
            target = seconds - margin
            if target <= SKIP_SECONDS:
                break
            pts = int((target + self._info.start_seconds) / self._stream.time_base)
            try:
                self._container.seek(pts, stream=self._stream, backward=True)
            except av.error.FFmpegError:
                break
            self._clock = StreamClock(self._stream.time_base, self._info.fps, self._info.start_seconds)
            self._frames = self._decode()
            self._held = next(self._frames, None)
            if self._held is not None and self._held[0] <= seconds + EDGE_SECONDS:
                return
        self._rewind()

    def _decode(self) -> Iterator[tuple[float, Any]]:
        for frame in decode_frames(self._container, self._stream, DecodeCounts()):
            yield self._clock.seconds(frame.pts), frame


def _prepend(first: tuple[float, Any] | None, rest: Iterator[tuple[float, Any]]) -> Iterator[tuple[float, Any]]:
    if first is not None:
        yield first
    yield from rest


class FrameShaper:
    """Gives frames the output's size, orientation and pixel format; leaves those that have them untouched."""

    def __init__(self, info: VideoInfo, orientation: Orientation, max_height: int | None) -> None:
        width, height = info.width, info.height
        if max_height is not None and height > max_height:
            width, height = round(width * max_height / height), max_height
        self.size = (_even(width), _even(height))
        self._orientation = orientation
        self._stored_size = self.size[::-1] if orientation.transpose else self.size
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Any) -> Any:
        """A yuv420p frame in the output's size; may be the same object."""
        width, height = self._stored_size
        croppable = frame.width - width in (0, 1) and frame.height - height in (0, 1)
        if not croppable or frame.format.name != "yuv420p" or frame.color_range == 2:
            frame = self._reformatter.reformat(
                frame,
                width=frame.width if croppable else width,
                height=frame.height if croppable else height,
                format="yuv420p",
                interpolation="BICUBIC",
                dst_color_range="MPEG",
            )
        if self._orientation == Orientation() and (frame.width, frame.height) == (width, height):
            return frame
        planes = [self._orientation.apply(plane) for plane in _planes(frame, width, height)]
        # One array as FFmpeg stores yuv420p: the luma rows, then both chroma planes.
        packed = np.concatenate([plane.reshape(-1) for plane in planes]).reshape(-1, self.size[0])
        return av.VideoFrame.from_ndarray(packed, format="yuv420p")


def _planes(frame: Any, width: int, height: int) -> Iterator[ImageArray]:
    for plane, half in zip(frame.planes, (1, 2, 2), strict=True):
        rows = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height].reshape(-1, plane.line_size)
        yield rows[: height // half, : width // half]


def _even(pixels: int) -> int:
    return max(2, pixels - pixels % 2)
