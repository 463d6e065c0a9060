"""Scorers from checkpoints: each takes only features made like those it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from sspvs.errors import CheckpointError, FeatureFileError, FingerprintMismatchError
from sspvs.features.backbones.base import choose_device
from sspvs.importance.contrastive import Importance, Post
from sspvs.importance.terms import Combine, term_names
from sspvs.models.fast_linear import use_fast_linears
from sspvs.models.tokenizers import Tokenizer, load_tokenizer
from sspvs.scorers.base import Scorer, is_given, is_synthetic
from sspvs.sharing import checkpoint_name
from sspvs.table import FeatureKind, check_features
from sspvs.table.streams import FEATURES, parted_fingerprint, side_by_side
from sspvs.table.text import FIELDS, TextFields, TextSettings, assemble_tokens, tokenize
from sspvs.tasks.saved_task import SavedTask
from sspvs.tasks.settings import settings_from
from sspvs.types import Fingerprint, FrameFeatures

if TYPE_CHECKING:
    from sspvs.tasks.refine import RefineTask
    from sspvs.tasks.summarize import SummarizeTask


class TrainedScorer(Scorer):
    """A checkpoint as a scorer; the task moves to the device. `source` and `digest` (SHA-256) go into reports."""

    def __init__(self, task: SavedTask, *, name: str, source: str, digest: str, device: str = "auto") -> None:
        self.name = name
        self._source, self._digest = source, digest
        self._device = torch.device(choose_device(device))
        self._hparams: Mapping[str, Any] = dict(task.hparams)
        known = task.feature_fingerprint
        self.expects = None if known is None else Fingerprint(**known)
        self._take_streams()
        task.model.eval().to(self._device)
        if self._device.type == "cpu":
            use_fast_linears(task.model)

    @property
    def settings(self) -> Mapping[str, Any]:
        """As `Scorer`: which checkpoint it is."""
        return {"checkpoint": checkpoint_name(self._source), "checkpoint_sha256": self._digest}

    def _take_streams(self) -> None:
        """The streams of features, from what was found out about the data; unnamed ones are those of each file."""
        settings = next(one for one in (self._hparams.get("video"), self._hparams.get("refiner")) if one is not None)
        names = [name for name, _ in parted_fingerprint(self.expects)]
        widths = settings.get("stream_widths") or ((settings["feature_dim"],) if len(names) == 1 else (0,) * len(names))
        named = len(widths) == len(names) == len(set(names))
        self.streams = dict(zip(names, widths, strict=True)) if named else {}

    def joined(self, video: FrameFeatures) -> FrameFeatures:
        """As `Scorer`; FeatureFileError where the video lacks the first stream. Features that are joined stay."""
        if not video.streams and video.features.shape[1] == self.feature_dim:
            return video
        streams = self.streams or dict.fromkeys((FEATURES, *sorted(video.streams)), 0)
        joined, lacking = side_by_side(video, streams)
        if next(iter(streams)) in lacking:
            raise FeatureFileError(f"{video.name}: no stream '{lacking[0]}', which {self.name} was trained on")
        return joined

    def lacks(self, video: FrameFeatures) -> tuple[str, ...]:
        """As `Scorer`."""
        if not video.streams and video.features.shape[1] == self.feature_dim:
            return ()
        return side_by_side(video, self.streams)[1] if self.streams else ()

    def check_features(self, found: Fingerprint | None, where: str) -> str | None:
        """As `Scorer`: they must be made as those it was trained on."""
        if self.expects is None:
            whose = "nor do these features" if found is None else f"and {where} has features of {found.backbone}"
            return f"{self.name} does not say what made the features it was trained on, {whose}: this was not checked"
        if found is not None and is_synthetic(self.expects) and found != self.expects:
            raise FingerprintMismatchError(
                f"{where}: {self.name} was trained on a synthetic world ('{self.expects.backbone}', weights "
                f"{self.expects.weights_digest[:8]}) and scores that world's features only; these are of "
                f"'{found.backbone}', weights {found.weights_digest[:8]}"
            )
        return check_features(
            FeatureKind(fingerprint=found),
            FeatureKind(fingerprint=self.expects),
            where,
            like=f"those {self.name} was trained on",
        )

    def refuse_not_finite(self, what: str, features: FrameFeatures, *found: Tensor | None) -> None:
        """Raise CheckpointError where its outputs for a video have NaN or infinite numbers."""
        if not all(bool(torch.isfinite(values).all()) for values in found if values is not None):
            raise CheckpointError(
                f"{self.name} is damaged: it gives {what} of {features.name} that are NaN or infinite"
            )

    def frames_of(self, features: FrameFeatures) -> tuple[Tensor, Tensor]:
        """(1, T, D) float32 frames and their (1, T) mask on the device; FeatureFileError where they do not fit."""
        features = self.joined(features)
        self.check_features(features.fingerprint, features.name)
        found, expected = FeatureKind(features.features.shape[1]), FeatureKind(self.feature_dim)
        check_features(found, expected, features.name, like=f"those {self.name} was trained on", remedy="")
        frames = torch.from_numpy(features.features).to(self._device)[None]
        return frames, torch.ones(frames.shape[:2], dtype=torch.bool, device=self._device)


class SummarizerScorer(TrainedScorer):
    """A fine-tuned summarizer: its score is the product of its stages. With `needs_text` nothing is scored without."""

    def __init__(self, task: SummarizeTask, *, needs_text: bool = False, download: bool = False, **how: str) -> None:
        super().__init__(task, **how)
        self._needs_text = needs_text
        self._download = download
        self._fields = settings_from(TextSettings, self._hparams["text_fields"])
        self._model = task.model
        self.feature_dim = task.model.video_encoder.settings.feature_dim
        self.title_as_query = bool(self._hparams["title_as_query"])
        if task.model.text_encoder is not None:  # without text guidance nothing is read
            self.text_fields = tuple(name for name, n in zip(FIELDS, self._fields.lengths, strict=True) if n)

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
        """As `Scorer`; loads the tokenizer."""
        given = [name for name, field in self._placed(text)._asdict().items() if field.strip()]
        if not given and self._needs_text:
            raise ValueError(f"{self.name} was pretrained alone: it scores how well frames fit a title; give one")
        if not given:
            return
        if not self.text_fields:
            raise ValueError(self._no_text)
        if unread := [name for name in given if name not in self.text_fields]:
            raise ValueError(
                f"{self.name} does not read {' and '.join(unread)}: it was trained with {', '.join(self.text_fields)}; "
                "put the text there"
            )
        self._tokenizer  # noqa: B018  loaded now, so that a missing one is reported before anything is computed

    def notes(self, text: TextFields) -> tuple[str, ...]:
        """As `Scorer`: a checkpoint that reads text and is given none."""
        if not self.text_fields or is_given(text):
            return ()
        return (f"{self.name} reads text, and none was given: it scores as it does without text guidance",)

    def score(self, features: FrameFeatures, text: TextFields | None = None) -> Importance:
        """As `Scorer`: scores in (0, 1), the stages whose product they are, and with a gate and text also `text_fit`.

        Longer videos than the model takes at once go through it in windows.
        """
        frames, mask = self.frames_of(features)
        tokens = self._tokens(text)
        with torch.inference_mode():
            out = self._model(frames, mask, *tokens)
            logits = out.stage_logits[0].double().cpu()  # (K, T)
        self.refuse_not_finite("scores", features, logits)
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


class RefinedScorer(TrainedScorer):
    """A refined checkpoint: an expression over terms of importance of the refined features."""

    def __init__(
        self, task: RefineTask, *, combine: Combine | None = None, post: Post | None = None, **how: str
    ) -> None:
        super().__init__(task, **how)
        if combine is not None and "uniqueness" in term_names(combine) and not task.losses.uniqueness:
            raise ValueError(
                f"combine {combine} needs uniqueness, which {self.name} did not learn; take one of a, g, ag, or train "
                "with losses.uniqueness above 0"
            )
        if combine is not None and "text_similarity" in term_names(combine):
            raise ValueError(f"combine {combine} needs text, which {self.name} does not read; leave out t")
        own = task.scoring
        self._scoring = replace(
            own, combine=combine or own.combine, post=post or own.post, device=how.get("device", "auto")
        )
        self._model = task.model
        self.feature_dim = self._hparams["refiner"]["feature_dim"]

    @property
    def settings(self) -> Mapping[str, Any]:
        """As `Scorer`: which checkpoint, and what its features become."""
        return {**super().settings, "combine": self._scoring.combine, "post": self._scoring.post}

    def score(self, features: FrameFeatures, text: TextFields | None = None) -> Importance:
        """As `Scorer`; the curves are the normalised terms that were multiplied.

        Memory grows with T, not with its square: the attention is torch's fused kernel, the terms go in blocks of rows.
        """
        if text is not None:
            self.check_text(text)
        frames, mask = self.frames_of(features)
        with torch.inference_mode():
            out = self._model(frames, mask)
            refined = out.features[0]  # (T, E)
            unique = None if out.uniqueness_logits is None else out.uniqueness_logits[0].sigmoid()  # (T,)
        self.refuse_not_finite("features", features, refined, unique)
        return self._scoring.importance(
            refined.cpu().numpy(), features.features, None if unique is None else unique.cpu().numpy()
        )
