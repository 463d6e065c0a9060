"""Tau-b and rho against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.naive_protocols import naive_pair
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.evaluation import rank_correlation as pair_balance
from sspvs.evaluation import rank_correlation as rank_reference
from sspvs.evaluation.rank_correlation import (
    RankReference,
    kendall_tau,
    mean_of_defined,
    rank_correlations,
    spearman_rho,
)


@st.composite
def problems(draw):
    """D predictions and U references of n points with ties, and weights or none."""
    n_points, n_users, n_draws = draw(st.integers(1, 25)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    references = rng.integers(0, draw(st.integers(1, 8)), (n_users, n_points)) / draw(st.sampled_from([1, 3]))
    predictions = rng.integers(-3, draw(st.integers(-2, 9)), (n_draws, n_points)) / 7
    weights = rng.integers(1, 5, n_points) if draw(st.booleans()) else None
    if draw(st.booleans()):  # runs, as held scores have them
        lengths = rng.integers(1, 4, n_points)
        references, predictions = np.repeat(references, lengths, axis=1), np.repeat(predictions, lengths, axis=1)
        weights = None if weights is None else np.repeat(weights, lengths)
    return predictions, references, weights


def by_scipy(predictions, references, weights):
    times = 1 if weights is None else weights
    pairs = [[naive_pair(np.repeat(one, times), np.repeat(user, times)) for user in references] for one in predictions]
    return np.moveaxis(np.array(pairs), -1, 0)


@settings(max_examples=300, deadline=None)
@given(problems())
def test_both_equal_scipy_with_ties_weights_and_constants(problem):
    np.testing.assert_allclose(rank_correlations(*problem), by_scipy(*problem), rtol=0, atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(problems(), st.sampled_from(["signs", "sorting"]))
def test_users_with_many_levels_equal_scipy_too(problem, way):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rank_reference, "MOST_LEVELS", 0)
        patch.setattr(RankReference, "_sorting_is_faster", lambda *_: way == "sorting")
        found = rank_correlations(*problem)
    np.testing.assert_allclose(found, by_scipy(*problem), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("n_predictions", "n_users"), [(1, 3), (3, 2)])
@pytest.mark.parametrize("rows_at_a_time", [0, 1, 2, 3, 10, 11])
def test_balance_in_blocks_counts_each_pair_once(n_predictions, n_users, rows_at_a_time, monkeypatch):
    rng = np.random.default_rng(rows_at_a_time)
    predictions, users = rng.integers(0, 4, (n_predictions, 10)), rng.integers(0, 5, (n_users, 10))
    weights = rng.integers(1, 4, 10)
    expected = [
        [
            sum(
                weights[i] * weights[j] * np.sign(float((one[i] - one[j]) * (user[i] - user[j])))
                for i in range(10)
                for j in range(i)
            )
            for user in users
        ]
        for one in predictions
    ]
    monkeypatch.setattr(pair_balance, "_BLOCK_ENTRIES", rows_at_a_time * 10 * max(n_predictions, n_users))
    sizes, signs = [], pair_balance._signs

    def measured(scores, part):
        found = signs(scores, part)
        sizes.append(found.size)
        return found

    monkeypatch.setattr(pair_balance, "_signs", measured)
    balance = pair_balance.balance_by_signs(predictions.astype(float), users.astype(float), weights)
    np.testing.assert_array_equal(balance, expected)
    assert max(sizes) == min(max(1, rows_at_a_time), 10) * 10 * max(n_predictions, n_users)  # the memory it takes


@pytest.mark.parametrize(("n_points", "n_draws"), [(200, 40), (700, 1)])
def test_continuous_users_equal_scipy(n_points, n_draws):
    rng = np.random.default_rng(0)
    references, predictions = rng.random((2, n_points)), rng.random((n_draws, n_points))
    references[:, ::3] = references[:, :1]  # ties among them
    found = rank_correlations(predictions, references)
    np.testing.assert_allclose(found, by_scipy(predictions, references, None), rtol=0, atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(1, 12))
def test_scores_of_cells_equal_scores_written_out(seed, n_cells, longest):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest + 1, n_cells)
    references = rng.integers(0, 4, (3, lengths.sum()))
    scores = rng.integers(0, 5, (2, n_cells))
    found = RankReference(references, np.cumsum(lengths) - lengths).correlate(scores)
    expected = by_scipy(np.repeat(scores, lengths, axis=1), references, None)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32))
def test_a_monotone_transformation_of_the_scores_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    scores, references = rng.integers(0, 9, 30) / 9, rng.integers(0, 4, (3, 30))
    plain = rank_correlations(scores, references)
    for transformed in (np.exp(3 * scores), 5 * scores - 100, scores**3):
        np.testing.assert_array_equal(rank_correlations(transformed, references), plain)
    np.testing.assert_allclose(rank_correlations(-scores, references), -np.array(plain), rtol=0, atol=1e-12)


def test_single_pairs():
    one, other = [1, 2, 2, 5, 0], [0.1, 0.4, 0.3, 0.9, 0.4]
    tau, rho = naive_pair(one, other)
    assert kendall_tau(one, other) == pytest.approx(tau, abs=1e-12)
    assert spearman_rho(one, other) == pytest.approx(rho, abs=1e-12)
    tau, rho = naive_pair(np.repeat(one, [3, 1, 1, 2, 1]), np.repeat(other, [3, 1, 1, 2, 1]))
    assert kendall_tau(one, other, weights=[3, 1, 1, 2, 1]) == pytest.approx(tau, abs=1e-12)
    assert spearman_rho(one, other, weights=[3, 1, 1, 2, 1]) == pytest.approx(rho, abs=1e-12)
    assert kendall_tau(one, one) == 1
    assert spearman_rho(one, np.negative(one)) == -1


def test_a_constant_side_has_no_correlation():
    tau, rho = rank_correlations([0.5, 0.1, 0.3], [[1, 1, 1], [1, 2, 3]])
    assert np.isnan([tau[0], rho[0]]).all()
    assert (tau[1], rho[1]) == pytest.approx(naive_pair([0.5, 0.1, 0.3], [1, 2, 3]))
    assert np.isnan(kendall_tau([2, 2, 2], [1, 2, 3]))
    assert np.isnan(spearman_rho([1], [1]))  # one point


def test_the_mean_leaves_out_what_is_undefined():
    assert mean_of_defined([1.0, np.nan, 2.0]) == 1.5
    assert np.isnan(mean_of_defined([np.nan]))
    assert np.isnan(mean_of_defined([]))


@pytest.mark.parametrize(
    ("prediction", "references", "weights", "message"),
    [
        ([1.0, np.nan], [[1, 2]], None, r"prediction must be finite, got nan at \[0, 1\]"),
        ([1.0, 2.0], [[1, np.inf]], None, r"references must be finite, got inf at \[0, 1\]"),
        ([1.0, 2.0], [[1, 2, 3]], None, "as long"),
        ([1.0, 2.0], [1, 2], None, "dimensions"),
        ([], np.empty((1, 0)), None, "at least one"),
        (["a", "b"], [[1, 2]], None, "numbers"),
        ([1.0, 2.0], [[1, 2]], [1, 0], "weights"),
        ([1.0, 2.0], [[1, 2]], [1.5, 1], "weights"),
        ([1.0, 2.0], [[1, 2]], [1], "weights"),
    ],
)
def test_wrong_input_is_named(prediction, references, weights, message):
    with pytest.raises(ValueError, match=message):
        rank_correlations(prediction, references, weights)


def test_wrong_cells_are_named():
    with pytest.raises(ValueError, match="cells"):
        RankReference([[1, 2, 3]], np.array([1, 2]))
    with pytest.raises(ValueError, match="one score a cell"):
        RankReference([[1, 2, 3]], np.array([0, 2])).correlate([[1.0, 2.0, 3.0]])
    with pytest.raises(ValueError, match="dimensions"):
        kendall_tau([[1, 2]], [1, 2])
