"""Parts of the summarizer that are not trained: no gradients, and no dropout while the rest trains."""

from __future__ import annotations

import logging
from typing import Literal

from torch import nn

from sspvs.models.text_encoder import TextEncoder
from sspvs.models.video_encoder import VideoEncoder

TrainText = Literal["none", "pooler", "all"]
"""What of the text tower is trained."""

_log = logging.getLogger(__name__)


def freeze_video(encoder: VideoEncoder) -> None:
    """Freeze the video tower: Transformer, [CLS], input projection and pooler.

    It does not stay in evaluation mode by itself: who trains around it must see to that.
    """
    encoder.requires_grad_(False)
    encoder.eval()


def freeze_text(encoder: TextEncoder, trained: TrainText) -> None:
    """Freeze the text tower, or all of it but its pooler, as published.

    Args:
        encoder: Stays in evaluation mode unless all of it is trained. A tower that is frozen already stays so.
        trained: What stays trained. Of a tower without a pooler `pooler` leaves nothing.

    Raises:
        ValueError: Another word.
    """
    if trained not in ("none", "pooler", "all"):
        raise ValueError(f"train_text must be none, pooler or all, got {trained!r}")
    if trained == "all" or encoder.frozen:
        return
    encoder.freeze()
    pooler = pooler_of(encoder)
    if trained == "none":
        return
    if pooler is None:
        _log.info("the text tower %s has no pooler: all of it is frozen", type(encoder).__name__)
    else:
        pooler.requires_grad_(True)


def pooler_of(encoder: TextEncoder) -> nn.Module | None:
    """The layer that makes the whole text of the first token's state; None where a tower has none."""
    for part in (encoder, getattr(encoder, "model", None)):
        pooler = getattr(part, "pooler", None)
        if isinstance(pooler, nn.Module):
            return pooler
    return None
