"""Boundaries of pieces moved into pauses of speech, so that no word is cut."""

import math
from typing import NamedTuple

import numpy as np

from sspvs.selection.shots import runs
from sspvs.types import BoolArray, FloatArray, IntArray, Timeline

REACH_SECONDS = 1.0
"""How far a boundary moves."""
_SPEECH = 0.4  # probability from which someone speaks
_SHORTEST_PAUSE = 0.15  # seconds: shorter ones are within words
_MARGIN = 0.06  # seconds that a boundary keeps from the words around a pause, where it is long enough
_SHIFT_COST = 0.2  # of a second; a boundary within a word costs 1
_MOST_OPTIONS = 5  # of a boundary
_CELLS = 1 << 13  # lengths that are distinguished
_LEAST_FILLED, _SHORT_COST = 0.93, 10.0  # of the length; the cost of what is missing to that, as a share of it
_TOO_SHORT, _TOO_SHORT_COST = 0.905, 1000.0  # likewise, where no pause is worth it


class Speech(NamedTuple):
    """Probabilities that someone speaks, one every `step` seconds of the video."""

    probabilities: FloatArray
    step: float
    ends: FloatArray | None = None  # (E,) seconds at which sentences end, if known

    @property
    def pauses(self) -> FloatArray:
        """(P, 2) seconds without speech, in order, with all that lies before the first and after the last value."""
        quiet: BoolArray = np.concatenate([[True], self.probabilities < _SPEECH, [True]])
        bounds = (runs(quiet) - 1) * self.step
        bounds[0, 0], bounds[-1, 1] = -np.inf, np.inf
        long_enough: FloatArray = bounds[bounds[:, 1] - bounds[:, 0] >= _SHORTEST_PAUSE]
        return long_enough


def beside(seconds: FloatArray, pauses: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(C,) the last times at or before (C,) `seconds`, and the first ones after, some way into the (P, 2) pauses."""
    margin = np.minimum(_MARGIN, (pauses[:, 1] - pauses[:, 0]) / 3)
    starts, ends = pauses[:, 0] + margin, pauses[:, 1] - margin
    before = np.searchsorted(starts, seconds, side="right") - 1  # the first pause has no start, the last no end
    after = np.searchsorted(ends, seconds)
    return np.minimum(seconds, ends[before]), np.maximum(seconds, starts[after])


def walls_around(pieces: IntArray, walls: IntArray) -> tuple[IntArray, IntArray]:
    """(M,) the last wall at or before each of (M, 2) frame ranges, and the first at or after it."""
    return walls[np.searchsorted(walls, pieces[:, 0], side="right") - 1], walls[np.searchsorted(walls, pieces[:, 1])]


def move_to_pauses(
    pieces: IntArray, speech: Speech, timeline: Timeline, walls: IntArray, *, most_seconds: float, shortest: float
) -> IntArray:
    """Move the boundaries of pieces by up to a second into pauses of speech, exactly for the least cost in all.

    A boundary in a word costs 1, one that moves 0.2 a second; a multiple-choice knapsack over the pieces keeps their
    length within `most_seconds` and near to it.

    Args:
        pieces: (M, 2) half-open frame ranges, in order and apart.
        speech: Of the video's sound.
        timeline: When each frame is shown.
        walls: Frames that no boundary moves across: cuts, and where what is avoided begins and ends.
        most_seconds: Longest time of all pieces.
        shortest: Seconds that a piece keeps, unless it is shorter already.

    Returns:
        (M, 2) pieces within the walls and apart, of at most `most_seconds` unless they were longer.
    """
    edges, shown = np.append(timeline.frame_seconds, timeline.end_seconds), timeline.shown_seconds
    pauses = speech.pauses
    lows, highs = walls_around(pieces, walls)
    middles = (pieces[1:, 0] + pieces[:-1, 1]) // 2
    lows[1:] = np.maximum(lows[1:], middles)
    highs[:-1] = np.minimum(highs[:-1], middles)
    options = []
    for (start, end), low, high in zip(pieces.tolist(), lows.tolist(), highs.tolist(), strict=True):
        least = min(shown[end] - shown[start], shortest) - 1e-9
        options.append(
            [
                (one_cost + other_cost, float(shown[other] - shown[one]), one, other)
                for one_cost, one in _places(start, low, end - 1, edges, pauses)
                for other_cost, other in _places(end, start + 1, high, edges, pauses)
                if other > one and shown[other] - shown[one] >= least
            ]
        )
    chosen = _cheapest(options, most_seconds)
    return pieces if chosen is None else chosen


def _places(frame: int, low: int, high: int, edges: FloatArray, pauses: FloatArray) -> list[tuple[float, int]]:
    """(cost, frame) where a boundary may go, between two frames: where it is, and into each pause in reach."""
    at = float(edges[frame])
    found = {frame: 1.0}
    near = pauses[(pauses[:, 0] < at + REACH_SECONDS) & (pauses[:, 1] > at - REACH_SECONDS)]
    for first, last in near:
        margin = min(_MARGIN, (last - first) / 3)
        wanted = min(max(at, first + margin), last - margin)
        place = int(np.clip(np.abs(edges[low : high + 1] - wanted).argmin() + low, low, high)) if low <= high else frame
        if first <= edges[place] <= last and abs(edges[place] - at) <= REACH_SECONDS + 1e-9:
            cost = _SHIFT_COST * abs(float(edges[place]) - at)
            found[place] = min(found.get(place, np.inf), cost)
    return sorted((cost, place) for place, cost in found.items())[:_MOST_OPTIONS]


def _cheapest(options: list[list[tuple[float, float, int, int]]], most_seconds: float) -> IntArray | None:
    """One (cost, seconds, start, end) a piece: the cheapest in all within a length, near to it; None if none is."""
    unit = most_seconds / _CELLS
    best = np.full(_CELLS + 1, np.inf)  # best[c]: cost of the pieces so far that take c cells
    best[0] = 0
    taken, sizes = [], [[math.ceil(seconds / unit - 1e-6) for _, seconds, _, _ in choices] for choices in options]
    for choices, lengths in zip(options, sizes, strict=True):
        new, which = np.full(_CELLS + 1, np.inf), np.full(_CELLS + 1, -1, np.int64)
        for number, ((cost, *_), size) in enumerate(zip(choices, lengths, strict=True)):
            if size <= _CELLS:
                candidate = best[: _CELLS + 1 - size] + cost
                better = candidate < new[size:]
                new[size:][better] = candidate[better]
                which[size:][better] = number
        best = new
        taken.append(which)
    reachable = np.flatnonzero(np.isfinite(best))
    if len(reachable) == 0:
        return None
    filled = reachable / _CELLS
    short = _SHORT_COST * np.maximum(_LEAST_FILLED - filled, 0) + _TOO_SHORT_COST * np.maximum(_TOO_SHORT - filled, 0)
    at = int(reachable[(best[reachable] + short).argmin()])
    chosen = []
    for choices, lengths, which in zip(options[::-1], sizes[::-1], taken[::-1], strict=True):
        number = int(which[at])
        chosen.append(choices[number][2:])
        at -= lengths[number]
    return np.array(chosen[::-1], np.int64)
