"""Scores held to frames, budgets, and which shots a summary plays."""

from __future__ import annotations

import itertools
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.selection.summary import Budget, hold_scores, key_frames, select, shot_scores
from sspvs.types import Shots, Timeline


def constant_rate(n_frames, fps=25.0):
    return Timeline(np.arange(n_frames) / fps, n_frames / fps)


def shots_of(*lengths):
    return Shots.from_starts(np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(int), sum(lengths))


def one_score_each(shots, values):
    """Scores and picks that give shot i the score values[i]."""
    return np.array(values, dtype=float), shots.bounds[:, 0]


@given(data=st.data(), n_frames=st.integers(1, 80))
def test_scores_hold_until_the_next_pick(data, n_frames):
    picks = sorted(data.draw(st.sets(st.integers(0, n_frames - 1), min_size=1)))
    scores = np.random.default_rng(n_frames).random(len(picks))
    expected = [scores[max(sum(pick <= frame for pick in picks) - 1, 0)] for frame in range(n_frames)]
    assert hold_scores(scores, np.array(picks), n_frames).tolist() == expected
    assert hold_scores(scores, np.array([*picks, n_frames]), n_frames).tolist() == expected


def test_last_pick_may_be_the_number_of_frames():
    assert hold_scores(np.array([1.0, 2.0, 3.0]), np.array([0, 2, 4]), 4).tolist() == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("scores", "picks"),
    [([1, np.nan], [0, 5]), ([1, np.inf], [0, 5]), ([1], [0, 5]), ([1, 2], [5, 5]), ([1, 2], [0, 11]), ([1], [-1]),
     ([], []), ([[1]], [0])],
)  # fmt: skip
def test_scores_that_do_not_fit(scores, picks):
    with pytest.raises(ValueError, match=r"scores|picks"):
        hold_scores(np.array(scores), np.array(picks), 10)


def test_shot_scores_are_means_over_frames():
    frame_scores = np.random.default_rng(0).random(30)
    shots = shots_of(7, 1, 22)
    expected = [frame_scores[start:end].mean() for start, end in shots]
    np.testing.assert_allclose(shot_scores(frame_scores, shots), expected)
    with pytest.raises(ValueError, match="frame scores"):
        shot_scores(frame_scores[:-1], shots)


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    seed=st.integers(0, 1000),
    ratio=st.sampled_from([0.05, 0.15, 0.3, 0.5, 0.9]),
    value=st.sampled_from(["mean", "sum"]),
)
def test_no_selection_within_the_ratio_is_worth_more(lengths, seed, ratio, value):
    shots = shots_of(*lengths)
    scores, picks = one_score_each(shots, np.random.default_rng(seed).random(len(lengths)) + 0.1)
    chosen = select(scores, picks, shots, Budget(ratio), value=value)
    budget = max(floor(Fraction(str(ratio)) * sum(lengths)), 1)
    assert chosen.budget_frames == budget
    assert 0 < (chosen.segments[:, 1] - chosen.segments[:, 0]).sum() <= budget
    worth = scores * lengths if value == "sum" else scores
    best = max(
        sum(worth[list(some)])
        for size in range(len(lengths) + 1)
        for some in itertools.combinations(range(len(lengths)), size)
        if sum(lengths[shot] for shot in some) <= budget
    )
    if best == 0:  # no shot fits: a part of the best one
        assert chosen.selected.sum() == 1
        assert chosen.selected[scores.argmax()]
    else:
        assert worth[chosen.selected].sum() == pytest.approx(best)
        assert chosen.segments.tolist() == shots.bounds[chosen.selected].tolist()
    np.testing.assert_allclose(chosen.shot_scores, scores)


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    seed=st.integers(0, 1000),
    wanted=st.one_of(
        st.floats(0.001, 50).map(lambda seconds: Budget(duration_seconds=seconds)),
        st.floats(0.01, 1).map(lambda ratio: Budget(ratio)),
    ),
)
def test_seconds_and_frames_both_hold_when_the_frame_rate_varies(lengths, seed, wanted):
    shots, rng = shots_of(*lengths), np.random.default_rng(seed)
    edges = np.concatenate([[0], np.cumsum(rng.choice([0.02, 0.04, 0.5], sum(lengths)))])
    timeline = Timeline(edges[:-1], float(edges[-1]))
    scores, picks = one_score_each(shots, rng.random(len(lengths)))
    chosen = select(scores, picks, shots, wanted, timeline)
    frames = (chosen.segments[:, 1] - chosen.segments[:, 0]).sum()
    seconds = sum(edges[end] - edges[start] for start, end in chosen.segments)
    limit = wanted.duration_seconds or wanted.ratio * timeline.end_seconds
    assert frames >= 1
    assert frames <= chosen.budget_frames <= shots.n_frames
    assert seconds <= limit * (1 + 1e-6) or frames == 1
    if limit >= timeline.end_seconds:
        assert chosen.selected.all()


