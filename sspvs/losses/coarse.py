"""Coarse alignment: does this text belong to this video?

Axis letters: B batch of this process, W processes, D width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from sspvs.losses.gather import gather_rows, own_rows


def matching_loss(logits: Tensor, is_match: Tensor) -> Tensor:
    """Binary cross-entropy of matching, as published (Li et al., WACV 2023).

    Args:
        logits: (B,) of the matching head.
        is_match: (B,) bool, whether the text belongs to the video.

    Returns:
        Scalar, in float32.
    """
    return functional.binary_cross_entropy_with_logits(logits.float(), is_match.float())


class InfoNceLoss(nn.Module):
    """Each video among all texts of the global batch, and each text among all videos (Radford et al., ICML 2021).

    Args:
        temperature: Of the softmax at the start; it is learned, as 1 / temperature on a logarithmic scale.
        largest_scale: 1 / temperature never gets larger.
    """

    def __init__(self, temperature: float = 0.07, largest_scale: float = 100.0) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        self.largest_log_scale = math.log(largest_scale)

    def forward(self, video: Tensor, text: Tensor) -> Tensor:
        """(B, D) and (B, D) matching rows, normalised here -> scalar mean of both directions."""
        with torch.autocast(video.device.type, enabled=False):
            video, text = functional.normalize(video.float(), dim=-1), functional.normalize(text.float(), dim=-1)
            scale = self.log_scale.clamp(max=self.largest_log_scale).exp()
            target = own_rows(len(video), video.device)  # (B,)
            to_text = functional.cross_entropy(scale * video @ gather_rows(text).T, target)  # (B, W B) logits
            to_video = functional.cross_entropy(scale * text @ gather_rows(video).T, target)
            return (to_text + to_video) / 2


class SigmoidContrastiveLoss(nn.Module):
    """Every pair of the global batch judged by itself (SigLIP; Zhai et al., ICCV 2023).

    Args:
        scale: Of the cosines at the start; learned on a logarithmic scale.
        bias: Added to the logits at the start, so that few pairs count as matches; learned.
    """

    def __init__(self, scale: float = 10.0, bias: float = -10.0) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.bias = nn.Parameter(torch.tensor(bias))

    def forward(self, video: Tensor, text: Tensor) -> Tensor:
        """(B, D) and (B, D) matching rows, normalised here -> scalar sum over the texts, mean over the videos."""
        with torch.autocast(video.device.type, enabled=False):
            video, text = functional.normalize(video.float(), dim=-1), functional.normalize(text.float(), dim=-1)
            logits = self.log_scale.exp() * video @ gather_rows(text).T + self.bias  # (B, W B)
            signs = torch.full_like(logits, -1.0)
            signs[torch.arange(len(video)), own_rows(len(video), video.device)] = 1.0
            return -functional.logsigmoid(signs * logits).sum(dim=1).mean()
