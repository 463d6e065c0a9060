"""Linear layers on oneDNN's float32 kernels, where torch's own choice is slow.

torch gives float32 matrix products on x86 to MKL, which is slow on AMD's processors; oneDNN, which torch ships as well,
is twice as fast there (measured on a Zen 5: 90 against 170 to 200 GFLOPS a core).
Same mathematics, another order of additions: results differ by float32 round-off.

oneDNN prepares a kernel for each new shape, one to four milliseconds each time: for small towers and videos of many
lengths torch's own kernels are faster. The environment variable `SSPVS_CPU_KERNELS` decides: `onednn` or `torch`.
Unset, oneDNN is used on AMD's processors (and Hygon's), but for trained layers of less than a million weights: with it
the towers of configs/pretrain/clips.yaml take five times as long to train.
"""

import os
import platform
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class OneDnnLinear(nn.Linear):
    """`nn.Linear` that goes to oneDNN for float32 on the CPU, and does as torch does for everything else."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  torch's own name
        """(..., in_features) -> (..., out_features)."""
        low = torch.is_autocast_enabled("cpu")
        if low or input.device.type != "cpu" or input.dtype != torch.float32 or not input.numel():
            return super().forward(input)
        out: Tensor = _Linear.apply(input, self.weight, self.bias)
        return out


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, given: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(given, weight)
        ctx.has_bias = bias is not None
        return _product(given, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        given, weight = ctx.saved_tensors
        gradient = gradients[0].reshape(-1, weight.shape[0])  # (rows, out)
        to_given = to_weight = to_bias = None
        if ctx.needs_input_grad[0]:
            to_given = _product(gradient, weight.t(), None).view(given.shape)
        if ctx.needs_input_grad[1]:
            to_weight = _product(gradient.t(), given.reshape(-1, weight.shape[1]).t(), None)
        if ctx.has_bias and ctx.needs_input_grad[2]:
            to_bias = gradient.sum(dim=0)
        return to_given, to_weight, to_bias


_LEAST_TRAINED = 1 << 20  # weights of a layer that is trained, from which on oneDNN is worth its preparation
CPU_KERNELS = "SSPVS_CPU_KERNELS"  # the environment variable that chooses the kernels


def use_fast_linears(module: nn.Module, kernels: str | None = None) -> int:
    """Turn the linear layers within `module` into `OneDnnLinear`, weights and their names unchanged; returns how many.

    `kernels` are `onednn` (where this torch has them) or `torch`; None: as the environment variable says.
    """
    kernels = os.environ.get(CPU_KERNELS, "") if kernels is None else kernels
    if kernels not in ("", "onednn", "torch"):
        raise ValueError(f"{CPU_KERNELS} must be onednn or torch, got {kernels!r}")
    if kernels == "torch" or not has_kernels() or (not kernels and not _slow_mkl()):
        return 0
    layers = [layer for layer in module.modules() if type(layer) is nn.Linear]
    if not kernels:
        layers = [one for one in layers if not one.weight.requires_grad or one.weight.numel() >= _LEAST_TRAINED]
    for layer in layers:
        layer.__class__ = OneDnnLinear
    return len(layers)


@lru_cache(maxsize=1)
def has_kernels() -> bool:
    """Whether this torch has oneDNN's linear kernel, and it computes what it should."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    weight, given = torch.arange(12.0).view(3, 4), torch.arange(8.0).view(2, 4)
    try:
        torch.is_autocast_enabled("cpu")
        found = _product(given, weight, torch.ones(3))
        turned = _product(found.t(), given.t(), None)
    except (AttributeError, RuntimeError, TypeError):  # another torch: no such operator, or other arguments
        return False
    expected = given @ weight.T + 1
    return torch.allclose(found, expected) and torch.allclose(turned, expected.T @ given)


def _product(given: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`given @ weight.T + bias`."""
    out: Tensor = torch.ops.mkldnn._linear_pointwise(given, weight, bias, "none", [], "")
    return out


def _slow_mkl() -> bool:
    """Whether float32 products go to MKL on a processor it holds back on."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    if not torch.backends.mkl.is_available():  # type: ignore[no-untyped-call]
        return False
    try:
        processor = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        processor = platform.processor()
    return "AuthenticAMD" in processor or "HygonGenuine" in processor
