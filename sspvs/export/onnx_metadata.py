"""What an ONNX file says of itself, so that somebody who has nothing else can use it."""

from __future__ import annotations

import json
from typing import Any

from sspvs.data.text import FIELDS
from sspvs.export.figures import Figures
from sspvs.export.onnx_graph import SummarizerGraph
from sspvs.tasks.checkpoint import SUMMARIZE, VERSION
from sspvs.tasks.summarize import SummarizeTask
from sspvs.version import package_version


def onnx_metadata(task: SummarizeTask, graph: SummarizerGraph, figures: Figures | None) -> dict[str, str]:
    """Key -> text; what is structured is JSON.

    Args:
        task: What was exported.
        graph: As what.
        figures: How well it does, when known.
    """
    settings = graph.model.settings
    told = {
        "kind": SUMMARIZE,
        "version": str(VERSION),
        "sspvs": package_version(),
        "settings": json.dumps(dict(task.hparams)),
        "feature_fingerprint": json.dumps(task.feature_fingerprint),
        "features": "as the backbone of feature_fingerprint gives them, not normalised; null: nobody recorded which",
        "mask": "true for frames of the video, false for padding; scores of padding are 0",
        "scores": "importance of each frame in [0, 1], the product of stage_scores; compares frames within a video",
        "max_frames": str(settings.max_frames),
        "longer_videos": (
            f"sspvs scores videos of more than max_frames in windows that share {settings.overlap} frames; this file "
            "scores what it is given in one piece"
        ),
        "protocol": "unknown" if figures is None else figures.protocol,
        "figures": json.dumps(None if figures is None else figures.means),
    }
    return told | _text(task, graph)


def _text(task: SummarizeTask, graph: SummarizerGraph) -> dict[str, str]:
    """How tokens are made; nothing of a summarizer that reads no text."""
    if graph.words is None:
        return {}
    fields: dict[str, Any] = dict(zip(FIELDS, task.text_fields.lengths, strict=True))
    return {
        "tokenizer": str(task.hparams["text"]["encoder"]),
        "text_fields": json.dumps({**fields, "pad_fields": task.text_fields.pad_fields}),
        "tokens": (
            "[CLS] category [SEP] query [SEP] title [SEP] description [SEP], each field cut to its length in "
            "text_fields and, with pad_fields, padded to it; "
            f"{graph.words} in all{', no other number' if graph.words_fixed else ''}"
        ),
        "token_mask": "true for tokens, false for padding; all false: the video has no text",
    }
