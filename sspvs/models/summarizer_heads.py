"""The heads of the summarizer: embedded frames in, a logit per frame and stage out.

Axis letters: B batch, T picks, D width, K stages.
"""

from collections.abc import Callable
from typing import ClassVar

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from sspvs.models.layers import SelfAttention, SinusoidalPositions
from sspvs.models.text_guidance import Guide, in_float32
from sspvs.registry import Registry

Encode = Callable[[Tensor, Tensor], Tensor]
"""The video tower as heads see it: (B, T, D) frames and their (B, T) mask -> (B, T, D) states."""


class SummarizerHead(nn.Module):
    """The interface. A head is registered in `HEADS` and is from then on a word for `summarizer.head`.

    Its constructor takes what it needs of `embed_dim`, `num_heads`, `num_stages` and `dropout`, and settings of its own
    with defaults: `summarizer.head: csta-small(channels=16)`.

    Attributes:
        uses_encoder: Whether the head calls `encode`; if not, the tower's Transformer is left aside.
        exportable: Whether a trace of it goes for padded batches of any length (`sspvs export`).
        single_stage: Whether K is always 1.
        default_stages: K where the settings leave it open.
        stages: K linear layers, one logit a frame each.

    Args:
        embed_dim: D.
        num_stages: K.
        dropout: In front of each stage's linear layer.
    """

    uses_encoder: ClassVar[bool] = False
    exportable: ClassVar[bool] = True
    single_stage: ClassVar[bool] = False
    default_stages: ClassVar[int] = 1

    def __init__(self, embed_dim: int, num_stages: int = 1, dropout: float = 0.1) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.stages = nn.ModuleList(nn.Linear(embed_dim, 1) for _ in range(num_stages))

    def forward(self, encode: Encode, frames: Tensor, frame_mask: Tensor, guide: Guide) -> Tensor:
        """Score frames.

        Args:
            encode: The video tower, shared by the stages.
            frames: (B, T, D) embedded features.
            frame_mask: (B, T) bool, True = a frame of the video.
            guide: The text of these videos.

        Returns:
            (B, K, T) float32 logits; what stands in the padding is finite and means nothing.
        """
        raise NotImplementedError

    def stage_logits(self, stage: int, states: Tensor, guide: Guide) -> Tensor:
        """(B, T) float32 logits of a stage from the (B, T, D) states it judges by, guided."""
        states = self.dropout(guide.states(stage, states))
        layer = self.stages[stage]
        assert isinstance(layer, nn.Linear)
        with in_float32(states):  # bfloat16 would make ties
            logits: Tensor = layer(states.to(layer.weight.dtype)).squeeze(-1)
        return guide.logits(stage, logits.float())


HEADS: Registry[type[SummarizerHead]] = Registry("head", "sspvs.models.csta")  # those of this file, and that one's


@HEADS.register("progressive")
class ProgressiveHead(SummarizerHead):
    """K stages that share the video tower, each with a linear layer of its own (Li et al., WACV 2023, section 3.4).

    From the embedded frames x_1, stage by stage:

        h_i = Enc(x_i) + x_i;   s_i = sigmoid(Linear_i(Dropout(h_i)));   x_(i + 1) = x_i s_i + x_i

    and a frame's score is the product of its s_i.
    """

    uses_encoder = True
    default_stages = 3

    def forward(self, encode: Encode, frames: Tensor, frame_mask: Tensor, guide: Guide) -> Tensor:
        logits: list[Tensor] = []
        for stage in range(len(self.stages)):
            if stage:
                gain = torch.sigmoid(logits[-1])[..., None].to(frames.dtype)  # (B, T, 1)
                frames = torch.addcmul(frames, frames, gain)  # (B, T, D)
            encoded = encode(frames, frame_mask)  # (B, T, D)
            if not stage:
                guide.look(encoded, frame_mask)
            logits.append(self.stage_logits(stage, encoded + frames, guide))
        return torch.stack(logits, dim=1)  # (B, K, T)


