"""Comparisons of very many pairs, some at a time, so that memory does not grow with their number."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def in_blocks(some: Callable[[slice], Tensor], count: int, elements: int, max_elements: int) -> Tensor:
    """The (B, n, ...) outputs of `some` for n of `count` items, joined along n; n is as large as `max_elements` allows.

    `elements` is what one item takes. The backward pass computes each block again.
    """
    at_a_time = max(1, max_elements // max(1, elements))
    if at_a_time >= count:
        return some(slice(0, count))
    blocks = [slice(start, start + at_a_time) for start in range(0, count, at_a_time)]
    if not torch.is_grad_enabled():
        return torch.cat([some(rows) for rows in blocks], dim=1)
    return torch.cat([checkpoint(some, rows, use_reentrant=False, preserve_rng_state=False) for rows in blocks], dim=1)
