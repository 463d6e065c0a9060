"""A trained summarizer as a scorer.

Axis letters: T picks, K stages, L tokens, D feature width.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from sspvs.data.text import FIELDS, TextFields, TextSettings, assemble_tokens, tokenize
from sspvs.data.tokenizers import Tokenizer, load_tokenizer
from sspvs.errors import CheckpointError
from sspvs.importance.contrastive import Importance
from sspvs.scorers.base import is_given
from sspvs.scorers.trained import TrainedScorer
from sspvs.tasks.settings import settings_from
from sspvs.types import FrameFeatures

if TYPE_CHECKING:
    from sspvs.tasks.summarize import SummarizeTask


class SummarizerScorer(TrainedScorer):
    """A fine-tuned summarizer: its score is the product of its stages.

    Args:
        task: What was trained; it moves to the device, and is the scorer's from then on.
        name: What reports call it.
        source: Where it came from: a folder, a file or a hub id.
        digest: SHA-256 of its weights file.
        device: `auto`, `cpu`, `cuda`, `cuda:1`.
        download: Fetch the tokenizer's files when they are not on this machine.

    Raises:
        ValueError: The device is unknown or not there.
    """

    def __init__(
        self, task: SummarizeTask, *, name: str, source: str, digest: str, device: str = "auto", download: bool = False
    ) -> None:
        super().__init__(task, name=name, source=source, digest=digest, device=device)
        self._download = download
        self._fields = settings_from(TextSettings, self._hparams["text_fields"])
        self._model = task.model

    @property
    def feature_dim(self) -> int | None:
        """D of the features it was trained on."""
        width: int = self._model.video_encoder.settings.feature_dim
        return width

    @property
    def text_fields(self) -> tuple[str, ...]:
        """As `Scorer`: those that it was trained with; none without text guidance."""
        if self._model.text_encoder is None:
            return ()
        return tuple(name for name, length in zip(FIELDS, self._fields.lengths, strict=True) if length)

    @property
    def title_as_query(self) -> bool:
        """As `Scorer`."""
        return bool(self._hparams["title_as_query"])

    @property
    def settings(self) -> Mapping[str, Any]:
        """As `Scorer`: which checkpoint, and what it is."""
        summarizer = self._hparams["summarizer"]
        return {
            **super().settings,
            "head": summarizer["head"],
            "stages": summarizer["num_stages"],
            "text_guidance": summarizer["text_guidance"],
        }

    def check_text(self, text: TextFields) -> None:
        """As `Scorer`; loads the tokenizer.

        Raises:
            ValueError: It was trained without text, or without one of the fields.
            SspvsError: The tokenizer is not on this machine.
        """
        given = [name for name, field in self._placed(text)._asdict().items() if field.strip()]
        if not given:
            return
        if not self.text_fields:
            raise ValueError(self._no_text)
        if unread := [name for name in given if name not in self.text_fields]:
            raise ValueError(
                f"{self.name} does not read {' and '.join(unread)}: it was trained with {', '.join(self.text_fields)}; "
                "put the text there"
            )
        self._tokenizer  # noqa: B018  loaded now, so that a missing one is told before anything is computed

    def notes(self, text: TextFields) -> tuple[str, ...]:
        """As `Scorer`: a checkpoint that reads text and is given none."""
        if not self.text_fields or is_given(text):
            return ()
        return (f"{self.name} reads text, and none was given: it scores as it does without text guidance",)

    def score(self, features: FrameFeatures, text: TextFields | None = None) -> Importance:
        """As `Scorer`; longer videos than the model takes at once go through it in windows.

        Returns:
            The scores, in (0, 1), and the curves `stage_1` ... `stage_K`, whose product they are; with a gate and
            text also `text_fit`, how well each frame fits the text.
        """
        frames, mask = self.frames_of(features)
        tokens = self._tokens(text)
        with torch.inference_mode():
            out = self._model(frames, mask, *tokens)
            logits = out.stage_logits[0].double().cpu()  # (K, T)
        if not bool(torch.isfinite(logits).all()):
            raise CheckpointError(
                f"{self.name} is damaged: it gives scores of {features.name} that are NaN or infinite"
            )
        curves = {f"stage_{stage}": row.numpy() for stage, row in enumerate(logits.sigmoid(), start=1)}
        if tokens and out.text_fit is not None:
            curves["text_fit"] = out.text_fit[0].double().cpu().numpy()
        # The logarithms are added, in double precision: a product of stages can be very small.
        return Importance(functional.logsigmoid(logits).sum(dim=0).exp().numpy(), curves)

    def _tokens(self, text: TextFields | None) -> tuple[Tensor, ...]:
        """(1, L) ids, (1, L) mask and (1,) whether there is text; nothing without any."""
        if text is None or not is_given(text):
            return ()
        if not self.text_fields:
            raise ValueError(self._no_text)
        fields = tokenize(self._placed(text), self._tokenizer)
        if not any(ids and length for ids, length in zip(fields, self._fields.lengths, strict=True)):
            return ()  # as in training: text that gets no token is none
        ids, valid = assemble_tokens(fields, self._tokenizer, self._fields)
        given = torch.ones(1, dtype=torch.bool)
        return tuple(
            part.to(self._device) for part in (torch.from_numpy(ids)[None], torch.from_numpy(valid)[None], given)
        )

    def _placed(self, text: TextFields) -> TextFields:
        """A title where the title was in training: in the query's place, unless a query is given too."""
        if self.title_as_query and not text.query.strip():
            return text._replace(query=text.title, title="")
        return text

    @property
    def _no_text(self) -> str:
        return f"{self.name} was trained without text; leave the text out, or take a checkpoint with text guidance"

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        assert self._model.text_encoder is not None
        return load_tokenizer(
            self._hparams["text"]["encoder"], download=self._download, vocab_size=self._model.text_encoder.vocab_size
        )
