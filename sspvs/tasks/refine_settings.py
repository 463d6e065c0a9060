"""What a config file says about the terms of contrastive refinement and its optimiser."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Literal

from sspvs.schema import NotNegative, Range, Settings
from sspvs.tasks.settings import OptimSettings


@dataclass(frozen=True)
class RefineLossSettings(Settings):
    """Weights of the terms, 0 for off, as published (Pang et al., WACV 2023).

    `mean A + 0.5 mean G`, with uniqueness `+ 0.1 mean F + 0.1 BCE`.
    """

    group = "losses"

    alignment: NotNegative = 1.0
    """Of the local dissimilarity A: frames near each other as they were given come nearer."""
    uniformity: NotNegative = 0.5
    """Of the global consistency G: the frames of a clip move apart."""
    commonness: NotNegative = 0.1
    """Of F, how much a frame is like the segments of all clips of the batch."""
    uniqueness: NotNegative = 0.1
    """Of the cross-entropy of the uniqueness head, which learns what is not common; it moves the head alone."""
    neighbour_fraction: Annotated[float, Range(above=0, most=1)] = 0.1
    """Share of a clip's frames that are a frame's neighbours, in (0, 1]; in scores too."""
    segments: Annotated[int, Range(least=1, most=100_000)] = 20
    """Parts of equal length that each clip is cut into for F."""

    def conflicts(self) -> Collection[str]:
        """Nothing that refines."""
        off = not (self.alignment or self.uniformity or self.commonness)
        return ["alignment, uniformity and commonness are all off: nothing refines the features"] if off else []

    @property
    def needs_uniqueness(self) -> bool:
        """Whether a term belongs to the uniqueness head."""
        return bool(self.commonness or self.uniqueness)


@dataclass(frozen=True)
class RefineOptimSettings(OptimSettings):
    """`OptimSettings` with the published values: Adam, 1e-4 throughout, weight decay 1e-4 (5e-4 on YouTube-8M)."""

    name: Literal["adamw", "adam"] = "adam"
    """`adam` as published, or `adamw`."""
    schedule: Literal["cosine", "constant"] = "constant"
    """Constant as published, or after the warm-up down a half cosine to `final_lr_fraction` at the last step."""
    weight_decay: NotNegative = 1e-4
    """Of weight matrices; norms, biases, embeddings and single vectors are never decayed."""
