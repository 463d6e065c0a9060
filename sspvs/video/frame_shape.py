"""The shape of frames in a written video: size, orientation and pixel format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from sspvs.types import ImageArray, VideoInfo
from sspvs.video.orientation import Orientation

FULL_RANGE = 2
"""FFmpeg's AVCOL_RANGE_JPEG: brightness from 0 to 255 rather than 16 to 235."""


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
        if not croppable or frame.format.name != "yuv420p" or frame.color_range == FULL_RANGE:
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
