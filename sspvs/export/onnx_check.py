"""Does the file give what torch gives? Drawn videos of several lengths, padded for the file and one by one for torch.

Axis letters: B batch, T picks, L tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sspvs.errors import ExportError, MissingExtraError, first_line
from sspvs.export.onnx_graph import ExportGraph
from sspvs.machine import load_onnxruntime

TOLERANCE = 1e-4
"""Largest difference between a value of onnxruntime and torch's; scores are in [0, 1], refined features around 1."""
_LENGTHS, _LONGEST = (1, 7, 50), 2048
_FEW_WORDS = 5

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class OnnxCheck:
    """What was compared, and how it came out.

    Attributes:
        runtime: The version of onnxruntime.
        picks: T of the videos that were compared.
        max_difference: Largest difference of a value.
        tolerance: What was allowed.
    """

    runtime: str
    picks: tuple[int, ...]
    max_difference: float
    tolerance: float = TOLERANCE


def load_runtime() -> Any:
    """The module onnxruntime.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        return load_onnxruntime()
    except ImportError as error:
        raise MissingExtraError(
            f"an ONNX file is checked with onnxruntime, which cannot be imported ({first_line(error)}); pip install "
            "onnxruntime, or leave the check out (--no-check)"
        ) from error


def check_onnx(path: Path, graph: ExportGraph) -> OnnxCheck:
    """Compare a file with the network it was made of.

    Each batch has three videos: one of full length, one of half of it, and one of a single frame; with text, one has
    half of its text and one has none. torch takes each alone, without padding.

    Args:
        path: The file.
        graph: What it was traced from.

    Raises:
        ExportError: It does not run, or gives other values.
        MissingExtraError: onnxruntime is not installed.
    """
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
    """The largest difference of a value of a batch.

    Raises:
        ExportError: It is larger than allowed, or there are values in the padding.
    """
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
    """What torch says of each video alone, output by output, zero in the padding."""
    features, mask, *text = given
    rows = []
    with torch.inference_mode():
        for row, length in enumerate(mask.sum(dim=1).tolist()):
            own = [part[row : row + 1] for part in text]
            own = own if own and bool(own[1].any()) else []
            said = graph.said(features[row : row + 1, :length], mask[row : row + 1, :length], *own)
            axes = graph.picks_axes.values()
            rows.append([_lengthened(one.numpy(), axis, mask.shape[1]) for one, axis in zip(said, axes, strict=True)])
    return [np.concatenate(output) for output in zip(*rows, strict=True)]


def _lengthened(values: Array, axis: int, picks: int) -> Array:
    """With zeros at the end of an axis."""
    return np.pad(values, [(0, picks - size if number == axis else 0) for number, size in enumerate(values.shape)])
