"""The sizes of the towers: what a config file says about them, with the published values as defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


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
