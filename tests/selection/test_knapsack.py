"""The knapsack against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.selection.knapsack import knapsack


def best_value(values, weights, capacity):
    return max(
        sum(values[item] for item in chosen)
        for size in range(len(values) + 1)
        for chosen in itertools.combinations(range(len(values)), size)
        if sum(weights[item] for item in chosen) <= capacity
    )


@settings(max_examples=300, deadline=None)
@given(
    items=st.lists(
        st.tuples(st.floats(-1, 10) | st.sampled_from([0.0, 1.0, 0.1]), st.integers(0, 30)), min_size=0, max_size=9
    ),
    capacity=st.integers(0, 90),
    unit=st.sampled_from([1, 15]),
)
def test_no_choice_is_worth_more(items, capacity, unit):
    values, weights = [value for value, _ in items], [weight * unit for _, weight in items]
    chosen = knapsack(values, np.array(weights, dtype=int), capacity * unit + unit // 2)
    assert chosen.shape == (len(items),)
    assert sum(np.array(weights)[chosen]) <= capacity * unit + unit // 2
    total = sum(value for value, taken in zip(values, chosen, strict=True) if taken)
    assert total == pytest.approx(best_value(values, weights, capacity * unit + unit // 2), abs=1e-9)
    assert (np.array(values)[chosen] > 0).all()


def test_values_are_not_rounded():
    # Cut to thousandths, both pairs are worth 1999 and the first one wins.
    assert list(knapsack([0.9999, 0.9999, 1.9999], [5, 5, 10], 10)) == [False, False, True]
    assert list(knapsack([1.00004, 1.00004, 2.0], [5, 5, 10], 10)) == [True, True, False]


def test_equal_choices_leave_out_the_later_item():
    assert list(knapsack([1, 1, 1], [4, 4, 4], 8)) == [True, True, False]
    assert list(knapsack([2, 1, 1], [8, 4, 4], 8)) == [True, False, False]


def test_large_problem_equals_plain_dynamic_programming():
    rng = np.random.default_rng(0)
    values, weights, capacity = rng.random(60), rng.integers(1, 200, 60), 1500
    best = [0.0] * (capacity + 1)
    for value, weight in zip(values, weights, strict=True):
        for room in range(capacity, weight - 1, -1):
            best[room] = max(best[room], best[room - weight] + value)
    chosen = knapsack(values, weights, capacity)
    assert weights[chosen].sum() <= capacity
    assert values[chosen].sum() == pytest.approx(best[capacity])


def test_everything_fits():
    assert knapsack([1, 2], [3, 4], 7).all()
    assert list(knapsack([], [], 7)) == []


@pytest.mark.parametrize(
    ("values", "weights", "capacity", "message"),
    [
        ([1.0], [1, 2], 3, "shapes"),
        ([np.nan], [1], 3, "finite"),
        ([1.0], [1.5], 3, "integers"),
        ([1.0], [-1], 3, "negative"),
        ([1.0], [1], 2.5, "integers"),
        ([1.0], [1], -1, "negative"),
    ],
)
def test_wrong_arguments(values, weights, capacity, message):
    with pytest.raises(ValueError, match=message):
        knapsack(values, weights, capacity)