class SingleStageHead(SummarizerHead):
    """A head with one stage and without the video tower's Transformer: subclasses make the frames' states."""

    single_stage = True

    def __init__(self, embed_dim: int, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, dropout=dropout)

    def forward(self, encode: Encode, frames: Tensor, frame_mask: Tensor, guide: Guide) -> Tensor:
        """See `SummarizerHead.forward`. Encodes only for a guide that looks at states."""
        if guide.looks:
            guide.look(encode(frames, frame_mask), frame_mask)
        return self.stage_logits(0, self.frame_states(frames, frame_mask), guide)[:, None]

    def frame_states(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """(B, T, D) embedded features under a (B, T) mask -> (B, T, D) what the linear layer scores."""
        raise NotImplementedError


@HEADS.register("linear")
class LinearHead(SingleStageHead):
    """One linear layer on each frame's embedded features; no frame sees another. A floor for the others."""

    def frame_states(self, frames: Tensor, frame_mask: Tensor) -> Tensor:  # noqa: ARG002
        """The features as they are."""
        return frames


@HEADS.register("attention")
class AttentionHead(SingleStageHead):
    """Self-attention over the frames, added to them and normalised, then linear (after VASNet, Fajtl et al., 2018).

    It has no positions: frames in another order get the same scores, in that order.

    Args:
        embed_dim: D.
        num_heads: Attention heads.
        dropout: Of the attention weights, of what is added, and in front of the linear layer.
    """

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, dropout)
        self.attention = SelfAttention(embed_dim, num_heads, dropout)
        self.norm = nn.LayerNorm(embed_dim)

    def frame_states(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        nothing = ~frame_mask.any(dim=1, keepdim=True)  # an empty video attends to its padding: finite numbers
        states: Tensor = self.norm(frames + self.dropout(self.attention(frames, frame_mask | nothing)))
        return states


_PATCH = 8  # columns of the image that are one column of the CNN's maps


@HEADS.register("csta-small")
class SmallCstaHead(SingleStageHead):
    """Attention over frames and channels from a 2-D CNN, after CSTA (Son et al., CVPR 2024), with a CNN of our own.

    The frames' normalised features, positions added, are an image of T rows and D columns. A CNN makes of it a map of
    the same size, whose softmax over the frames weighs value features, channel by channel; a frame's weighted features
    are scored. The softmax is times the number of frames, so that weights are about 1 at any length.

    The paper's CNN is GoogLeNet with ImageNet's weights (head `csta`). Ours is small and drawn: a patch of 3 frames and
    8 columns to each place, residual blocks whose dilation doubles (31 frames and 248 columns to each side with four),
    and 8 columns of the map from each place. Padding is set to zero before every convolution, and nothing is normalised
    over frames.

    Args:
        embed_dim: D.
        dropout: On the image and in front of the linear layer.
        channels: C.
        num_blocks: Residual blocks.
    """

    def __init__(self, embed_dim: int, dropout: float = 0.1, channels: int = 32, num_blocks: int = 4) -> None:
        super().__init__(embed_dim, dropout)
        self.image_norm = nn.LayerNorm(embed_dim)
        self.positions = SinusoidalPositions(embed_dim, dropout=dropout)
        self.stem = nn.Conv2d(1, channels, (3, _PATCH), stride=(1, _PATCH), padding=(1, 0))
        self.blocks = nn.ModuleList(_ResidualBlock(channels, 2**block) for block in range(num_blocks))
        self.attention = nn.Conv2d(channels, _PATCH, 1)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.hidden = nn.Linear(embed_dim, embed_dim)
        self.hidden_norm = nn.LayerNorm(embed_dim)

    def frame_states(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        image = self.positions(self.image_norm(frames))  # (B, T, D)
        weighted = self.attention_map(image, frame_mask).to(image.dtype) * self.value(image)
        states: Tensor = self.hidden_norm(functional.relu(self.hidden(weighted)))
        return states

    def attention_map(self, image: Tensor, frame_mask: Tensor) -> Tensor:
        """(B, T, D) float32 weights of a (B, T, D) image: over the T valid frames, each channel's are 1 on average."""
        width, valid = image.shape[-1], frame_mask[:, None, :, None]  # (B, 1, T, 1)
        columns = functional.pad(image, (0, -width % _PATCH))[:, None]  # (B, 1, T, W _PATCH)
        maps = functional.relu(self.stem(columns * valid.to(columns.dtype)))  # (B, C, T, W)
        for block in self.blocks:
            maps = block(maps, valid)
        logits = rearrange(self.attention(maps), "b p t w -> b t (w p)")[..., :width].float()  # (B, T, D)
        # Not minus infinity: the softmax of a video without a frame must be finite.
        logits = logits.masked_fill(~frame_mask[..., None], torch.finfo(logits.dtype).min)
        weights: Tensor = logits.softmax(dim=1) * frame_mask.sum(dim=1)[:, None, None]
        return weights


class _ResidualBlock(nn.Module):
    """Two convolutions, the first one dilated, added to what came in."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.spread = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.gather = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, maps: Tensor, valid: Tensor) -> Tensor:
        """(B, C, T, W) maps and what of them is valid, (B, 1, T, 1) -> (B, C, T, W)."""
        keep = valid.to(maps.dtype)
        hidden = functional.relu(self.spread(maps * keep))
        return functional.relu(maps + self.gather(hidden * keep))
