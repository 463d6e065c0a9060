"""The sizes of the towers, of the summarizer and of the refiner: what a config file says of them.

The published values are the defaults.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from sspvs.registry import Registry
from sspvs.schema import (
    Choice,
    FrameCount,
    Heads,
    Layers,
    Probability,
    Range,
    Settings,
    VocabularySize,
    Width,
    chosen,
    mistakes,
    shown,
)

if TYPE_CHECKING:
    from sspvs.models.summarizer_heads import SummarizerHead
    from sspvs.models.text_guidance import TextGuidance

HEADS: Registry[type[SummarizerHead]] = Registry("head", "sspvs.models.summarizer_heads")
"""Heads of the summarizer."""
GUIDANCES: Registry[type[TextGuidance]] = Registry("text guidance", "sspvs.models.text_guidance", "text_guidances")
"""How a text guides the summarizer."""


@dataclass(frozen=True)
class VideoEncoderSettings(Settings):
    """The video tower (Li et al., WACV 2023)."""

    group = "video"

    feature_dim: Width = 1024
    """Width of the frame features; a fact of the data. Projected to `embed_dim` when it differs."""
    embed_dim: Width = 1024
    """D, width of the Transformer."""
    num_heads: Heads = 8
    """Attention heads."""
    num_layers: Layers = 3
    """Transformer layers."""
    feedforward_dim: Width = 4096
    """Width of the layers' hidden layer."""
    dropout: Probability = 0.1
    """Everywhere in the tower."""
    position_weight: Annotated[float, Range(least=0, most=1e6)] = 1.0
    """Factor of the positions: 1 in pretraining, 0.1 in fine-tuning."""
    trained_length: FrameCount | None = None
    """Most frames seen in training: longer videos are laid over these positions. Null: no limit."""
    gradient_checkpointing: bool = False
    """Compute layers again in the backward pass instead of keeping what they computed."""


@dataclass(frozen=True)
class SmallTextSettings(Settings):
    """Sizes of the text tower `small`."""

    group = "text.small"

    vocab_size: VocabularySize = 8192
    """Ids of the tower and of its tokenizer."""
    text_dim: Width = 256
    """W, width of the Transformer."""
    num_heads: Heads = 4
    """Attention heads."""
    num_layers: Layers = 2
    """Transformer layers."""
    feedforward_dim: Width | None = None
    """Width of their hidden layer; null: 4 W."""
    dropout: Probability = 0.1
    """Everywhere in the tower."""


@dataclass(frozen=True)
class TextEncoderSettings(Settings):
    """The text tower."""

    group = "text"

    encoder: str = "bert-base-uncased"
    """`small` (trained from scratch, needs nothing), `minilm` (the extra `text`), `open_clip:NAME/PRETRAINED`, or any
    Hugging Face encoder by id or folder."""
    config: dict[str, Any] | None = None
    """Sizes of a Hugging Face encoder whose weights are drawn instead of loaded, such as `{"model_type": "bert"}`."""
    attend_padding: bool = False
    """Attend to the padding too, as the original does."""
    frozen: bool = False
    """Do not train the tower."""
    small: dict[str, Any] = field(default_factory=dict)
    """Sizes of `small`: `text_dim`, `num_heads`, `num_layers`, `feedforward_dim`, `dropout`, `vocab_size`."""
    gradient_checkpointing: bool = False
    """As in the video tower."""
    download: bool = False
    """Fetch weights that are not on this machine. A checkpoint says false, whatever it was trained with."""

    def conflicts(self) -> Collection[str]:
        """Sizes that no tower has."""
        small = mistakes(SmallTextSettings, self.small, "small")
        return [*small, *_absurd_sizes({} if self.config is None else self.config, "config")]


