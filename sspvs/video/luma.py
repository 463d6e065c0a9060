"""How much a frame differs from the one before, for a few microseconds a frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from av.video.reformatter import VideoReformatter

from sspvs.types import ImageArray

LUMA_COLUMNS, LUMA_ROWS = 64, 36
"""Samples of the brightness plane that stand for a frame when it is compared with the one before."""
_DEPTH_8 = (
    *(f"yuv{chroma}p" for chroma in (410, 411, 420, 422, 440, 444)),
    *(f"yuvj{chroma}p" for chroma in (411, 420, 422, 440, 444)),
    *("yuva420p", "nv12", "nv21", "gray"),
)
_SHIFTS = {
    **dict.fromkeys(_DEPTH_8, 0),
    **{f"yuv{chroma}p{depth}le": depth - 8 for chroma in (420, 422, 444) for depth in (9, 10, 12, 14, 16)},
    "p010le": 8,
    "gray10le": 2,
    "gray16le": 8,
}


class LumaSampler:
    """Reads brightness samples straight from a frame's first plane: microseconds, no scaling."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Any) -> ImageArray:
        """Samples of the frame's luma, (rows, columns) uint8."""
        name, width, height = frame.format.name, frame.width, frame.height
        shift = _SHIFTS.get(name)
        plane = frame.planes[0]
        dtype: Any = np.uint8 if shift is None or name in _DEPTH_8 else np.dtype("<u2")
        if shift is None or plane.line_size < width * np.dtype(dtype).itemsize:
            gray = self._reformatter.reformat(frame, width=LUMA_COLUMNS, height=LUMA_ROWS, format="gray")
            return np.asarray(gray.to_ndarray(), dtype=np.uint8)
        row_step, column_step = max(1, height // LUMA_ROWS), max(1, width // LUMA_COLUMNS)
        stride = plane.line_size // np.dtype(dtype).itemsize
        rows = np.frombuffer(plane, dtype=dtype)[: stride * height].reshape(height, stride)
        samples = rows[row_step // 2 :: row_step, column_step // 2 : width : column_step]
        return np.asarray(samples >> shift, dtype=np.uint8)  # a copy: the frame's memory is given back


def luma_change(before: ImageArray | None, now: ImageArray) -> float:
    """Mean absolute difference of two frames' samples; 0 for the first frame."""
    if before is None or before.shape != now.shape:
        return 0.0
    return float(np.abs(now.astype(np.int16) - before).mean())
