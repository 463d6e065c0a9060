"""Values of frames to values of clips and of all clips. Clips without a frame count nowhere.

Axis letters: B clips, T frames of a clip.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from sspvs.losses.gather import global_mean

Reduction = Literal["mean", "none"]
"""`mean`: a scalar, as `clip_mean`; `none`: (B, T), zeros in the padding."""


def clip_means(values: Tensor, mask: Tensor) -> Tensor:
    """(B,) the mean over the valid frames of each clip; NaN, without a gradient, of a clip that has none.

    Args:
        values: (B, T).
        mask: (B, T) bool, True = a frame of the clip.
    """
    frames = mask.sum(dim=1)  # (B,)
    means = values.masked_fill(~mask, 0.0).sum(dim=1) / frames.clamp(min=1)
    return means.masked_fill(frames == 0, torch.nan)


def clip_mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean over the valid frames of each clip, then over the clips that have any (of all processes, in training).

    Args:
        values: (B, T).
        mask: (B, T) bool, True = a frame of the clip.

    Returns:
        Scalar; 0 where no clip has a frame.
    """
    filled = mask.any(dim=1)  # (B,)
    return global_mean(clip_means(values, mask).masked_fill(~filled, 0.0).sum(), filled.to(values.dtype).sum())


def reduced(values: Tensor, mask: Tensor, reduction: Reduction) -> Tensor:
    """(B, T) values with zeros in the padding, or their `clip_mean`; see `Reduction`."""
    if reduction == "none":
        return values.masked_fill(~mask, 0.0)
    return clip_mean(values, mask)
