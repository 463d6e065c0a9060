"""What is exported as a graph: what goes in, what comes out, and how torch draws it.

torch has two exporters. The one that traces (TorchScript) is in every torch from 2.2 on and needs nothing else; the one
on `torch.export` needs onnxscript. So it is the first. What a trace would fix for ever must not depend on the example:
sizes are taken from shapes, positions from the length, and the example has padding, so that masks are used.

Axis letters: B batch, T picks, L tokens.
"""

import copy
import inspect
import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sspvs.errors import ExportError, first_line
from sspvs.models.fast_linear import OneDnnLinear
from sspvs.models.text_towers import OpenClipTextEncoder
from sspvs.table.text import FIELDS
from sspvs.tasks.refine import RefineTask
from sspvs.tasks.summarize import SummarizeTask

VIDEO_INPUTS, TEXT_INPUTS = ("features", "mask"), ("tokens", "token_mask")
_BATCH, _PICKS = 2, 9


class ExportGraph(nn.Module, ABC):
    """What the file computes: a copy of a network, float32 on the CPU, on videos padded to one length, in one piece."""

    picks_axes: Mapping[str, int]  # output -> its axis of picks
    words: int | None = None  # L of the texts it was trained with; None when it reads none
    words_fixed = False  # no other L will do
    vocab_size = 0
    longest: int | None = None  # T of the longest video in one piece
    turning_points: tuple[int, ...] = ()  # T where it begins to compute something else, to be checked as well

    def __init__(self, model: nn.Module, feature_dim: int) -> None:
        super().__init__()
        self.model: Any = copy.deepcopy(model).float().cpu()
        self.feature_dim = feature_dim
        for layer in self.model.modules():
            if type(layer) is OneDnnLinear:
                layer.__class__ = nn.Linear  # type: ignore[assignment]  # its kernels are none of ONNX's
        self.eval()  # all of it: torch's exporter puts everything back into the mode that this module is in

    @abstractmethod
    def forward(self, features: Tensor, mask: Tensor, *text: Tensor) -> tuple[Tensor, ...]:
        """The outputs, zero in padding, of (B, T, D) features, their (B, T) mask, and (B, L) tokens with theirs."""

    @abstractmethod
    def expected(self, features: Tensor, mask: Tensor, *text: Tensor) -> tuple[Tensor, ...]:
        """What torch gives for videos without padding, without this graph; without text where none is given."""

    @property
    @abstractmethod
    def metadata(self) -> dict[str, str]:
        """Of a file of it, beside what every file has."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names, in order."""
        return VIDEO_INPUTS if self.words is None else VIDEO_INPUTS + TEXT_INPUTS

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names, in order."""
        return tuple(self.picks_axes)

    @property
    def axes(self) -> dict[str, dict[int, str]]:
        """The axes of inputs and outputs that may have any length."""
        words = {0: "batch"} if self.words_fixed else {0: "batch", 1: "words"}
        given = {name: words if name in TEXT_INPUTS else {0: "batch", 1: "picks"} for name in self.inputs}
        return given | {name: {0: "batch", axis: "picks"} for name, axis in self.picks_axes.items()}

    def example(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Inputs to trace with: two videos, the second one shorter, with a shorter text."""
        given = self.drawn(_BATCH, _PICKS, self.words, generator)
        for mask in given[1::2]:
            mask[1, mask.shape[1] // 2 :] = False
        return given

    def drawn(self, batch: int, picks: int, words: int | None, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Inputs in the order of `inputs`, drawn, without padding."""
        features = torch.randn(batch, picks, self.feature_dim, generator=generator)
        mask = torch.ones(batch, picks, dtype=torch.bool)
        if words is None:
            return features, mask
        tokens = torch.randint(self.vocab_size, (batch, words), generator=generator)
        return features, mask, tokens, torch.ones(batch, words, dtype=torch.bool)


def trace_to(path: Path, graph: ExportGraph, opset: int) -> None:
    """Write the graph as an ONNX file; `ExportError` where torch cannot."""
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
                output_names=list(graph.outputs),
                dynamic_axes=graph.axes,
                opset_version=opset,
                **how,
            )
    except OSError:
        raise
    except Exception as error:  # torch raises many kinds, some of them private
        raise ExportError(
            f"torch {torch.__version__} cannot export this checkpoint with opset {opset}: {first_line(error)}; take "
            "opset 17, and a torch whose torch.onnx.export still traces (dynamo=False)"
        ) from error


class SummarizerGraph(ExportGraph):
    """A summarizer that scores videos in one piece; its task is left as it is."""

    def __init__(self, task: SummarizeTask) -> None:
        video, settings, tower = task.model.video_encoder.settings, task.model.settings, task.model.text_encoder
        super().__init__(task.model, video.feature_dim)
        self.picks_axes = {"scores": 1, "stage_scores": 2}
        if tower is not None:
            self.words, self.vocab_size = task.text_fields.total, tower.vocab_size
        # torch's own attention, which open_clip's towers are made of, is traced for the example's number of tokens.
        self.words_fixed = isinstance(tower, OpenClipTextEncoder)
        self.longest = settings.max_frames
        trained = video.trained_length
        self.turning_points = (settings.max_frames, *(() if trained is None else (trained, trained + 3)))
        self._text_fields, self._hparams = task.text_fields, dict(task.hparams)

    def forward(self, features: Tensor, mask: Tensor, *text: Tensor) -> tuple[Tensor, ...]:
        """(B, T) scores and (B, K, T) of each stage, in [0, 1], zero in padding; without tokens as without text."""
        tokens, token_mask = text or (None, None)
        out = self.model.score_at_once(features, mask, self.model.read(tokens, token_mask, None))
        return out.scores.masked_fill(~mask, 0.0), out.stage_scores.masked_fill(~mask[:, None], 0.0)

    def expected(self, features: Tensor, mask: Tensor, *text: Tensor) -> tuple[Tensor, ...]:
        out = self.model(features, mask, *text)
        return out.scores, out.stage_scores

    @property
    def metadata(self) -> dict[str, str]:
        settings = self.model.settings
        return {
            "mask": "true for frames of the video, false for padding; scores of padding are 0",
            "scores": "importance of each frame in [0, 1], the product of stage_scores; compares frames within a video",
            "max_frames": str(settings.max_frames),
            "longer_videos": (
                f"sspvs scores videos of more than max_frames in windows that share {settings.overlap} frames; this "
                "file scores what it is given in one piece"
            ),
        } | self._text()

    def _text(self) -> dict[str, str]:
        """How tokens are made; nothing of a summarizer that reads no text."""
        if self.words is None:
            return {}
        text = self._text_fields
        fields: dict[str, Any] = dict(list(zip(FIELDS, text.lengths, strict=True))[: text.n_fields])
        row, cut = " ".join(["[CLS]", *(f"{name} [SEP]" for name in fields)]), "cut to its length in text_fields and, "
        return {
            "tokenizer": str(self._hparams["text"]["encoder"]),
            "text_fields": json.dumps({**fields, "pad_fields": text.pad_fields}),
            "tokens": (
                f"{row}, each field whole, but for those of length 0 in text_fields, which are empty"
                if text.whole
                else f"{row}, each field {cut}with pad_fields, padded to it; {self.words} in all"
                + (", no other number" if self.words_fixed else "")
            ),
            "token_mask": "true for tokens, false for padding; all false: the video has no text",
        }


UNIT_LENGTH = (
    "as the backbone of feature_fingerprint gives them, of any length: the file L2-normalises each row, for it was "
    "trained on such rows"
)
FEATURES, UNIQUENESS = "refined_features", "uniqueness"


class RefinerGraph(ExportGraph):
    """A refiner of videos of any length, and its uniqueness head where it has one; its task is left as it is."""

    def __init__(self, task: RefineTask) -> None:
        settings = task.model.settings
        super().__init__(task.model, settings.feature_dim)
        self.picks_axes = {FEATURES: 1, **({UNIQUENESS: 1} if settings.uniqueness else {})}
        self._scoring = task.scoring

    def forward(self, features: Tensor, mask: Tensor, *text: Tensor) -> tuple[Tensor, ...]:
        """(B, T, E) refined features, not normalised, and (B, T) uniqueness in [0, 1]; zero in the padding."""
        refined, *unique = self.expected(features, mask, *text)
        return refined, *(one.masked_fill(~mask, 0.0) for one in unique)

    def expected(self, features: Tensor, mask: Tensor, *text: Tensor) -> tuple[Tensor, ...]:  # noqa: ARG002  it reads none
        refined, logits = self.model(features, mask)
        return (refined,) if logits is None else (refined, logits.sigmoid())

    @property
    def metadata(self) -> dict[str, str]:
        scoring = self._scoring
        return {
            "mask": "true for frames of the video, false for padding; outputs of padding are 0",
            **({"features": UNIT_LENGTH} if self.model.unit_length else {}),
            FEATURES: "of each frame, not normalised",
            **({UNIQUENESS: "of each frame in [0, 1]: a term of scores"} if UNIQUENESS in self.picks_axes else {}),
            "scores": (
                "are not in the file: the product of the terms in scoring (Pang et al., WACV 2023), distances by "
                "refined_features, neighbours by features; sspvs.importance.contrastive.contrastive_importance "
                "computes it"
            ),
            "scoring": json.dumps(
                {"combine": scoring.combine, "post": scoring.post, "neighbour_fraction": scoring.neighbour_fraction}
            ),
        }
