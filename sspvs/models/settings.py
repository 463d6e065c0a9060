"""The sizes of the towers and of the refiner, as configs give them; the summarizer's are beside it.

The published values are the defaults.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from sspvs.schema import FrameCount, Heads, Layers, Probability, Range, Settings, VocabularySize, Width, mistakes, shown


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
    start: Literal["own", "released"] = "own"
    """How weights are drawn. `own`: every layer by itself, small [CLS] and mask vectors. `released`, as the released
    SSPVS: the layers of a stack are copies of one, attention's input projections are Xavier's without a bias, [CLS] and
    mask vectors are of N(0, 1)."""
    gradient_checkpointing: bool = False
    """Compute layers again in the backward pass instead of keeping what they computed."""
    stream_widths: tuple[Width, ...] | None = None
    """Widths of the streams that are joined in the features, which `normalise` and `stream_dropout` are of; a fact of
    the data. Null: one stream."""
    normalise: str = "none"
    """Steps that normalise the features of a video, joined by `+`: `sqrt`, `l2`, `scale`, `centre`, `standard`,
    `contextN`, `learned`; for each stream its own where separated by commas, such as `sqrt+scale+centre,l2`."""
    stream_dropout: Probability = 0.0
    """Probability to leave out a stream of a video, in training; one always stays."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stream_widths is not None:
            object.__setattr__(self, "stream_widths", tuple(self.stream_widths))  # JSON and YAML have lists only

    def conflicts(self) -> Collection[str]:
        """Streams that are not those of the features."""
        total, width = sum(self.stream_widths or (self.feature_dim,)), self.feature_dim
        return [] if total == width else [f"stream_widths must add up to feature_dim {width}, they add up to {total}"]


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
    position_weight: Annotated[float, Range(least=0, most=1e6)] = 1.0
    """Factor of the positions; with 0 and no layer a word's state is its own, whatever stands around it."""


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
    """Sizes of `small`: `text_dim`, `num_heads`, `num_layers`, `feedforward_dim`, `dropout`, `vocab_size`,
    `position_weight`."""
    gradient_checkpointing: bool = False
    """As in the video tower."""
    download: bool = False
    """Fetch weights that are not on this machine. A checkpoint says false, whatever it was trained with."""

    def conflicts(self) -> Collection[str]:
        """Sizes that no tower has."""
        small = mistakes(SmallTextSettings, self.small, "small")
        return [*small, *_absurd_sizes({} if self.config is None else self.config, "config")]


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
