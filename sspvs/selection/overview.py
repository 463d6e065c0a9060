"""Short pieces that together show what a video is about, within a time budget.

The pieces that are worth most in all (see `worth`) are chosen from candidates inside the shots; what they leave of the
budget is filled in stages.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sspvs.selection.material import INSET_FRAMES, ROUND_OFF, TO_A_FRAME, Material
from sspvs.selection.pauses import SHORT_PAUSE_COST, move_to_pauses, walls_around
from sspvs.selection.summary import Budget, Limits, Selection, hold_scores, key_frames, shot_scores, split_at
from sspvs.selection.worth import Candidates, Weights, Worth, lazy_greedy
from sspvs.types import BoolArray, FloatArray, IntArray

SHORTEST_SECONDS, LONGEST_SECONDS = 1.5, 6.0
"""Of a piece: long enough to see what happens, short enough to show something else."""
REPEAT = 0.95
"""Pieces whose features have a larger cosine show the same."""
LEAST_FILLED, FILLED = 0.93, 0.97  # of the budget: where pieces are added, and where they are lengthened
PIECE_SECONDS = 4.0  # of each piece when only their number is limited
_STEP_SECONDS = 0.5  # between starts of candidates
_MOST_CANDIDATES = 8000  # longer videos have a coarser grid, not more memory
_SHORT, _LONG = 1 / 16, 1 / 3  # the usual piece is so far from the shortest to the longest: more scenes, shorter pieces
_STRETCH_SECONDS = 1.0  # by which pieces of a talk are lengthened, so that they can be moved back into pauses
_CUT_WORDS = 0.1  # share of boundaries in words from which other lengths are tried
_GAP_SECONDS = 1.0  # between two pieces of a shot: a shorter jump looks like a slip
_WHOLE = 1.4  # a range that is longer than a piece by less than this is taken whole
OVERVIEW, HIGHLIGHTS = Weights(1.0, 0.5, 0.5), Weights(0.1, 1.0, 0.1)


def select_pieces(
    material: Material,
    budget: Budget,
    weights: Weights = OVERVIEW,
    *,
    shortest: float = SHORTEST_SECONDS,
    longest: float = LONGEST_SECONDS,
) -> Selection:
    """Choose pieces of `shortest` to `longest` seconds inside the shots, none across a cut.

    The length comes within 90 to 100 % of the budget wherever the video has the material: what the first choice leaves
    is filled by longer pieces, then by pieces that repeat others, by short ones, by pieces across cuts that follow each
    other more quickly than `shortest`, and last by what should be avoided.

    Args:
        material: The video.
        budget: What the summary may hold; `max_shots` is a number of pieces, of `PIECE_SECONDS` on average.
        weights: `OVERVIEW` or `HIGHLIGHTS`, or others.
        shortest: Length of the shortest piece in seconds; a shorter budget has one piece of its length.
        longest: Length of the longest piece in seconds; longer only where the budget cannot be filled otherwise.

    Returns:
        The pieces as `segments`; `selected` are the shots that they are in.

    Raises:
        ValueError: Not 0 < shortest <= longest.
    """
    if not 0 < shortest <= longest:
        raise ValueError(f"the shortest piece must be longer than 0 and no longer than the longest, got {shortest:g}")
    shots, timeline = material.shots, material.timeline
    limits = budget.limits(shots, timeline)
    total = float(material.edges[-1])
    if budget.max_shots is None:
        wanted = min(limits.seconds, total * limits.frames / shots.n_frames)
    else:
        wanted = min(budget.max_shots * min(max(PIECE_SECONDS, shortest), longest), total / 2)
        limits = Limits(shots.n_frames, wanted, material.edges)
    if limits.allow(np.array([[0, shots.n_frames]])):
        segments = np.array([[0, shots.n_frames]])
    else:
        segments = _choose(material, limits, wanted, budget.max_shots, weights, shortest, longest)
    first = np.searchsorted(shots.bounds[:, 0], segments[:, 0], side="right") - 1
    last = np.searchsorted(shots.bounds[:, 0], segments[:, 1])
    selected = np.zeros(len(shots), np.bool_)
    for one, other in zip(first, last, strict=True):
        selected[one:other] = True
    return Selection(
        selected,
        split_at(segments, np.asarray(timeline.gaps, dtype=np.int64) + 1),
        _key_frames(material, segments),
        shot_scores(hold_scores(material.scores, material.picks, shots.n_frames), shots),
        limits.frames,
        limits.seconds,
    )


def _key_frames(material: Material, pieces: IntArray) -> IntArray:
    """(S,) the frame that stands for each shot: of a shot with a piece in it, one of the piece's."""
    frames = key_frames(material.scores, material.picks, material.shots)
    bounds = material.shots.bounds
    for start, end in pieces[::-1]:  # the first piece in a shot counts
        shot = int(np.searchsorted(bounds[:, 0], start, side="right")) - 1
        inside = np.flatnonzero((material.picks > start) & (material.picks < min(end, bounds[shot, 1])))
        best = inside[material.scores[inside].argmax()] if len(inside) else None
        frames[shot] = (start + min(end, bounds[shot, 1])) // 2 if best is None else material.picks[best]
    return frames


