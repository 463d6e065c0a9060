"""The terms of contrastive refinement, those that have a weight, and their weighted sum.

Axis letters: B clips, T frames, D raw width, E refined width, S segments of a clip, W processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Literal

from torch import Tensor
from torch.nn import functional

from sspvs.losses.contrastive import (
    alignment,
    clip_mean,
    commonness,
    gather_segments,
    uniformity,
    uniqueness_target,
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
    reduction: Literal["mean", "none"] = "mean",
) -> dict[str, Tensor]:
    """What refinement is trained on.

    Segments are those of all clips of the batch, and in training of all processes: in validation F says how much a
    frame is like the clips that happened to be beside it.

    Args:
        settings: Which terms have a weight.
        out: What the network made of the clips.
        raw: (B, T, D) the features as they were given: neighbours are chosen by them.
        mask: (B, T) bool, True = a frame of the clip.
        reduction: `mean` over the frames of each clip, then over clips; `none` leaves the clips' own means, (B,).

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
            frames["uniqueness_loss"] = functional.binary_cross_entropy_with_logits(
                out.uniqueness_logits.float(), uniqueness_target(common, mask).float(), reduction="none"
            )
    if reduction == "mean":
        return {name: clip_mean(values, mask) for name, values in frames.items()}
    counts = mask.sum(dim=1).clamp(min=1)
    return {name: values.masked_fill(~mask, 0.0).sum(dim=1) / counts for name, values in frames.items()}


def weighted_sum(settings: RefineLossSettings, terms: Mapping[str, Tensor]) -> Tensor:
    """What is trained on: the terms, at least one, each times its weight."""
    weights = asdict(settings)
    parts = [weights[name.removesuffix("_loss")] * term for name, term in terms.items()]
    total: Tensor = sum(parts[1:], start=parts[0])
    return total
