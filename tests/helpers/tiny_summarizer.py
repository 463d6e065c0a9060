"""A summarizer of a few thousand weights and videos for it."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from sspvs.models.settings import SmallTextSettings, VideoEncoderSettings
from sspvs.models.summarizer import Summarizer, SummarizerSettings
from sspvs.models.text_towers import SmallTextEncoder
from sspvs.models.video_encoder import VideoEncoder

DIM, WORDS = 16, 40
HEADS = ("progressive", "linear", "attention", "csta-small")
GUIDANCES = ("none", "added", "gate", "cross-attention")


class Videos(NamedTuple):
    frames: Tensor
    frame_mask: Tensor
    tokens: Tensor
    token_mask: Tensor


def tiny(
    head: str = "progressive", guidance: str = "none", *, video: dict[str, Any] | None = None, **how
) -> Summarizer:
    """In evaluation mode; with weights that start at zero moved away from it, so that every part matters."""
    torch.manual_seed(0)
    sizes = {"num_heads": 4, "num_layers": 2, "feedforward_dim": 32, "position_weight": 0.1, **(video or {})}
    tower = VideoEncoder(VideoEncoderSettings(DIM, DIM, **sizes))
    text = SmallTextEncoder(SmallTextSettings(WORDS, text_dim=12, num_heads=2, num_layers=1, dropout=0.0))
    model = Summarizer(tower, SummarizerSettings(head=head, text_guidance=guidance, **how), text)
    with torch.no_grad():
        for parameter in [] if model.guidance is None else model.guidance.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.eval()


def videos(batch: int = 3, picks: int = 11, words: int = 6) -> Videos:
    """The second video is shorter than the others, and has a shorter text."""
    g = torch.Generator().manual_seed(1)
    frame_mask, token_mask = torch.ones(batch, picks).bool(), torch.ones(batch, words).bool()
    frame_mask[1:2, picks - 4 :], token_mask[1:2, words - 2 :] = False, False
    frames = torch.randn(batch, picks, DIM, generator=g) * frame_mask[..., None]
    return Videos(frames, frame_mask, torch.randint(0, WORDS, (batch, words), generator=g), token_mask)
