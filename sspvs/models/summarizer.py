"""The summarizer: the video tower, a head that scores its frames, and text that guides it.

Axis letters: B batch, T picks, L tokens, D width of the video tower, K stages.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sspvs.models.heads import ProjectionHead
from sspvs.models.settings import SummarizerSettings, VideoEncoderSettings
from sspvs.models.summarizer_heads.attention import AttentionHead
from sspvs.models.summarizer_heads.base import SummarizerHead
from sspvs.models.summarizer_heads.csta import CstaHead
from sspvs.models.summarizer_heads.linear import LinearHead
from sspvs.models.summarizer_heads.progressive import ProgressiveHead
from sspvs.models.text_encoder import TextEncoder
from sspvs.models.text_guidance import Guide, GuidingText, TextGate, TextGuidance, build_text_guidance
from sspvs.models.video_encoder import VideoEncoder
from sspvs.models.windows import score_in_windows


class SummarizerOutput(NamedTuple):
    """How important each frame is.

    Attributes:
        stage_logits: (B, K, T) float32 of every stage; zeros in the padding.
        mask: (B, T) bool, True = a frame of the video.
        text_fit: (B, T) float32 how well each frame fits the text, of the gate; None without it.
    """

    stage_logits: Tensor
    mask: Tensor
    text_fit: Tensor | None = None

    @property
    def log_scores(self) -> Tensor:
        """(B, T) log of the scores, a sum over the stages; what losses take."""
        return functional.logsigmoid(self.stage_logits).sum(dim=1)

    @property
    def stage_scores(self) -> Tensor:
        """(B, K, T) in [0, 1], what each stage says."""
        return self.stage_logits.sigmoid()

    @property
    def scores(self) -> Tensor:
        """(B, T) in [0, 1], the product of the stages' scores."""
        return self.log_scores.exp()