def _choose(
    material: Material,
    limits: Limits,
    wanted: float,
    most: int | None,
    weights: Weights,
    shortest: float,
    longest: float,
) -> IntArray:
    """(M, 2) pieces in order."""
    ranges, span = material.ranges(avoid=True), longest - shortest
    n_scenes = len(np.unique(material.scenes_of(ranges))) or 1
    fewest, largest = wanted / (shortest + _LONG * span), wanted / (shortest + _SHORT * span)
    each = n_scenes * shortest <= wanted and n_scenes <= (most or n_scenes)  # whether every scene can be shown
    each = each and not material.is_guided
    largest = max(largest, n_scenes) if each else largest
    count = most or max(1, round(min(max(n_scenes, fewest), largest)))
    if count > 1 and wanted / count < TO_A_FRAME * shortest:
        count -= 1
    shortest = min(shortest, wanted / count)
    worth = Worth(material, weights, wanted, count)
    choices: list[tuple[float, int, float, float, _Choice]] = []
    # Shots that are a little longer than a piece whole, or all pieces of one length; where that cuts words, pieces that
    # last so long from pause to pause, also one more or one fewer.
    for more, whole in ((0, _WHOLE), (0, 1.0), (0, None), (1, None), (-1, None)):
        length = min(wanted / max(count + more, 1), longest)
        if whole is None and (length < shortest or most or -max(found[2] for found in choices) <= _CUT_WORDS):
            continue
        worth.clear()
        choice = _Choice(material, limits, wanted, worth, most)
        for number, (groups, repeats) in enumerate(_stages(material, choice, length, shortest, longest, whole)):
            for once in (True, False) if number == 0 and each else (False,):
                for candidates in groups:
                    choice.add(candidates, repeats=repeats, once=once)
            if choice.seconds < (LEAST_FILLED if material.speech else FILLED) * wanted:
                choice.stretch(longest, gap=_GAP_SECONDS, reach=_STRETCH_SECONDS if material.speech else np.inf)
            if choice.seconds >= LEAST_FILLED * wanted:
                break
        else:
            choice.stretch(np.inf, gap=0.0)
        filled = min(choice.seconds, LEAST_FILLED * wanted)
        cut_words = choice.move_to_pauses(shortest, longest)
        choices.append((filled, -number, -cut_words, worth.total, choice))
    choice = max(choices, key=lambda found: found[:4])[4]  # the fuller one, by better candidates, of more worth
    if choice.seconds < wanted / 2:  # there may be still pictures that last longer than the budget
        long_enough = np.diff(material.edges) >= wanted
        if long_enough.any():
            best = int(np.where(long_enough, material.frame_scores - material.avoid, -np.inf).argmax())
            return np.array([[best, best + 1]])
    return choice.pieces


def _stages(
    material: Material, choice: _Choice, length: float, shortest: float, longest: float, whole: float | None
) -> Iterator[tuple[tuple[Candidates, ...], bool]]:
    """Candidates, the best kind first, and whether they may repeat what is chosen so far.

    Of each kind those at pauses of speech, and those of shots without.
    """
    ranges, edges, most = material.ranges(avoid=True), material.edges, min(longest, choice.left)
    exact, whole = whole is None, whole or 1.0

    def at_pauses(bounds: IntArray) -> tuple[Candidates, Candidates]:
        least, most = (LEAST_FILLED * length, length) if exact and len(choice.pieces) == 0 else (shortest, longest)
        quiet, others = material.at_pauses(bounds, least, most)
        fits = material.fits(others)  # what fits a title may begin or end within words, at cuts
        quiet, others = np.concatenate([quiet, others[fits]]), others[~fits]
        return choice.worth.candidates(quiet), choice.worth.candidates(others)

    usual = at_pauses(_windows(ranges, edges, length, shortest, min(most, whole * length)))
    yield usual, False
    yield usual, True
    if shortest < length:
        yield at_pauses(_windows(ranges, edges, shortest, shortest, min(most, whole * shortest))), True
    if material.speech is not None:  # pauses are rare: pieces that begin or end within words, but not across cuts
        for some in (length, shortest):
            windows = _windows(ranges, edges, some, shortest, min(most, whole * some))
            yield (choice.worth.candidates(windows),), True
    yield at_pauses(_runs(material, ranges, length, shortest, most)), True
    yield at_pauses(_runs(material, ranges, min(length, choice.left), min(shortest, choice.left), most)), True
    anywhere = _windows(material.ranges(avoid=False), edges, length, shortest, min(most, whole * length))
    yield at_pauses(anywhere), True
    everything = np.array([[0, material.shots.n_frames]])
    rest = _windows(everything, edges, min(length, max(choice.left, shortest / 2)), 0.0, 0.0)
    yield at_pauses(rest), True
    if len(choice.pieces) == 0:  # those in pauses are all too long
        yield (choice.worth.candidates(rest),), True


