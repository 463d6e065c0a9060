"""A CSTA model of another code as a checkpoint folder of ours."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from sspvs.errors import CheckpointError, listed
from sspvs.models.csta import AFTER_MAPS, CNNS, CstaHead
from sspvs.models.settings import VideoEncoderSettings
from sspvs.models.summarizer import SummarizerSettings
from sspvs.tasks.official_import import ImportReport, refuse_foreign, write_import
from sspvs.tasks.summarize import SummarizeTask
from sspvs.tasks.tensors import LoadReport, cnn_tensors

_WORDS = ("key", "value")  # layers that are told by their names: their shapes are those of the hidden layer as well


def is_csta(path: Path) -> bool:
    """Whether a torch file holds the tensors of one of the CNNs of `csta` as a part of something."""
    try:
        return path.is_file() and _cnn_of(cnn_tensors(path)) is not None
    except CheckpointError:
        return False


def import_csta(path: Path, out: Path) -> ImportReport:
    """Make a checkpoint folder of a CSTA model of another code; the report has our names of its tensors -> theirs.

    The CNN's are found by torchvision's names, after whatever stands before them; `key` and `value` by these words, and
    every other layer by its shapes.

    Raises:
        CheckpointError: Something is missing, or cannot be told from something else.
        OutputError: `out` has files of others.
    """
    refuse_foreign(out, path)
    state = cnn_tensors(path)
    cnn = _cnn_of(state)
    if cnn is None:
        raise CheckpointError(f"{path}: no tensors of a CNN of the head csta ({', '.join(CNNS)})")
    name, before = cnn
    beside = (one for one in state if not one.startswith(before))
    width = max((len(state[one]) for one in beside if state[one].ndim == 2), default=1024)
    task = SummarizeTask(
        VideoEncoderSettings(width, width, num_layers=0),
        SummarizerSettings(head="csta" if name == "googlenet" else f'csta(cnn="{name}")'),
    )
    tower, head = task.model.video_encoder, task.model.head
    for unused in (tower.cls, *tower.pooler.parameters()):
        unused.detach().zero_()
    assert isinstance(head, CstaHead)
    names = _names(state, head, before, str(path))
    head.load_state_dict({ours: state[theirs] for ours, theirs in names.items()}, strict=False)
    report = ImportReport(
        source=path.name,
        loaded=len(names),
        computed=(),
        unknown=(),
        unused=(),
        num_stages=1,
        text_guidance="none",
        settings={"head": task.model.settings.head, "names": names},
        options={},
        notes=(f"a model of CSTA with the CNN {name} and {width} columns; its layers were found by names and shapes",),
    )
    write_import(out, task, None, report)
    return report


def _cnn_of(state: Mapping[str, Tensor]) -> tuple[str, str] | None:
    """The name of the CNN that a state has all tensors of, and what stands before their names, which is something."""
    for name, cnn in CNNS.items():
        with torch.device("meta"):
            wanted = [one for one in cnn.make().state_dict() if not one.startswith(AFTER_MAPS)]
        befores = [one.removesuffix(wanted[-1]) for one in state if one.endswith(f".{wanted[-1]}")]
        if len(befores) == 1 and all(befores[0] + one in state for one in wanted):
            return name, befores[0]
    return None


def _names(state: Mapping[str, Tensor], head: CstaHead, before: str, where: str) -> dict[str, str]:
    """Names of the head's tensors -> names in the state; those after the CNN's maps, which nothing reads, may lack."""
    wanted = head.state_dict()
    inside = {name: before + name.removeprefix("cnn.") for name in wanted if name.startswith("cnn.")}
    names = {ours: theirs for ours, theirs in inside.items() if theirs in state}
    left = _layers({name: tensor for name, tensor in state.items() if not name.startswith(before)})
    for layer, shapes in _layers({name: tensor for name, tensor in wanted.items() if name not in inside}).items():
        fits = [
            name
            for name, found in left.items()
            if found == shapes and all((word in name.lower()) == (word in layer) for word in _WORDS)
        ]
        if len(fits) != 1:
            needed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise CheckpointError(
                f"{where}: {listed(fits) or 'no layer'} could be `{layer}` of the head csta ({needed}); layers beside "
                f"the CNN: {listed(left) or 'none'}; give them the names of sspvs.models.csta.CstaHead"
            )
        names |= {f"{layer}.{last}": f"{fits[0]}.{last}" for last in shapes}
        del left[fits[0]]
    if left:
        raise CheckpointError(f"{where}: nothing of the head csta corresponds to {listed(left)}")
    if misfits := LoadReport.of(wanted, {ours: state[theirs] for ours, theirs in names.items()}).misshapen:
        raise CheckpointError(f"{where}: tensors of other shapes than the head csta has: {listed(misfits)}")
    return names


def _layers(state: Mapping[str, Tensor]) -> dict[str, dict[str, tuple[int, ...]]]:
    """Shapes of the tensors of each layer, by the last part of their names."""
    layers: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, tensor in state.items():
        layer, _, last = name.rpartition(".")
        layers.setdefault(layer, {})[last] = tuple(tensor.shape)
    return layers
