"""Boundaries of pieces moved into pauses of speech, so that no word is cut."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sspvs.selection.sentences import at_ends
from sspvs.selection.shots import runs
from sspvs.types import BoolArray, FloatArray, IntArray, Shots, Timeline

REACH_SECONDS = 4.0
"""How far a boundary moves."""
SHORT_PAUSE_COST = 0.5
"""Of a boundary in the shortest pause; in one of `_USUAL_PAUSE` it is 0, in a word 1."""
_SPEECH = 0.5  # probability from which someone speaks
_SHORTEST_PAUSE, _USUAL_PAUSE = 0.06, 0.3  # seconds; within words the network hears none
_MARGIN = 0.06  # seconds that a boundary keeps from the words around a pause, where it is long enough
_CORE = 0.04  # seconds of a pause that the margins leave
_DIP_SECONDS, _DIP_DECIBELS = 0.25, 20.0  # a quiet moment: the quietest so far around, and so much below the loudest
_NEAR_SECONDS = 1.5  # within so much
_DIP_COST, _SHIFT_COST = 0.6, 0.1  # of a boundary in a quiet moment, and of each second moved
_STEP_SECONDS, _FINE_FRAMES = 0.2, 5  # between places that a boundary may go to, and frames beside it that are places
_CELLS = 1 << 13  # lengths that are distinguished
_LEAST_FILLED, _SHORT_COST = 0.93, 10.0  # of the length; the cost of what is missing to that, as a share of it
_TOO_SHORT, _TOO_SHORT_COST = 0.905, 1000.0  # likewise, where no pause is worth it


class Speech(NamedTuple):
    """Probabilities that someone speaks, one every `step` seconds of the video, and how loud it is in dB, if known."""

    probabilities: FloatArray
    step: float
    loudness: FloatArray | None = None
    ends: FloatArray | None = None  # (E,) seconds at which sentences end, if known

    @property
    def pauses(self) -> FloatArray:
        """(P, 2) seconds without speech, in order, with all that lies before the first and after the last value."""
        quiet: BoolArray = np.concatenate([[True], self.probabilities < _SPEECH, [True]])
        bounds = (runs(quiet) - 1) * self.step
        bounds[0, 0], bounds[-1, 1] = -np.inf, np.inf
        long_enough: FloatArray = bounds[bounds[:, 1] - bounds[:, 0] >= _SHORTEST_PAUSE]
        return long_enough

    @property
    def dips(self) -> FloatArray:
        """(Q,) seconds of the quietest moments, which are more often between words than within."""
        if self.loudness is None or len(self.loudness) == 0:
            return np.zeros(0)
        quietest = -_largest(-self.loudness, _DIP_SECONDS / self.step)
        loudest = _largest(self.loudness, _NEAR_SECONDS / self.step)
        dips = np.flatnonzero((self.loudness == quietest) & (loudest - quietest > _DIP_DECIBELS))
        seconds: FloatArray = (dips + 0.5) * self.step
        return seconds

    def costs(self, edges: FloatArray) -> FloatArray:
        """(K,) what a boundary at (K,) rising seconds costs: 0 in a pause, 1 within speech, less in a quiet moment.

        Where the ends of sentences are known, any other pause costs as much as the shortest, 0.5.
        """
        (starts, ends), lengths = self.pauses.T, np.diff(self.pauses)[:, 0]
        margin = np.clip((lengths - _CORE) / 2, 0, _MARGIN)
        last = np.searchsorted(starts + margin, edges, side="right") - 1
        short = np.clip((_USUAL_PAUSE - lengths) / (_USUAL_PAUSE - _SHORTEST_PAUSE), 0, 1)
        if self.ends is not None:
            short = np.where(at_ends(self.pauses, self.ends), short / 2, 1.0)
        costs = np.where(edges > (ends - margin)[last], 1.0, SHORT_PAUSE_COST * short[last])
        nearest = np.searchsorted((edges[1:] + edges[:-1]) / 2, self.dips)
        costs[nearest] = np.minimum(costs[nearest], _DIP_COST)
        return costs


def _largest(values: FloatArray, reach: float) -> FloatArray:
    """The largest of (K,) values up to `reach` to either side of each."""
    width = 2 * max(1, round(reach)) + 1
    padded = np.pad(values, width // 2, constant_values=-np.inf)
    largest: FloatArray = np.lib.stride_tricks.sliding_window_view(padded, width).max(axis=1)
    return largest


def walls_of(shots: Shots, avoid: BoolArray, gaps: Sequence[int] = ()) -> IntArray:
    """Frames that no piece is stretched across: cuts, the ends of what is avoided, and where a recording goes on."""
    after_gaps = np.asarray(gaps, np.int64) + 1
    walls: IntArray = np.unique(np.concatenate([shots.bounds.ravel(), np.flatnonzero(np.diff(avoid)) + 1, after_gaps]))
    return walls


def walls_around(pieces: IntArray, walls: IntArray) -> tuple[IntArray, IntArray]:
    """(M,) the last wall at or before each of (M, 2) frame ranges, and the first at or after it."""
    return walls[np.searchsorted(walls, pieces[:, 0], side="right") - 1], walls[np.searchsorted(walls, pieces[:, 1])]


def move_to_pauses(
    pieces: IntArray,
    costs: FloatArray,
    timeline: Timeline,
    walls: IntArray,
    *,
    most_seconds: float,
    shortest: float,
    longest: float = np.inf,
    gap: float = 0.0,
) -> IntArray:
    """Move the boundaries of pieces into pauses of speech, exactly for the least cost in all.

    To the `costs` come 0.1 a second moved, up to `REACH_SECONDS`. A multiple-choice knapsack over the pieces keeps
    their length within `most_seconds` and near to it.

    Args:
        pieces: (M, 2) half-open frame ranges, in order and apart.
        costs: (N + 1,) of a boundary before each frame, as of `Speech.costs`.
        timeline: When each frame is shown.
        walls: Frames that no boundary moves across: cuts, and where what is avoided begins and ends.
        most_seconds: Longest time of all pieces.
        shortest: Seconds that a piece keeps, unless it is shorter already.
        longest: Longest time of a piece, unless it is longer already.
        gap: Seconds that are kept between pieces without a wall between them, unless they are nearer already.

    Returns:
        (M, 2) pieces within the walls and apart, of at most `most_seconds` unless they were longer.
    """
    edges, shown = timeline.edges, timeline.shown_seconds
    lows, highs = walls_around(pieces, walls)
    lows, highs = np.minimum(lows + 1, pieces[:, 0]), np.maximum(highs - 1, pieces[:, 1])  # frames there may be blended
    middles = (edges[pieces[1:, 0]] + edges[pieces[:-1, 1]]) / 2
    after = np.minimum(np.searchsorted(edges, middles + gap / 2), pieces[1:, 0])
    before = np.maximum(np.searchsorted(edges, middles - gap / 2, side="right") - 1, pieces[:-1, 1])
    together = lows[1:] <= pieces[:-1, 1]  # no wall between
    lows[1:] = np.where(together, after, lows[1:])
    highs[:-1] = np.where(together, before, highs[:-1])
    places = _places(costs, edges)
    options = []
    for (start, end), low, high in zip(pieces.tolist(), lows.tolist(), highs.tolist(), strict=True):
        inside = places[np.searchsorted(places, low) : np.searchsorted(places, high, side="right")]
        near = []
        for at in (start, end):
            beside = np.arange(max(low, at - _FINE_FRAMES), min(high, at + _FINE_FRAMES) + 1)
            near.append((some := np.append(inside, beside))[np.abs(edges[some] - edges[at]) <= REACH_SECONDS])
        one, other = (grid.ravel() for grid in np.meshgrid(*near, indexing="ij"))
        seconds, now = shown[other] - shown[one], shown[end] - shown[start]
        fits = (one < other) & (seconds > min(now, shortest) - 1e-9) & (seconds < max(now, longest) + 1e-9)
        one, other = one[fits], other[fits]
        moved = np.abs(edges[one] - edges[start]) + np.abs(edges[other] - edges[end])
        options.append((costs[one] + costs[other] + _SHIFT_COST * moved, seconds[fits], one, other))
    chosen = _cheapest(options, most_seconds)
    return pieces if chosen is None else chosen


def _places(costs: FloatArray, edges: FloatArray) -> IntArray:
    """Frames that a boundary may go to: both ends of each pause, quiet moments, and every 0.2 s."""
    grid = np.searchsorted(edges, np.arange(0, edges[-1], _STEP_SECONDS))
    pauses, dips = runs(costs <= SHORT_PAUSE_COST), np.flatnonzero(costs == _DIP_COST)
    places: IntArray = np.unique(np.concatenate([grid, dips, pauses[:, 0], pauses[:, 1] - 1]))
    return places


def _cheapest(options: list[tuple[FloatArray, FloatArray, IntArray, IntArray]], most_seconds: float) -> IntArray | None:
    """One (cost, seconds, start, end) a piece: the cheapest in all within a length, near to it; None if none is."""
    unit = most_seconds / _CELLS
    best = np.full(_CELLS + 1, np.inf)  # best[c]: cost of the pieces so far that take c cells
    best[0] = 0
    taken = []
    for costs, seconds, starts, ends in options:
        cells = np.ceil(seconds / unit - 1e-6).astype(np.int64)
        order = np.lexsort((costs, cells))
        sizes, firsts = np.unique(cells[order], return_index=True)
        new, which = np.full(_CELLS + 1, np.inf), np.full((_CELLS + 1, 3), -1, np.int32)
        for size, number in zip(sizes[sizes <= _CELLS].tolist(), order[firsts].tolist(), strict=False):
            candidate = best[: _CELLS + 1 - size] + costs[number]
            better = candidate < new[size:]
            new[size:][better] = candidate[better]
            which[size:][better] = size, starts[number], ends[number]
        best = new
        taken.append(which)
    reachable = np.flatnonzero(np.isfinite(best))
    if len(reachable) == 0:
        return None
    filled = reachable / _CELLS
    short = _SHORT_COST * np.maximum(_LEAST_FILLED - filled, 0) + _TOO_SHORT_COST * np.maximum(_TOO_SHORT - filled, 0)
    at = int(reachable[(best[reachable] + short).argmin()])
    chosen = []
    for which in reversed(taken):
        size, start, end = which[at].tolist()
        chosen.append([start, end])
        at -= size
    return np.array(chosen[::-1], np.int64)
