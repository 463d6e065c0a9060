"""Many knapsacks at once against brute force and against one at a time."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.selection import knapsack, knapsack_many


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n_items=st.integers(0, 7),
    n_problems=st.integers(0, 4),
    capacity=st.integers(0, 60),
    unit=st.sampled_from([1, 5]),
    whole=st.booleans(),
)
def test_each_choice_is_the_best_and_the_one_of_the_single_knapsack(seed, n_items, n_problems, capacity, unit, whole):
    rng = np.random.default_rng(seed)
    weights = rng.integers(0, 20, n_items) * unit
    values = rng.uniform(-1, 5, (n_problems, n_items))
    if whole:
        values = np.trunc(values)  # many ties
    chosen = knapsack_many(values, weights, capacity)
    assert chosen.shape == values.shape
    for row, taken in zip(values, chosen, strict=True):
        assert weights[taken].sum() <= capacity
        fitting = [
            sum(row[list(some)])
            for size in range(n_items + 1)
            for some in itertools.combinations(range(n_items), size)
            if sum(weights[list(some)]) <= capacity
        ]
        assert row[taken].sum() == pytest.approx(max(fitting), abs=1e-9)
        np.testing.assert_array_equal(taken, knapsack(row, weights, capacity))


def test_problems_are_solved_in_parts_when_they_are_many(monkeypatch):
    rng = np.random.default_rng(0)
    values, weights = rng.random((30, 40)), rng.integers(1, 90, 40)
    whole = knapsack_many(values, weights, 300)
    monkeypatch.setattr(sys.modules[knapsack_many.__module__], "_MOST_BITS", 40 * 301 * 4)  # four at a time
    np.testing.assert_array_equal(knapsack_many(values, weights, 300), whole)
    np.testing.assert_array_equal(whole, [knapsack(row, weights, 300) for row in values])


@pytest.mark.parametrize(
    ("values", "weights", "capacity", "message"),
    [
        ([1.0], [1], 3, "shapes"),
        ([[1.0, 2.0]], [1], 3, "shapes"),
        ([[np.nan]], [1], 3, "finite"),
        ([[1.0]], [1.5], 3, "integers"),
        ([[1.0]], [1], -1, "negative"),
    ],
)
def test_wrong_input_is_named(values, weights, capacity, message):
    with pytest.raises(ValueError, match=message):
        knapsack_many(values, weights, capacity)
