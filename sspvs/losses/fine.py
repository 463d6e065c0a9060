"""Fine alignment: frames against words.

Axis letters: B batch, X video states, L tokens, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

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
    # The root has an infinite gradient at 0: below 1e-12 it is held.
    short = (margin - squared.clamp(min=1e-12).sqrt()).clamp(min=0.0)
    return torch.where(is_match, squared, short.square()).mean()


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
