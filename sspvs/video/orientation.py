"""From stored pixels to the picture a viewer sees: rotation, pixel aspect, size."""

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from sspvs.types import ImageArray, VideoInfo
from sspvs.video import colour
from sspvs.video.reader import Resize


class Orientation(NamedTuple):
    """How stored pixels become the picture a viewer sees: first transpose, then mirror."""

    transpose: bool = False  # swap rows and columns
    mirror_x: bool = False  # mirror left and right, after the transposition
    mirror_y: bool = False  # mirror top and bottom, after the transposition

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
    if (data := frame.side_data.get("DISPLAYMATRIX")) is None:
        return Orientation()
    a, b, _, c, d = struct.unpack("=9i", bytes(data)[:36])[:5]
    return Orientation(False, a < 0, d < 0) if abs(a) + abs(d) >= abs(b) + abs(c) else Orientation(True, c < 0, b < 0)


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
        self._tone_mapper = colour.ToneMapper()

    def __call__(self, frame: Any) -> ImageArray:
        """The picture as a viewer sees it, (H, W, 3) uint8: by the frame's colour tags, HDR tone-mapped."""
        return self._picture(frame, colour.matrix_of(frame))

    def both(self, frame: Any) -> tuple[ImageArray, ImageArray]:
        """The picture that networks are given (untagged video as BT.601, as ever), and the one a viewer sees."""
        shown = self(frame)
        if (
            colour.stated_colour(frame).matrix != colour.UNSTATED
            or colour.is_rgb(frame)
            or colour.matrix_of(frame) != colour.BT709.matrix
        ):
            return shown, shown
        return self._picture(frame, colour.BT601.matrix), shown

    def _picture(self, frame: Any, matrix: int) -> ImageArray:
        if kind := colour.hdr_kind(frame):
            deep = self._scaled(frame, matrix, colour.DEEP_RGB)
            small = self._reformatter.reformat(self._tone_mapper(deep, kind, frame.color_primaries), format="rgb24")
            pixels: Any = small.to_ndarray()
        elif matrix == colour.YCGCO:
            pixels = colour.rgb_of_ycgco(self._scaled(frame, matrix, "yuv444p"))
        else:
            pixels = self._scaled(colour.coloured(self._reformatter, frame), matrix, "rgb24").to_ndarray()
        return self._orientation.apply(pixels)

    def _scaled(self, frame: Any, matrix: int, pixel_format: str) -> Any:
        width, height = self._stored_size
        return colour.reformat(
            self._reformatter,
            frame,
            matrix,
            width=width,
            height=height,
            format=pixel_format,
            interpolation=self._filter,
        )


class FrameShaper:
    """Gives frames the output's size, orientation and pixel format; leaves those that have them untouched.

    Colours and tags stay as in the source, but brightness gets limited range, and HDR becomes BT.709.
    """

    def __init__(self, orientation: Orientation, size: tuple[int, int], scaled: tuple[int, int] | None = None) -> None:
        self.size, self._scaled = size, scaled or size  # of the output, and of the picture inside it: all even
        self._orientation = orientation
        self._stored_size = self._scaled[::-1] if orientation.transpose else self._scaled
        self._reformatter = VideoReformatter()
        self._tone_mapper = colour.ToneMapper()
        self.target: int | None = None  # the matrix of what is written

    def tags(self, first: Any) -> tuple[colour.Colour, int]:
        """The colour, and the range (0: not stated), that a stream beginning with this frame should state."""
        stated, written = colour.stated_colour(first), colour.usual_colour(self.size[1])
        if colour.hdr_kind(first):
            chosen = colour.BT709
        elif colour.is_rgb(first):
            chosen = stated._replace(matrix=written.matrix).filled_from(colour.BT709)
        elif stated == colour.Colour() and written == colour.usual_colour(first.height):
            chosen = stated
        else:
            chosen = colour.whole_colour(first)
        self.target = chosen.matrix if colour.hdr_kind(first) or colour.is_rgb(first) else colour.matrix_of(first)
        untouched = chosen == colour.Colour() and first.color_range != colour.FULL
        return chosen, int(first.color_range) if untouched else colour.LIMITED

    def __call__(self, frame: Any) -> Any:
        """A yuv420p frame in the output's size; may be the same object."""
        if self.target is None:
            self.tags(frame)
        width, height = self._stored_size
        frame = self._converted(colour.coloured(self._reformatter, frame))
        placed = self._scaled != self.size
        if self._orientation == Orientation() and (frame.width, frame.height) == (width, height) and not placed:
            return frame
        planes = [self._orientation.apply(plane) for plane in _planes(frame, width, height)]
        if placed:
            planes = [self._with_bars(plane, black) for plane, black in zip(planes, (16, 128, 128), strict=True)]
        # One array as FFmpeg stores yuv420p: the luma rows, then both chroma planes.
        packed = np.concatenate([plane.reshape(-1) for plane in planes]).reshape(-1, self.size[0])
        return av.VideoFrame.from_ndarray(packed, format="yuv420p")

    def _with_bars(self, plane: ImageArray, black: int) -> ImageArray:
        """A plane of the picture in the middle of a black one of the output's size."""
        half = self._scaled[1] // len(plane)  # 2 of chroma
        whole = np.full((self.size[1] // half, self.size[0] // half), black, np.uint8)
        top, left = (whole.shape[0] - plane.shape[0]) // 2, (whole.shape[1] - plane.shape[1]) // 2
        whole[top : top + plane.shape[0], left : left + plane.shape[1]] = plane
        return whole

    def _converted(self, frame: Any) -> Any:
        """The frame as yuv420p with the output's colours, and its size up to a row and a column."""
        width, height = self._stored_size
        croppable = frame.width - width in (0, 1) and frame.height - height in (0, 1)
        if croppable:
            width, height = frame.width, frame.height
        kind, matrix = colour.hdr_kind(frame), colour.matrix_of(frame)
        recoloured = bool(kind) or colour.is_rgb(frame) or matrix != self.target
        if croppable and not recoloured and frame.format.name == "yuv420p" and frame.color_range != colour.FULL:
            return frame
        wanted: dict[str, Any] = {"width": width, "height": height, "interpolation": "BICUBIC"}
        if kind:
            deep = colour.reformat(self._reformatter, frame, matrix, format=colour.DEEP_RGB, **wanted)
            frame, matrix = self._tone_mapper(deep, kind, frame.color_primaries), colour.UNSTATED
        if recoloured:
            wanted["dst_colorspace"] = colour.SWSCALE_TARGETS.get(self.target or colour.UNSTATED)
        return colour.reformat(self._reformatter, frame, matrix, format="yuv420p", dst_color_range="MPEG", **wanted)


def film_size(width: int, height: int, max_height: int | None = None) -> tuple[int, int]:
    """Width and height, both even, of what is written of pictures of `width` x `height`."""
    if max_height is not None and height > max_height:
        width, height = round(width * max_height / height), max_height
    return _even(width), _even(height)


def fitted(width: int, height: int, size: tuple[int, int]) -> tuple[int, int]:
    """Width and height, both even, of the largest picture in the shape of `width` x `height` inside `size`."""
    scale = min(size[0] / width, size[1] / height)
    one, other = (min(limit, _even(round(side * scale))) for side, limit in zip((width, height), size, strict=True))
    return one, other


def _planes(frame: Any, width: int, height: int) -> Iterator[ImageArray]:
    for plane, half in zip(frame.planes, (1, 2, 2), strict=True):
        rows = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height].reshape(-1, plane.line_size)
        yield rows[: height // half, : width // half]


def _even(pixels: int) -> int:
    return max(2, pixels - pixels % 2)
