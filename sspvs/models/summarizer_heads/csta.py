"""The CNN-attention head: the video as an image of frames and channels, after CSTA.

Axis letters: B batch, T picks, D width, C channels of the CNN, W columns of its maps.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from sspvs.models.layers import SinusoidalPositions
from sspvs.models.summarizer_heads.base import SingleStageHead

_PATCH = 8  # columns of the image that are one column of the CNN's maps


class CstaHead(SingleStageHead):
    """Attention over frames and channels from a 2-D CNN, after CSTA (Son et al., CVPR 2024), with a CNN of our own.

    The frames' normalised features, positions added, are an image of T rows and D columns. A CNN makes of it a map of
    the same size, whose softmax over the frames weighs value features, channel by channel; a frame's weighted features
    are scored. The softmax is times the number of frames, so that weights are about 1 at any length.

    The paper's CNN is GoogLeNet with ImageNet's weights. Ours is drawn: a patch of 3 frames and 8 columns to each
    place, residual blocks whose dilation doubles (31 frames and 248 columns to each side with four), and 8 columns of
    the map from each place. Padding is set to zero before every convolution, and nothing is normalised over frames.

    Args:
        embed_dim: D.
        dropout: On the image and in front of the linear layer.
        channels: C.
        num_blocks: Residual blocks.
    """

    def __init__(self, embed_dim: int, dropout: float = 0.1, channels: int = 32, num_blocks: int = 4) -> None:
        super().__init__(embed_dim, dropout=dropout)
        self.image_norm = nn.LayerNorm(embed_dim)
        self.positions = SinusoidalPositions(embed_dim, dropout=dropout)
        self.stem = nn.Conv2d(1, channels, (3, _PATCH), stride=(1, _PATCH), padding=(1, 0))
        self.blocks = nn.ModuleList(_ResidualBlock(channels, 2**block) for block in range(num_blocks))
        self.attention = nn.Conv2d(channels, _PATCH, 1)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.hidden = nn.Linear(embed_dim, embed_dim)
        self.hidden_norm = nn.LayerNorm(embed_dim)

    def frame_states(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """See `SingleStageHead.frame_states`."""
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