class Summarizer(nn.Module):
    """Scores the frames of videos with a head and a text guidance of one's choice; the defaults are as published.

    The summarizer of Li et al. (WACV 2023, section 3.4). What it shares with the pretraining model has the same names:
    weights are handed over by name.

    Args:
        video_encoder: The video tower.
        settings: Head, stages, guidance, and how long videos are scored.
        text_encoder: The text tower; needed by every text guidance, and left aside without one.

    Attributes:
        text_projection: From the text's width to the video's; None without text guidance, as `text_encoder` and
            `guidance`.
        frame_projection: Of single frames, for a gate that compares them with the words; else None.
        head: `head.stages` are the K linear layers.

    Raises:
        ValueError: A text guidance without a text tower.
    """

    def __init__(
        self,
        video_encoder: VideoEncoder,
        settings: SummarizerSettings | None = None,
        text_encoder: TextEncoder | None = None,
    ) -> None:
        settings = SummarizerSettings() if settings is None else settings
        super().__init__()
        sizes = video_encoder.settings
        self.settings = settings
        self.video_encoder = video_encoder
        self.text_encoder: TextEncoder | None = None
        self.text_projection: ProjectionHead | None = None
        self.guidance: TextGuidance | None = build_text_guidance(
            settings.text_guidance, sizes.embed_dim, sizes.num_heads, settings.stages, settings.fit_frames
        )
        alone = isinstance(self.guidance, TextGate) and not self.guidance.uses_encoder
        self.frame_projection = (
            ProjectionHead(sizes.feature_dim, sizes.embed_dim, hidden_dim=sizes.embed_dim) if alone else None
        )
        if self.guidance is not None:
            if text_encoder is None:
                raise ValueError(
                    f"text guidance {settings.text_guidance!r} needs a text encoder, got none: give one, or set "
                    "text_guidance to none"
                )
            self.text_encoder = text_encoder
            self.text_projection = ProjectionHead(text_encoder.text_dim, sizes.embed_dim)
        self.head = _build_head(settings, sizes)

    @property
    def uses_transformer(self) -> bool:
        """Whether anything runs through the video tower's Transformer; if not, only its input projection is used."""
        return self.head.uses_encoder or (self.guidance is not None and self.guidance.uses_encoder)

    def forward(
        self,
        frames: Tensor,
        frame_mask: Tensor,
        tokens: Tensor | None = None,
        token_mask: Tensor | None = None,
        has_text: Tensor | None = None,
    ) -> SummarizerOutput:
        """Score videos.

        In evaluation a video of more than `max_frames` is scored in windows that share `overlap` frames. There every
        stage logit lies between those of the two windows; elsewhere it is that of its window; neighbouring frames
        differ by at most the largest step within a window plus the windows' largest disagreement in the overlap
        divided by overlap + 1 (see `sspvs.models.windows`). Shorter videos, and all in training, are scored exactly.

        Args:
            frames: (B, T, feature_dim) features.
            frame_mask: (B, T) bool, True = a frame of the video.
            tokens: (B, L) ids of the videos' texts; not read without text guidance, no text guides when None.
            token_mask: (B, L) bool, True = a token; needed with tokens.
            has_text: (B,) bool, which videos have a text at all: the others are scored as without guidance. All when
                None.
        """
        text = self.read(tokens, token_mask, has_text)
        if self.training or frames.shape[1] <= self.settings.max_frames:
            return self.score_at_once(frames, frame_mask, text)
        fitted = isinstance(self.guidance, TextGate) and text is not None

        def score(window: Tensor, mask: Tensor, rows: list[int]) -> Tensor:
            out = self.score_at_once(window, mask, None if text is None else text.rows(rows))
            if out.text_fit is None:
                return out.stage_logits
            return torch.cat([out.stage_logits, out.text_fit[:, None]], dim=1)

        found = score_in_windows(score, frames, frame_mask, self.settings.max_frames, self.settings.overlap)
        if fitted:
            return SummarizerOutput(found[:, :-1], frame_mask, found[:, -1])
        return SummarizerOutput(found, frame_mask)

    def score_at_once(self, frames: Tensor, frame_mask: Tensor, text: GuidingText | None = None) -> SummarizerOutput:
        """Score videos of any length in one piece.

        Args:
            frames: (B, T, feature_dim) features.
            frame_mask: (B, T) bool, True = a frame of the video.
            text: What `read` gave.
        """
        guide = Guide() if text is None or self.guidance is None else self.guidance(text)
        if guide.looks and self.frame_projection is not None:
            guide.look(self.frame_projection(frames), frame_mask)
        logits = self.head(self._encode, self.video_encoder.embed(frames), frame_mask, guide)  # (B, K, T)
        return SummarizerOutput(logits.masked_fill(~frame_mask[:, None], 0.0), frame_mask, guide.text_fit)

    def read(self, tokens: Tensor | None, token_mask: Tensor | None, has_text: Tensor | None) -> GuidingText | None:
        """The projected texts, as the guidance takes them; None where there is nothing to read or nobody to read it.

        Args:
            tokens: (B, L) ids.
            token_mask: (B, L) bool; a video without a token counts as one without text.
            has_text: (B,) bool; all when None.
        """
        if tokens is None or self.guidance is None:
            return None
        if token_mask is None:
            raise ValueError("tokens need their token_mask, got None: give (B, L) booleans, True = a token")
        assert self.text_encoder is not None
        assert self.text_projection is not None
        given = token_mask.any(dim=1)  # (B,)
        given = given if has_text is None else given & has_text
        mask = token_mask | ~given[:, None]  # nothing to attend to would give NaN
        encoding = self.text_encoder(tokens, mask)
        if self.guidance.reads_words:
            return GuidingText(self.text_projection(encoding.states), mask, given)
        return GuidingText(self.text_projection(encoding.pooled)[:, None], torch.ones_like(given)[:, None], given)

    def _encode(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """(B, T, D) embedded frames -> (B, T, D) states of the tower."""
        encoded: Tensor = self.video_encoder(frames, frame_mask).frames
        return encoded


def _build_head(settings: SummarizerSettings, sizes: VideoEncoderSettings) -> SummarizerHead:
    """The head that the settings name."""
    dim, dropout = sizes.embed_dim, settings.dropout
    if settings.head == "progressive":
        return ProgressiveHead(dim, settings.stages, dropout)
    if settings.head == "linear":
        return LinearHead(dim, dropout=dropout)
    if settings.head == "attention":
        return AttentionHead(dim, sizes.num_heads, dropout)
    return CstaHead(dim, dropout)
