"""Linear layers on oneDNN against torch's own."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from sspvs.models import fast_linear
from sspvs.models.fast_linear import OneDnnLinear, use_fast_linears

needs_kernels = pytest.mark.skipif(not fast_linear.has_kernels(), reason="this torch has no oneDNN linear kernel")


@needs_kernels
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5,), (3, 4, 5), (1, 5), (300, 5)])
@pytest.mark.parametrize("turned", [True, False])
def test_values_and_gradients(bias: bool, shape: tuple[int, ...], turned: bool) -> None:
    torch.manual_seed(0)
    plain = nn.Linear(5, 7, bias=bias)
    fast = copy.deepcopy(plain)
    assert use_fast_linears(fast, kernels="onednn") == 1
    assert isinstance(fast, OneDnnLinear)
    given = torch.randn(shape)
    if turned and len(shape) == 3:  # not contiguous, and so is the gradient that comes back
        given = given.transpose(0, 1)
    results = []
    for layer in (plain, fast):
        x = given.clone().requires_grad_() if not turned else given.detach().requires_grad_()
        out = layer(x)
        out.mT.pow(2).sum().backward() if out.ndim > 1 else out.pow(2).sum().backward()
        results.append([out.detach(), x.grad.clone(), *(p.grad for p in layer.parameters())])
        x.grad = None
    for one, other in zip(*results, strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@needs_kernels
def test_names_of_weights_stay_and_other_layers_too() -> None:
    class Other(nn.Linear):
        pass

    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), Other(4, 4))
    names = list(model.state_dict())
    assert use_fast_linears(model, kernels="onednn") == 1
    assert list(model.state_dict()) == names
    assert type(model[2]) is Other


@needs_kernels
def test_frozen_weights_and_no_gradients() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    use_fast_linears(model, kernels="onednn")
    model[0].requires_grad_(False)
    model(torch.randn(2, 3)).sum().backward()
    assert model[0].weight.grad is None
    assert model[1].weight.grad is not None
    with torch.no_grad():
        assert not model(torch.randn(2, 3)).requires_grad


@needs_kernels
def test_other_precisions_go_as_they_go() -> None:
    model = nn.Linear(3, 4)
    use_fast_linears(model, kernels="onednn")
    assert model.double()(torch.ones(2, 3, dtype=torch.float64)).dtype == torch.float64
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model.float()(torch.ones(2, 3)).dtype == torch.bfloat16
    assert model(torch.ones(0, 3)).shape == (0, 4)


@needs_kernels
def test_the_environment_chooses_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_linear, "_slow_mkl", lambda: False)
    for kernels, expected in (("onednn", 1), ("torch", 0), ("", 0)):
        monkeypatch.setenv("SSPVS_CPU_KERNELS", kernels)
        assert use_fast_linears(nn.Linear(2, 2)) == expected
    monkeypatch.setattr(fast_linear, "_slow_mkl", lambda: True)
    layers = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).requires_grad_(False), nn.Linear(1024, 1024))
    assert use_fast_linears(layers) == 2, "a small layer that is trained goes to oneDNN"
    assert use_fast_linears(nn.Linear(2, 2), kernels="onednn") == 1


def test_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSPVS_CPU_KERNELS", raising=False)
    assert use_fast_linears(nn.Linear(2, 2), kernels="torch") == 0
    monkeypatch.setattr(fast_linear, "_slow_mkl", lambda: False)
    assert use_fast_linears(nn.Linear(2, 2)) == 0
    monkeypatch.setattr(fast_linear, "has_kernels", lambda: False)
    assert use_fast_linears(nn.Linear(2, 2), kernels="onednn") == 0
    with pytest.raises(ValueError, match="SSPVS_CPU_KERNELS must be onednn or torch, got 'sometimes'"):
        use_fast_linears(nn.Linear(2, 2), kernels="sometimes")
