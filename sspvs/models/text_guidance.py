"""How a video's text guides the summarizer: as published, and two ways of our own.

Axis letters: B batch, T picks, L tokens, D width, K stages, H heads.
"""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar, NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from sspvs.models.streams import standardised
from sspvs.registry import Registry


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

    Its constructor takes what it needs of `embed_dim`, `num_heads`, `num_stages` and `uses_encoder` (whether
    `summarizer.fit_frames` is `encoded`), and settings of its own with defaults: `gate(scale=3.0)`.
    """

    reads_words: ClassVar[bool] = True  # whether it takes the words' states, or the pooled text
    reads_framing: bool = True  # whether [CLS] and the separators count as words
    fits_frames: ClassVar[bool] = False  # whether its guides give a `text_fit`
    uses_encoder: bool = False  # whether it compares the text with states of the tower
    reads_sentences: ClassVar[bool] = False  # whether it compares the text with a stream of sentences

    @property
    def compares_frames(self) -> bool:
        """Whether the text is compared with frames, through the video tower or a projection."""
        return self.fits_frames and not self.reads_sentences

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

    fits_frames = True

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


@GUIDANCES.register("sentences")
class SentenceFit(TextGuidance):
    """How well the sentences at each frame (captions, subtitles) fit the text, added to every stage's logits.

    Cosines of a stream of sentence vectors and the whole text in the same encoder's space, standardised over the video;
    0 where no sentence is. Each stage adds them with a weight of its own, at first 0. A ridge base takes them as a
    column.

    Args:
        num_stages: K.
    """

    reads_words = False
    fits_frames = True
    reads_sentences = True

    def __init__(self, num_stages: int) -> None:
        super().__init__()
        self.stage_weights = nn.Parameter(torch.zeros(num_stages))

    def forward(self, text: GuidingText) -> Guide:  # noqa: ARG002  the fit is given to `look`
        return _Sentences(self)

    @staticmethod
    def text_fit(sentences: Tensor, frame_mask: Tensor, text: GuidingText) -> Tensor:
        """(B, T) float32 fit of (B, T, W) sentence vectors to their text; zeros where there is neither."""
        assert text.whole is not None
        there = frame_mask & (sentences != 0).any(dim=-1) & text.given[:, None]
        with in_float32(sentences):
            wanted = functional.normalize(text.whole.float(), dim=-1)[..., None]  # (B, W, 1)
            fit = (functional.normalize(sentences.float(), dim=-1) @ wanted).squeeze(-1)  # (B, T)
        return standardised(fit, there)


class _Sentences(Guide):
    looks = True

    def __init__(self, guidance: SentenceFit) -> None:
        self.guidance = guidance

    def look(self, encoded: Tensor, frame_mask: Tensor) -> None:  # noqa: ARG002
        if self.looks:  # the first look counts
            self.text_fit = encoded.squeeze(-1)
            self.looks = False

    def logits(self, stage: int, logits: Tensor) -> Tensor:
        assert self.text_fit is not None, "a head must let its guide look first"
        return logits + self.guidance.stage_weights[stage].float() * self.text_fit


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
