"""The terms of contrastive refinement, those that have a weight, and their weighted sum.

Axis letters: B clips, T frames, D raw width, E refined width, S segments of a clip, W processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Literal

from torch import Tensor

from sspvs.losses.clips import clip_mean, clip_means
from sspvs.losses.contrastive import (
    alignment,
    commonness,
    gather_segments,
    uniformity,
    uniqueness_entropy,
    video_segments,
)
from sspvs.models.refiner import RefinerOutput
from sspvs.tasks.refine_settings import RefineLossSettings


def refine_terms(
    settings: RefineLossSettings,
    out: RefinerOutput,
    raw: Tensor,
    mask: Tensor,
    *,
    reduction: Literal["mean", "clips"] = "mean",
) -> dict[str, Tensor]:
    """What refinement is trained on.

    Segments are those of all clips of the batch, and in training of all processes: in validation F says how much a
    frame is like the clips that happened to be beside it.

    Args:
        settings: Which terms have a weight.
        out: What the network made of the clips.
        raw: (B, T, D) the features as they were given: neighbours are chosen by them.
        mask: (B, T) bool, True = a frame of the clip.
        reduction: `mean` as `clip_mean`, of all clips; `clips` as `clip_means`, (B,).

    Returns:
        By name, unweighted, in float32: `alignment_loss`, `uniformity_loss`, `commonness_loss`, `uniqueness_loss`.
    """
    features, frames = out.features, {}
    if settings.alignment:
        frames["alignment_loss"] = alignment(
            features, raw, mask, neighbour_fraction=settings.neighbour_fraction, reduction="none"
        )
    if settings.uniformity:
        frames["uniformity_loss"] = uniformity(features, mask, reduction="none")
    if settings.needs_uniqueness:
        assert out.uniqueness_logits is not None
        segments = gather_segments(*video_segments(features, mask, segments=settings.segments))  # (W B, S, E), (W B, S)
        common = commonness(features, mask, *segments)  # (B, T)
        if settings.commonness:
            frames["commonness_loss"] = common
        if settings.uniqueness:
            frames["uniqueness_loss"] = uniqueness_entropy(out.uniqueness_logits, common, mask, reduction="none")
    over = clip_mean if reduction == "mean" else clip_means
    return {name: over(values, mask) for name, values in frames.items()}


def weighted_sum(settings: RefineLossSettings, terms: Mapping[str, Tensor]) -> Tensor:
    """What is trained on: the terms, at least one, each times its weight."""
    weights = asdict(settings)
    parts = [weights[name.removesuffix("_loss")] * term for name, term in terms.items()]
    total: Tensor = sum(parts[1:], start=parts[0])
    return total
