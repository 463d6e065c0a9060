"""What a config file says about the terms of contrastive refinement and its optimiser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sspvs.tasks.settings import OptimSettings


@dataclass(frozen=True)
class RefineLossSettings:
    """Weights of the terms, 0 for off, as published (Pang et al., WACV 2023).

    `mean A + 0.5 mean G`, with uniqueness `+ 0.1 mean F + 0.1 BCE`.
    """

    alignment: float = 1.0
    """Of the local dissimilarity A: frames near each other as they were given come nearer."""
    uniformity: float = 0.5
    """Of the global consistency G: the frames of a clip move apart."""
    commonness: float = 0.1
    """Of F, how much a frame is like the segments of all clips of the batch."""
    uniqueness: float = 0.1
    """Of the cross-entropy of the uniqueness head, which learns what is not common; it moves the head alone."""
    neighbour_fraction: float = 0.1
    """Share of a clip's frames that are a frame's neighbours, in (0, 1]; in scores too."""
    segments: int = 20
    """Parts of equal length that each clip is cut into for F."""

    def __post_init__(self) -> None:
        weights = ("alignment", "uniformity", "commonness", "uniqueness")
        wrong = [
            f"{name} must not be negative, got {getattr(self, name)}" for name in weights if getattr(self, name) < 0
        ]
        if not (self.alignment or self.uniformity or self.commonness):
            wrong.append("alignment, uniformity and commonness are all off: nothing refines the features")
        if not 0 < self.neighbour_fraction <= 1:
            wrong.append(f"neighbour_fraction must be above 0 and at most 1, got {self.neighbour_fraction}")
        if self.segments < 1:
            wrong.append(f"segments must be at least 1, got {self.segments}")
        if wrong:
            raise ValueError("losses: " + "; ".join(wrong))

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
    weight_decay: float = 1e-4
    """Of weight matrices; norms, biases, embeddings and single vectors are never decayed."""
