"""How a video's text guides the summarizer: as published, and two ways of our own.

Axis letters: B batch, T picks, L tokens, D width, K stages, H heads.
"""

import copy
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, ClassVar, NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from sspvs.models.streams import standardised
from sspvs.models.video_encoder import VideoEncoder, project
from sspvs.registry import Registry
from sspvs.schema import Range, Width


class GuidingText(NamedTuple):
    """Projected texts of a batch."""

    vectors: Tensor  # (B, L, D) the words, or with L = 1 the text as a whole
    mask: Tensor  # (B, L) bool, True = a word; everywhere True in rows without text
    given: Tensor  # (B,) bool, whether the video has a text
    whole: Tensor | None = None  # (B, W) the text tower's own vectors, where the guidance reads them

    def rows(self, index: list[int]) -> "GuidingText":
        """The texts of some of the videos."""
        whole = None if self.whole is None else self.whole[index]
        return GuidingText(self.vectors[index], self.mask[index], self.given[index], whole)


def framing(tokens: Tensor, token_mask: Tensor) -> Tensor:
    """(B, L) bool, which of (B, L) tokens are as the first, [CLS], or as the last valid one, which ends a field."""
    places = torch.arange(tokens.shape[1], device=tokens.device)
    last = tokens.gather(1, (token_mask * places).argmax(dim=1, keepdim=True))  # (B, 1)
    return (tokens == tokens[:, :1]) | (tokens == last)


class Guide:
    """The text of a batch as a head meets it; this one says nothing. Made anew for each pass.

    Attributes:
        looks: Whether it needs `look`.
        text_fit: (B, T) float32 how well each frame fits the text, once `look` was called; None without it.
    """

    looks = False
    text_fit: Tensor | None = None

    def look(self, encoded: Tensor, frame_mask: Tensor) -> None:
        """Look at the (B, T, D) states of the tower for the embedded frames before the first stage scores."""

    def states(self, stage: int, states: Tensor) -> Tensor:  # noqa: ARG002
        """(B, T, D) states of a stage, guided."""
        return states

    def logits(self, stage: int, logits: Tensor) -> Tensor:  # noqa: ARG002
        """(B, T) float32 logits of a stage, guided."""
        return logits


class TextGuidance(nn.Module):
    """The interface. A guidance is registered in `GUIDANCES` and is a word for `summarizer.text_guidance`.

    Its constructor takes what it needs of `embed_dim`, `num_heads`, `num_stages`, `uses_encoder` (whether
    `summarizer.fit_frames` is `encoded`), `video_encoder`, `stream_widths` and `text_dim`, and settings of its own with
    defaults: `gate(scale=3.0)`.
    """

    reads_words: ClassVar[bool] = True  # whether it takes the words' states, or the pooled text
    reads_framing: bool = True  # whether [CLS] and the separators count as words
    fits_frames: ClassVar[bool] = False  # whether its guides give a `text_fit`
    compares_words: ClassVar[bool] = False  # whether that is of words with states of the tower or projected frames
    uses_encoder: bool = False  # whether it compares the text with states of the tower

    def forward(self, text: GuidingText) -> Guide:
        """A guide by these texts; rows without text are left exactly as they are."""
        raise NotImplementedError


GUIDANCES: Registry[type[TextGuidance]] = Registry("text guidance", plural="text_guidances")
"""How a text guides the summarizer."""


@GUIDANCES.register("added")
class AddedText(TextGuidance):
    """The pooled text, added to the first stage's states, as published (Li et al., WACV 2023).

    Note what it cannot do: added in front of a linear layer it shifts the logits of all frames of a video alike. It can
    say how high the first stage scores a video, and so how much the second stage hears of the first, but not which
    frames the text is about.
    """

    reads_words = False

    def forward(self, text: GuidingText) -> Guide:
        return _Added(torch.where(text.given[:, None, None], text.vectors[:, :1], 0.0))


class _Added(Guide):
    def __init__(self, text: Tensor) -> None:
        self.text = text  # (B, 1, D)

    def states(self, stage: int, states: Tensor) -> Tensor:
        return states if stage else states + self.text.to(states.dtype)


