"""Scores of videos as they leave the summarizer's task: by id, without padding.

Axis letters: B batch, T picks of one video, K stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from sspvs.models.summarizer import SummarizerOutput


class ScoredVideos(NamedTuple):
    """What the summarizer says of some videos, without padding, on the CPU.

    Attributes:
        ids: The videos.
        scores: Of each (T,) float32 in [0, 1].
        stage_scores: Of each (K, T) float32, what each stage says; the scores are their product.
        text_fit: Of each (T,) float32, how well the frames fit the text; None without a gate.
    """

    ids: tuple[str, ...]
    scores: tuple[Tensor, ...]
    stage_scores: tuple[Tensor, ...]
    text_fit: tuple[Tensor, ...] | None = None

    @classmethod
    def of(cls, ids: Sequence[str], out: SummarizerOutput) -> ScoredVideos:
        """What a batch's B videos got."""
        mask = out.mask.cpu()

        def each(values: Tensor) -> tuple[Tensor, ...]:
            """(B, ..., padded T) -> B tensors (..., T)."""
            rows = zip(values.detach().float().cpu(), mask, strict=True)
            return tuple(row[..., valid] for row, valid in rows)

        fit = None if out.text_fit is None else each(out.text_fit)
        return cls(tuple(ids), each(out.scores), each(out.stage_scores), fit)
