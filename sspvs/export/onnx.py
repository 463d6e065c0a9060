"""A checkpoint as an ONNX file, which gets its name when it was found to give what torch gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sspvs.atomic import atomic_file
from sspvs.errors import ExportError, MissingExtraError, first_line
from sspvs.export.figures import Figures
from sspvs.export.onnx_check import OnnxCheck, check_onnx, load_runtime
from sspvs.export.onnx_graph import ExportGraph, trace_to
from sspvs.export.onnx_metadata import onnx_metadata
from sspvs.export.onnx_refiner import RefinerGraph
from sspvs.export.onnx_summarizer import SummarizerGraph
from sspvs.export.source import Exported
from sspvs.overwriting import ONNX, check_output
from sspvs.tasks.summarize import SummarizeTask

OPSET = 17
"""The first that has layer normalisation, and the last that torch 2.2 writes."""
_MOST_BYTES = 2_000_000_000  # a protobuf message has less than 2 GiB


@dataclass(frozen=True)
class OnnxReport:
    """What was written.

    Attributes:
        path: The file.
        opset: Its operators.
        inputs: Names, in order.
        outputs: Names, in order.
        n_bytes: Its size.
        metadata: What it says of itself.
        check: How it compares with torch; None when nobody looked.
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
    target = Path(path)
    check_output(target, ONNX)
    onnx = _load_onnx()
    if check:
        load_runtime()
    with atomic_file(target) as temporary:
        temporary.touch()  # whether one can write is found out before anything is computed
        graph = graph_of(task)
        n_bytes = sum(tensor.numel() * tensor.element_size() for tensor in graph.state_dict().values())
        if n_bytes > _MOST_BYTES:
            raise ExportError(f"{n_bytes / 1e9:.1f} GB of weights are too many for one ONNX file, which ends at 2 GB")
        trace_to(temporary, graph, opset)
        metadata = onnx_metadata(task, graph, figures)
        _say(onnx, temporary, metadata)
        found = check_onnx(temporary, graph) if check else None
        n_bytes = temporary.stat().st_size
    return OnnxReport(target, opset, graph.inputs, graph.outputs, n_bytes, metadata, found)


def graph_of(task: Exported) -> ExportGraph:
    """What a file of it computes."""
    return SummarizerGraph(task) if isinstance(task, SummarizeTask) else RefinerGraph(task)


def _say(onnx: Any, path: Path, metadata: Mapping[str, str]) -> None:
    """Put the metadata into a file, and look whether it is well formed."""
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
