"""Scores of frames against people's importance: by value, by rank, by correlation.

Each is a mean within a video, then over the videos that have something to count. While training that mean is over the
videos of all processes (`sspvs.losses.gather.global_mean`). Of the squared error every video counts, so it is also the
mean of the processes' own means where all have as many videos, which is what DDP alone would take.

Axis letters: B batch, T picks, C picks at a time.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from sspvs.losses.blocks import in_blocks
from sspvs.losses.gather import global_mean

Reduction = Literal["mean", "none"]  # `mean`: a scalar; `none`: (B,) one value a video, NaN where nothing is counted

_CONSTANT = 1e-12  # variance below which values of about 1 are all the same: float32 tells no less apart


def mse_score_loss(log_scores: Tensor, target: Tensor, mask: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """Mean squared error of the scores, as published (Li et al., WACV 2023), padding aside.

    Args:
        log_scores: (B, T) logarithms of the scores.
        target: (B, T) importance in [0, 1].
        mask: (B, T) bool, True = a frame of the video.
        reduction: See `Reduction`.

    Returns:
        Scalar in float32: mean over each video's frames, then over the videos that have any.
    """
    scores, target = _valid(log_scores, mask).exp(), _valid(target, mask)
    frames = mask.sum(dim=1)  # (B,)
    squared = ((scores - target).square() * mask).sum(dim=1)
    return _reduced(squared / frames.clamp(min=1), frames > 0, reduction)


def pairwise_ranking_loss(
    log_scores: Tensor,
    target: Tensor,
    mask: Tensor,
    *,
    margin: float = 0.05,
    max_elements: int = 1 << 24,
    reduction: Reduction = "mean",
) -> Tensor:
    """Logistic loss of every pair of frames that people rank (RankNet; Burges et al., ICML 2005).

    `log(1 + exp(s_j - s_i))` where people find i more important than j, with s the logarithms of the scores: it falls
    as pairs come into order, which is what Kendall's tau counts. Time grows with T^2; memory is bounded: pairs are
    made for a few frames at a time and, in the backward pass, again.

    Args:
        log_scores: (B, T) logarithms of the scores.
        target: (B, T) importance.
        mask: (B, T) bool, True = a frame of the video.
        margin: Pairs whose importance differs by less are not counted; those of equal importance never are.
        max_elements: Most pairs held at a time (those of one frame at least).
        reduction: See `Reduction`.

    Returns:
        Scalar in float32: mean over each video's pairs, then over the videos that have any; 0 where none has.

    Raises:
        ValueError: `margin` is negative.
    """
    if margin < 0:
        raise ValueError(f"margin must not be negative, got {margin}")
    log_scores, target = _valid(log_scores, mask), _valid(target, mask)

    def some(rows: slice) -> Tensor:
        return _pairs(log_scores, target, mask, rows, margin)

    total, count = in_blocks(some, mask.shape[1], mask.numel(), max_elements).sum(dim=1).unbind(dim=-1)
    return _reduced(total / count.clamp(min=1), count > 0, reduction)


def correlation_loss(log_scores: Tensor, target: Tensor, mask: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """1 - Pearson's correlation of the scores and people's importance.

    Args:
        log_scores: (B, T) logarithms of the scores.
        target: (B, T) importance.
        mask: (B, T) bool, True = a frame of the video.
        reduction: See `Reduction`.

    Returns:
        Scalar in float32 in [0, 2]: mean over the videos in which both vary; 0 where none does.
    """
    log_scores, target = _valid(log_scores, mask), _valid(target, mask)
    # A factor changes no correlation: with the largest score at 1, small scores keep their digits.
    largest = log_scores.detach().masked_fill(~mask, float("-inf")).amax(dim=1, keepdim=True)  # (B, 1)
    scores = (log_scores - largest.nan_to_num(neginf=0.0)).exp()
    frames = mask.sum(dim=1).clamp(min=1)  # (B,)
    scores, target = _centred(scores, mask, frames), _centred(target, mask, frames)
    variances = [values.square().sum(dim=1) / frames for values in (scores, target)]
    counted = (variances[0] > _CONSTANT) & (variances[1] > _CONSTANT)
    # The root has an infinite gradient at 0: it is taken of 1 where nothing is counted.
    deviations = torch.where(counted, variances[0] * variances[1], torch.ones_like(variances[0])).sqrt()
    correlation = (scores * target).sum(dim=1) / frames / deviations
    return _reduced(1.0 - correlation, counted, reduction)


def _valid(values: Tensor, mask: Tensor) -> Tensor:
    """In float32, with zeros in the padding, whatever is there."""
    return values.float().masked_fill(~mask, 0.0)


def _centred(values: Tensor, mask: Tensor, frames: Tensor) -> Tensor:
    """(B, T) less their mean over the valid frames; zeros in the padding."""
    mean = (values * mask).sum(dim=1) / frames
    return (values - mean[:, None]) * mask


def _pairs(log_scores: Tensor, target: Tensor, mask: Tensor, rows: slice, margin: float) -> Tensor:
    """(B, 1, 2) sum of losses and number of the pairs in which people prefer a frame of `rows`."""
    ahead = target[:, rows, None] - target[:, None, :]  # (B, C, T)
    counted = (ahead >= margin) & (ahead > 0) & mask[:, rows, None] & mask[:, None, :]
    losses = functional.softplus(log_scores[:, None, :] - log_scores[:, rows, None])
    return torch.stack([(losses * counted).sum(dim=(1, 2)), counted.sum(dim=(1, 2)).float()], dim=-1)[:, None]


def _reduced(values: Tensor, counted: Tensor, reduction: Reduction) -> Tensor:
    """(B,) values of videos, or the mean of those that count."""
    if reduction == "none":
        return torch.where(counted, values, torch.full_like(values, float("nan")))
    return global_mean(torch.where(counted, values, torch.zeros_like(values)).sum(), counted.float().sum())
