"""The refiner as a graph.

Axis letters: B batch, T picks, E refined width.
"""

from __future__ import annotations

import json

from torch import Tensor

from sspvs.export.onnx_graph import ExportGraph
from sspvs.tasks.refine import RefineTask

UNIT_LENGTH = (
    "as the backbone of feature_fingerprint gives them, of any length: the file L2-normalises each row, for it was "
    "trained on such rows"
)
FEATURES, UNIQUENESS = "refined_features", "uniqueness"


class RefinerGraph(ExportGraph):
    """A refiner of videos of any length, and its uniqueness head where it has one.

    Args:
        task: The refiner; left as it is.
    """

    def __init__(self, task: RefineTask) -> None:
        settings = task.model.settings
        super().__init__(task.model, settings.feature_dim)
        self.picks_axes = {FEATURES: 1, **({UNIQUENESS: 1} if settings.uniqueness else {})}
        self._scoring = task.scoring

    def forward(self, features: Tensor, mask: Tensor, *text: Tensor) -> tuple[Tensor, ...]:
        """(B, T, E) refined features, not normalised, and (B, T) uniqueness in [0, 1]; zero in the padding."""
        refined, *unique = self.said(features, mask, *text)
        return refined, *(one.masked_fill(~mask, 0.0) for one in unique)

    def said(self, features: Tensor, mask: Tensor, *text: Tensor) -> tuple[Tensor, ...]:  # noqa: ARG002  it reads none
        """As in the base."""
        refined, logits = self.model(features, mask)
        return (refined,) if logits is None else (refined, logits.sigmoid())

    @property
    def metadata(self) -> dict[str, str]:
        """As in the base."""
        scoring = self._scoring
        return {
            "mask": "true for frames of the video, false for padding; outputs of padding are 0",
            **({"features": UNIT_LENGTH} if self.model.unit_length else {}),
            FEATURES: "of each frame, not normalised",
            **({UNIQUENESS: "of each frame in [0, 1]: a term of scores"} if UNIQUENESS in self.picks_axes else {}),
            "scores": (
                "are not in the file: the product of the terms in scoring (Pang et al., WACV 2023), distances by "
                "refined_features, neighbours by features; sspvs.importance.contrastive.contrastive_importance "
                "computes it"
            ),
            "scoring": json.dumps(
                {"combine": scoring.combine, "post": scoring.post, "neighbour_fraction": scoring.neighbour_fraction}
            ),
        }
