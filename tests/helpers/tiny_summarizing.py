"""A summarizer's task that fits into a moment, and videos for it; its towers have the sizes of `tiny_pretraining`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from helpers.tiny_pretraining import DIM, TEXT, TOKENS, VIDEO
from sspvs.data.batch import SummarizeBatch
from sspvs.models.summarizer import SummarizerSettings
from sspvs.tasks.settings import FineTuneOptimSettings, ScoreLossSettings
from sspvs.tasks.summarize import SummarizeTask

PICKS = 12
FINE = replace(VIDEO, position_weight=0.1)


def tiny_summarizer(seed: int = 0, guidance: str = "none", head: str = "progressive", **how: Any) -> SummarizeTask:
    """In training mode; `losses` and `optim` may be mappings; `dropout` is that of the tower and the head."""
    torch.manual_seed(seed)
    dropout, stages = how.pop("dropout", 0.0), how.pop("num_stages", None)
    summarizer = SummarizerSettings(head, stages, dropout, guidance)
    losses = ScoreLossSettings(**how.pop("losses", {}))
    optim = FineTuneOptimSettings(**{"lr": 3e-3, **how.pop("optim", {})})
    return SummarizeTask(replace(FINE, dropout=dropout), summarizer, TEXT, losses=losses, optim=optim, **how).train()


def tiny_videos(seed: int = 0, batch: int = 4, *, text: bool = True, full: bool = False) -> SummarizeBatch:
    """Videos of different lengths; the last one has no text."""
    g = torch.Generator().manual_seed(100 + seed)
    lengths = torch.randint(PICKS // 2, PICKS + 1, (batch, 1), generator=g)
    mask = (torch.arange(PICKS) < (PICKS if full else lengths)).expand(batch, -1).clone()
    target = torch.rand(batch, PICKS, generator=g)
    target[:, :2] = torch.tensor([0.0, 1.0])
    words = torch.arange(TOKENS) < torch.randint(2, TOKENS + 1, (batch, 1), generator=g)
    return SummarizeBatch(
        frames=torch.randn(batch, PICKS, DIM, generator=g) * mask[..., None],
        frame_mask=mask,
        target=target * mask,
        ids=tuple(f"drawn/video {seed} {row}" for row in range(batch)),
        tokens=torch.randint(4, 40, (batch, TOKENS), generator=g) if text else None,
        token_mask=words.expand(batch, -1).clone() if text else None,
        has_text=torch.arange(batch) < max(batch - 1, 1) if text else None,
    )


def terms_of(task: SummarizeTask, batch: SummarizeBatch) -> dict[str, torch.Tensor]:
    return task.batch_terms(batch)


def rows_of(batch: SummarizeBatch, rows: slice) -> SummarizeBatch:
    return SummarizeBatch(*(None if field is None else field[rows] for field in batch))
