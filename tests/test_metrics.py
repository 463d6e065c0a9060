"""The torchmetrics: equal to scipy and to the functions of `sspvs.evaluation`, under reset, and over two ranks."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau, spearmanr
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from sspvs.evaluation.f_score import f_score
from sspvs.metrics import KendallTau, SpearmanRho, SummaryF1

METRICS: list[Callable[..., Metric]] = [KendallTau, SpearmanRho, SummaryF1, partial(SummaryF1, "max")]


def videos(count: int, binary: bool, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    generator = np.random.default_rng(seed)
    found = []
    for number in range(count):
        n = int(generator.integers(20, 60))
        scores, users = generator.random(n), generator.integers(1, 6, size=(3 + number % 3, n))
        if binary:
            scores, users = scores > 0.7, users > 3
        found.append((torch.from_numpy(scores), torch.from_numpy(users)))
    return found


def updated(metric: Metric, material: list[tuple[Tensor, Tensor]]) -> Metric:
    for one, users in material:
        metric.update(one, users)
    return metric


@pytest.mark.parametrize(("metric", "reference"), [(KendallTau, kendalltau), (SpearmanRho, spearmanr)])
def test_correlations_are_scipys(metric: Callable[[], Metric], reference: Any) -> None:
    material = videos(5, binary=False)
    expected = [np.mean([reference(one.numpy(), user.numpy())[0] for user in users]) for one, users in material]
    assert float(updated(metric(), material).compute()) == pytest.approx(np.mean(expected), abs=1e-6)


@pytest.mark.parametrize("reduction", ["avg", "max"])
def test_f1_is_that_of_the_tables(reduction: Any) -> None:
    material = videos(5, binary=True)
    expected = [f_score(one.numpy(), users.numpy(), reduction) for one, users in material]
    assert float(updated(SummaryF1(reduction), material).compute()) == pytest.approx(np.mean(expected), abs=1e-6)


@pytest.mark.parametrize("make", METRICS)
def test_after_a_reset_only_new_videos_count(make: Callable[[], Metric]) -> None:
    binary = isinstance(make(), SummaryF1)
    first, second = videos(4, binary, seed=1), videos(3, binary, seed=2)
    metric = updated(make(), first)
    metric.reset()
    assert float(updated(metric, second).compute()) == float(updated(make(), second).compute())
    assert float(updated(metric, first).compute()) != float(updated(make(), second).compute())


@pytest.mark.parametrize("make", METRICS)
def test_two_ranks_give_the_mean_over_all_videos(make: Callable[..., Metric]) -> None:
    material = videos(5, isinstance(make(), SummaryF1))
    other = updated(make(), material[1:])  # unequal shares
    gathered = iter([getattr(other, name) for name in other._defaults])
    one = make(dist_sync_fn=lambda own, group: [own, next(gathered)], distributed_available_fn=lambda: True)
    whole = float(updated(make(), material).compute())
    assert float(updated(one, material[:1]).compute()) == pytest.approx(whole, abs=1e-6)
    gathered = iter([torch.zeros_like(getattr(other, name)) for name in other._defaults])  # back to its own share
    assert float(updated(one, material[1:]).compute()) == pytest.approx(whole, abs=1e-6)


def test_what_has_no_correlation_is_left_out() -> None:
    constant, (scores, users) = torch.ones(30), videos(1, binary=False)[0]
    tau = KendallTau()
    tau.update(constant, torch.arange(30))
    assert math.isnan(float(tau.compute()))
    tau.update(scores, torch.cat([users, torch.full_like(users[:1], 3)]))
    expected = np.mean([kendalltau(scores.numpy(), user.numpy())[0] for user in users])
    assert float(tau.compute()) == pytest.approx(expected, abs=1e-6)


def test_half_precision_and_gradients_are_taken_as_numbers() -> None:
    scores = torch.tensor([0.1, 0.4, 0.2], dtype=torch.bfloat16, requires_grad=True)
    both = MetricCollection([KendallTau(), SpearmanRho()])
    both.update(scores, torch.tensor([[1, 3, 2]]))
    assert {name: round(float(value), 6) for name, value in both.compute().items()} == {
        "KendallTau": 1.0,
        "SpearmanRho": 1.0,
    }


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="reduction"):
        SummaryF1("mean")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="0 and 1"):
        SummaryF1().update(torch.tensor([0.5, 1.0]), torch.tensor([1, 0]))
    with pytest.raises(ValueError, match="as long"):
        KendallTau().update(torch.rand(4), torch.rand(2, 5))
