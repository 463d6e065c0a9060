"""The summarizer as a graph.

Axis letters: B batch, T picks, L tokens, K stages.
"""

from __future__ import annotations

import json
from typing import Any

from torch import Tensor

from sspvs.data.text import FIELDS
from sspvs.export.onnx_graph import ExportGraph
from sspvs.models.text_towers.open_clip import OpenClipTextEncoder
from sspvs.tasks.summarize import SummarizeTask


class SummarizerGraph(ExportGraph):
    """A summarizer that scores videos in one piece.

    Args:
        task: The summarizer; left as it is.
    """

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
        """(B, T) scores and (B, K, T) of each stage, both in [0, 1] and zero in the padding.

        A video without any token is scored as one without text.
        """
        tokens, token_mask = text or (None, None)
        out = self.model.score_at_once(features, mask, self.model.read(tokens, token_mask, None))
        return out.scores.masked_fill(~mask, 0.0), out.stage_scores.masked_fill(~mask[:, None], 0.0)

    def said(self, features: Tensor, mask: Tensor, *text: Tensor) -> tuple[Tensor, ...]:
        """As in the base."""
        out = self.model(features, mask, *text)
        return out.scores, out.stage_scores

    @property
    def metadata(self) -> dict[str, str]:
        """As in the base."""
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
        fields: dict[str, Any] = dict(zip(FIELDS, self._text_fields.lengths, strict=True))
        return {
            "tokenizer": str(self._hparams["text"]["encoder"]),
            "text_fields": json.dumps({**fields, "pad_fields": self._text_fields.pad_fields}),
            "tokens": (
                "[CLS] category [SEP] query [SEP] title [SEP] description [SEP], each field cut to its length in "
                "text_fields and, with pad_fields, padded to it; "
                f"{self.words} in all{', no other number' if self.words_fixed else ''}"
            ),
            "token_mask": "true for tokens, false for padding; all false: the video has no text",
        }
