"""From stored pixels to the picture a viewer sees: rotation, pixel aspect, size."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from av.video.reformatter import VideoReformatter

from sspvs.types import ImageArray, VideoInfo
from sspvs.video.colour import (
    BT601,
    BT709,
    UNSTATED,
    YCGCO,
    coloured,
    hdr_kind,
    is_rgb,
    matrix_of,
    reformat,
    rgb_of_ycgco,
    stated_colour,
)
from sspvs.video.sampling import Resize
from sspvs.video.tone_map import DEEP_RGB, ToneMapper


class Orientation(NamedTuple):
    """How stored pixels become the picture a viewer sees: first transpose, then mirror.

    Attributes:
        transpose: Swap rows and columns.
        mirror_x: Mirror left and right, after the transposition.
        mirror_y: Mirror top and bottom, after the transposition.
    """

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @property
    def clockwise_degrees(self) -> int:
        """The rotation part, counted clockwise: 0, 90, 180 or 270."""
        if self.transpose:
            return 270 if self.mirror_y else 90
        return 180 if self.mirror_y else 0

    def apply(self, image: ImageArray) -> ImageArray:
        """Turn an (H, W, ...) picture."""
        if self.transpose:
            image = image.swapaxes(0, 1)
        if self.mirror_y:
            image = image[::-1]
        if self.mirror_x:
            image = image[:, ::-1]
        return image


def orientation_of(frame: Any) -> Orientation:
    """The orientation in a decoded frame's display matrix (ISO 14496-12, 8.3.2: x' = ax + cy, y' = bx + dy)."""
    for data in frame.side_data:
        kind = data if isinstance(data, str) else getattr(data.type, "name", "")
        if kind == "DISPLAYMATRIX":
            raw = bytes(frame.side_data[data] if isinstance(data, str) else data)
            a, b, _, c, d = struct.unpack("=9i", raw[:36])[:5]
            if abs(a) + abs(d) >= abs(b) + abs(c):
                return Orientation(False, a < 0, d < 0)
            return Orientation(True, c < 0, b < 0)
    return Orientation()


def displayed_size(stream: Any, frame: Any, orientation: Orientation) -> tuple[int, int]:
    """Width and height as seen: pixel aspect and orientation applied."""
    width, height = frame.width, frame.height
    aspect = stream.sample_aspect_ratio
    if aspect and aspect > 0 and aspect != 1:
        width = max(1, round(width * aspect))
    return (height, width) if orientation.transpose else (width, height)


class FrameConverter:
    """Turns decoded frames into small upright RGB pictures, one swscale context for all of them."""

    def __init__(self, resize: Resize, info: VideoInfo, orientation: Orientation) -> None:
        width, height = resize.target_size(info.width, info.height)
        self.shape = (height, width, 3)
        self._stored_size = (height, width) if orientation.transpose else (width, height)
        self._filter = resize.filter.upper()
        self._orientation = orientation
        self._reformatter = VideoReformatter()
        self._tone_mapper = ToneMapper()

    def __call__(self, frame: Any) -> ImageArray:
        """The picture as a viewer sees it, (H, W, 3) uint8: by the frame's colour tags, HDR tone-mapped."""
        return self._picture(frame, matrix_of(frame))

    def both(self, frame: Any) -> tuple[ImageArray, ImageArray]:
        """The picture that networks are given, and the one a viewer sees: mostly the same array.

        Networks are given untagged video as BT.601 at any size, as they always were, so that features stay the same.
        """
        shown = self(frame)
        if stated_colour(frame).matrix != UNSTATED or is_rgb(frame) or matrix_of(frame) != BT709.matrix:
            return shown, shown
        return self._picture(frame, BT601.matrix), shown

    def _picture(self, frame: Any, matrix: int) -> ImageArray:
        if kind := hdr_kind(frame):
            deep = self._scaled(frame, matrix, DEEP_RGB)
            small = self._reformatter.reformat(self._tone_mapper(deep, kind, frame.color_primaries), format="rgb24")
            pixels: Any = small.to_ndarray()
        elif matrix == YCGCO:
            pixels = rgb_of_ycgco(self._scaled(frame, matrix, "yuv444p"))
        else:
            pixels = self._scaled(coloured(self._reformatter, frame), matrix, "rgb24").to_ndarray()
        return self._orientation.apply(pixels)

    def _scaled(self, frame: Any, matrix: int, pixel_format: str) -> Any:
        width, height = self._stored_size
        return reformat(
            self._reformatter,
            frame,
            matrix,
            width=width,
            height=height,
            format=pixel_format,
            interpolation=self._filter,
        )
