"""A checkpoint as an ONNX file: traced, compared with torch, with metadata by which one can use it alone."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sspvs.atomic import atomic_file
from sspvs.errors import ExportError, MissingExtraError, first_line
from sspvs.export.figures import Figures
from sspvs.export.onnx_graph import ExportGraph, RefinerGraph, SummarizerGraph, trace_to
from sspvs.export.source import Exported
from sspvs.machine import load_onnxruntime, package_version
from sspvs.overwriting import ONNX, check_output
from sspvs.sharing import named
from sspvs.tasks.checkpoint import VERSION
from sspvs.tasks.summarize import SummarizeTask

OPSET = 17  # the first that has layer normalisation, and the last that torch 2.2 writes
TOLERANCE = 1e-4
"""Largest difference between a value of onnxruntime and torch's; scores are in [0, 1], refined features around 1."""
_MOST_BYTES = 2_000_000_000  # a protobuf message has less than 2 GiB
_LENGTHS, _LONGEST = (1, 7, 50), 2048
_FEW_WORDS = 5

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class OnnxCheck:
    """What was compared: onnxruntime's version, T of the videos, the largest difference, and what is allowed."""

    runtime: str
    picks: tuple[int, ...]
    max_difference: float
    tolerance: float = TOLERANCE


@dataclass(frozen=True)
class OnnxReport:
    """What was written.

    Attributes:
        path: The file.
        opset: Its operators.
        inputs: Names, in order.
        outputs: Names, in order.
        n_bytes: Its size.
        metadata: Key -> text in the file.
        check: How it compares with torch; None when not compared.
    """

    path: Path
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    n_bytes: int
    metadata: Mapping[str, str]
    check: OnnxCheck | None


def export_onnx(
    task: Exported,
    path: str | Path,
    *,
    opset: int = OPSET,
    check: bool = True,
    figures: Figures | None = None,
) -> OnnxReport:
    """Write a summarizer or a refiner as one ONNX file.

    Inputs: `features` (B, T, feature_dim) float32 and `mask` (B, T) bool; of a summarizer that reads text also `tokens`
    (B, L) int64 and `token_mask` (B, L) bool. Outputs of a summarizer: `scores` (B, T) and `stage_scores` (B, K, T); of
    a refiner: `refined_features` (B, T, E) and, with a uniqueness head, `uniqueness` (B, T) in [0, 1]. B, T and L may
    be anything (L is fixed with a text tower of open_clip). The file computes in one piece: the windows in which a
    summarizer scores videos of more than `max_frames` are not in it, nor is what makes scores of refined features. Its
    metadata say what it is and which features it takes.

    Args:
        task: What to export; left as it is.
        path: File to write; its folder must exist.
        opset: Version of the operators, at least 14.
        check: Run the file with onnxruntime beside torch, on videos of several lengths with padding, and write nothing
            when a value differs by more than `TOLERANCE`, 1e-4.
        figures: How well it does, for the metadata.

    Raises:
        ExportError: torch cannot export it, the file gives other values, or it would be too large.
        MissingExtraError: onnx or onnxruntime is not installed.
        OutputError: The file cannot be written, or is there and is not ours.
        ValueError: The opset is too old.
    """
    if opset < 14:
        raise ValueError(f"opset must be at least 14, which has attention, got {opset}")
    if isinstance(task, SummarizeTask) and not task.model.head.exportable:
        raise ExportError(
            f"the head {task.model.settings.head} scores each video by itself and goes into no ONNX file; sspvs "
            "summarize and sspvs evaluate score with the checkpoint as it is"
        )
    target = Path(path)
    check_output(target, ONNX)
    onnx = _load_onnx()
    if check:
        load_runtime()
    with atomic_file(target) as temporary:
        temporary.touch()  # whether one can write is found out before anything is computed
        graph = SummarizerGraph(task) if isinstance(task, SummarizeTask) else RefinerGraph(task)
        n_bytes = sum(tensor.numel() * tensor.element_size() for tensor in graph.state_dict().values())
        if n_bytes > _MOST_BYTES:
            raise ExportError(f"{n_bytes / 1e9:.1f} GB of weights are too many for one ONNX file, which ends at 2 GB")
        trace_to(temporary, graph, opset)
        metadata = onnx_metadata(task, graph, figures)
        _add_metadata(onnx, temporary, metadata)
        found = check_onnx(temporary, graph) if check else None
        n_bytes = temporary.stat().st_size
    return OnnxReport(target, opset, graph.inputs, graph.outputs, n_bytes, metadata, found)


def onnx_metadata(task: Exported, graph: ExportGraph, figures: Figures | None) -> dict[str, str]:
    """Key -> text of what a file says of itself; what is structured is JSON."""
    return {
        "kind": task.kind,
        "version": str(VERSION),
        "sspvs": package_version(),
        "settings": json.dumps(named(task.hparams)),
        "feature_fingerprint": json.dumps(task.feature_fingerprint),
        "features": "as the backbone of feature_fingerprint gives them, not normalised; null: not recorded",
        "protocol": "unknown" if figures is None else figures.protocol,
        "figures": json.dumps(None if figures is None else figures.means),
        **graph.metadata,
    }