def _windows(ranges: IntArray, edges: FloatArray, length: float, shortest: float, longest: float) -> IntArray:
    """(C, 2) stretches of `length` seconds in (R, 2) frame ranges, in steps; those of up to `longest` seconds whole."""
    step = max(_STEP_SECONDS, float((edges[ranges[:, 1]] - edges[ranges[:, 0]]).sum()) / _MOST_CANDIDATES)
    found = []
    for first, last in ranges:
        start, end = float(edges[first]), float(edges[last])
        if end - start < shortest - ROUND_OFF:
            continue
        if end - start <= longest:
            found.append([[first, last]])
            continue
        count = max(1, int(np.ceil((end - start - length) / step))) + 1
        starts = np.linspace(start, end - length, count)
        firsts = np.minimum(np.searchsorted(edges, starts - ROUND_OFF), last - 1)
        lasts = np.searchsorted(edges, edges[firsts] + length + ROUND_OFF, side="right") - 1
        found.append(np.stack([firsts, np.clip(lasts, firsts + 1, last)], axis=1).tolist())
    windows = np.unique(np.array([row for rows in found for row in rows], np.int64).reshape(-1, 2), axis=0)
    long_enough: IntArray = windows[edges[windows[:, 1]] - edges[windows[:, 0]] >= TO_A_FRAME * shortest - ROUND_OFF]
    return long_enough


def _runs(material: Material, ranges: IntArray, length: float, shortest: float, longest: float) -> IntArray:
    """(C, 2) successions of whole shots that are each too short for a piece."""
    edges, found = material.edges, []
    seconds = edges[ranges[:, 1]] - edges[ranges[:, 0]]
    for first in np.flatnonzero(seconds < shortest):
        last = first
        while (
            last + 1 < len(ranges)
            and seconds[last + 1] < shortest
            and ranges[last + 1, 0] - ranges[last, 1] <= 2 * INSET_FRAMES
            and edges[ranges[last + 1, 1]] - edges[ranges[first, 0]] <= longest
            and edges[ranges[last, 1]] - edges[ranges[first, 0]] < length
        ):
            last += 1
        if edges[ranges[last, 1]] - edges[ranges[first, 0]] >= shortest - ROUND_OFF:
            found.append([ranges[first, 0], ranges[last, 1]])
    return np.array(found, np.int64).reshape(-1, 2)


