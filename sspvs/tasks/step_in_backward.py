"""Adam and AdamW that update each weight in the backward pass, as soon as its gradient is there, and free the gradient.

At no time all gradients exist: the memory of one copy of the weights is saved. The weights come out as from the same
optimiser after the backward pass. What needs all gradients at once (clipping by their norm, accumulation over batches,
averaging over processes, unscaling of fp16) cannot go with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer


class _InBackward(Optimizer):
    """Mixed in before an optimiser that treats its parameters one by one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._removers = [
            parameter.register_post_accumulate_grad_hook(self._hook(index))
            for index, group in enumerate(self.param_groups)
            for parameter in group["params"]
        ]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Run `closure` (forward and backward); the weights are updated within."""
        if closure is None:
            return None
        with torch.enable_grad():
            return closure()

    def release(self) -> None:
        """Stop updating: afterwards a backward pass leaves its gradients as usual."""
        for remover in self._removers:
            remover.remove()

    def _hook(self, index: int) -> Callable[[Tensor], None]:
        def update(parameter: Tensor) -> None:
            group, everything = self.param_groups[index], self.param_groups
            self.param_groups = [{**group, "params": [parameter]}]
            try:
                super(_InBackward, self).step()
            finally:
                self.param_groups = everything
            parameter.grad = None

        return update


class AdamInBackward(_InBackward, Adam):
    """`torch.optim.Adam` in the backward pass."""


class AdamWInBackward(_InBackward, AdamW):
    """`torch.optim.AdamW` in the backward pass."""
