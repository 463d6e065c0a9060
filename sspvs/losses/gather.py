"""Rows of all processes, with gradients: what a contrastive loss over the global batch is made on."""

from __future__ import annotations

import torch
from torch import Tensor, distributed


def gather_rows(rows: Tensor) -> Tensor:
    """Join (B, ...) rows of all processes to (W B, ...), in the order of their ranks.

    Gradients flow back to the process each row came from, summed over the processes; DDP then takes the mean over
    processes. So a loss that each process computes on its own rows against everybody's, averaged over its rows, gets
    the gradient of the mean over the global batch. `torch.distributed.all_gather` would cut the graph.

    Args:
        rows: The same number of rows in every process.

    Returns:
        The joined rows; `rows` itself without process groups.
    """
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return rows
    from torch.distributed.nn.functional import all_gather

    joined: tuple[Tensor, ...] = all_gather(rows.contiguous())  # type: ignore[no-untyped-call]
    return torch.cat(joined, dim=0)


def own_rows(batch: int, device: torch.device) -> Tensor:
    """(B,) where this process' rows stand among the joined ones."""
    rank = distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0
    return rank * batch + torch.arange(batch, device=device)
