"""Moments that a summary avoids, with the reason: black and even pictures, fades, dissolves, titles, darkness, blur."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sspvs.selection.shots import runs
from sspvs.selection.transitions import LUMA_BLOCKS, Transitions
from sspvs.types import BoolArray, FloatArray, FrameTrace, Shots, Timeline

_BLACK, _DARK = 26, 40  # luma levels: of the mean of a black picture, of the brightest block of a dark one; black is 16
_EVEN = 3.0  # levels: smallest spread of a picture that shows something; twice that where it stands still
_FLAT, _STATIC = 0.5, 0.3  # a card: share of one brightness beside the bars, and levels of change a frame
_ALL_FLAT = 0.75  # a moving title or credits, within the first or last _ENDS_SECONDS
_FROZEN, _SMOOTH = 0.1, 0.05  # levels of change in all but a tenth of the frames; detail of a drawing, of the spread
_ENDS_SECONDS = 20.0
_CARD_SECONDS = 7.0  # what stands still for longer, not at an end, is a slide that is talked about
_MOST_SLIDES = 0.1  # of a video; where more are slides, only what stands briefly at its ends is a card
_MOST_FROZEN = 0.3  # of a video; where more stands still, that is its content
_MOST_ALIKE = 0.5  # of a video; where more is flat, or dark, that is its content
_BLURRED, _NEAR_SECONDS = 0.35, 4.0  # of the detail that is usual around a frame, within its shot
_SHORTEST_SECONDS = 0.2  # of a blurred or dark moment
_CHUNK = 4096  # frames looked at together


class Unwanted(NamedTuple):
    """One stretch that a summary avoids: a half-open frame range, and why."""

    start: int
    end: int
    reason: str


def find_unwanted(
    trace: FrameTrace, shots: Shots, transitions: Transitions, timeline: Timeline, *, titles: bool = True
) -> list[Unwanted]:
    """Stretches that a summary avoids, in order of reason and time; they may overlap.

    Args:
        trace: Of all N frames.
        shots: Between hard cuts and transitions.
        transitions: Of the video.
        timeline: When each frame is shown.
        titles: Whether title, logo and end cards are among them.
    """
    luma = trace.blocks[:, :LUMA_BLOCKS]
    bars = luma.max(axis=0) < _BLACK
    seen = np.flatnonzero(~bars) if not bars.all() else np.arange(LUMA_BLOCKS)  # without letterbox bars
    mean, spread, brightest = np.zeros((3, len(luma)), np.float32)
    for start in range(0, len(luma), _CHUNK):
        part, rows = luma[start : start + _CHUNK][:, seen].astype(np.float32), slice(start, start + _CHUNK)
        mean[rows], spread[rows], brightest[rows] = part.mean(axis=1), part.std(axis=1), part.max(axis=1)
    rate = timeline.n_frames / timeline.end_seconds
    black = (mean < _BLACK) & (spread < _EVEN)
    even = (spread < np.where(trace.change < _FROZEN, 2 * _EVEN, _EVEN)) & (trace.flat > _FLAT) & ~black
    found = [*_runs(black, "black frames"), *_runs(even, "blank frames")]
    for start, end in transitions.gradual.tolist():
        to_even = min(spread[start], spread[end - 1]) < 2 * _EVEN
        found.append(Unwanted(start, end, "fades" if to_even else "dissolves"))
    dark = (brightest < _DARK) & ~black
    if dark.mean() < _MOST_ALIKE:
        found += _runs(dark, "dark moments", _SHORTEST_SECONDS * rate)
    blurred = _blurred(trace.detail, shots, round(_NEAR_SECONDS * rate))
    found += _runs(blurred, "blurred moments", _SHORTEST_SECONDS * rate)
    if titles:
        found += _titles(trace, spread, shots, timeline, float(bars.mean()))
    return found


def unwanted_frames(found: Sequence[tuple[int, int, str]], n_frames: int) -> BoolArray:
    """(N,) whether a frame lies in one of the stretches."""
    frames = np.zeros(n_frames, np.bool_)
    for start, end, _ in found:
        frames[start:end] = True
    return frames


def _runs(frames: BoolArray, reason: str, shortest: float = 1) -> list[Unwanted]:
    """Runs of at least `shortest` frames."""
    return [Unwanted(a, b, reason) for a, b in runs(frames).tolist() if b - a >= shortest]


def _blurred(detail: FloatArray, shots: Shots, n_near: int) -> BoolArray:
    blurred, step = np.zeros(len(detail), np.bool_), max(1, n_near // 8)
    for start, end in shots:
        for first in range(start, end, step):
            last = min(first + step, end)
            near = detail[max(start, first - n_near // 2) : min(end, last + n_near // 2)]
            blurred[first:last] = detail[first:last] < _BLURRED * np.percentile(near, 75)
    return blurred


def _titles(trace: FrameTrace, spread: FloatArray, shots: Shots, timeline: Timeline, bars: float) -> list[Unwanted]:
    """Title, logo and end cards; none in drawn or written videos, half of which and more looks like them."""
    edges, bounds = timeline.shown_seconds, shots.bounds
    total = float(edges[-1])
    flat_from, all_flat_from = bars + (1 - bars) * _FLAT, bars + (1 - bars) * _ALL_FLAT
    if np.diff(edges)[trace.flat > flat_from].sum() >= _MOST_ALIKE * total:
        return []
    flat, detail, change, most_change, spreads = np.zeros((5, len(shots)))
    for shot, (start, end) in enumerate(shots):
        inner = slice(start + (end - start > 1), max(end - 1, start + 2))  # frames beside a cut may be blended
        flat[shot], detail[shot], spreads[shot] = (np.median(x[inner]) for x in (trace.flat, trace.detail, spread))
        change[shot], most_change[shot] = np.percentile(trace.change[inner], [50, 90])
    starts, ends, long = edges[bounds[:, 0]], edges[bounds[:, 1]], shots.lengths > 1
    seconds, at_end = ends - starts, (ends <= _ENDS_SECONDS) | (starts >= total - _ENDS_SECONDS)
    still, frozen = (flat > flat_from) & (change < _STATIC), most_change < _FROZEN
    brief = seconds <= _CARD_SECONDS
    slides = seconds[still & ~brief & ~at_end].sum() >= _MOST_SLIDES * total
    cards = still & (brief & at_end if slides else brief | at_end)
    cards |= at_end & (flat > all_flat_from) & ~(slides & still)
    if seconds[frozen].sum() < _MOST_FROZEN * total:
        drawn = detail < _SMOOTH * spreads
        drawn[-1] = True  # a picture that stands still until the end
        cards |= frozen & at_end & drawn
    return [Unwanted(start, end, "titles") for start, end in bounds[cards & long].tolist()]
