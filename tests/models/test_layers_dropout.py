"""ReLU and dropout in one against both of torch's."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from sspvs.models.layers import relu_dropout


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.7])
def test_values_and_gradients(probability: float) -> None:
    torch.manual_seed(0)
    given = torch.randn(200, 300, requires_grad=True)
    weights = torch.randn(200, 300)
    out = relu_dropout(given, probability)
    (out * weights).sum().backward()
    kept = out.detach() > 0
    expected = torch.where(kept, given.detach() / (1 - probability), 0.0)
    torch.testing.assert_close(out.detach(), expected)
    torch.testing.assert_close(given.grad, torch.where(kept, weights / (1 - probability), 0.0))
    assert not kept[given.detach() <= 0].any()
    share = float(kept[given.detach() > 0].float().mean())
    assert share == pytest.approx(1 - probability, abs=0.01)


def test_another_mask_each_time_and_the_same_by_seed() -> None:
    given = torch.rand(50, 50) + 1
    torch.manual_seed(1)
    first, second = relu_dropout(given, 0.5), relu_dropout(given, 0.5)
    assert not torch.equal(first, second)
    torch.manual_seed(1)
    assert torch.equal(relu_dropout(given, 0.5), first)


def test_it_keeps_one_tensor() -> None:
    def kept(run) -> int:
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.nbytes) or x, lambda x: x):
            run(torch.randn(10, 10, requires_grad=True))
        return sum(sizes)

    assert kept(lambda x: relu_dropout(x, 0.1)) == 400
    assert kept(lambda x: functional.dropout(functional.relu(x), 0.1)) > 400


def test_autocast_and_half_precision() -> None:
    layer = torch.nn.Linear(8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = relu_dropout(layer(torch.randn(4, 8)), 0.2)
    assert out.dtype == torch.bfloat16
    out.sum().backward()
    assert torch.isfinite(layer.weight.grad).all()