@pytest.mark.parametrize("seed", range(5))
def test_a_budget_is_time_where_the_frame_rate_varies(seed):
    rng = np.random.default_rng(seed)
    shots = shots_of(*rng.integers(3, 40, 8))
    steps = np.repeat(rng.choice([0.01, 0.04, 0.9], len(shots)), shots.lengths)  # bursts and slides
    edges = np.concatenate([[0], np.cumsum(steps)])
    timeline = Timeline(edges[:-1], float(edges[-1]))
    assert not timeline.has_constant_rate
    worth = rng.random(len(shots))
    seconds = np.diff(edges[shots.bounds]).ravel()
    budget = seconds.min() + 0.4 * (timeline.end_seconds - seconds.min())
    best = max(
        (worth[list(some)].sum(), some)
        for size in range(len(shots) + 1)
        for some in itertools.combinations(range(len(shots)), size)
        if seconds[list(some)].sum() <= budget * (1 - 1e-3)  # choices this near to the budget are left aside
    )[1]
    for wanted in (Budget(duration_seconds=budget), Budget(ratio=budget / timeline.end_seconds)):
        chosen = select(*one_score_each(shots, worth), shots, wanted, timeline)
        assert worth[chosen.selected].sum() >= worth[list(best)].sum() - 1e-9
        assert seconds[chosen.selected].sum() <= budget * (1 + 1e-9)
        assert chosen.budget_seconds == pytest.approx(budget)


def test_a_hole_in_the_recording_takes_no_time_and_divides_what_is_played():
    times = np.concatenate([np.arange(100) / 25, 3600 + np.arange(100) / 25])
    timeline = Timeline(times, 3604.0, gaps=(99,))
    shots = shots_of(60, 80, 60)
    chosen = select(*one_score_each(shots, [0, 1, 0]), shots, Budget(duration_seconds=3.2), timeline)
    assert chosen.segments.tolist() == [[60, 100], [100, 140]]
    assert chosen.selected.tolist() == [False, True, False]
    for lengths, best, played in (((60, 40, 100), [0, 1, 0], [60, 100]), ((100, 60, 40), [0, 1, 0], [100, 160])):
        shots = shots_of(*lengths)  # the hole lies between two shots and divides neither
        chosen = select(*one_score_each(shots, best), shots, Budget(duration_seconds=2.5), timeline)
        assert chosen.segments.tolist() == [played]


def test_seconds_of_a_constant_rate_fill_the_budget():
    shots = shots_of(25, 50, 75, 100)
    scores, picks = one_score_each(shots, [1, 1, 1, 1])
    chosen = select(scores, picks, shots, Budget(duration_seconds=6.0), constant_rate(250))
    assert chosen.budget_frames == 150
    assert chosen.selected.tolist() == [True, True, True, False]


def test_milliseconds_of_rounding_do_not_cost_a_shot():
    seconds = np.round(np.arange(901) / 29.97, 3)  # as in Matroska files
    shots = shots_of(*[30] * 30)
    scores, picks = one_score_each(shots, np.linspace(1, 2, 30))
    chosen = select(scores, picks, shots, Budget(0.5), Timeline(seconds[:-1], float(seconds[-1])))
    assert chosen.selected.sum() >= 14
    assert chosen.selected[16:].sum() >= 13


def test_a_budget_of_everything_selects_everything():
    shots = shots_of(10, 20, 30)
    scores, picks = one_score_each(shots, [0, -1, 2])
    for budget in (Budget(1.0), Budget(duration_seconds=2.4), Budget(duration_seconds=99), Budget(max_shots=3)):
        assert select(scores, picks, shots, budget, constant_rate(60)).selected.all()


def test_number_of_shots_takes_the_best_in_order():
    shots = shots_of(10, 20, 30, 40)
    chosen = select(*one_score_each(shots, [3, 1, 4, 3]), shots, Budget(max_shots=2))
    assert chosen.selected.tolist() == [True, False, True, False]  # of equals the earlier
    assert chosen.segments.tolist() == [[0, 10], [30, 60]]
    assert chosen.budget_frames == 70


