"""The sizes of the towers, of the summarizer and of the refiner: what a config file says of them.

The published values are the defaults.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_type_hints


@dataclass(frozen=True)
class VideoEncoderSettings:
    """The video tower (Li et al., WACV 2023)."""

    feature_dim: int = 1024
    """Width of the frame features; a fact of the data. Projected to `embed_dim` when it differs."""
    embed_dim: int = 1024
    """D, width of the Transformer."""
    num_heads: int = 8
    """Attention heads."""
    num_layers: int = 3
    """Transformer layers."""
    feedforward_dim: int = 4096
    """Width of the layers' hidden layer."""
    dropout: float = 0.1
    """Everywhere in the tower."""
    position_weight: float = 1.0
    """Factor of the positions: 1 in pretraining, 0.1 in fine-tuning."""
    trained_length: int | None = None
    """Most frames seen in training: longer videos are laid over these positions. Null: no limit."""
    gradient_checkpointing: bool = False
    """Compute layers again in the backward pass instead of keeping what they computed."""


@dataclass(frozen=True)
class TextEncoderSettings:
    """The text tower."""

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
    """Fetch weights that are not on this machine."""


@dataclass(frozen=True)
class SummarizerSettings:
    """What stands on the video tower and scores its frames; by default as published (Li et al., WACV 2023)."""

    head: Literal["progressive", "linear", "attention", "csta"] = "progressive"
    """`progressive` as published; for comparison `linear` (of the features alone), `attention` (one self-attention
    layer of its own) and `csta` (attention of a CNN over frames and channels, after CSTA)."""
    num_stages: int | None = None
    """K, stages of the progressive head: 3 when null. The others have one."""
    dropout: float = 0.1
    """In front of each stage's linear layer, and within the heads that are there for comparison."""
    text_guidance: Literal["none", "added", "gate", "cross-attention"] = "none"
    """`added`: the pooled text, projected, to the first stage's states, as published; it shifts all frames alike.
    `gate`: how well each frame fits the words, after the fine alignment, to each stage's logits. `cross-attention`:
    each stage's states attend to the words."""
    fit_frames: Literal["encoded", "alone"] = "encoded"
    """What `gate` compares with the words: states of the video tower, or frames `alone`, through a projection; as the
    fine objective of pretraining did (`losses.fine_frames`)."""
    max_frames: int = 16384
    """Longest video that is scored at once; longer ones in overlapping windows of this length."""
    overlap: int = 1024
    """Frames that two windows share; their logits are faded into each other there."""

    def __post_init__(self) -> None:
        wrong = []
        for name in ("head", "text_guidance", "fit_frames"):
            known = _choices(type(self), name)
            if getattr(self, name) not in known:
                wrong.append(f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}")
        if self.num_stages is None:
            object.__setattr__(self, "num_stages", 3 if self.head == "progressive" else 1)
        if self.stages < 1:
            wrong.append(f"num_stages must be at least 1, got {self.stages}")
        elif self.head != "progressive" and self.stages != 1:
            wrong.append(f"the {self.head} head has one stage, got num_stages {self.stages}: leave num_stages out")
        if not 0 <= self.dropout < 1:
            wrong.append(f"dropout must be at least 0 and below 1, got {self.dropout}")
        if not 0 <= self.overlap <= self.max_frames // 2:
            wrong.append(f"overlap must be at least 0 and at most half of max_frames, got {self.overlap}")
        if wrong:
            raise ValueError("summarizer: " + "; ".join(wrong))

    @property
    def stages(self) -> int:
        """K: `num_stages`, which is settled by now."""
        assert self.num_stages is not None
        return self.num_stages


@dataclass(frozen=True)
class RefinerSettings:
    """The network of contrastive refinement; by default as published for SumMe and TVSum (Pang et al., WACV 2023)."""

    feature_dim: int = 1024
    """Width of the frame features; a fact of the data."""
    embed_dim: int = 256
    """E, width of the refined features."""
    num_layers: int = 4
    """Transformer layers, that of the uniqueness head aside."""
    num_heads: int = 1
    """Attention heads; published are 1 for SumMe and TVSum, 8 for YouTube-8M."""
    head_dim: int = 64
    """Width of the keys and values of each head."""
    feedforward_dim: int = 512
    """Width of the layers' hidden layer."""
    dropout: float = 0.0
    """In the layers, while training."""
    uniqueness: bool = True
    """Whether there is a uniqueness head."""
    uniqueness_dim: int = 128
    """Width of that head's hidden layer."""

    def __post_init__(self) -> None:
        least = {"feature_dim": 1, "embed_dim": 1, "num_layers": 0, "num_heads": 1, "head_dim": 1}
        least |= {"feedforward_dim": 1, "uniqueness_dim": 1}
        wrong = [
            f"{name} must be at least {low}, got {getattr(self, name)}"
            for name, low in least.items()
            if getattr(self, name) < low
        ]
        if not 0 <= self.dropout < 1:
            wrong.append(f"dropout must be at least 0 and below 1, got {self.dropout}")
        if wrong:
            raise ValueError("refiner: " + "; ".join(wrong))


def _choices(kind: type, name: str) -> tuple[str, ...]:
    """What a setting may be."""
    return get_args(get_type_hints(kind)[name])
