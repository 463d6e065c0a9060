"""Checkpoints of summarizers as training leaves them, but small, and with weights drawn at random."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sspvs.models.settings import TextEncoderSettings, VideoEncoderSettings
from sspvs.models.summarizer import SummarizerSettings
from sspvs.table.text import TextSettings
from sspvs.tasks.summarize import SummarizeTask
from sspvs.types import Fingerprint

WORDS = {"vocab_size": 60, "text_dim": 12, "num_heads": 2, "num_layers": 1, "dropout": 0.0}
FIELDS = TextSettings(category=1, query=3, title=6, description=0)


def tiny_summarizer(
    *,
    fingerprint: Fingerprint | None = None,
    feature_dim: int = 24,
    guidance: str = "none",
    seed: int = 0,
    fields: TextSettings = FIELDS,
    video: Mapping[str, Any] | None = None,
    **summarizer: Any,
) -> SummarizeTask:
    """A summarizer whose every weight says something: those that start at zero are drawn as well."""
    torch.manual_seed(seed)
    sizes = {"num_heads": 2, "num_layers": 1, "feedforward_dim": 32, "position_weight": 0.1, **(video or {})}
    task = SummarizeTask(
        video=VideoEncoderSettings(feature_dim, 16, **sizes),
        summarizer=SummarizerSettings(text_guidance=guidance, **summarizer),
        text=TextEncoderSettings(encoder="small", small=WORDS),
        text_fields=fields,
        feature_fingerprint=None if fingerprint is None else fingerprint.as_dict(),
    )
    with torch.no_grad():
        for parameter in task.parameters():
            if parameter.abs().max() == 0:
                parameter.normal_(std=0.3)
    return task.eval()


def saved_summarizer(folder: Path, **settings: Any) -> Path:
    """Its checkpoint folder."""
    return tiny_summarizer(**settings).save_pretrained(folder)
