"""Fine alignment: frames against words.

Axis letters: B batch, X video states, L tokens, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sspvs.losses.gather import next_texts, processes

_FAR = 8.0  # beyond any squared distance of unit vectors (at most 4)


def squared_distances(video: Tensor, text: Tensor) -> Tensor:
    """(B, X, L) squared distances of unit vectors, |x - y|^2 = 2 - 2 cos, from one batched matrix product.

    No (X, L, D) temporaries; float32 whatever the precision of the inputs.
    """
    with torch.autocast(video.device.type, enabled=False):
        x = functional.normalize(video.float(), dim=-1)
        y = functional.normalize(text.float(), dim=-1)
        return (2.0 - 2.0 * x @ y.transpose(1, 2)).clamp(min=0.0)


def squared_hausdorff(video: Tensor, text: Tensor, video_mask: Tensor, text_mask: Tensor) -> Tensor:
    """The squared Hausdorff distance of two sets of unit vectors, pair by pair.

    `max( max_x min_y |x - y|^2 , max_y min_x |x - y|^2 )` over the valid positions (Li et al., WACV 2023).

    Args:
        video: (B, X, D), normalised here.
        text: (B, L, D), normalised here.
        video_mask: (B, X) bool, True = valid.
        text_mask: (B, L) bool, True = valid; each row has a valid one.

    Returns:
        (B,) float32 in [0, 4].
    """
    squared = squared_distances(video, text)  # (B, X, L)
    nearest_word = squared.masked_fill(~text_mask[:, None, :], _FAR).amin(dim=2)  # (B, X)
    nearest_frame = squared.masked_fill(~video_mask[:, :, None], _FAR).amin(dim=1)  # (B, L)
    farthest_frame = nearest_word.masked_fill(~video_mask, 0.0).amax(dim=1)
    farthest_word = nearest_frame.masked_fill(~text_mask, 0.0).amax(dim=1)
    return torch.maximum(farthest_frame, farthest_word)


def hausdorff_contrastive_loss(
    video: Tensor, text: Tensor, video_mask: Tensor, text_mask: Tensor, is_match: Tensor, *, margin: float = 1.414
) -> Tensor:
    """Pulls matching pairs together and mismatched ones apart, up to a margin (Li et al., WACV 2023).

    `y HD^2 + (1 - y) max(0, margin - HD)^2`, mean over the batch, with HD as `squared_hausdorff`'s root.

    Args:
        video: (B, X, D) encoded states, [CLS] included.
        text: (B, L, D) projected word states.
        video_mask: (B, X) bool.
        text_mask: (B, L) bool.
        is_match: (B,) bool, whether the text belongs to the video.
        margin: Distance beyond which a mismatched pair is left alone.

    Returns:
        Scalar.
    """
    squared = squared_hausdorff(video, text, video_mask, text_mask)
    return torch.where(is_match, squared, _squared_shortfall(squared, margin)).mean()


def _squared_shortfall(squared: Tensor, margin: float) -> Tensor:
    """`max(0, margin - HD)^2` from squared distances."""
    # The root has an infinite gradient at 0: below 1e-12 it is held.
    return (margin - squared.clamp(min=1e-12).sqrt()).clamp(min=0.0).square()


class HausdorffLoss(nn.Module):
    """`hausdorff_contrastive_loss` as a module, with negatives that the batch draws or that the batch has.

    Args:
        margin: Distance beyond which a mismatched pair is left alone.
        in_batch_negatives: Also hold each video against the text of the next row of the global batch, with half of
            the weight: for objectives whose data has matching pairs only.
    """

    def __init__(self, margin: float = 1.414, in_batch_negatives: bool = False) -> None:
        super().__init__()
        self.margin = margin
        self.in_batch_negatives = in_batch_negatives

    def forward(self, video: Tensor, text: Tensor, video_mask: Tensor, text_mask: Tensor, is_match: Tensor) -> Tensor:
        """See `hausdorff_contrastive_loss`; a scalar in float32."""
        own = hausdorff_contrastive_loss(video, text, video_mask, text_mask, is_match, margin=self.margin)
        if not self.in_batch_negatives or len(video) * processes() < 2:
            return own
        other, other_mask = next_texts(text, text_mask)
        squared = squared_hausdorff(video, other, video_mask, other_mask)
        return (own + _squared_shortfall(squared, self.margin).mean()) / 2


def late_interaction(video: Tensor, text: Tensor, video_mask: Tensor, text_mask: Tensor) -> Tensor:
    """How well each word finds its frame, mean over the words (after FILIP, Yao et al., ICLR 2022).

    Args:
        video: (B, X, D).
        text: (B, L, D).
        video_mask: (B, X) bool.
        text_mask: (B, L) bool.

    Returns:
        (B,) float32 mean over the words of the largest cosine, in [-1, 1].
    """
    cosine = 1.0 - squared_distances(video, text) / 2.0
    best = cosine.masked_fill(~video_mask[:, :, None], -1.0).amax(dim=1)  # (B, L)
    words = text_mask.float()
    return (best * words).sum(dim=1) / words.sum(dim=1).clamp(min=1.0)
