"""Scores of videos from refined features: by id, without padding.

Axis letters: B batch, T picks of one video, D raw width, E refined width.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from sspvs.importance.contrastive import Combine, Importance, contrastive_importance
from sspvs.types import FloatArray

Post: TypeAlias = Literal["summe", "tvsum", "none"]


@dataclass(frozen=True)
class Scoring:
    """How refined features become scores.

    Attributes:
        combine: The terms that are multiplied.
        post: What follows the product; see `contrastive_importance`.
        neighbour_fraction: Share of the frames that are a frame's neighbours.
        device: As in `contrastive_importance`.
    """

    combine: Combine
    post: Post
    neighbour_fraction: float
    device: str = "cpu"

    def importance(
        self,
        refined: FloatArray,
        raw: FloatArray,
        uniqueness: FloatArray | None,
        *,
        combine: Combine | None = None,
    ) -> Importance:
        """Importance of each frame of one video.

        Args:
            refined: (T, E) features that distances are taken from.
            raw: (T, D) features that neighbours are chosen by.
            uniqueness: (T,) what the uniqueness head says; None without one.
            combine: Other terms than the usual ones.
        """
        return contrastive_importance(
            refined,
            raw=raw,
            uniqueness=uniqueness,
            combine=self.combine if combine is None else combine,
            post=self.post,
            neighbour_fraction=self.neighbour_fraction,
            device=self.device,
        )


class RefinedVideos(NamedTuple):
    """What refinement says of some videos, without padding, on the CPU.

    Attributes:
        ids: The videos.
        scores: Of each (T,) float32, under the task's own combination of terms.
        curves: Of each the normalised terms that were multiplied, (T,) float32 by name.
        variants: Combination of terms -> of each video the (T,) float32 scores under it; those that were asked for.
    """

    ids: tuple[str, ...]
    scores: tuple[Tensor, ...]
    curves: tuple[Mapping[str, Tensor], ...]
    variants: Mapping[Combine, tuple[Tensor, ...]]

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        refined: Tensor,
        uniqueness_logits: Tensor | None,
        raw: Tensor,
        mask: Tensor,
        scoring: Scoring,
        variants: Collection[Combine] = (),
    ) -> RefinedVideos:
        """What a batch's B videos got.

        Args:
            ids: B videos.
            refined: (B, T, E).
            uniqueness_logits: (B, T); None without a uniqueness head.
            raw: (B, T, D).
            mask: (B, T) bool, True = a frame of the video.
            scoring: How features become scores.
            variants: Other combinations of terms to be scored under.
        """
        unique = None if uniqueness_logits is None else uniqueness_logits.float().sigmoid()
        found: dict[Combine, list[Importance]] = {name: [] for name in (scoring.combine, *variants)}
        for row, valid in enumerate(mask.cpu()):
            given = (
                _array(refined[row], valid),
                _array(raw[row], valid),
                None if unique is None else _array(unique[row], valid),
            )
            for combine, scored in found.items():
                scored.append(scoring.importance(*given, combine=combine))
        scores = {combine: tuple(_tensor(one.scores) for one in scored) for combine, scored in found.items()}
        return cls(
            tuple(ids),
            scores[scoring.combine],
            tuple({name: _tensor(curve) for name, curve in one.curves.items()} for one in found[scoring.combine]),
            {combine: scores[combine] for combine in variants},
        )


def _array(values: Tensor, valid: Tensor) -> FloatArray:
    """The rows of one video's frames, float32."""
    out: FloatArray = values.detach().float().cpu()[valid].numpy()
    return out


def _tensor(values: FloatArray) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))
