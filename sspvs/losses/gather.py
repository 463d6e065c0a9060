"""Rows of all processes, with gradients: what a contrastive loss over the global batch is made on.

In evaluation (no gradients) every process is alone: the last batches may be uneven there, and none may wait for
another. The same number of rows is expected of every process; texts may differ in length.

Axis letters: B batch of this process, W processes, L tokens of this process, D width.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, distributed
from torch.nn import functional

_ALONE = ContextVar("alone", default=False)


@contextmanager
def alone() -> Iterator[None]:
    """Within the block this process waits for no other, gradients or not."""
    token = _ALONE.set(True)
    try:
        yield
    finally:
        _ALONE.reset(token)


def processes() -> int:
    """W, how many processes train together; 1 in evaluation, within `alone`, and without process groups."""
    if _ALONE.get() or not torch.is_grad_enabled():
        return 1
    if not (distributed.is_available() and distributed.is_initialized()):
        return 1
    return distributed.get_world_size()


def gather_rows(rows: Tensor) -> Tensor:
    """Join (B, ...) rows of all processes to (W B, ...), in the order of their ranks; `rows` itself when alone.

    Gradients flow back to the process each row came from, summed over the processes; DDP then takes the mean over
    processes. So a loss that each process computes on its own rows against all rows, averaged over its rows, gets the
    gradient of the mean over the global batch. `torch.distributed.all_gather` would cut the graph.
    """
    if processes() == 1:
        return rows
    joined: Tensor = _GatherRows.apply(rows)
    return joined


class _GatherRows(torch.autograd.Function):
    """All processes' rows; backward, all processes' gradients of this process' rows, summed."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        parts = [
            torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(distributed.get_world_size())
        ]
        distributed.all_gather(parts, rows.contiguous())
        ctx.batch = len(rows)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        distributed.all_reduce(total)
        start = distributed.get_rank() * ctx.batch
        return total[start : start + ctx.batch]


def own_rows(batch: int, device: torch.device) -> Tensor:
    """(B,) where this process' rows stand among the joined ones."""
    rank = distributed.get_rank() if processes() > 1 else 0
    return rank * batch + torch.arange(batch, device=device)


def gather_texts(states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Join (B, L, D) states and (B, L) masks of all processes, padded to the longest, with gradients."""
    if processes() == 1:
        return states, mask
    longest = torch.tensor(states.shape[1], device=states.device)
    distributed.all_reduce(longest, distributed.ReduceOp.MAX)
    more = int(longest) - states.shape[1]
    states, mask = functional.pad(states, (0, 0, 0, more)), functional.pad(mask, (0, more))
    masks = [torch.empty_like(mask, dtype=torch.uint8) for _ in range(processes())]
    distributed.all_gather(masks, mask.to(torch.uint8).contiguous())
    return gather_rows(states), torch.cat(masks).bool()


def next_texts(states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The text of the next row of the global batch for each row, the first one's for the last: a text of another video.

    Only the first row of each process travels. L may grow to that of another process.
    """
    if processes() == 1:
        return states.roll(-1, dims=0), mask.roll(-1, dims=0)
    firsts, first_masks = gather_texts(states[:1], mask[:1])  # (W, longest, D), (W, longest)
    neighbour = (distributed.get_rank() + 1) % processes()
    more = firsts.shape[1] - states.shape[1]
    rest, rest_mask = functional.pad(states[1:], (0, 0, 0, more)), functional.pad(mask[1:], (0, more))
    return torch.cat([rest, firsts[neighbour][None]]), torch.cat([rest_mask, first_masks[neighbour][None]])


def global_mean(total: Tensor, count: Tensor) -> Tensor:
    """The mean of what all processes count, scaled so that averaging over the processes gives exactly it.

    `total` is the sum of this process, of `count` items; 0 where nothing is counted.
    """
    world = processes()
    if world > 1:
        count = count.detach().clone()
        distributed.all_reduce(count)
        count = count / world
    # Below one item a process (2 of 4 processes have one) the mean count is a fraction: only 0 needs the guard.
    return total / torch.where(count > 0, count, torch.ones_like(count))
