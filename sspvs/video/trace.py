"""What every frame looks like in a few numbers, measured while it is decoded: no scaling, some fifty microseconds."""

from functools import lru_cache
from typing import Any

import numpy as np
from av.video.reformatter import VideoReformatter

from sspvs.types import FloatArray, FrameTrace, ImageArray

LUMA_COLUMNS, LUMA_ROWS = 64, 36
"""Samples of the brightness plane that stand for a frame when it is compared with the one before."""
BLOCK_COLUMNS, BLOCK_ROWS = 16, 9  # of luma; half as many of each chroma plane
SHARP_ROWS = 12  # whole rows whose detail is measured
TOGETHER = 32  # frames measured at a time
FLAT_LEVELS = 2  # brightness this close to the commonest one counts as flat
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
_INTERLEAVED = ("nv12", "nv21", "p010le")  # both chroma planes in one


class Tracer:
    """Measures a video frame by frame, some frames together."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._waiting: list[tuple[ImageArray, ...]] = []  # samples of frames that are not measured yet
        self._last: ImageArray | None = None  # luma of the frame before them
        self._parts: list[FrameTrace] = []

    def add(self, frame: Any) -> None:
        """Take one frame's samples."""
        samples = self._samples(frame)
        if self._waiting and any(
            one.shape != other.shape for one, other in zip(samples, self._waiting[0], strict=True)
        ):
            self._measure()
        self._waiting.append(samples)
        if len(self._waiting) == TOGETHER:
            self._measure()

    def trace(self) -> FrameTrace:
        """The trace of all frames so far."""
        self._measure()
        parts = zip(*(vars(part).values() for part in self._parts), strict=True)
        return FrameTrace(*(np.concatenate(part) for part in parts))

    def _measure(self) -> None:
        if not self._waiting:
            return
        luma, *chroma, rows = (np.stack(samples) for samples in zip(*self._waiting, strict=True))
        first = luma[:1] if self._last is None or self._last.shape != luma.shape[1:] else self._last[None]
        before = np.concatenate([first, luma[:-1]])
        change = np.abs(luma.astype(np.int16) - before).mean(axis=(1, 2))
        blocks = [_means(luma, BLOCK_ROWS, BLOCK_COLUMNS)]
        blocks += [_means(plane, BLOCK_ROWS // 2, BLOCK_COLUMNS // 2) for plane in chroma]
        detail = np.abs(np.diff(rows.astype(np.int16), axis=2)).mean(axis=(1, 2)) if rows.shape[2] > 1 else 0 * change
        self._parts.append(
            FrameTrace(
                change.astype(np.float32), np.concatenate(blocks, axis=1), _flat(luma), detail.astype(np.float32)
            )
        )
        self._last, self._waiting = luma[-1], []

    def _samples(self, frame: Any) -> tuple[ImageArray, ...]:
        """(rows, columns) uint8 samples of luma and of both chroma planes, and some whole rows of luma."""
        name, width, height = frame.format.name, frame.width, frame.height
        shift = _SHIFTS.get(name)
        if shift is None or frame.planes[0].line_size < width * (1 if name in _DEPTH_8 else 2):
            gray = self._reformatter.reformat(frame, width=LUMA_COLUMNS, height=LUMA_ROWS, format="gray").to_ndarray()
            colour = self._reformatter.reformat(frame, width=LUMA_COLUMNS, height=LUMA_ROWS, format="yuv444p")
            planes = colour.to_ndarray()  # (3, rows, columns)
            return np.asarray(gray, np.uint8), planes[1], planes[2], np.asarray(gray, np.uint8)
        dtype: Any = np.uint8 if name in _DEPTH_8 else np.dtype("<u2")
        rows = _plane(frame.planes[0], dtype, height)
        luma = _sampled(rows[:, :width], LUMA_ROWS, LUMA_COLUMNS, shift)
        whole = np.asarray(rows[height // (2 * SHARP_ROWS) :: max(1, height // SHARP_ROWS), :width] >> shift, np.uint8)
        if name in _INTERLEAVED:
            both = _plane(frame.planes[1], dtype, (height + 1) // 2)[:, : 2 * ((width + 1) // 2)]
            chroma = [both[:, 0::2], both[:, 1::2]]
        else:
            chroma = [_plane(plane, dtype, plane.height)[:, : plane.width] for plane in frame.planes[1:3]]
        if not chroma:  # gray
            none = np.full((LUMA_ROWS // 2, LUMA_COLUMNS // 2), 128, np.uint8)
            return luma, none, none, whole
        return luma, *(_sampled(plane, LUMA_ROWS // 2, LUMA_COLUMNS // 2, shift) for plane in chroma), whole


def _plane(plane: Any, dtype: Any, height: int) -> Any:
    """A plane's rows, with their padding, in the frame's own memory."""
    stride = plane.line_size // np.dtype(dtype).itemsize
    return np.frombuffer(plane, dtype=dtype)[: stride * height].reshape(height, stride)


def _sampled(plane: Any, rows: int, columns: int, shift: int) -> ImageArray:
    """Samples at equal distances, at least `rows` x `columns` of a plane that has as many; a copy."""
    row_step, column_step = max(1, plane.shape[0] // rows), max(1, plane.shape[1] // columns)
    return np.asarray(plane[row_step // 2 :: row_step, column_step // 2 :: column_step] >> shift, dtype=np.uint8)


def _means(planes: ImageArray, rows: int, columns: int) -> ImageArray:
    """(M, rows * columns) uint8 means of the blocks of (M, height, width) planes."""
    height, width = planes.shape[1:]
    down, across = _averaging(rows, height), _averaging(columns, width)
    means = down @ planes.astype(np.float32) @ across.T
    return np.asarray(means.round(), np.uint8).reshape(len(planes), -1)


@lru_cache
def _averaging(count: int, length: int) -> FloatArray:
    """(count, length) weights: row i is the mean of the i-th of `count` equal parts."""
    if length < count:  # a picture smaller than its blocks repeats its samples
        return np.eye(length, dtype=np.float32)[np.arange(count) * length // count]
    weights = (np.arange(length) * count // length == np.arange(count)[:, None]).astype(np.float32)
    means: FloatArray = weights / weights.sum(axis=1, keepdims=True)
    return means


def _flat(luma: ImageArray) -> FloatArray:
    """(M,) float32 share of the samples within `FLAT_LEVELS` of the commonest level."""
    count, size = len(luma), luma[0].size
    shifted = luma.reshape(count, size).astype(np.int64) + 256 * np.arange(count)[:, None]
    levels = np.bincount(shifted.ravel(), minlength=256 * count).reshape(count, 256)
    summed = np.pad(np.cumsum(levels, axis=1), ((0, 0), (1, 0)))
    width = 2 * FLAT_LEVELS + 1
    return np.asarray((summed[:, width:] - summed[:, :-width]).max(axis=1) / size, np.float32)