class _Choice:
    """The pieces chosen so far."""

    def __init__(self, material: Material, limits: Limits, wanted: float, worth: Worth, most: int | None) -> None:
        self._material, self._limits, self._wanted, self.worth = material, limits, wanted, worth
        self._most = material.shots.n_frames if most is None else most
        self.pieces: IntArray = np.zeros((0, 2), np.int64)

    @property
    def left(self) -> float:
        """Seconds of the budget that are not filled."""
        return self._wanted - self.seconds

    @property
    def seconds(self) -> float:
        """Seconds of all pieces."""
        edges = self._material.edges
        return float((edges[self.pieces[:, 1]] - edges[self.pieces[:, 0]]).sum())

    def add(self, candidates: Candidates, *, repeats: bool, once: bool = False) -> None:
        """Add the candidates that are worth most, as long as the budget allows them; or one a scene."""
        bounds, looks = candidates.bounds, candidates.looks
        free = np.ones(len(bounds), np.bool_)
        for piece in self.pieces:
            free &= self._apart(bounds, piece)
        if not repeats and len(self.pieces):
            free &= (looks @ self._material.looks(self.pieces).T).max(axis=1) <= REPEAT
        if once:
            free &= ~self.worth.shown(candidates)

        def take(index: int) -> bool:
            pieces = np.concatenate([self.pieces, bounds[index][None]])
            if len(pieces) > self._most or not self._limits.allow(pieces):
                return False
            self.pieces = pieces
            free[~self._apart(bounds, bounds[index])] = False
            if not repeats:
                free[looks @ looks[index] > REPEAT] = False
            if once:
                free[candidates.scenes == candidates.scenes[index]] = False
            return True

        lazy_greedy(self.worth, candidates, free, take)
        self.pieces = self.pieces[self.pieces[:, 0].argsort()]

    def _apart(self, candidates: IntArray, piece: IntArray) -> BoolArray:
        """(C,) whether a piece and each candidate neither overlap nor leave a gap that looks like a slip."""
        edges = self._material.edges
        after = edges[candidates[:, 0]] - edges[piece[1]]
        before = edges[piece[0]] - edges[candidates[:, 1]]
        gap = np.maximum(after, before)
        walls = self._material.shots.bounds[1:, 0]
        between = np.searchsorted(
            walls, np.where(after > 0, candidates[:, 0], piece[0]), side="right"
        ) - np.searchsorted(walls, np.where(after > 0, piece[1], candidates[:, 1]))
        apart: BoolArray = (gap >= _GAP_SECONDS) | ((gap >= -ROUND_OFF) & (between > 0))
        return apart

    def stretch(self, longest: float, *, gap: float, reach: float = np.inf) -> None:
        """Lengthen the pieces, none beyond `longest` seconds, a cut or what is avoided, until the budget is full."""
        edges, pieces = self._material.edges, self.pieces
        left = self.left
        if len(pieces) == 0 or left <= 0:
            return
        lows, highs = walls_around(pieces, self._material.walls)
        starts, ends = edges[pieces[:, 0]], edges[pieces[:, 1]]
        low, high = np.maximum(edges[lows], starts - reach), np.minimum(edges[highs], ends + reach)  # (M,) seconds
        middles = (ends[:-1] + starts[1:]) / 2
        touching = highs[:-1] >= pieces[1:, 0]  # a neighbour in the same shot
        high[:-1] = np.where(touching, np.maximum(np.minimum(high[:-1], middles - gap / 2), ends[:-1]), high[:-1])
        low[1:] = np.where(
            lows[1:] <= pieces[:-1, 1], np.minimum(np.maximum(low[1:], middles + gap / 2), starts[1:]), low[1:]
        )
        room = np.maximum(np.minimum(longest - (ends - starts), (starts - low) + (high - ends)), 0)
        if room.sum() <= 0:
            return
        more = room * min(1.0, left / room.sum())
        later = np.clip(more / 2, more - (starts - low), high - ends)  # half of it, or what the start has no room for
        firsts = np.searchsorted(edges, starts - (more - later) - ROUND_OFF)
        lasts = np.searchsorted(edges, ends + later + ROUND_OFF, side="right") - 1
        longer = np.stack([np.minimum(firsts, pieces[:, 0]), np.maximum(lasts, pieces[:, 1])], axis=1)
        for index, row in enumerate(longer):
            self._try(index, row)
        ends_at, starts_at = (
            np.searchsorted(edges, high + ROUND_OFF, side="right") - 1,
            np.searchsorted(edges, low - ROUND_OFF),
        )
        grows = True
        while grows:  # frame by frame, what is left of the budget
            grows = False
            for index, (start, end) in enumerate(self.pieces.tolist()):
                if end + 1 < ends_at[index] and edges[end + 1] - edges[start] <= longest:
                    grows |= self._try(index, np.array([start, end + 1]))
                elif start > starts_at[index] and edges[end] - edges[start - 1] <= longest:
                    grows |= self._try(index, np.array([start - 1, end]))

    def move_to_pauses(self, shortest: float, longest: float) -> float:
        """Move the pieces into pauses of speech; the share of their boundaries that stays within words."""
        material = self._material
        if material.speech is None or len(self.pieces) == 0:
            return 0.0
        moved = move_to_pauses(
            self.pieces,
            material.pause_costs,
            material.timeline,
            material.walls,
            most_seconds=self._wanted,
            shortest=shortest,
            longest=longest,
            gap=_GAP_SECONDS,
        )
        if self._limits.allow(moved):
            self.pieces = moved
        return float((material.pause_costs[self.pieces] > SHORT_PAUSE_COST).mean())

    def _try(self, index: int, piece: IntArray) -> bool:
        """Replace a piece unless the budget does not allow it; whether it did."""
        before = self.pieces[index].copy()
        self.pieces[index] = piece
        if self._limits.allow(self.pieces):
            return True
        self.pieces[index] = before
        return False