def test_when_nothing_fits_the_best_part_of_the_best_shot_is_played():
    shots = shots_of(100, 100)
    picks = np.arange(0, 200, 10)
    scores = np.full(20, 0.1)
    scores[[14, 15]] = 1.0  # frames 140 .. 159, in the second shot
    chosen = select(scores, picks, shots, Budget(0.1))
    assert chosen.selected.tolist() == [False, True]
    assert chosen.segments.tolist() == [[140, 160]]
    chosen = select(scores, picks, shots, Budget(0.2))
    assert len(chosen.segments) == 1
    start, end = chosen.segments[0]
    assert end - start == 40
    assert start <= 140
    assert end >= 160
    constant = select(np.ones(20), picks, Shots.from_starts(np.array([0]), 200), Budget(0.1))
    assert constant.segments.tolist() == [[90, 110]]


def test_shots_worth_nothing_still_make_a_summary():
    shots = shots_of(10, 20, 30)
    for values in ([0, 0, 0], [-3, -1, -2]):
        chosen = select(*one_score_each(shots, values), shots, Budget(0.4))
        assert chosen.selected.sum() == 1
        assert chosen.segments.tolist() == shots.bounds[chosen.selected].tolist()
        assert chosen.segments[0, 1] - chosen.segments[0, 0] <= 24


def test_one_frame():
    chosen = select(np.array([0.5]), np.array([0]), Shots.from_starts(np.array([0]), 1), Budget(), constant_rate(1))
    assert chosen.segments.tolist() == [[0, 1]]
    assert chosen.keyframes.tolist() == [0]
    assert chosen.budget_frames == 1


def test_key_frames():
    shots = shots_of(30, 30, 30, 5, 5, 20)
    picks = np.array([0, 10, 20, 30, 45, 60, 70, 80, 95, 104, 119])
    scores = np.array([9, 1, 2, 9, 1, 3, 5, 5, 7, 1, 9.0])
    # Not the first or last frame when there is another; of equals the nearest to the middle; no pick: the middle.
    assert key_frames(scores, picks, shots).tolist() == [20, 45, 70, 92, 95, 104]
    both_ends = key_frames(np.array([1.0, 2.0]), np.array([0, 9]), shots_of(10))
    assert both_ends.tolist() == [9]


@pytest.mark.parametrize("ratio", [0.15, 0.29, 0.3, 0.7])
@pytest.mark.parametrize("n_frames", [1, 7, 20, 100, 1000, 4494, 216_000])
def test_ratio_is_rounded_down(ratio, n_frames):
    limits = Budget(ratio).limits(Shots.from_starts(np.array([0]), n_frames))
    assert limits.frames == max(floor(Fraction(str(ratio)) * n_frames), 1)


@pytest.mark.parametrize(
    "wanted",
    [
        *({"ratio": ratio} for ratio in (0, 1.5, -0.1, np.nan)),
        *({"duration_seconds": seconds} for seconds in (0, -3, np.nan, np.inf)),
        *({"max_shots": number} for number in (0, 1.5)),
        {"ratio": 0.1, "max_shots": 3},
        {"ratio": 0.1, "duration_seconds": 3.0},
        {"max_shots": 2, "duration_seconds": 3.0},
    ],
)
def test_wrong_budgets(wanted):
    with pytest.raises(ValueError, match="|".join(wanted)):
        Budget(**wanted)


def test_what_does_not_fit_together():
    shots = shots_of(10, 20)
    scores, picks = one_score_each(shots, [1, 2])
    with pytest.raises(ValueError, match="timeline"):
        select(scores, picks, shots, Budget(duration_seconds=1))
    with pytest.raises(ValueError, match="timeline"):
        select(scores, picks, shots, Budget(), constant_rate(29))
    with pytest.raises(ValueError, match="value"):
        select(scores, picks, shots, value="median")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="finite"):
        select(np.array([1, np.nan]), picks, shots)


def test_default_budget_is_fifteen_percent():
    assert Budget().ratio == 0.15
    shots = shots_of(*[10] * 20)
    chosen = select(*one_score_each(shots, range(20)), shots)
    assert np.flatnonzero(chosen.selected).tolist() == [17, 18, 19]


@given(seed=st.integers(0, 200), ratio=st.sampled_from([0.05, 0.15, 0.4]), exponent=st.sampled_from([-200, -40, 30]))
def test_the_size_of_the_scores_does_not_matter(seed, ratio, exponent):
    """Products of stages are tiny: a summary of them is that of the same scores made large."""
    generator = np.random.default_rng(seed)
    shots = shots_of(*generator.integers(5, 60, size=generator.integers(1, 9)))
    picks = np.arange(0, shots.n_frames, 4)
    scores = generator.random(len(picks))
    expected = select(scores, picks, shots, Budget(ratio))
    found = select(scores * 2.0**exponent, picks, shots, Budget(ratio))
    assert found.segments.tolist() == expected.segments.tolist()
    assert found.keyframes.tolist() == expected.keyframes.tolist()
