"""The linear head: what the features alone say of each frame.

Axis letters: B batch, T picks, D width.
"""

from __future__ import annotations

from torch import Tensor

from sspvs.models.summarizer_heads.base import SingleStageHead


class LinearHead(SingleStageHead):
    """One linear layer on each frame's embedded features; no frame sees another. A floor for the others."""

    def frame_states(self, frames: Tensor, frame_mask: Tensor) -> Tensor:  # noqa: ARG002
        """The features as they are."""
        return frames
