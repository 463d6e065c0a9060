"""Moments that a summary avoids, with the reason: black and even pictures, fades, dissolves, titles, darkness, blur."""

from typing import NamedTuple

import numpy as np

from sspvs.selection.shots import runs
from sspvs.selection.transitions import LUMA_BLOCKS, Transitions
from sspvs.types import BoolArray, FloatArray, FrameTrace, Shots, Timeline

_BLACK, _DARK = 26, 36  # luma levels: pictures that are darker on average; black is 16 in most files
_EVEN = 3.0  # levels: smallest spread of a picture that shows something; twice that where it stands still
_FLAT, _STATIC = 0.5, 0.3  # a title: share of one brightness beside the bars, and levels of change a frame
_ALL_FLAT = 0.75  # a moving title or credits, within the first or last _ENDS_SECONDS
_ENDS_SECONDS = 20.0
_LONGEST_TITLE_SECONDS = 15.0  # what stands still for longer, not at an end, is a slide that is talked about
_BLURRED = 0.35  # of the detail that is usual within the shot
_SHORTEST_SECONDS = 0.2  # of a blurred or dark moment
_CHUNK = 4096  # frames looked at together
_MOST_TITLES = 0.5  # of a video; where more is flat, or dark, that is its content


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
    mean, spread = np.zeros(len(luma), np.float32), np.zeros(len(luma), np.float32)
    for start in range(0, len(luma), _CHUNK):
        part = luma[start : start + _CHUNK][:, seen].astype(np.float32)
        mean[start : start + _CHUNK], spread[start : start + _CHUNK] = part.mean(axis=1), part.std(axis=1)
    fraction = _SHORTEST_SECONDS * timeline.n_frames / timeline.end_seconds
    black = (mean < _BLACK) & (spread < _EVEN)
    still = trace.change < _STATIC
    even = (spread < np.where(still, 2 * _EVEN, _EVEN)) & (trace.flat > _FLAT) & ~black
    found = [*_runs(black, "black frames"), *_runs(even, "blank frames")]
    for start, end in transitions.gradual.tolist():
        to_even = min(spread[start], spread[end - 1]) < 2 * _EVEN
        found.append(Unwanted(start, end, "fades" if to_even else "dissolves"))
    dark = (mean < _DARK) & ~black
    if dark.mean() < _MOST_TITLES:
        found += _runs(dark, "dark moments", fraction)
    found += _runs(_blurred(trace.detail, shots), "blurred moments", fraction)
    if titles:
        found += _titles(trace, shots, timeline, float(bars.mean()))
    return found


def unwanted_frames(found: list[Unwanted], n_frames: int) -> BoolArray:
    """(N,) whether a frame lies in one of the stretches."""
    frames = np.zeros(n_frames, np.bool_)
    for start, end, _ in found:
        frames[start:end] = True
    return frames


def _runs(frames: BoolArray, reason: str, shortest: float = 1) -> list[Unwanted]:
    """Runs of at least `shortest` frames."""
    return [Unwanted(a, b, reason) for a, b in runs(frames).tolist() if b - a >= shortest]


def _blurred(detail: FloatArray, shots: Shots) -> BoolArray:
    blurred = np.zeros(len(detail), np.bool_)
    for start, end in shots:
        part = detail[start:end]
        blurred[start:end] = part < _BLURRED * np.percentile(part, 75)
    return blurred


def _titles(trace: FrameTrace, shots: Shots, timeline: Timeline, bars: float) -> list[Unwanted]:
    """Title, logo and end cards; none in drawn or written videos, half of which and more looks like them."""
    edges, found = timeline.shown_seconds, []
    total = float(edges[-1])
    flat_from, all_flat_from = bars + (1 - bars) * _FLAT, bars + (1 - bars) * _ALL_FLAT
    if np.diff(edges)[trace.flat > flat_from].sum() >= _MOST_TITLES * total:
        return []
    for start, end in shots:
        inner = slice(start + 1, max(end - 1, start + 2))  # frames beside a cut may be blended
        if end - start < 2:
            continue
        flat, change = float(np.median(trace.flat[inner])), float(np.median(trace.change[inner]))
        at_end = edges[end] <= _ENDS_SECONDS or edges[start] >= total - _ENDS_SECONDS
        still = flat > flat_from and change < _STATIC
        if (still and (at_end or edges[end] - edges[start] <= _LONGEST_TITLE_SECONDS)) or (
            at_end and flat > all_flat_from
        ):
            found.append(Unwanted(start, end, "titles"))
    return found
