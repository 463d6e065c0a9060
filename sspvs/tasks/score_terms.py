"""The terms of fine-tuning, those that have a weight, and their weighted sum.

Axis letters: B batch, T picks.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from sspvs.losses.score import Reduction, correlation_loss, mse_score_loss, pairwise_ranking_loss
from sspvs.tasks.settings import ScoreLossSettings


def score_terms(
    settings: ScoreLossSettings, log_scores: Tensor, target: Tensor, mask: Tensor, *, reduction: Reduction = "mean"
) -> dict[str, Tensor]:
    """What of the scores differs from people's importance.

    Args:
        settings: Which terms have a weight.
        log_scores: (B, T) logarithms of the scores.
        target: (B, T) importance in [0, 1].
        mask: (B, T) bool, True = a frame of the video.
        reduction: See `sspvs.losses.score.Reduction`.

    Returns:
        By name, unweighted, in float32: `mse_loss`, `pairwise_loss`, `correlation_loss`.
    """
    terms: dict[str, Tensor] = {}
    if settings.mse:
        terms["mse_loss"] = mse_score_loss(log_scores, target, mask, reduction=reduction)
    if settings.pairwise:
        terms["pairwise_loss"] = pairwise_ranking_loss(
            log_scores, target, mask, margin=settings.pairwise_margin, reduction=reduction
        )
    if settings.correlation:
        terms["correlation_loss"] = correlation_loss(log_scores, target, mask, reduction=reduction)
    return terms


def weighted_sum(settings: ScoreLossSettings, terms: Mapping[str, Tensor]) -> Tensor:
    """What is trained on: the terms, at least one, each times its weight."""
    weights = {
        "mse_loss": settings.mse,
        "pairwise_loss": settings.pairwise,
        "correlation_loss": settings.correlation,
    }
    parts = [weights[name] * term for name, term in terms.items()]
    return sum(parts[1:], start=parts[0])
