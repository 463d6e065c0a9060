"""Contrastive importance of refined features as a scorer.

Axis letters: T picks, D raw width, E refined width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from sspvs.data.text import TextFields
from sspvs.errors import CheckpointError
from sspvs.importance.contrastive import Combine, Importance
from sspvs.scorers.base import is_given
from sspvs.scorers.trained import TrainedScorer
from sspvs.types import FrameFeatures

if TYPE_CHECKING:
    from sspvs.tasks.refine import RefineTask
    from sspvs.tasks.refined_videos import Post


class RefinedScorer(TrainedScorer):
    """A refined checkpoint: local dissimilarity, global consistency and uniqueness of what the network makes of frames.

    Args:
        task: What was trained; it moves to the device, and is the scorer's from then on.
        name: What reports call it.
        source: Where it came from: a folder, a file or a hub id.
        digest: SHA-256 of its weights file.
        device: `auto`, `cpu`, `cuda`, `cuda:1`.
        combine: The terms that are multiplied; None: as the checkpoint says.
        post: What follows the product; None: as the checkpoint says.

    Raises:
        ValueError: The device is unknown or not there, or the checkpoint has learned no uniqueness.
    """

    text_fields: tuple[str, ...] = ()
    title_as_query = False

    def __init__(
        self,
        task: RefineTask,
        *,
        name: str,
        source: str,
        digest: str,
        device: str = "auto",
        combine: Combine | None = None,
        post: Post | None = None,
    ) -> None:
        super().__init__(task, name=name, source=source, digest=digest, device=device)
        if combine is not None and "h" in combine and not task.losses.uniqueness:
            raise ValueError(
                f"combine {combine} needs uniqueness, which {name} did not learn; take one of a, g, ag, or train with "
                "losses.uniqueness above 0"
            )
        own = task.scoring
        self._scoring = replace(own, combine=combine or own.combine, post=post or own.post, device=device)
        self._model = task.model

    @property
    def feature_dim(self) -> int | None:
        """D of the features it was trained on."""
        width: int = self._hparams["refiner"]["feature_dim"]
        return width

    @property
    def settings(self) -> Mapping[str, Any]:
        """As `Scorer`: which checkpoint, and what its features become."""
        return {**super().settings, "combine": self._scoring.combine, "post": self._scoring.post}

    def check_text(self, text: TextFields) -> None:
        """Nothing is read.

        Raises:
            ValueError: There is text.
        """
        if is_given(text):
            raise ValueError(f"{self.name} reads no text; leave it out, or take a checkpoint with text guidance")

    def notes(self, text: TextFields) -> tuple[str, ...]:  # noqa: ARG002
        """None."""
        return ()

    def score(self, features: FrameFeatures, text: TextFields | None = None) -> Importance:
        """As `Scorer`; the curves are the normalised terms that were multiplied.

        Memory grows with T, not with its square: the attention is torch's fused kernel, the terms go in blocks of rows.
        """
        if text is not None:
            self.check_text(text)
        frames, mask = self.frames_of(features)
        with torch.inference_mode():
            out = self._model(frames, mask)
            refined = out.features[0]  # (T, E)
            unique = None if out.uniqueness_logits is None else out.uniqueness_logits[0].sigmoid()  # (T,)
        if not all(bool(torch.isfinite(found).all()) for found in (refined, unique) if found is not None):
            raise CheckpointError(
                f"{self.name} is damaged: it gives features of {features.name} that are NaN or infinite"
            )
        return self._scoring.importance(
            refined.cpu().numpy(), features.features, None if unique is None else unique.cpu().numpy()
        )
