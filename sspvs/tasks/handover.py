"""From a pretraining checkpoint to the summarizer: sizes of the towers, and tensors by name."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from sspvs.errors import CheckpointError, WeightsNotFoundError
from sspvs.models.csta import CstaHead
from sspvs.models.settings import TextEncoderSettings, VideoEncoderSettings
from sspvs.sharing import checkpoint_name
from sspvs.table import FeatureKind, check_features
from sspvs.tasks.checkpoint import PRETRAIN, SUMMARIZE, Checkpoint, Origin
from sspvs.tasks.data_facts import OTHER_WIDTH
from sspvs.tasks.optim import TEXT_TOWER, VIDEO_TOWER
from sspvs.tasks.settings import settings_from
from sspvs.tasks.tensors import LoadReport, cnn_tensors

_log = logging.getLogger(__name__)

KINDS = (PRETRAIN, SUMMARIZE)  # what a summarizer can start from
_TOWERS = {"video tower": VIDEO_TOWER, "text tower": TEXT_TOWER, "text projection": "model.text_projection."}
_FRAME_PROJECTION = "model.frame_projection."


def video_settings(start: Checkpoint, own: VideoEncoderSettings) -> VideoEncoderSettings:
    """The video tower to load into: the checkpoint's sizes, with one's own settings of its training."""
    theirs = settings_from(VideoEncoderSettings, start.settings["video"])
    if own.feature_dim != VideoEncoderSettings().feature_dim:
        found, expected = FeatureKind(own.feature_dim), FeatureKind(theirs.feature_dim)
        check_features(found, expected, "the data", like=f"those of {start.source}", remedy=OTHER_WIDTH)
    names = ("dropout", "stream_dropout", "position_weight", "trained_length", "gradient_checkpointing")
    return replace(theirs, **{name: getattr(own, name) for name in names})


def text_settings(start: Checkpoint, own: TextEncoderSettings) -> TextEncoderSettings:
    """The text tower to load into: the checkpoint's, or `own` where it has none; how it is trained is one's own."""
    if not start.reads_text or not any(name.startswith(TEXT_TOWER) for name in start.state):
        return own
    names = ("frozen", "gradient_checkpointing", "download")
    theirs = settings_from(TextEncoderSettings, start.settings["text"])
    return replace(theirs, **{name: getattr(own, name) for name in names})


def origin(start: Checkpoint, report: LoadReport) -> dict[str, Any]:
    """Where a summarizer comes from, as its hyperparameters keep it: the fields of an `Origin`."""
    source, before = checkpoint_name(start.source), start.settings.get("initialised_from")
    names = list(report.missing), list(report.unexpected)
    return asdict(Origin(source, start.kind, start.sha256, len(report.loaded), *names, before))


def load_cnn(head: nn.Module, path: str | Path) -> None:
    """Load torchvision's ImageNet weights into the CNN of a `CstaHead`, all of them or none.

    Raises:
        ValueError: The head has no such CNN.
        WeightsNotFoundError: There is no such file.
        CheckpointError: It holds something else.
    """
    if not isinstance(head, CstaHead):
        raise ValueError("cnn_weights are for the CNN of the head csta: leave them out, or set summarizer.head to csta")
    if not Path(path).is_file():
        raise WeightsNotFoundError(
            f"{path}: no such file; expected torchvision's ImageNet weights of {head.cnn_name}, such as "
            "googlenet-1378be20.pth; set cnn_weights to null to start from drawn weights"
        )
    LoadReport.load(head.cnn, cnn_tensors(Path(path)), where=str(path))


def hand_over(start: Checkpoint, task: nn.Module) -> LoadReport:
    """Load what has the same name; CheckpointError, with nothing loaded, where a tower is not whole."""
    wanted = task.state_dict()
    for tower, beginning in _TOWERS.items():
        names = [name for name in wanted if name.startswith(beginning)]
        lacking = [name for name in names if name not in start.state]
        if lacking and (beginning == VIDEO_TOWER or len(lacking) < len(names)):
            raise CheckpointError(
                f"{start.source}: lacks {len(lacking)} of the {len(names)} tensors of the {tower}: "
                f"{', '.join(lacking[:5])}{' and more' if len(lacking) > 5 else ''}; nothing was loaded"
            )
    _warn_of_other_frames(start, wanted)
    # Heads that start fresh and objectives left behind are no matter for a warning.
    return LoadReport.load(task, start.state, where=start.source, strict=False, level=logging.INFO)


def _warn_of_other_frames(start: Checkpoint, wanted: Mapping[str, Tensor]) -> None:
    """A gate that compares other frames with the words than pretraining did has to learn it anew."""
    here, there = (any(name.startswith(_FRAME_PROJECTION) for name in names) for names in (wanted, start.state))
    gated = any(name.startswith("model.guidance.word_weight") for name in wanted)
    if gated and here != there:
        compared, here_now = ("alone", "encoded") if there else ("encoded", "alone")
        _log.warning(
            "%s: its words were aligned with frames '%s', and the gate compares them with frames '%s'; set "
            "summarizer.fit_frames to %s to use what was learned", start.source, compared, here_now, compared,
        )  # fmt: skip
