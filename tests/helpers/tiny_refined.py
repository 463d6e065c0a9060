"""Checkpoints of refinement as training leaves them, but small, and with weights drawn at random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sspvs.models.settings import RefinerSettings
from sspvs.tasks.refine import RefineTask
from sspvs.tasks.settings import RefineLossSettings
from sspvs.types import Fingerprint


def tiny_refined(
    *, fingerprint: Fingerprint | None = None, feature_dim: int = 24, seed: int = 0, uniqueness: bool = True, **how: Any
) -> RefineTask:
    """In evaluation mode; without uniqueness there is no such head, and scores are of `ag`."""
    torch.manual_seed(seed)
    sizes = RefinerSettings(
        feature_dim, 16, num_layers=1, num_heads=2, head_dim=8, feedforward_dim=32, uniqueness=uniqueness,
        uniqueness_dim=8,
    )  # fmt: skip
    losses = RefineLossSettings() if uniqueness else RefineLossSettings(commonness=0.0, uniqueness=0.0)
    known = None if fingerprint is None else fingerprint.as_dict()
    how = {"combine": "agh" if uniqueness else "ag", **how}
    return RefineTask(sizes, losses, feature_fingerprint=known, **how).eval()


def saved_refined(folder: Path, **settings: Any) -> Path:
    """Its checkpoint folder."""
    return tiny_refined(**settings).save_pretrained(folder)
