"""Since when a loss is NaN or infinite: what a training that diverged has to say."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

_NEVER = 1 << 62


class LossWatch:
    """Remembers at which step each figure was first not finite: on the device, so that no step waits for it.

    Attributes:
        steps: How many were seen.
    """

    def __init__(self) -> None:
        self.steps = 0
        self._names: tuple[str, ...] = ()
        self._first: Tensor | None = None  # (figures,) int64

    def see(self, figures: Mapping[str, Tensor], step: int) -> None:
        """Look at a step's figures.

        Args:
            figures: Scalars by name, the same names at each step.
            step: Its number, from 1.
        """
        bad = ~torch.stack([figure.detach().float().reshape(()) for figure in figures.values()]).isfinite()
        first = torch.where(bad, step, _NEVER)
        again = self._first is not None and self._names == tuple(figures)
        self._first = torch.minimum(self._first, first) if self._first is not None and again else first
        self._names = tuple(figures)
        self.steps += 1

    def told(self) -> str:
        """Which figures were the first that were not finite, and when."""
        first = [] if self._first is None else self._first.tolist()
        step = min(first, default=_NEVER)
        if step == _NEVER:
            return "the losses of all steps were finite"
        names = [name for name, found in zip(self._names, first, strict=True) if found == step]
        return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} not finite since step {step}"
