"""What scorers from checkpoints have in common: they know which features they were trained on, and take no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sspvs.errors import FeatureFileError, FingerprintMismatchError
from sspvs.features.backbones.base import choose_device
from sspvs.features.store import check_fingerprint
from sspvs.models.fast_linear import use_fast_linears
from sspvs.scorers.backbone_choice import is_synthetic
from sspvs.sharing import checkpoint_name
from sspvs.tasks.saved_task import SavedTask
from sspvs.types import Fingerprint, FrameFeatures


class TrainedScorer:
    """A checkpoint as a scorer.

    Args:
        task: What was trained; it moves to the device, and is the scorer's from then on.
        name: What reports call it.
        source: Where it came from: a folder, a file or a hub id.
        digest: SHA-256 of its weights file.
        device: `auto`, `cpu`, `cuda`, `cuda:1`.

    Attributes:
        name: As given.
        expects: What made the features it was trained on; None when unknown.

    Raises:
        ValueError: The device is unknown or not there.
    """

    def __init__(self, task: SavedTask, *, name: str, source: str, digest: str, device: str = "auto") -> None:
        self.name = name
        self._source, self._digest = source, digest
        self._device = torch.device(choose_device(device))
        self._hparams: Mapping[str, Any] = dict(task.hparams)
        known = task.feature_fingerprint
        self.expects = None if known is None else Fingerprint(**known)
        task.model.eval().to(self._device)
        if self._device.type == "cpu":
            use_fast_linears(task.model, where=self._hparams["fast_linears"])

    @property
    def feature_dim(self) -> int | None:
        """D of the features it was trained on."""
        raise NotImplementedError

    @property
    def settings(self) -> Mapping[str, Any]:
        """As `Scorer`: which checkpoint it is."""
        return {"checkpoint": checkpoint_name(self._source), "checkpoint_sha256": self._digest}

    def check_features(self, found: Fingerprint | None, where: str) -> str | None:
        """As `Scorer`: they must be made as those it was trained on."""
        if self.expects is None:
            whose = "nor do these features" if found is None else f"and {where} has features of {found.backbone}"
            return f"{self.name} does not say what made the features it was trained on, {whose}: nobody checked"
        if found is not None and is_synthetic(self.expects) and found != self.expects:
            raise FingerprintMismatchError(
                f"{where}: {self.name} was trained on a synthetic world ('{self.expects.backbone}', weights "
                f"{self.expects.weights_digest[:8]}) and scores that world's features only; these are of "
                f"'{found.backbone}', weights {found.weights_digest[:8]}"
            )
        return check_fingerprint(found, self.expects, where)

    def frames_of(self, features: FrameFeatures) -> tuple[Tensor, Tensor]:
        """(1, T, D) float32 frames and their (1, T) mask on the device, once they are found to be the right ones.

        Raises:
            FeatureFileError: They are not.
        """
        self.check_features(features.fingerprint, features.name)
        if features.features.shape[1] != self.feature_dim:
            raise FeatureFileError(
                f"{features.name}: features of width {features.features.shape[1]}; {self.name} was trained on "
                f"{self.feature_dim}"
            )
        frames = torch.from_numpy(features.features).to(self._device)[None]
        return frames, torch.ones(frames.shape[:2], dtype=torch.bool, device=self._device)