@GUIDANCES.register("gate")
class TextGate(TextGuidance):
    """How well each frame fits the words, after the fine alignment of pretraining, added to every stage's logits.

    Cosines of the frames (the tower's states in the first stage, no residual, or single frames through a projection:
    what the fine alignment compares) and the projected words, in float32. Each word's cosines are centred over the
    video's frames: a word that fits everywhere says nothing. Words are weighed by a softmax over the text, at first
    alike; the weighted sum times a positive scale, at first 5, is a frame's `text_fit`; each stage adds it with a
    weight of its own, at first 1 / K, so that it counts once.

    Args:
        embed_dim: D.
        num_stages: K.
        uses_encoder: Compare the tower's states with the words; else what `look` is given first.
        scale: At first.
        framing: Count [CLS] and the separators as words. A tower with little or no attention gives them states that
            do not depend on the text; in a short title they outweigh its words.
    """

    fits_frames = compares_words = True

    def __init__(
        self, embed_dim: int, num_stages: int, uses_encoder: bool = True, scale: float = 5.0, framing: bool = True
    ) -> None:
        super().__init__()
        self.uses_encoder, self.reads_framing = uses_encoder, framing
        self.word_weight = nn.Linear(embed_dim, 1, bias=False)  # a bias would weigh all words alike
        nn.init.zeros_(self.word_weight.weight)
        self.log_scale = nn.Parameter(torch.full((1,), math.log(scale)))
        self.stage_weights = nn.Parameter(torch.full((num_stages,), 1.0 / num_stages))

    def forward(self, text: GuidingText) -> Guide:
        return _Gate(self, text)

    def text_fit(self, encoded: Tensor, frame_mask: Tensor, text: GuidingText) -> Tensor:
        """(B, T) float32 fit of (B, T, D) frames to their text, of mean 0 over a video; zeros in the padding."""
        with in_float32(encoded):
            weight = self.word_weight(text.vectors.to(self.word_weight.weight.dtype)).squeeze(-1).float()  # (B, L)
            weight = weight.masked_fill(~text.mask, -math.inf).softmax(dim=1)
            frames = functional.normalize(encoded.float(), dim=-1)
            words = functional.normalize(text.vectors.float(), dim=-1)
            # A weighted sum of cosines is a product with the weighted sum of unit vectors, and centres likewise.
            wanted = (weight[:, :, None] * words).sum(dim=1, keepdim=True)  # (B, 1, D)
            fit = (frames @ wanted.transpose(1, 2)).squeeze(-1)  # (B, T)
        valid = frame_mask.float()
        centre = (fit * valid).sum(dim=1, keepdim=True) / valid.sum(dim=1, keepdim=True).clamp(min=1.0)
        fit = self.log_scale.float().exp() * (fit - centre)
        return torch.where(frame_mask & text.given[:, None], fit, 0.0)


class _Gate(Guide):
    looks = True

    def __init__(self, gate: TextGate, text: GuidingText) -> None:
        self.gate = gate
        self.text = text

    def look(self, encoded: Tensor, frame_mask: Tensor) -> None:
        if self.looks:  # the first look counts
            self.text_fit = self.gate.text_fit(encoded, frame_mask, self.text)
            self.looks = False

    def logits(self, stage: int, logits: Tensor) -> Tensor:
        assert self.text_fit is not None, "a head must let its guide look first"
        return logits + self.gate.stage_weights[stage].float() * self.text_fit


