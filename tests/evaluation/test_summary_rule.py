"""From scores to the summary that is judged."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.naive_protocols import naive_summary
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sspvs.evaluation.summary_rule import RULES, SummaryRule, rule_named
from sspvs.selection import Budget, select
from sspvs.types import Shots


@st.composite
def scored_videos(draw):
    lengths = draw(st.lists(st.integers(1, 30), min_size=1, max_size=8))
    n_frames = sum(lengths)
    shots = Shots.from_starts(np.cumsum([0, *lengths[:-1]]), n_frames)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return rng.random(n_frames), shots


@settings(max_examples=200, deadline=None)
@given(scored_videos(), st.sampled_from([0.15, 0.3, 0.5, 1.0]))
def test_no_choice_of_shots_within_the_budget_is_worth_more(video, fraction):
    scores, shots = video
    budget = math.floor(fraction * shots.n_frames + 1e-9)
    summary = SummaryRule(fraction=fraction).summarize(scores, shots)
    expected = naive_summary(scores, shots, budget)
    np.testing.assert_array_equal(summary, expected)
    assert summary.sum() <= budget


@settings(max_examples=200, deadline=None)
@given(scored_videos())
def test_values_cut_to_thousandths_choose_by_whole_numbers(video):
    scores, shots = video
    summary = SummaryRule(fraction=0.4, values="thousandths").summarize(scores, shots)
    worth = {start: int(1000 * np.mean(scores[start:end])) for start, end in shots}
    best = naive_summary(scores, shots, math.floor(0.4 * shots.n_frames + 1e-9), thousandths=True)
    assert sum(worth[start] for start, _ in shots if summary[start]) == sum(
        worth[start] for start, _ in shots if best[start]
    )


def test_thousandths_can_choose_other_shots_than_exact_values():
    shots = Shots.from_starts(np.array([0, 5, 10, 20]), 100)
    scores = np.repeat([0.9999, 0.9999, 1.9999, 0.0], shots.lengths)
    exact, cut = SummaryRule(0.1), SummaryRule(0.1, values="thousandths")
    assert np.flatnonzero(exact.summarize(scores, shots)).tolist() == list(range(10, 20))
    assert cut.summarize(scores, shots)[10:20].all()  # 1999 against 998 * 2 + ...: still the long one
    scores = np.repeat([1.0004, 1.0004, 2.0009, 0.0], shots.lengths)
    assert exact.summarize(scores, shots)[10:20].all()
    assert cut.summarize(scores, shots)[:10].all()  # 1000 + 1000 against 2000: without the later shot


@settings(max_examples=100, deadline=None)
@given(scored_videos(), st.integers(1, 5), st.sampled_from(["exact", "thousandths"]))
def test_many_at_once_are_what_each_is_alone(video, draws, values):
    _, shots = video
    rule = SummaryRule(fraction=0.35, values=values)
    scores = np.random.default_rng(draws).normal(0.3, 0.5, (draws, shots.n_frames))
    chosen = rule.choose(scores, shots)
    for row, taken in zip(scores, chosen, strict=True):
        np.testing.assert_array_equal(np.repeat(taken, shots.lengths), rule.summarize(row, shots))


@pytest.mark.parametrize(
    ("n_frames", "floor", "rounded"),
    [(100, 15, 15), (104, 15, 16), (110, 16, 16), (130, 19, 20), (7, 1, 1), (6, 0, 1), (3, 0, 0)],
)
def test_budgets_are_whole_frames_by_the_rule(n_frames, floor, rounded):
    shots = Shots.from_starts(np.array([0]), n_frames)
    assert SummaryRule().budget_frames(shots) == floor
    assert SummaryRule(rounding="last-end").budget_frames(shots) == floor  # inclusive last end + 1 = N
    assert SummaryRule(rounding="round").budget_frames(shots) == rounded


@settings(max_examples=300, deadline=None)
@example(100, 29)  # 0.29 * 100 is 28.999999999999996
@given(st.integers(1, 200_000), st.integers(1, 100))
def test_budgets_do_not_lose_a_frame_to_binary_fractions(n_frames, percent):
    shots = Shots.from_starts(np.array([0]), n_frames)
    assert SummaryRule(fraction=percent / 100).budget_frames(shots) == n_frames * percent // 100


def test_nothing_that_fits_or_nothing_of_worth_is_an_empty_summary():
    shots = Shots.from_starts(np.array([0, 50]), 100)
    assert not SummaryRule().summarize(np.ones(100), shots).any()
    shots = Shots.from_starts(np.arange(0, 100, 10), 100)
    assert not SummaryRule().summarize(np.full(100, -1.0), shots).any()


def test_the_default_is_what_selection_plays_when_shots_fit():
    rng = np.random.default_rng(0)
    shots = Shots.from_starts(np.arange(0, 300, 10), 300)
    scores = rng.random(20)
    picks = np.arange(0, 300, 15)
    played = select(scores, picks, shots, Budget()).selected
    summary = SummaryRule().summarize(np.repeat(scores, 15), shots)
    np.testing.assert_array_equal(np.repeat(played, shots.lengths), summary)


def test_systems_have_their_rules_by_name():
    assert RULES["default"] == SummaryRule(0.15, "floor", "exact")
    assert rule_named("sspvs") == SummaryRule(0.15, "floor", "thousandths")
    assert rule_named("csta") == SummaryRule(0.15, "last-end", "exact")
    assert rule_named("a2summ") == SummaryRule(0.15, "round", "thousandths")
    with pytest.raises(ValueError, match="one of default"):
        rule_named("nobody")


@pytest.mark.parametrize("setting", [{"fraction": 0}, {"fraction": 1.2}, {"rounding": "up"}, {"values": "integers"}])
def test_wrong_settings_are_named(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        SummaryRule(**setting)


def test_scores_of_another_video_are_refused():
    shots = Shots.from_starts(np.array([0, 5]), 10)
    with pytest.raises(ValueError, match="10"):
        SummaryRule().summarize(np.ones(9), shots)
    with pytest.raises(ValueError, match="10"):
        SummaryRule().choose(np.ones((2, 9)), shots)
    with pytest.raises(ValueError, match="finite"):
        SummaryRule(0.6).summarize(np.full(10, np.nan), shots)


def test_shots_of_equal_means_are_equal_whatever_the_order_of_additions():
    scores = np.repeat([0.1, 0.7, 0.1], [1, 2, 3])  # 0.1 * 3 / 3 is not 0.1 in binary
    shots = Shots.from_starts(np.array([0, 1, 3]), 6)
    both = SummaryRule(fraction=0.5).choose(np.stack([np.full(6, 0.1), np.full(6, 0.3), scores]), shots)
    # of one score everywhere any two shots are worth as much: the earliest ones win
    assert both.tolist() == [[True, True, False], [True, True, False], [True, True, False]]


@pytest.mark.parametrize("scale", [0.0, 1e-310, 1e-30, 1e30])
def test_values_of_any_size_are_summed(scale):
    shots = Shots.from_starts(np.arange(0, 20, 2), 20)
    chosen = SummaryRule(fraction=0.2).summarize(scale * np.arange(20.0), shots)
    assert chosen.nonzero()[0].tolist() == ([16, 17, 18, 19] if scale else [])