def _add_metadata(onnx: Any, path: Path, metadata: Mapping[str, str]) -> None:
    """Put the metadata into a file, and check that it is well formed."""
    model = onnx.load(str(path))
    model.producer_name, model.producer_version = "sspvs", metadata["sspvs"]
    onnx.helper.set_model_props(model, dict(metadata))
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ExportError(f"torch wrote a file that is no valid ONNX: {first_line(error)}") from error
    onnx.save(model, str(path))


def _load_onnx() -> Any:
    try:
        import onnx
        import onnx.checker
        import onnx.helper
    except ImportError as error:
        raise MissingExtraError(
            f"exporting needs the package onnx, which cannot be imported ({first_line(error)}); pip install onnx"
        ) from error
    return onnx


def load_runtime() -> Any:
    """The module onnxruntime; `MissingExtraError` where it is not installed."""
    try:
        return load_onnxruntime()
    except ImportError as error:
        raise MissingExtraError(
            f"an ONNX file is checked with onnxruntime, which cannot be imported ({first_line(error)}); pip install "
            "onnxruntime, or leave the check out (--no-check)"
        ) from error


def check_onnx(path: Path, graph: ExportGraph) -> OnnxCheck:
    """Compare a file, in padded batches of three lengths, with the network, which takes each video unpadded."""
    runtime = load_runtime()
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised
    options.intra_op_num_threads = torch.get_num_threads()
    generator = torch.Generator().manual_seed(1)
    lengths, worst = lengths_to_check(graph), 0.0
    try:
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        for number, picks in enumerate(lengths):
            words = graph.words if graph.words is None or graph.words_fixed or number else _FEW_WORDS
            given = _padded(graph.drawn(3, picks, words, generator))
            worst = max(worst, _difference(session, graph, given, picks))
        worst = max(worst, _difference(session, graph, tuple(part[:1] for part in given), picks))
    except ExportError:
        raise
    except Exception as error:  # onnxruntime's own kinds
        raise ExportError(f"onnxruntime {runtime.__version__} does not run the file: {first_line(error)}") from error
    return OnnxCheck(runtime.__version__, lengths, worst)


def lengths_to_check(graph: ExportGraph) -> tuple[int, ...]:
    """A few, and around the lengths where something changes, as far as they are not too long to compute here."""
    most = _LONGEST if graph.longest is None else min(graph.longest, _LONGEST)
    return tuple(sorted(length for length in {*_LENGTHS, *graph.turning_points} if length <= most))


def _padded(given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Three videos, the second one shorter and the third one of a single frame; texts: half of one, one, none."""
    picks = given[0].shape[1]
    given[1][1, math.ceil(picks / 2) :] = False
    given[1][2, 1:] = False
    if len(given) > 2:
        given[3][0, math.ceil(given[3].shape[1] / 2) :] = False
        given[3][2] = False
    return given


def _difference(session: Any, graph: ExportGraph, given: tuple[Tensor, ...], picks: int) -> float:
    """The largest difference of a value of a batch; refused when it is larger than allowed or not finite."""
    names = dict(zip(graph.inputs, given, strict=True))
    found: list[Array] = session.run(list(graph.outputs), {name: tensor.numpy() for name, tensor in names.items()})
    expected = _alone(graph, given)
    gaps = [np.abs(ours - theirs).max(initial=0.0) for ours, theirs in zip(found, expected, strict=True)]
    largest = float(np.max(gaps))  # NaN where there is one
    if not math.isfinite(largest):
        raise ExportError("the checkpoint gives values that are no numbers; are its weights whole?")
    if largest > TOLERANCE:
        raise ExportError(
            f"the exported file gives other values than torch: they differ by up to {largest:.2g} for videos of "
            f"{picks} frames, allowed is {TOLERANCE:g}; nothing was written. Another torch or opset may do better"
        )
    return largest


def _alone(graph: ExportGraph, given: tuple[Tensor, ...]) -> list[Array]:
    """What torch gives for each video alone, output by output, zero in the padding."""
    features, mask, *text = given
    rows = []
    with torch.inference_mode():
        for row, length in enumerate(mask.sum(dim=1).tolist()):
            own = [part[row : row + 1] for part in text]
            own = own if own and bool(own[1].any()) else []
            outputs = graph.expected(features[row : row + 1, :length], mask[row : row + 1, :length], *own)
            named = zip(outputs, graph.picks_axes.values(), strict=True)
            rows.append([_lengthened(one.numpy(), axis, mask.shape[1]) for one, axis in named])
    return [np.concatenate(output) for output in zip(*rows, strict=True)]


def _lengthened(values: Array, axis: int, picks: int) -> Array:
    return np.pad(values, [(0, picks - size if number == axis else 0) for number, size in enumerate(values.shape)])
