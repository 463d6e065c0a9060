"""Late-interaction contrast over the global batch: each word finds its frame, in every video of the batch.

Axis letters: B batch of this process, W processes, X video states, L tokens, D width, P all texts, C texts at a time.
"""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from sspvs.losses.coarse import softmax_both_ways
from sspvs.losses.gather import gather_rows, gather_texts, own_rows

_LOWEST = -2.0  # below any cosine


class LateInteractionLoss(nn.Module):
    """A softmax over `late_interaction` scores of all pairs of the global batch (after FILIP, Yao et al., ICLR 2022).

    Memory is bounded: the (B, X, C L) cosines are made for a few texts at a time and, in the backward pass, again.

    Args:
        temperature: Of the softmax at the start; learned, as 1 / temperature on a logarithmic scale.
        largest_scale: 1 / temperature never gets larger.
        max_elements: Most cosines held at a time.
    """

    def __init__(self, temperature: float = 0.07, largest_scale: float = 100.0, max_elements: int = 1 << 24) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        self.largest_log_scale = math.log(largest_scale)
        self.max_elements = max_elements

    def forward(
        self, video: Tensor, text: Tensor, video_mask: Tensor, text_mask: Tensor, is_match: Tensor | None = None
    ) -> Tensor:
        """Contrast the rows.

        Args:
            video: (B, X, D) encoded states, normalised here.
            text: (B, L, D) projected word states of the same rows, normalised here.
            video_mask: (B, X) bool, True = valid.
            text_mask: (B, L) bool, True = valid.
            is_match: (B,) bool, whether the text is the video's own; always when None. Others are only contrasted with.

        Returns:
            Scalar mean over the matching rows and both directions, in float32.
        """
        with torch.autocast(video.device.type, enabled=False):
            texts, masks = gather_texts(text.float(), text_mask)  # (W B, L, D)
            scores = pair_scores(video, texts, video_mask, masks, max_elements=self.max_elements)  # (B, W B)
            scale = self.log_scale.float().clamp(max=self.largest_log_scale).exp()
            own = own_rows(len(video), video.device)
            to_video = gather_rows(scores)[:, own].T  # (B, W B) this process' texts for all videos
            return softmax_both_ways(scale * scores, scale * to_video, is_match)


def pair_scores(
    video: Tensor, texts: Tensor, video_mask: Tensor, text_masks: Tensor, *, max_elements: int = 1 << 24
) -> Tensor:
    """How well the words of every text find frames in every video: mean over the words of the largest cosine.

    Args:
        video: (B, X, D), normalised here.
        texts: (P, L, D), normalised here.
        video_mask: (B, X) bool, True = valid.
        text_masks: (P, L) bool, True = valid.
        max_elements: Most cosines held at a time (one text's at least).

    Returns:
        (B, P) float32 in [-1, 1]; 0 for a text without a word.
    """
    video, texts = functional.normalize(video.float(), dim=-1), functional.normalize(texts.float(), dim=-1)
    at_a_time = max(1, max_elements // max(1, video.shape[0] * video.shape[1] * texts.shape[1]))
    again = torch.is_grad_enabled() and at_a_time < len(texts)
    parts = []
    for start in range(0, len(texts), at_a_time):
        some, masks = texts[start : start + at_a_time], text_masks[start : start + at_a_time]
        if again:
            parts.append(checkpoint(_scores, video, some, video_mask, masks, use_reentrant=False))
        else:
            parts.append(_scores(video, some, video_mask, masks))
    return torch.cat(parts, dim=1)


def _scores(video: Tensor, texts: Tensor, video_mask: Tensor, text_masks: Tensor) -> Tensor:
    """(B, C) scores of unit vectors."""
    cosines = video @ texts.flatten(0, 1).T  # (B, X, C L)
    best = cosines.masked_fill(~video_mask[:, :, None], _LOWEST).amax(dim=1)  # (B, C L)
    words = text_masks.float()  # (C, L)
    best = rearrange(best, "b (c l) -> b c l", l=words.shape[1])
    scores: Tensor = (best * words).sum(dim=2) / words.sum(dim=1).clamp(min=1.0)
    return scores
