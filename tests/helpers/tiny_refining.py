"""A refinement task that fits into a moment, and clips for it."""

from __future__ import annotations

from typing import Any

import torch

from sspvs.data.batch import RefineBatch
from sspvs.models.settings import RefinerSettings
from sspvs.tasks.refine import RefineTask
from sspvs.tasks.settings import RefineLossSettings, RefineOptimSettings

DIM, FRAMES, SEGMENTS = 12, 24, 4


def tiny_refiner(seed: int = 0, **how: Any) -> RefineTask:
    """In training mode; `refiner`, `losses` and `optim` may be mappings."""
    torch.manual_seed(seed)
    sizes = {"feature_dim": DIM, "embed_dim": 16, "num_layers": 1, "num_heads": 2, "head_dim": 8,
             "feedforward_dim": 24, "uniqueness_dim": 8}  # fmt: skip
    refiner = RefinerSettings(**{**sizes, **how.pop("refiner", {})})
    losses = RefineLossSettings(**{"segments": SEGMENTS, **how.pop("losses", {})})
    optim = RefineOptimSettings(**{"lr": 3e-3, **how.pop("optim", {})})
    return RefineTask(refiner, losses, optim, **how).train()


def tiny_clips(seed: int = 0, batch: int = 4, *, full: bool = False) -> RefineBatch:
    """Clips of different lengths: each a few places that it comes back to, with a direction that all frames share."""
    g = torch.Generator().manual_seed(200 + seed)
    lengths = torch.randint(FRAMES // 2, FRAMES + 1, (batch, 1), generator=g)
    mask = (torch.arange(FRAMES) < (FRAMES if full else lengths)).expand(batch, -1).clone()
    places = torch.randn(batch, 3, DIM, generator=g)
    which = torch.randint(0, 3, (batch, FRAMES), generator=g)
    frames = places.gather(1, which[..., None].expand(-1, -1, DIM)) + 0.5 * torch.randn(batch, FRAMES, DIM, generator=g)
    return RefineBatch(
        (frames + 1.0) * mask[..., None], mask, tuple(f"drawn/clip {seed} {row}" for row in range(batch))
    )


def terms_of(task: RefineTask, batch: RefineBatch) -> dict[str, torch.Tensor]:
    return task.batch_terms(batch)


def rows_of(batch: RefineBatch, rows: slice) -> RefineBatch:
    return RefineBatch(*(field[rows] for field in batch))
