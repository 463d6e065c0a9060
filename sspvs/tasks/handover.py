"""From a pretraining checkpoint to the summarizer: sizes of the towers, and tensors by name."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from sspvs.errors import CheckpointError
from sspvs.models.settings import TextEncoderSettings, VideoEncoderSettings
from sspvs.sharing import checkpoint_name
from sspvs.tasks.checkpoint import PRETRAIN, SUMMARIZE, WEIGHTS, LoadReport, load_checkpoint
from sspvs.tasks.optim import TEXT_TOWER, VIDEO_TOWER
from sspvs.tasks.settings import settings_from
from sspvs.weights.digest import file_digest

_log = logging.getLogger(__name__)

KINDS = (PRETRAIN, SUMMARIZE)
"""What a summarizer can start from."""
_TOWERS = {"video tower": VIDEO_TOWER, "text tower": TEXT_TOWER, "text projection": "model.text_projection."}
_FRAME_PROJECTION = "model.frame_projection."


@dataclass(frozen=True)
class Pretrained:
    """A checkpoint to start from.

    Attributes:
        source: As the user named it.
        kind: `sspvs.pretrain` or `sspvs.summarize`.
        sha256: Of the file with the weights.
        settings: Of its task, plain types.
        state: Tensors by name.
    """

    source: str
    kind: str
    sha256: str
    settings: dict[str, Any]
    state: dict[str, Tensor]

    @property
    def fingerprint(self) -> dict[str, Any] | None:
        """What made the features it was trained on, when known."""
        known: dict[str, Any] | None = self.settings.get("feature_fingerprint")
        return known

    def video(self, own: VideoEncoderSettings) -> VideoEncoderSettings:
        """The video tower: its sizes; position weight, dropout, trained length and checkpointing are one's own.

        Raises:
            CheckpointError: `own` has another feature width than the checkpoint, and not just the default.
        """
        theirs = settings_from(VideoEncoderSettings, self.settings["video"])
        if own.feature_dim not in (theirs.feature_dim, VideoEncoderSettings().feature_dim):
            raise CheckpointError(
                f"{self.source}: made for features of width {theirs.feature_dim}, these are {own.feature_dim} wide; "
                "extract the features with the backbone it was trained on"
            )
        return replace(
            theirs,
            dropout=own.dropout,
            position_weight=own.position_weight,
            trained_length=own.trained_length,
            gradient_checkpointing=own.gradient_checkpointing,
        )

    def text(self, own: TextEncoderSettings) -> TextEncoderSettings:
        """The text tower: its kind, sizes and habits; how it is trained and found is one's own.

        A summarizer without text guidance has no text tower to give: then all of it is one's own.
        """
        mute = self.settings.get("summarizer", {}).get("text_guidance") == "none"
        if mute or not any(name.startswith(TEXT_TOWER) for name in self.state):
            return own
        theirs = settings_from(TextEncoderSettings, self.settings["text"])
        return replace(
            theirs, frozen=own.frozen, gradient_checkpointing=own.gradient_checkpointing, download=own.download
        )

    def told(self, report: LoadReport) -> dict[str, Any]:
        """Where a summarizer comes from, as plain types for its hyperparameters.

        Args:
            report: What `hand_over` gave.
        """
        return {
            "source": checkpoint_name(self.source),
            "kind": self.kind,
            "sha256": self.sha256,
            "loaded": len(report.loaded),
            "missing": list(report.missing),
            "unexpected": list(report.unexpected),
            "initialised_from": self.settings.get("initialised_from"),
        }


def read_pretrained(source: str | Path, *, download: bool = False) -> Pretrained:
    """Read a checkpoint to start from.

    Args:
        source: A folder of `PretrainTask` or `SummarizeTask`, a Lightning `.ckpt` file of theirs, or a hub id.
        download: Fetch a hub id that is not on this machine.

    Raises:
        WeightsNotFoundError: Nothing is there.
        CheckpointError: What is there is no such checkpoint.
    """
    saved = load_checkpoint(source, KINDS, download=download)
    weights = saved.path / WEIGHTS if saved.path.is_dir() else saved.path
    return Pretrained(str(source), saved.kind, file_digest(weights), saved.settings, saved.state)


def hand_over(pretrained: Pretrained, task: nn.Module) -> LoadReport:
    """Load what has the same name, and say what became of everything.

    Args:
        pretrained: What to start from.
        task: The summarizer's task; unchanged when this raises. What the checkpoint does not have starts as it is.

    Raises:
        CheckpointError: Nothing of the video tower is in it, only a part of a tower is, or shapes differ.
    """
    wanted = task.state_dict()
    for tower, beginning in _TOWERS.items():
        names = [name for name in wanted if name.startswith(beginning)]
        lacking = [name for name in names if name not in pretrained.state]
        if lacking and (beginning == VIDEO_TOWER or len(lacking) < len(names)):
            raise CheckpointError(
                f"{pretrained.source}: lacks {len(lacking)} of the {len(names)} tensors of the {tower}: "
                f"{', '.join(lacking[:5])}{' and more' if len(lacking) > 5 else ''}; nothing was loaded"
            )
    _warn_of_other_frames(pretrained, wanted)
    # Heads that start fresh and objectives left behind are no matter for a warning.
    return LoadReport.load(task, pretrained.state, where=pretrained.source, strict=False, level=logging.INFO)


def _warn_of_other_frames(pretrained: Pretrained, wanted: Mapping[str, Tensor]) -> None:
    """A gate that compares other frames with the words than pretraining did has to learn it anew."""
    here, there = (any(name.startswith(_FRAME_PROJECTION) for name in names) for names in (wanted, pretrained.state))
    gated = any(name.startswith("model.guidance.word_weight") for name in wanted)
    if gated and here != there:
        compared, asked = ("alone", "encoded") if there else ("encoded", "alone")
        _log.warning(
            "%s: its words were aligned with frames '%s', and the gate compares them with frames '%s'; set "
            "summarizer.fit_frames to %s to use what was learned", pretrained.source, compared, asked, compared,
        )  # fmt: skip
