"""Hard cuts, fades and dissolves, from what every frame looks like.

A hard cut is a step between two frames that stands out from the steps around it, as in the adaptive content detector
of PySceneDetect; a flash, after which the picture is as before, is none. A gradual transition is a stretch in which
most of the picture goes evenly from one image to another (a dissolve), or to and from an even picture (a fade).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sspvs.types import BoolArray, FloatArray, FrameTrace, IntArray

Blocks = npt.NDArray[np.uint8]
LUMA_BLOCKS = 144  # columns of `FrameTrace.blocks` that are luma
_AROUND = 8  # frames on each side that a step is compared with
_CALM = 0.75  # share of the smallest of them whose mean is the usual step
_LEAST_STEP, _USUAL = 6.0, 1.5  # levels: the smallest step of a cut, and what is added to the usual one
_RATIO, _STEEP = 2.5, 40.0  # a cut's step is _RATIO + _STEEP / step times the usual one
_FLASH_FRAMES, _FLASH = 6, 0.35  # how long a flash may last, and how alike the frames around it are, against the step
_HALVES = (4, 6, 9, 13, 18, 25)  # frames of half a gradual transition
_LEAST_CHANGE = 14.0  # levels between its ends
_UNEVEN, _SUDDEN = 0.22, 0.5  # largest departure from an even change, and largest step, as shares of that
_LEAST_PART, _BLOCK_CHANGE = 0.6, 6  # share of the blocks that change by at least so many levels
_CHUNK = 4096  # frames looked at together


@dataclass(frozen=True)
class Transitions:
    """Where one shot ends and another begins.

    Attributes:
        cuts: (C,) first frames after hard cuts, increasing.
        gradual: (G, 2) half-open frame ranges of fades and dissolves, in order and apart from each other.
    """

    cuts: IntArray
    gradual: IntArray

    @property
    def starts(self) -> IntArray:
        """(C + G,) frames at which a shot starts: at a hard cut, or in the middle of a fade or dissolve."""
        return np.union1d(self.cuts, self.gradual.sum(axis=1) // 2).astype(np.int64)


def find_transitions(trace: FrameTrace) -> Transitions:
    """Hard cuts, fades and dissolves of a video.

    Args:
        trace: Of all N frames.

    Returns:
        The transitions; none in a video of one frame.
    """
    blocks = trace.blocks
    steps = np.concatenate(
        [[0.0], *(_distance(blocks[a:b], blocks[a + 1 : b + 1]) for a, b in _chunks(len(blocks) - 1))]
    )
    cuts = np.array([frame for frame in _steep(steps) if not _is_flash(blocks, frame, steps[frame])], np.int64)
    return Transitions(cuts, _gradual(blocks, steps, cuts))


def _chunks(count: int) -> Iterator[tuple[int, int]]:
    for start in range(0, count, _CHUNK):
        yield start, min(start + _CHUNK, count)


def _distance(ones: Blocks, others: Blocks) -> FloatArray:
    """(M,) mean difference in luma levels, plus that in chroma."""
    return _levels(np.abs(ones.astype(np.int16) - others))


def _levels(away: npt.NDArray[Any]) -> FloatArray:
    """(M,) means of (M, 208) differences: of luma, plus that of chroma."""
    summed: FloatArray = away[:, :LUMA_BLOCKS].mean(axis=1) + away[:, LUMA_BLOCKS:].mean(axis=1)
    return summed


def _steep(steps: FloatArray) -> list[int]:
    """Frames whose step stands out."""
    found = []
    for frame in np.flatnonzero(steps > _LEAST_STEP).tolist():
        before, after = steps[max(1, frame - _AROUND) : frame], steps[frame + 1 : frame + 1 + _AROUND]
        if max(before[-2:].max(initial=0), after[:2].max(initial=0)) > steps[frame]:
            continue
        around = np.sort(np.concatenate([before, after]))
        usual = around[: max(1, int(len(around) * _CALM))].mean() if len(around) else 0.0
        if steps[frame] >= (_RATIO + _STEEP / steps[frame]) * (usual + _USUAL):
            found.append(frame)
    return found


def _is_flash(blocks: Blocks, frame: int, step: float) -> bool:
    """Whether the picture soon is as it was before, or was so shortly before."""
    later = blocks[frame + 1 : frame + 1 + _FLASH_FRAMES]
    earlier = blocks[max(0, frame - 1 - _FLASH_FRAMES) : frame - 1]
    back = _distance(later, blocks[frame - 1][None]).min(initial=np.inf)
    forth = _distance(earlier, blocks[frame][None]).min(initial=np.inf)
    return bool(min(back, forth) < _FLASH * step)


def _gradual(blocks: Blocks, steps: FloatArray, cuts: IntArray) -> IntArray:
    """(G, 2) stretches that change evenly, the clearest of those that overlap."""
    n_frames, found = len(blocks), []
    cuts_before = np.searchsorted(cuts, np.arange(n_frames), side="right")
    for half in _HALVES:
        for first, last in _chunks(n_frames - 2 * half):
            starts = np.arange(first, last)
            ends = starts + 2 * half
            change = _distance(blocks[starts], blocks[ends])
            kept = (change > _LEAST_CHANGE) & (cuts_before[starts] == cuts_before[ends])
            starts, ends, change = starts[kept], ends[kept], change[kept]
            if len(starts) == 0:
                continue
            one, other = blocks[starts].astype(np.float32), blocks[ends].astype(np.float32)
            uneven = np.zeros(len(starts))
            for quarter in (1, 2, 3):
                middle = starts + (2 * half * quarter + 2) // 4
                part = (middle[0] - starts[0]) / (2 * half)
                uneven = np.maximum(uneven, _levels(np.abs(blocks[middle] - ((1 - part) * one + part * other))))
            widespread = (np.abs(one - other)[:, :LUMA_BLOCKS] >= _BLOCK_CHANGE).mean(axis=1) >= _LEAST_PART
            largest = np.array([steps[start + 1 : start + 2 * half + 1].max() for start in starts])
            good: BoolArray = (uneven < _UNEVEN * change) & widespread & (largest < _SUDDEN * change)
            clear = change * (1 - 2 * uneven / change)
            found += list(zip(clear[good].tolist(), starts[good].tolist(), ends[good].tolist(), strict=True))
    chosen: list[tuple[int, int]] = []
    for _, start, end in sorted(found, reverse=True):
        if all(end < begin or start > stop for begin, stop in chosen):
            chosen.append((start, end))
    return np.array(sorted(chosen), np.int64).reshape(-1, 2)
