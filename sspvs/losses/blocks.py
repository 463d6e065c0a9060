"""Pairs of frames a few frames at a time, so that memory does not grow with the square of the length.

Axis letters: B clips, T frames of a clip.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def in_blocks(some: Callable[[slice], Tensor], mask: Tensor, elements: int, max_elements: int) -> Tensor:
    """(B, T) of what `some` gives for the frames of a slice, at a time as many as the memory is for.

    Args:
        some: (B, rows) of some frames of each clip.
        mask: (B, T) bool.
        elements: What one frame of each clip takes.
        max_elements: What may be taken; in the backward pass too.
    """
    at_a_time = max(1, max_elements // max(1, elements))
    if at_a_time >= mask.shape[1]:
        return some(slice(0, mask.shape[1]))
    blocks = [slice(start, start + at_a_time) for start in range(0, mask.shape[1], at_a_time)]
    if not torch.is_grad_enabled():
        return torch.cat([some(rows) for rows in blocks], dim=1)
    return torch.cat([checkpoint(some, rows, use_reentrant=False, preserve_rng_state=False) for rows in blocks], dim=1)
