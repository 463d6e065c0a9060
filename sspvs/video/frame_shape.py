"""The shape of frames in a written video: size, orientation, pixel format and colours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from sspvs.types import ImageArray, VideoInfo
from sspvs.video.colour import (
    BT709,
    FULL,
    LIMITED,
    SWSCALE_TARGETS,
    UNSTATED,
    Colour,
    coloured,
    hdr_kind,
    is_rgb,
    matrix_of,
    reformat,
    stated_colour,
    usual_colour,
    whole_colour,
)
from sspvs.video.orientation import Orientation
from sspvs.video.tone_map import DEEP_RGB, ToneMapper


class FrameShaper:
    """Gives frames the output's size, orientation and pixel format; leaves those that have them untouched.

    Colours stay as the source has them, with its tags, but brightness has limited range, which all players know, and
    HDR is tone-mapped to BT.709. What is untagged stays so, unless players would take it for something else at the
    size that is written.
    """

    def __init__(self, info: VideoInfo, orientation: Orientation, max_height: int | None) -> None:
        width, height = info.width, info.height
        if max_height is not None and height > max_height:
            width, height = round(width * max_height / height), max_height
        self.size = (_even(width), _even(height))
        self._orientation = orientation
        self._stored_size = self.size[::-1] if orientation.transpose else self.size
        self._reformatter = VideoReformatter()
        self._tone_mapper = ToneMapper()
        self._target: int | None = None  # the matrix of what is written

    def tags(self, first: Any) -> tuple[Colour, int]:
        """The colour, and the range (0: not stated), that a stream beginning with this frame should state."""
        stated, written = stated_colour(first), usual_colour(self.size[1])
        if hdr_kind(first):
            colour = BT709
        elif is_rgb(first):
            colour = stated._replace(matrix=written.matrix).filled_from(BT709)
        elif stated == Colour() and written == usual_colour(first.height):
            colour = stated
        else:
            colour = whole_colour(first)
        self._target = colour.matrix if hdr_kind(first) or is_rgb(first) else matrix_of(first)
        untouched = colour == Colour() and first.color_range != FULL
        return colour, int(first.color_range) if untouched else LIMITED

    def __call__(self, frame: Any) -> Any:
        """A yuv420p frame in the output's size; may be the same object."""
        if self._target is None:
            self.tags(frame)
        width, height = self._stored_size
        frame = self._converted(coloured(self._reformatter, frame))
        if self._orientation == Orientation() and (frame.width, frame.height) == (width, height):
            return frame
        planes = [self._orientation.apply(plane) for plane in _planes(frame, width, height)]
        # One array as FFmpeg stores yuv420p: the luma rows, then both chroma planes.
        packed = np.concatenate([plane.reshape(-1) for plane in planes]).reshape(-1, self.size[0])
        return av.VideoFrame.from_ndarray(packed, format="yuv420p")

    def _converted(self, frame: Any) -> Any:
        """The frame as yuv420p with the output's colours, and its size up to a row and a column."""
        width, height = self._stored_size
        croppable = frame.width - width in (0, 1) and frame.height - height in (0, 1)
        if croppable:
            width, height = frame.width, frame.height
        kind, matrix = hdr_kind(frame), matrix_of(frame)
        recoloured = bool(kind) or is_rgb(frame) or matrix != self._target
        if croppable and not recoloured and frame.format.name == "yuv420p" and frame.color_range != FULL:
            return frame
        wanted: dict[str, Any] = {"width": width, "height": height, "interpolation": "BICUBIC"}
        if kind:
            deep = reformat(self._reformatter, frame, matrix, format=DEEP_RGB, **wanted)
            frame, matrix = self._tone_mapper(deep, kind, frame.color_primaries), UNSTATED
        if recoloured:
            wanted["dst_colorspace"] = SWSCALE_TARGETS.get(self._target or UNSTATED)
        return reformat(self._reformatter, frame, matrix, format="yuv420p", dst_color_range="MPEG", **wanted)


def _planes(frame: Any, width: int, height: int) -> Iterator[ImageArray]:
    for plane, half in zip(frame.planes, (1, 2, 2), strict=True):
        rows = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height].reshape(-1, plane.line_size)
        yield rows[: height // half, : width // half]


def _even(pixels: int) -> int:
    return max(2, pixels - pixels % 2)
