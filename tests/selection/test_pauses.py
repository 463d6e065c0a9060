"""Boundaries in pauses of speech: against all choices, and rules that always hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.selection.pauses import REACH_SECONDS, Speech, move_to_pauses
from sspvs.types import Timeline

FPS, STEP = 25.0, 0.032


def speech(talking, seconds):
    """Probabilities of a sound in which someone speaks during these (start, end) seconds."""
    at = (np.arange(int(seconds / STEP) + 1) + 0.5) * STEP
    return Speech(np.array([0.9 * any(start <= t < end for start, end in talking) for t in at]), STEP)


def timeline(seconds):
    n_frames = int(seconds * FPS)
    return Timeline(np.arange(n_frames) / FPS, n_frames / FPS)


def move(pieces, heard, clock, walls, **limits):
    edges = np.append(clock.frame_seconds, clock.end_seconds)
    return move_to_pauses(pieces, heard.costs(edges), clock, walls, **limits)


def test_pauses_are_what_lies_between():
    found = speech([(1, 3), (3.05, 5), (6, 7)], 10).pauses
    np.testing.assert_allclose(found, [[-np.inf, 1], [5, 6], [7, np.inf]], atol=STEP)
    assert speech([], 4).pauses.tolist() == [[-np.inf, np.inf]]
    assert Speech(np.zeros(0), STEP).pauses.tolist() == [[-np.inf, np.inf]]


def test_a_boundary_costs_more_in_shorter_pauses_and_most_in_words():
    heard = speech([(1, 3), (3.1, 5), (5.2, 7), (7.6, 9)], 12)
    word, short, longer, usual, silence = heard.costs(np.array([2.0, 3.05, 5.1, 7.3, 11.0]))
    assert usual == silence == 0 < longer < short <= 0.5 < word == 1
    assert (heard.costs(np.array([7.02, 7.58])) == 1).all()  # too near to the words around the pause


def test_a_boundary_costs_less_in_the_quietest_moment_of_a_sentence():
    loudness = np.full(300, -20.0)
    loudness[[100, 200]] = -50.0, -30.0  # the second dip is not deep enough
    heard = Speech(np.full(300, 0.9), STEP, loudness)
    np.testing.assert_allclose(heard.dips, [100.5 * STEP])
    edges = np.arange(0, 300 * STEP, 0.04)
    costs = heard.costs(edges)[10:-10]  # what lies before and after the sound is silence
    assert (edges[10:-10][costs < 1] == edges[np.abs(edges - 100.5 * STEP).argmin()]).sum() == (costs < 1).sum() == 1
    assert 0.5 < costs.min() < 1
    assert Speech(heard.probabilities, STEP).costs(edges)[10:-10].min() == 1  # the loudness is not known


def in_word(at, talking):
    return any(start + STEP < at < end - STEP for start, end in talking)


@settings(deadline=None, max_examples=60)
@given(
    words=st.lists(st.tuples(st.floats(0.3, 3), st.floats(0.1, 1.5)), min_size=1, max_size=12),
    places=st.lists(st.integers(0, 900), min_size=2, max_size=8, unique=True),
    walls=st.lists(st.integers(1, 999), max_size=6),
    room=st.floats(1.0, 1.2),
    gap=st.floats(0, 2),
)
def test_order_walls_and_length_hold(words, places, walls, room, gap):
    at, talking = 0.0, []
    for length, pause in words:
        talking.append((at, at + length))
        at += length + pause
    clock = timeline(40)
    places = sorted(places)
    pieces = np.array([[a, a + max(1, min(60, b - a))] for a, b in zip(places[::2], places[1::2], strict=False)])
    walls = np.array(sorted({0, 1000, *(w for w in walls if not ((pieces[:, 0] < w) & (w < pieces[:, 1])).any())}))
    total = (pieces[:, 1] - pieces[:, 0]).sum() / FPS
    moved = move(
        pieces, speech(talking, 40), clock, walls, most_seconds=room * total, shortest=1.5, longest=4.0, gap=gap
    )
    assert (moved[:, 1] > moved[:, 0]).all()
    assert (moved[1:, 0] >= moved[:-1, 1]).all()
    assert (moved[:, 1] - moved[:, 0]).sum() / FPS <= room * total + 1e-6
    assert np.abs(moved - pieces).max() / FPS <= REACH_SECONDS + 1e-6
    assert ((moved[:, 1] - moved[:, 0]) / FPS <= np.maximum(4.0, (pieces[:, 1] - pieces[:, 0]) / FPS) + 1e-6).all()
    for one, other, old, new in zip(pieces[:-1, 1], pieces[1:, 0], moved[:-1, 1], moved[1:, 0], strict=True):
        divided = ((one <= walls) & (walls <= other)).any()
        assert divided or (new - old) / FPS >= min(gap, (other - one) / FPS) - 1e-6
    for (start, end), (old, _) in zip(moved, pieces, strict=True):
        assert np.searchsorted(walls, start, side="right") == np.searchsorted(walls, old, side="right")
        assert np.searchsorted(walls, end) == np.searchsorted(walls, start, side="right")
    before, after = (sum(in_word(frame / FPS, talking) for frame in some.ravel()) for some in (pieces, moved))
    assert after <= before or not 1.01 < room < 1.07  # no need to grow


def test_a_boundary_moves_to_the_pause_and_no_further():
    talking = [(0, 4), (4.6, 9), (9.5, 14), (14.4, 20)]
    pieces = np.array([[95, 230], [300, 360]])  # 3.8 and 9.2, 12 and 14.4 s
    moved = move(pieces, speech(talking, 20), timeline(20), np.array([0, 500]), most_seconds=8.4, shortest=1.5)
    seconds = moved / FPS
    assert 4 <= seconds[0, 0] <= 4.6
    assert 9 <= seconds[0, 1] <= 9.5
    assert np.abs(seconds[1, 0] - 12.0) < 0.5  # both pauses in reach would make it too long or too short
    assert 14 <= seconds[1, 1] <= 14.4


@pytest.mark.parametrize("seed", range(5))
def test_the_cheapest_choice_of_all(seed):
    rng = np.random.default_rng(seed)
    changes = np.cumsum(rng.uniform(0.3, 1.0, 24))
    clock, heard = timeline(changes[-1] + 1), speech(list(zip(changes[::2], changes[1::2], strict=True)), 30)
    edges = np.append(clock.frame_seconds, clock.end_seconds)
    pieces, budget = np.array([[30, 90], [150, 215]]), 130 / FPS
    moved = move(pieces, heard, clock, np.array([0, 120, clock.n_frames]), most_seconds=budget, shortest=1.5)
    price = heard.costs(edges)

    def ways(piece, low, high):
        """Costs and lengths of all places at every fifth frame and the boundaries of pauses."""
        inner = np.unique(np.append(np.arange(0, clock.n_frames, 5), np.flatnonzero(np.diff(price))[:, None] + [0, 1]))
        inner = inner[(inner >= low) & (inner <= high)]
        starts, ends = np.meshgrid(*(inner[np.abs(inner - at) <= REACH_SECONDS * FPS] for at in piece))
        costs = price[starts] + price[ends] + 0.1 * (np.abs(starts - piece[0]) + np.abs(ends - piece[1])) / FPS
        fits = ends - starts >= 1.5 * FPS
        return costs[fits], (ends - starts)[fits]

    (one, short), (other, long) = ways(pieces[0], 1, 119), ways(pieces[1], 121, clock.n_frames - 1)
    lengths = np.add.outer(short, long) / FPS
    best = np.add.outer(one, other)[(lengths >= 0.93 * budget) & (lengths <= budget)].min()
    assert (
        price[moved].sum() + 0.1 * np.abs(moved - pieces).sum() / FPS <= best + 0.1 * 4 / FPS + 1e-6
    )  # a frame for each
    assert 0.93 * budget <= (moved[:, 1] - moved[:, 0]).sum() / FPS <= budget
