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
from sspvs.models.summarizer import SummarizerSettings
from sspvs.models.text_guidance import GUIDANCES, AlignedFit
from sspvs.schema import chosen
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
_ALIGNED = {
    "model.guidance.projection.": f"{VIDEO_TOWER}input_projection.",
    "model.guidance.frames.": "model.contrastive_frames.",
    "model.guidance.text.": "model.contrastive_text.",
}  # where the guidance `aligned` keeps what pretraining called otherwise


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


def summarizer_settings(start: Checkpoint | None, own: SummarizerSettings) -> SummarizerSettings:
    """One's own, with the width of the checkpoint's contrastive space where the guidance reads that.

    Raises:
        ValueError: There is no checkpoint, and the guidance needs one.
        CheckpointError: It was pretrained without a linear path.
    """
    name, options = chosen(own.text_guidance)
    if not own.reads_text or GUIDANCES[name] is not AlignedFit:
        return own
    needs = "pretrain with losses.coarse infonce and losses.linear_path canonical"
    if start is None:
        raise ValueError(
            f"text_guidance aligned compares frames with the text as pretraining did: set pretrained; {needs}"
        )
    found = start.state.get("model.guidance.frames.weight", start.state.get("model.contrastive_frames.weight"))
    if found is None:
        raise CheckpointError(f"{start.source}: has no linear path for text_guidance aligned; {needs}")
    options = options | {"width": len(found)}
    return replace(own, text_guidance=f"{name}({', '.join(f'{key}={value}' for key, value in options.items())})")


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
    state = dict(start.state)
    for here, there in _ALIGNED.items():
        if any(name.startswith(here) for name in wanted):
            own = {name: tensor for name, tensor in start.state.items() if name.startswith(there)}
            state = {here + name.removeprefix(there): tensor for name, tensor in own.items()} | state
    return LoadReport.load(task, state, where=start.source, strict=False, level=logging.INFO)


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
