"""Coarse alignment: does this text belong to this video?

Axis letters: B batch of this process, W processes, D width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from sspvs.losses.gather import gather_rows, global_mean, own_rows


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

    def forward(self, video: Tensor, text: Tensor, is_match: Tensor | None = None) -> Tensor:
        """Contrast the rows.

        Args:
            video: (B, D), normalised here.
            text: (B, D) of the same rows, normalised here.
            is_match: (B,) bool, whether the text is the video's own; always when None. Others are only contrasted with.

        Returns:
            Scalar mean over the matching rows and both directions, in float32.
        """
        with torch.autocast(video.device.type, enabled=False):
            video, text = functional.normalize(video.float(), dim=-1), functional.normalize(text.float(), dim=-1)
            scale = self.log_scale.float().clamp(max=self.largest_log_scale).exp()
            to_text = scale * video @ gather_rows(text).T  # (B, W B) logits
            to_video = scale * text @ gather_rows(video).T
            return softmax_both_ways(to_text, to_video, is_match)


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

    def forward(self, video: Tensor, text: Tensor, is_match: Tensor | None = None) -> Tensor:
        """As in `InfoNceLoss.forward`; a scalar, sum over the texts, mean over the videos."""
        with torch.autocast(video.device.type, enabled=False):
            video, text = functional.normalize(video.float(), dim=-1), functional.normalize(text.float(), dim=-1)
            logits = self.log_scale.float().exp() * video @ gather_rows(text).T + self.bias.float()  # (B, W B)
            own = own_rows(len(video), video.device)
            matches = torch.ones_like(own, dtype=torch.bool) if is_match is None else is_match
            signs = torch.full_like(logits, -1.0)
            signs[torch.arange(len(own), device=own.device), own] = torch.where(matches, 1.0, -1.0)
            return -functional.logsigmoid(signs * logits).sum(dim=1).mean()


def softmax_both_ways(to_text: Tensor, to_video: Tensor, is_match: Tensor | None) -> Tensor:
    """Cross-entropy of this process' rows among everybody's.

    Args:
        to_text: (B, W B) logits of each video for all texts.
        to_video: (B, W B) logits of each text for all videos.
        is_match: (B,) bool, which rows belong together; all when None.

    Returns:
        Scalar mean over the matching rows (of all processes, while training) and both directions.
    """
    own = own_rows(len(to_text), to_text.device)
    each = functional.cross_entropy(to_text, own, reduction="none")
    each = (each + functional.cross_entropy(to_video, own, reduction="none")) / 2  # (B,)
    if is_match is None:
        return each.mean()
    weights = is_match.float()
    return global_mean((each * weights).sum(), weights.sum())
