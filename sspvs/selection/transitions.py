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

from sspvs.types import BoolArray, FloatArray, FrameTrace, IntArray, Timeline

Blocks = npt.NDArray[np.uint8]
LUMA_BLOCKS = 144  # columns of `FrameTrace.blocks` that are luma
_APART_SECONDS = 0.0258  # frames that follow each other more quickly, above 38 a second, are passed over
_EVENED, _LONGEST_SECONDS = 9, 0.15  # frames whose lengths are averaged, as some files have uneven times; the longest
_FULL_RATE, _SLOW = 23.0, 0.6  # at a lower rate pictures move more from frame to frame: by this power of the ratio
_AROUND = 0.35, 3, 8  # seconds on each side that a step is compared with, at least and at most so many frames
_CALM = 0.75  # share of the smallest of them whose mean is the usual step
_NEAR = 0.09, 1, 2  # as _AROUND: where no other step is larger than that of a cut
_LEAST_STEP, _USUAL = 6.0, 1.5  # levels: the smallest step of a cut, and what is added to the usual one
_RATIO, _STEEP = 2.5, 40.0  # a cut's step is _RATIO + _STEEP / step times the usual one
_FLASH_LASTS, _FLASH = (0.27, 1, 6), 0.35  # as _AROUND; how alike the frames around a flash are, against the step
_HALVES = (4, 6, 9, 13, 18, 25)  # frames of half a gradual transition; fewer at a lower rate
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


def find_transitions(trace: FrameTrace, timeline: Timeline) -> Transitions:
    """Hard cuts, fades and dissolves of a video.

    Args:
        trace: Of all N frames.
        timeline: When each frame is shown.

    Returns:
        The transitions; none in a video of one frame.
    """
    seen, times = _seen(timeline.frame_seconds)
    blocks = trace.blocks[seen]
    steps = np.concatenate(
        [[0.0], *(_distance(blocks[a:b], blocks[a + 1 : b + 1]) for a, b in _chunks(len(blocks) - 1))]
    )
    cuts = _hard(blocks, steps, times)
    gradual = _gradual(blocks, steps, times, cuts)
    exact = [_largest_step(trace.blocks, seen[cut - 1], seen[cut]) for cut in cuts]
    return Transitions(np.array(exact, np.int64), seen[gradual])


def _seen(times: FloatArray) -> tuple[IntArray, FloatArray]:
    """(M,) frames at distances in which pictures move as much as at the usual rates, and their times, evened."""
    lengths = np.minimum(np.diff(times, prepend=2 * times[0] - times[:2][-1]), _LONGEST_SECONDS)
    times = np.cumsum(np.convolve(np.pad(lengths, _EVENED // 2, mode="edge"), np.full(_EVENED, 1 / _EVENED), "valid"))
    seen, last = [], -np.inf
    for frame, time in enumerate(times.tolist()):
        if time - last >= _APART_SECONDS:
            seen.append(frame)
            last = time
    return np.array(seen, np.int64), times[seen]


def _largest_step(blocks: Blocks, first: int, last: int) -> int:
    """The frame after `first`, up to `last`, that differs most from the one before it."""
    return first + 1 + int(_distance(blocks[first:last], blocks[first + 1 : last + 1]).argmax())


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


def _around(times: FloatArray, seconds: float, least: int, most: int) -> tuple[IntArray, IntArray]:
    """(M,) how many frames before and after each frame are within so many seconds, at least and at most so many."""
    frames = np.arange(len(times))
    before = frames - np.searchsorted(times, times - seconds)
    after = np.searchsorted(times, times + seconds, side="right") - 1 - frames
    return np.clip(before, least, most), np.clip(after, least, most)


def _hard(blocks: Blocks, steps: FloatArray, times: FloatArray) -> IntArray:
    """(C,) frames whose step stands out, and not for a flash."""
    before, after = (sides.tolist() for sides in _around(times, *_NEAR))
    long_before, long_after = (sides.tolist() for sides in _around(times, *_AROUND))
    flash_before, flash_after = (sides.tolist() for sides in _around(times, *_FLASH_LASTS))
    slow = np.minimum(1.0, 1 / (_FULL_RATE * np.diff(times, prepend=-np.inf))) ** _SLOW
    found = []
    for frame in np.flatnonzero(steps > _LEAST_STEP).tolist():
        step = steps[frame]
        near = [*steps[max(1, frame - before[frame]) : frame], *steps[frame + 1 : frame + 1 + after[frame]]]
        if max(near, default=0.0) > step:
            continue
        earlier = steps[max(1, frame - long_before[frame]) : frame]
        around = np.sort(np.concatenate([earlier, steps[frame + 1 : frame + 1 + long_after[frame]]]))
        usual = around[: max(1, int(len(around) * _CALM))].mean() * slow[frame] if len(around) else 0.0
        if step < (_RATIO + _STEEP / step) * (usual + _USUAL):
            continue
        back = _distance(blocks[frame + 1 : frame + 1 + flash_after[frame]], blocks[frame - 1][None])
        forth = _distance(blocks[max(0, frame - 1 - flash_before[frame]) : frame - 1], blocks[frame][None])
        if min(back.min(initial=np.inf), forth.min(initial=np.inf)) >= _FLASH * step:
            found.append(frame)
    return np.array(found, np.int64)


def _gradual(blocks: Blocks, steps: FloatArray, times: FloatArray, cuts: IntArray) -> IntArray:
    """(G, 2) stretches that change evenly, the clearest of those that overlap."""
    n_frames, found = len(blocks), []
    cuts_before = np.searchsorted(cuts, np.arange(n_frames), side="right")
    rate = 1 / float(np.median(np.diff(times))) if n_frames > 1 else _FULL_RATE  # frames a second
    for half in sorted({max(2, round(half * min(1.0, rate / _FULL_RATE))) for half in _HALVES}):
        for first, last in _chunks(n_frames - 2 * half):
            largest = np.lib.stride_tricks.sliding_window_view(steps[first + 1 : last + 2 * half], 2 * half).max(axis=1)
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
                part = ((times[middle] - times[starts]) / (times[ends] - times[starts])).astype(np.float32)[:, None]
                uneven = np.maximum(uneven, _levels(np.abs(blocks[middle] - ((1 - part) * one + part * other))))
            widespread = (np.abs(one - other)[:, :LUMA_BLOCKS] >= _BLOCK_CHANGE).mean(axis=1) >= _LEAST_PART
            sudden = largest[starts - first] >= _SUDDEN * change
            good: BoolArray = (uneven < _UNEVEN * change) & widespread & ~sudden
            clear = change * (1 - 2 * uneven / change)
            found += list(zip(clear[good].tolist(), starts[good].tolist(), ends[good].tolist(), strict=True))
    free, chosen = np.ones(n_frames, np.bool_), []
    for _, start, end in sorted(found, reverse=True):
        if free[start : end + 1].all():
            free[start : end + 1] = False
            chosen.append((start, end))
    return np.array(sorted(chosen), np.int64).reshape(-1, 2)
