"""The summarizer as a graph: what goes in, what comes out, and how torch draws it.

torch has two exporters. The one that traces (TorchScript) is in every torch from 2.2 on and needs nothing else; the one
on `torch.export` needs onnxscript. So it is the first. What a trace would fix for ever must not depend on the example:
sizes are taken from shapes, positions from the length, and the example has padding, so that masks are used.

Axis letters: B batch, T picks, L tokens, K stages.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sspvs.errors import ExportError, first_line
from sspvs.models.fast_linear import OneDnnLinear
from sspvs.models.summarizer import Summarizer
from sspvs.models.text_towers.open_clip import OpenClipTextEncoder
from sspvs.tasks.summarize import SummarizeTask

VIDEO_INPUTS, TEXT_INPUTS = ("features", "mask"), ("tokens", "token_mask")
OUTPUTS = ("scores", "stage_scores")
_AXES = {
    "features": {0: "batch", 1: "picks"},
    "mask": {0: "batch", 1: "picks"},
    "tokens": {0: "batch", 1: "words"},
    "token_mask": {0: "batch", 1: "words"},
    "scores": {0: "batch", 1: "picks"},
    "stage_scores": {0: "batch", 2: "picks"},
}
_BATCH, _PICKS = 2, 9


class SummarizerGraph(nn.Module):
    """What the file computes: a summarizer that scores videos in one piece.

    Args:
        task: The summarizer; copied, as float32 on the CPU.

    Attributes:
        words: L of the texts it was trained with; None when it reads none.
        words_fixed: Whether no other L will do.
    """

    def __init__(self, task: SummarizeTask) -> None:
        super().__init__()
        self.model: Summarizer = copy.deepcopy(task.model).float().cpu()
        for layer in self.model.modules():
            if type(layer) is OneDnnLinear:
                layer.__class__ = nn.Linear  # type: ignore[assignment]  # its kernels are none of ONNX's
        tower = self.model.text_encoder
        self.words = None if tower is None else task.text_fields.total
        # torch's own attention, which open_clip's towers are made of, is traced for the example's number of tokens.
        self.words_fixed = isinstance(tower, OpenClipTextEncoder)
        self.eval()  # all of it: torch's exporter puts everything back into the mode that this module is in

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names, in order."""
        return VIDEO_INPUTS if self.words is None else VIDEO_INPUTS + TEXT_INPUTS

    @property
    def axes(self) -> dict[str, dict[int, str]]:
        """The axes of inputs and outputs that may have any length."""
        names = (*self.inputs, *OUTPUTS)
        fixed = {name: {0: "batch"} for name in TEXT_INPUTS} if self.words_fixed else {}
        return {name: fixed.get(name, _AXES[name]) for name in names}

    def forward(
        self, features: Tensor, mask: Tensor, tokens: Tensor | None = None, token_mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Score videos.

        Args:
            features: (B, T, feature_dim) float32.
            mask: (B, T) bool, True = a frame of the video.
            tokens: (B, L) int64; only of a summarizer that reads text.
            token_mask: (B, L) bool, True = a token; a video without any is scored as one without text.

        Returns:
            (B, T) scores and (B, K, T) of each stage, both in [0, 1] and zero in the padding.
        """
        out = self.model.score_at_once(features, mask, self.model.read(tokens, token_mask, None))
        return out.scores.masked_fill(~mask, 0.0), out.stage_scores.masked_fill(~mask[:, None], 0.0)

    def example(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Inputs to trace with: two videos, the second one shorter, with a shorter text."""
        given = self.drawn(_BATCH, _PICKS, self.words, generator)
        for mask in given[1::2]:
            mask[1, mask.shape[1] // 2 :] = False
        return given

    def drawn(self, batch: int, picks: int, words: int | None, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Inputs in the order of `inputs`, drawn, without padding."""
        width = self.model.video_encoder.settings.feature_dim
        features = torch.randn(batch, picks, width, generator=generator)
        mask = torch.ones(batch, picks, dtype=torch.bool)
        if words is None:
            return features, mask
        assert self.model.text_encoder is not None
        tokens = torch.randint(self.model.text_encoder.vocab_size, (batch, words), generator=generator)
        return features, mask, tokens, torch.ones(batch, words, dtype=torch.bool)


def trace_to(path: Path, graph: SummarizerGraph, opset: int) -> None:
    """Write the graph as an ONNX file.

    Raises:
        ExportError: torch cannot.
    """
    how: dict[str, Any] = {}
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        how["dynamo"] = False
    example = graph.example(torch.Generator().manual_seed(0))
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a trace may fix: that is what the check is for
            torch.onnx.export(
                graph,
                example,
                str(path),
                input_names=list(graph.inputs),
                output_names=list(OUTPUTS),
                dynamic_axes=graph.axes,
                opset_version=opset,
                **how,
            )
    except OSError:
        raise
    except Exception as error:  # torch raises many kinds, some of them private
        raise ExportError(
            f"torch {torch.__version__} cannot export this summarizer with opset {opset}: {first_line(error)}; take "
            "opset 17, and a torch whose torch.onnx.export still traces (dynamo=False)"
        ) from error
