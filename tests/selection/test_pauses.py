"""Boundaries in pauses of speech: against all choices, and rules that always hold."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.selection.pauses import Speech, beside, move_to_pauses
from sspvs.types import Timeline

FPS, STEP = 25.0, 0.032


def speech(talking, seconds):
    """Probabilities of a sound in which someone speaks during these (start, end) seconds."""
    at = (np.arange(int(seconds / STEP) + 1) + 0.5) * STEP
    return Speech(np.array([0.9 * any(start <= t < end for start, end in talking) for t in at]), STEP)


def timeline(seconds):
    n_frames = int(seconds * FPS)
    return Timeline(np.arange(n_frames) / FPS, n_frames / FPS)


def test_pauses_are_what_lies_between():
    found = speech([(1, 3), (3.05, 5), (6, 7)], 10).pauses
    np.testing.assert_allclose(found, [[-np.inf, 1], [5, 6], [7, np.inf]], atol=STEP)
    assert speech([], 4).pauses.tolist() == [[-np.inf, np.inf]]
    assert Speech(np.zeros(0), STEP).pauses.tolist() == [[-np.inf, np.inf]]


@given(st.lists(st.floats(0, 9.5), min_size=1, max_size=8), st.floats(-1, 11))
def test_beside_is_in_a_pause_on_each_side(starts, at):
    pauses = speech([(start, start + 0.5) for start in starts], 10).pauses
    (before,), (after,) = beside(np.array([at]), pauses)
    assert before <= at <= after
    for place in (before, after):
        assert any(first <= place <= last for first, last in pauses)


def in_word(at, talking):
    return any(start + STEP < at < end - STEP for start, end in talking)


@settings(deadline=None, max_examples=60)
@given(
    words=st.lists(st.tuples(st.floats(0.3, 3), st.floats(0.1, 1.5)), min_size=1, max_size=12),
    places=st.lists(st.integers(0, 900), min_size=2, max_size=8, unique=True),
    walls=st.lists(st.integers(1, 999), max_size=6),
    room=st.floats(1.0, 1.2),
)
def test_order_walls_and_length_hold(words, places, walls, room):
    at, talking = 0.0, []
    for length, pause in words:
        talking.append((at, at + length))
        at += length + pause
    clock = timeline(40)
    places = sorted(places)
    pieces = np.array([[a, a + max(1, min(60, b - a))] for a, b in zip(places[::2], places[1::2], strict=False)])
    walls = np.array(sorted({0, 1000, *(w for w in walls if not ((pieces[:, 0] < w) & (w < pieces[:, 1])).any())}))
    total = (pieces[:, 1] - pieces[:, 0]).sum() / FPS
    moved = move_to_pauses(pieces, speech(talking, 40), clock, walls, most_seconds=room * total, shortest=1.5)
    assert (moved[:, 1] > moved[:, 0]).all()
    assert (moved[1:, 0] >= moved[:-1, 1]).all()
    assert (moved[:, 1] - moved[:, 0]).sum() / FPS <= room * total + 1e-6
    assert np.abs(moved - pieces).max() / FPS <= 1.0 + 1 / FPS
    for (start, end), (old, _) in zip(moved, pieces, strict=True):
        assert np.searchsorted(walls, start, side="right") == np.searchsorted(walls, old, side="right")
        assert np.searchsorted(walls, end) == np.searchsorted(walls, start, side="right")
    before = sum(in_word(frame / FPS, talking) for frame in pieces.ravel())
    assert sum(in_word(frame / FPS, talking) for frame in moved.ravel()) <= before or room < 1.05


def test_a_boundary_moves_to_the_pause_and_no_further():
    talking = [(0, 4), (4.6, 9), (9.5, 14), (14.4, 20)]
    pieces = np.array([[95, 230], [300, 360]])  # 3.8 and 9.2, 12 and 14.4 s
    moved = move_to_pauses(
        pieces, speech(talking, 20), timeline(20), np.array([0, 500]), most_seconds=8.0, shortest=1.5
    )
    seconds = moved / FPS
    assert 4 <= seconds[0, 0] <= 4.6
    assert 9 <= seconds[0, 1] <= 9.5
    assert seconds[1, 0] == 12.0  # no pause within a second
    assert 14 <= seconds[1, 1] <= 14.4


@pytest.mark.parametrize("seed", range(5))
def test_the_cheapest_choice_of_all(seed):
    rng = np.random.default_rng(seed)
    edges = np.cumsum(rng.uniform(0.3, 1.0, 24))
    talking = list(zip(edges[::2], edges[1::2], strict=True))
    clock, heard = timeline(edges[-1] + 1), speech(talking, edges[-1] + 1)
    pieces = np.array([[30, 90], [150, 215], [240, 300]])
    walls = np.array([0, clock.n_frames])
    budget = 190 / FPS
    moved = move_to_pauses(pieces, heard, clock, walls, most_seconds=budget, shortest=1.5)

    def cost(frame, old):
        quiet = any(first <= frame / FPS <= last for first, last in heard.pauses)
        return 0.2 * abs(frame - old) / FPS if quiet else 1.0 if frame == old else np.inf

    def worth(some):
        return sum(cost(frame, old) for frame, old in zip(np.ravel(some), pieces.ravel(), strict=True))

    choices = []
    for old in pieces.ravel():
        near = {old}
        for first, last in np.clip(heard.pauses, 0, 12):
            margin = min(0.06, (last - first) / 3)
            near |= {math.ceil((first + margin) * FPS), math.floor((last - margin) * FPS)}
        reachable = [frame for frame in near if abs(frame - old) <= 25]
        choices.append(sorted(reachable, key=lambda frame, old=old: cost(frame, old))[:4])
    best = np.inf
    for pair in itertools.product(*choices):
        some = np.array(pair).reshape(-1, 2)
        length = (some[:, 1] - some[:, 0]).sum() / FPS
        if (some[:, 1] - some[:, 0] >= 1.5 * FPS).all() and 0.93 * budget <= length <= budget:
            best = min(best, worth(some))
    assert worth(moved) <= best + 0.2 * 6 / FPS  # each place to the frame
