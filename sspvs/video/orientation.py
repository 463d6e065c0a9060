"""From stored pixels to the picture a viewer sees: rotation, pixel aspect, size."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from av.video.reformatter import VideoReformatter

from sspvs.types import ImageArray, VideoInfo
from sspvs.video.sampling import Resize


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

    def __call__(self, frame: Any) -> ImageArray:
        """The picture, (H, W, 3) uint8."""
        width, height = self._stored_size
        small = self._reformatter.reformat(
            frame, width=width, height=height, format="rgb24", interpolation=self._filter
        )
        pixels: Any = small.to_ndarray()
        return self._orientation.apply(pixels)
