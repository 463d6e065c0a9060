"""Which colours a frame's numbers stand for: what the video states, and the usual rule where it states nothing.

Numbers are the code points of ITU-T H.273 (ISO/IEC 23091-2), as FFmpeg, H.264 and MP4 use them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from sspvs.types import ImageArray

UNSTATED = 2
LIMITED, FULL = 1, 2
"""FFmpeg's AVCOL_RANGE_MPEG, brightness from 16 to 235, and AVCOL_RANGE_JPEG, from 0 to 255."""
YCGCO = 8
HD_LINES = 720
"""Untagged pictures with at least so many lines are BT.709, others BT.601, for players as for us."""
_RESERVED = (0, 3)
SWSCALE_TARGETS = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
"""The matrices that swscale supports, and its own numbers for them."""
_SIMILAR_MATRICES = {10: 9}  # BT.2020 with constant luminance, which nothing writes, read as without
_HDR = {16: "PQ", 18: "HLG"}


class Colour(NamedTuple):
    """How RGB became YUV: the tags that a stream and its container carry."""

    matrix: int = UNSTATED
    primaries: int = UNSTATED
    transfer: int = UNSTATED

    def filled_from(self, other: Colour) -> Colour:
        """This one, with the other's values where it states none."""
        return Colour(*(theirs if own == UNSTATED else own for own, theirs in zip(self, other, strict=True)))


BT709 = Colour(1, 1, 1)
BT601 = Colour(6, 6, 6)
_COMPANIONS = {1: BT709, 5: Colour(5, 5, 6), 7: Colour(7, 7, 7), 9: Colour(9, 9, 14)}


def usual_colour(lines: int) -> Colour:
    """What an untagged picture of so many lines is taken for."""
    return BT709 if lines >= HD_LINES else BT601


def whole_colour(frame: Any) -> Colour:
    """A frame's colour with the usual value for each tag that is missing: MP4 has a place for all three or none."""
    return stated_colour(frame).filled_from(_COMPANIONS.get(matrix_of(frame), BT601)._replace(matrix=matrix_of(frame)))


def stated_colour(frame: Any) -> Colour:
    """What a frame's tags say; reserved values say nothing."""
    tags = (int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc))
    return Colour(*(UNSTATED if tag in _RESERVED else tag for tag in tags))


def matrix_of(frame: Any) -> int:
    """The matrix by which a player turns a frame into RGB."""
    matrix = stated_colour(frame).matrix
    matrix = _SIMILAR_MATRICES.get(matrix, matrix)
    if matrix in (*SWSCALE_TARGETS, YCGCO):
        return matrix
    if hdr_kind(frame):
        return 9
    return usual_colour(frame.height).matrix


def hdr_kind(frame: Any) -> str:
    """`PQ`, `HLG`, or nothing for standard dynamic range."""
    return _HDR.get(int(frame.color_trc), "")


def is_rgb(frame: Any) -> bool:
    """Whether a frame holds RGB rather than YUV."""
    return bool(frame.format.is_rgb or frame.format.has_palette or frame.format.name.startswith("xyz"))


def reformat(reformatter: VideoReformatter, frame: Any, matrix: int, **wanted: Any) -> Any:
    """`VideoReformatter.reformat` of a frame whose matrix is `matrix`, whatever its tag says."""
    tag = frame.colorspace
    # swscale refuses a frame with a tag that it does not support, even where no matrix is applied.
    frame.colorspace = matrix if matrix in SWSCALE_TARGETS else UNSTATED
    try:
        return reformatter.reformat(frame, **wanted)
    finally:
        frame.colorspace = tag


def rgb_of_ycgco(frame: Any) -> ImageArray:
    """The (H, W, 3) uint8 RGB of a yuv444p frame in YCgCo, which swscale does not know."""
    y, cg, co = (np.float32(plane) for plane in frame.to_ndarray())
    if frame.color_range != FULL:
        y, cg, co = (y - 16) * 255 / 219, (cg - 128) * 255 / 224, (co - 128) * 255 / 224
    else:
        cg, co = cg - 128, co - 128
    rgb = np.stack([y - cg + co, y + cg, y - cg - co], axis=-1)
    return np.asarray(np.clip(np.rint(rgb), 0, 255), dtype=np.uint8)


def coloured(reformatter: VideoReformatter, frame: Any) -> Any:
    """The same frame, but as yuv420p where it is grey with limited range, which swscale takes for full range."""
    if not frame.format.name.startswith("gray") or frame.color_range != LIMITED:
        return frame
    grey = reformat(reformatter, frame, UNSTATED, format="gray").to_ndarray()  # (H, W)
    yuv = av.VideoFrame(frame.width, frame.height, "yuv420p")
    for plane in yuv.planes:
        pixels = np.full((plane.height, plane.line_size), 128, np.uint8)
        if plane.height == len(grey) and plane.width == grey.shape[1]:
            pixels[:, : plane.width] = grey
        plane.update(pixels.tobytes())
    yuv.color_range = LIMITED
    return yuv