class WholeTextFit(TextGuidance):
    """How well frames fit the text as a whole, standardised over the video: a fixed cue, which nothing trains."""

    reads_words = False
    fits_frames = True

    def __init__(self) -> None:
        super().__init__()
        self.stage_weights: nn.Parameter | None = None  # (K,) by which it is added to every stage's logits

    def forward(self, text: GuidingText) -> Guide:  # noqa: ARG002  the fit is given to `look`
        return _WholeTextFit(self.stage_weights)

    @torch.no_grad()
    def text_fit(self, frames: Tensor, frame_mask: Tensor, text: GuidingText) -> Tensor:
        """(B, T) float32 fit of (B, T, feature_dim) features of whole videos to their text; 0 where either lacks."""
        assert text.whole is not None
        with in_float32(frames):
            seen, wanted = self.compared(frames.float(), frame_mask, text.whole.float())
            there = frame_mask & (seen != 0).any(dim=-1) & text.given[:, None]
            wanted = functional.normalize(wanted, dim=-1)[..., None]  # (B, W, 1)
            fit = (functional.normalize(seen, dim=-1) @ wanted).squeeze(-1)  # (B, T)
        return standardised(fit, there)

    def compared(self, frames: Tensor, frame_mask: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, W) frames and (B, W) texts in the space that their cosines are taken in; zeros where nothing is."""
        raise NotImplementedError


class _WholeTextFit(Guide):
    looks = True

    def __init__(self, stage_weights: Tensor | None) -> None:
        self.stage_weights = stage_weights

    def look(self, encoded: Tensor, frame_mask: Tensor) -> None:  # noqa: ARG002
        if self.looks:  # the first look counts
            self.text_fit = encoded.squeeze(-1)
            self.looks = False

    def logits(self, stage: int, logits: Tensor) -> Tensor:
        if self.stage_weights is None:
            return logits
        assert self.text_fit is not None, "a head must let its guide look first"
        return logits + self.stage_weights[stage].float() * self.text_fit


@GUIDANCES.register("sentences")
class SentenceFit(WholeTextFit):
    """How well the sentences at each frame (captions, subtitles) fit the text, in the text encoder's own space.

    Each stage adds it to its logits with a weight of its own, at first 0. Ridge regression takes it as a column.

    Args:
        num_stages: K.
        stream_widths: Of the video's streams; the last that is as wide as the text tower's vectors has the sentences.
        text_dim: Width of those vectors.

    Raises:
        ValueError: No stream has that width.
    """

    def __init__(self, num_stages: int, stream_widths: Sequence[int], text_dim: int) -> None:
        super().__init__()
        self.stage_weights = nn.Parameter(torch.zeros(num_stages))
        widths = tuple(stream_widths)
        if text_dim not in widths:
            raise ValueError(
                f"text_guidance sentences compares the text with a stream of sentences of the same encoder, of width "
                f"{text_dim}; the streams have the widths {widths} (`sspvs data build --captions` adds one)"
            )
        number = max(at for at, width in enumerate(widths) if width == text_dim)
        self.columns = slice(sum(widths[:number]), sum(widths[: number + 1]))

    def compared(self, frames: Tensor, frame_mask: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        return frames[..., self.columns], text


@GUIDANCES.register("aligned")
class AlignedFit(WholeTextFit):
    """How well each frame fits the text in the space of pretraining's coarse alignment: a share of the scores.

    Frames go through pretraining's linear path (`losses.linear_path`), texts through their map into the same space.
    Both are kept as they come from the pretraining checkpoint, and the rest is trained without them: the alignment has
    seen the training videos, so that their fit is better than that of others and would be trusted too much.

    Args:
        video_encoder: The video tower, which the frames' projection is a copy of.
        text_dim: Width of the text tower's vectors.
        share: Of the scores of a video with a text, in evaluation; both parts are standardised over the video. 1: the
            fit alone, for which no importance is learned.
        width: Of the space; taken from the checkpoint that a summarizer starts from.

    Attributes:
        projection: As `input_projection` of the video tower.
        frames: From there into the space.
        text: From the text tower's vectors into the space. Zero until a checkpoint brings it.
    """

    def __init__(
        self,
        video_encoder: VideoEncoder,
        text_dim: int,
        share: Annotated[float, Range(least=0, most=1)] = 0.1,
        width: Width = 256,
    ) -> None:
        super().__init__()
        self.share = share
        self.projection = copy.deepcopy(video_encoder.input_projection)
        self.frames = nn.Linear(video_encoder.settings.embed_dim, width, bias=False)
        self.text = nn.Linear(text_dim, width)
        nn.init.zeros_(self.text.weight)
        nn.init.zeros_(self.text.bias)
        self.requires_grad_(False)

    def compared(self, frames: Tensor, frame_mask: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        seen: Tensor = self.frames(project(self.projection, frames, frame_mask))
        return seen.masked_fill(~frame_mask[..., None], 0.0), self.text(text)


@GUIDANCES.register("cross-attention")
class TextCrossAttention(TextGuidance):
    """Every stage's states attend to the words, and what they find is added; one module for all stages.

    The output projection starts at zero: at first all is as without text.

    Args:
        embed_dim: D, a multiple of `num_heads`.
        num_heads: H.
    """

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f"embed_dim must be a multiple of num_heads, got {embed_dim} and {num_heads}")
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(embed_dim)  # the states grow from stage to stage
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key_value = nn.Linear(embed_dim, 2 * embed_dim)
        self.out_projection = nn.Linear(embed_dim, embed_dim)
        nn.init.zeros_(self.out_projection.weight)
        nn.init.zeros_(self.out_projection.bias)

    def forward(self, text: GuidingText) -> Guide:
        k, v = rearrange(self.key_value(text.vectors), "b l (two h d) -> two b h l d", two=2, h=self.num_heads)
        return _CrossAttention(self, k, v, text)

    def attend(self, states: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D) what states find in keys and values of the words, (B, H, L, D / H), under a (B, L) mask."""
        q = rearrange(self.query(self.norm(states)), "b t (h d) -> b h t d", h=self.num_heads)
        found = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        out: Tensor = self.out_projection(rearrange(found, "b h t d -> b t (h d)"))
        return out


class _CrossAttention(Guide):
    def __init__(self, attention: TextCrossAttention, k: Tensor, v: Tensor, text: GuidingText) -> None:
        self.attention = attention
        self.k, self.v, self.text = k, v, text

    def states(self, stage: int, states: Tensor) -> Tensor:  # noqa: ARG002
        found = self.attention.attend(states, self.k, self.v, self.text.mask)
        return states + torch.where(self.text.given[:, None, None], found, 0.0)


def in_float32(tensor: Tensor) -> AbstractContextManager[object]:
    """Autocast off where it is on, on the tensor's device."""
    device = tensor.device.type
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext()