@dataclass(frozen=True)
class SummarizerSettings(Settings):
    """What stands on the video tower and scores its frames; by default as published (Li et al., WACV 2023)."""

    group = "summarizer"

    head: Annotated[str, Choice(HEADS)] = "progressive"
    """`progressive` as published; for comparison `linear` (of the features alone), `attention` (one self-attention
    layer of its own) and `csta` (attention of a CNN over frames and channels, after CSTA), or another that is
    registered. A head's own settings follow in brackets: `csta(channels=16)`."""
    num_stages: Annotated[int, Range(least=1, most=1024)] | None = None
    """K, stages of the head: 3 of `progressive` when null; the others here have one."""
    dropout: Probability = 0.1
    """In front of each stage's linear layer, and within the heads that are there for comparison."""
    text_guidance: Annotated[str, Choice(GUIDANCES, "none")] = "none"
    """`added`: the pooled text, projected, to the first stage's states, as published; it shifts all frames alike.
    `gate`: how well each frame fits the words, after the fine alignment, to each stage's logits. `cross-attention`:
    each stage's states attend to the words."""
    fit_frames: Literal["encoded", "alone"] = "encoded"
    """What `gate` compares with the words: states of the video tower, or frames `alone`, through a projection; as the
    fine objective of pretraining did (`losses.fine_frames`)."""
    max_frames: FrameCount = 16384
    """Longest video that is scored at once; longer ones in overlapping windows of this length."""
    overlap: Annotated[int, Range(least=0)] = 1024
    """Frames that two windows share; their logits are faded into each other there."""

    def __post_init__(self) -> None:
        if self.num_stages is None:
            kind = self.head_kind
            object.__setattr__(self, "num_stages", 1 if kind is None else kind.default_stages)
        super().__post_init__()

    def conflicts(self) -> Collection[str]:
        """Stages of a head that has one; windows that share more than half of themselves."""
        wrong = []
        kind = self.head_kind
        if kind is not None and kind.single_stage and self.stages != 1:
            wrong.append(f"the {self.head} head has one stage, got num_stages {self.stages}: leave num_stages out")
        if self.overlap > self.max_frames // 2:
            wrong.append(f"overlap must be at least 0 and at most half of max_frames, got {self.overlap}")
        return wrong

    @property
    def head_kind(self) -> type[SummarizerHead] | None:
        """The head's class; None where `head` is no name of one."""
        return HEADS[chosen(self.head)[0]] if isinstance(self.head, str) and self.head in Choice(HEADS) else None

    @property
    def stages(self) -> int:
        """K: `num_stages`, which is settled by now."""
        assert self.num_stages is not None
        return self.num_stages


@dataclass(frozen=True)
class RefinerSettings(Settings):
    """The network of contrastive refinement; by default as published for SumMe and TVSum (Pang et al., WACV 2023)."""

    group = "refiner"

    feature_dim: Width = 1024
    """Width of the frame features; a fact of the data."""
    embed_dim: Width = 256
    """E, width of the refined features."""
    num_layers: Layers = 4
    """Transformer layers, that of the uniqueness head aside."""
    num_heads: Heads = 1
    """Attention heads; published are 1 for SumMe and TVSum, 8 for YouTube-8M."""
    head_dim: Width = 64
    """Width of the keys and values of each head."""
    feedforward_dim: Width = 512
    """Width of the layers' hidden layer."""
    dropout: Probability = 0.0
    """In the layers, while training."""
    uniqueness: bool = True
    """Whether there is a uniqueness head."""
    uniqueness_dim: Width = 128
    """Width of that head's hidden layer."""


_MOST_LAYERS, _MOST = 1024, 2**20
_COUNTS_LAYERS = re.compile(r"layer|group|block|depth|labels")


def _absurd_sizes(sizes: Any, name: str) -> Iterator[str]:
    """Numbers in the sizes of another library's tower that it would build for hours, or without end."""
    if isinstance(sizes, Mapping):
        for one, size in sizes.items():
            yield from _absurd_sizes(size, f"{name}.{one}")
    elif isinstance(sizes, (list, tuple)):
        for size in sizes:
            yield from _absurd_sizes(size, name)
    elif isinstance(sizes, int):
        most = _MOST_LAYERS if _COUNTS_LAYERS.search(name.rpartition(".")[2]) else _MOST
        if abs(sizes) > most:
            yield f"{name} must be at most {most}, got {shown(sizes)}"
