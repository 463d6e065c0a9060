"""A pretraining task that fits into a moment, and batches for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from sspvs.data.batch import PretrainBatch
from sspvs.models.settings import TextEncoderSettings, VideoEncoderSettings
from sspvs.tasks.objectives import LossSettings
from sspvs.tasks.pretrain import PretrainTask
from sspvs.tasks.saved_task import SavedTask
from sspvs.tasks.settings import OptimSettings

DIM, PICKS, TOKENS = 16, 10, 7
VIDEO = VideoEncoderSettings(DIM, DIM, num_heads=4, num_layers=2, feedforward_dim=32, dropout=0.0)
TEXT = TextEncoderSettings(
    encoder="small",
    small={"vocab_size": 40, "text_dim": 12, "num_heads": 2, "num_layers": 1, "dropout": 0.0},
)


def tiny_task(seed: int = 0, dropout: float = 0.0, *, optim: OptimSettings | None = None, **losses) -> PretrainTask:
    torch.manual_seed(seed)
    settings = LossSettings(**{"contrastive_dim": 8, **losses})
    optim = OptimSettings(lr=3e-3, schedule="constant") if optim is None else optim
    return PretrainTask(replace(VIDEO, dropout=dropout), TEXT, settings, optim, dropout=dropout)


def tiny_batch(
    seed: int = 0, batch: int = 6, *, matches: bool | None = None, masked: int = 1, full: bool = False
) -> PretrainBatch:
    """Videos of different lengths; half of them with another's text unless `matches`."""
    g = torch.Generator().manual_seed(seed)
    lengths = torch.randint(PICKS // 2, PICKS + 1, (batch, 1), generator=g)
    words = torch.randint(2, TOKENS + 1, (batch, 1), generator=g)
    frame_mask = torch.arange(PICKS) < (PICKS if full else lengths)
    token_mask = torch.arange(TOKENS) < (TOKENS if full else words)
    tokens = torch.randint(4, 40, (batch, TOKENS), generator=g)
    is_match = torch.ones(batch, dtype=torch.bool) if matches else torch.arange(batch) % 2 == 0
    given = torch.where(is_match[:, None], tokens, tokens.roll(1, 0))
    given_mask = torch.where(is_match[:, None], token_mask, token_mask.roll(1, 0)).expand(batch, -1)
    index = torch.stack([torch.randperm(PICKS // 2, generator=g)[:masked] for _ in range(batch)])
    return PretrainBatch(
        frames=torch.randn(batch, PICKS, DIM, generator=g) * frame_mask[..., None],
        frame_mask=frame_mask.expand(batch, -1).clone(),
        tokens=given,
        token_mask=given_mask.clone(),
        masked_index=index,
        masked_counted=torch.ones_like(index, dtype=torch.bool),
        is_match=is_match,
        ids=tuple(f"video {seed}/{row}" for row in range(batch)),
        own_tokens=tokens,
        own_token_mask=token_mask.expand(batch, -1).clone(),
    )


def terms_of(task: PretrainTask, batch: PretrainBatch) -> dict[str, torch.Tensor]:
    return task.batch_terms(batch)


def loader(batches: list[PretrainBatch]) -> DataLoader:
    """Batches as they are."""
    return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]


def fit(task: SavedTask, batches: list, **how: Any) -> pl.Trainer:
    """One step on each batch."""
    trainer = pl.Trainer(max_steps=len(batches), **QUIET, **how)
    trainer.fit(task, loader(batches))
    return trainer


def compiled_parts(task: SavedTask, batch: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The classes of the modules that a step of training compiles."""
    compiled: list[str] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: compiled.append(type(self).__name__))
    fit(task, [batch])
    return compiled


def assert_bfloat16_is_near(task: SavedTask, batch: Any, *, within: float) -> tuple[dict, dict]:
    """Terms in mixed precision are float32, and 3 % or `within` off at most; the terms in float32, and these."""
    full = task.batch_terms(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = task.batch_terms(batch)
    for name, term in full.items():
        assert low[name].dtype == torch.float32
        assert float(low[name].detach()) == pytest.approx(float(term.detach()), rel=0.03, abs=within), name
    return full, low


QUIET = {
    "accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False,
    "enable_checkpointing": False, "num_sanity_val_steps": 0,
}  # fmt: skip
