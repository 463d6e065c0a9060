"""Boundaries of pieces moved into pauses of speech, so that no word is cut."""

import math
from typing import NamedTuple

import numpy as np

from sspvs.selection.shots import runs
from sspvs.types import BoolArray, FloatArray, IntArray, Timeline

REACH_SECONDS = 4.0
"""How far a boundary moves."""
_SPEECH = 0.5  # probability from which someone speaks
_SHORTEST_PAUSE = 0.06  # seconds; closures within words are shorter to the network
_USUAL_PAUSE = 0.3  # seconds, between sentences
_SHORT_PAUSE_COST = 0.5
PAUSE_COSTS = (0.25, 0.5)
_MARGIN = 0.06  # seconds that a boundary keeps from the words around a pause, where it is long enough
_CORE = 0.04  # seconds of a pause that the margins leave
_DIP_SECONDS, _DIP_DECIBELS = 0.25, 20.0  # a quiet moment between words: around it, and below the loudest near it
_NEAR_SECONDS = 1.5  # to either side
_DIP_COST, _SHIFT_COST = 0.6, 0.1  # of a boundary in a quiet moment, and for each second moved; within a word it is 1
_STEP_SECONDS = 0.2  # between places in a pause
_CELLS = 1 << 13  # lengths that are distinguished
_LEAST_FILLED, _SHORT_COST = 0.93, 10.0  # of the length; the cost of what is missing to that, as a share of it
_TOO_SHORT, _TOO_SHORT_COST = 0.905, 1000.0  # likewise, where no pause is worth it


class Speech(NamedTuple):
    """Probabilities that someone speaks, one every `step` seconds of the video, and how loud it is in dB, if known."""

    probabilities: FloatArray
    step: float
    loudness: FloatArray | None = None

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
        lowest = _extreme(-self.loudness, _DIP_SECONDS / self.step)
        loudest = _extreme(self.loudness, _NEAR_SECONDS / self.step)
        found: FloatArray = (
            np.flatnonzero((-self.loudness == lowest) & (loudest + lowest > _DIP_DECIBELS)) + 0.5
        ) * self.step
        return found

    def costs(self, edges: FloatArray) -> FloatArray:
        """(K,) what a boundary at (K,) rising seconds costs: 0 in a pause, 1 within speech, less in a quiet moment."""
        pauses = self.pauses
        lengths = pauses[:, 1] - pauses[:, 0]
        margin = np.clip((lengths - _CORE) / 2, 0, _MARGIN)
        last = np.searchsorted(pauses[:, 0] + margin, edges, side="right") - 1
        short = np.clip((_USUAL_PAUSE - lengths) / (_USUAL_PAUSE - _SHORTEST_PAUSE), 0, 1)
        costs = np.where(edges > (pauses[:, 1] - margin)[last], 1.0, _SHORT_PAUSE_COST * short[last])
        nearest = np.clip(np.searchsorted((edges[1:] + edges[:-1]) / 2, self.dips), 0, len(edges) - 1)
        costs[nearest] = np.minimum(costs[nearest], _DIP_COST)
        return costs


def _extreme(values: FloatArray, reach: float) -> FloatArray:
    """The largest of (K,) values up to `reach` to either side of each."""
    width = 2 * max(1, round(reach)) + 1
    padded = np.pad(values, width // 2, constant_values=-np.inf)
    largest: FloatArray = np.lib.stride_tricks.sliding_window_view(padded, width).max(axis=1)
    return largest


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

    A boundary in a word costs 1, one in a quiet moment between words 0.6, one that moves 0.2 a second, up to
    `REACH_SECONDS`; a multiple-choice knapsack over the pieces keeps their length within `most_seconds` and near to it.

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
    edges, shown = np.append(timeline.frame_seconds, timeline.end_seconds), timeline.shown_seconds
    places = _places(costs, edges)
    lows, highs = walls_around(pieces, walls)
    lows, highs = np.minimum(lows + 1, pieces[:, 0]), np.maximum(highs - 1, pieces[:, 1])  # frames there may be blended
    middles = (edges[pieces[1:, 0]] + edges[pieces[:-1, 1]]) / 2
    after, before = (
        np.searchsorted(edges, middles + gap / 2),
        np.searchsorted(edges, middles - gap / 2, side="right") - 1,
    )
    beside = lows[1:] <= pieces[:-1, 1]
    lows[1:] = np.where(beside, np.minimum(np.maximum(lows[1:], after), pieces[1:, 0]), lows[1:])
    highs[:-1] = np.where(beside, np.maximum(np.minimum(highs[:-1], before), pieces[:-1, 1]), highs[:-1])
    options = []
    for (start, end), low, high in zip(pieces.tolist(), lows.tolist(), highs.tolist(), strict=True):
        starts, ends = (
            np.union1d(
                places[(places >= low) & (places <= high) & (np.abs(edges[places] - edges[at]) <= REACH_SECONDS)], at
            )
            for at in (start, end)
        )
        cost = np.add.outer(
            costs[starts] + _SHIFT_COST * np.abs(edges[starts] - edges[start]),
            costs[ends] + _SHIFT_COST * np.abs(edges[ends] - edges[end]),
        )
        seconds = shown[ends] - shown[starts][:, None]
        now = shown[end] - shown[start]
        fits = (seconds >= min(now, shortest) - 1e-9) & (seconds <= max(now, longest) + 1e-9) & (starts[:, None] < ends)
        one, other = np.nonzero(fits)
        options.append((cost[fits], seconds[fits], starts[one], ends[other]))
    chosen = _cheapest(options, most_seconds)
    return pieces if chosen is None else chosen


def _places(costs: FloatArray, edges: FloatArray) -> IntArray:
    """Frames that a boundary may go to: quiet moments, both ends of each pause, and every 0.2 s."""
    grid = np.searchsorted(edges, np.arange(0, edges[-1], _STEP_SECONDS))
    free = runs(costs <= _SHORT_PAUSE_COST)
    places: IntArray = np.unique(
        np.concatenate([grid, np.flatnonzero((costs > 0) & (costs < 1)), free[:, 0], free[:, 1] - 1])
    )
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
