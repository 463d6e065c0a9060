"""The video tower: frame features in, a state per frame and one for the whole video out.

Axis letters: B batch, T picks, D width.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from sspvs.models.layers import SinusoidalPositions, TransformerStack


class VideoEncoding(NamedTuple):
    """What the video tower gives.

    Attributes:
        states: (B, 1 + T, D) encoded [CLS] and frames.
        pooled: (B, D) tanh-projected state of [CLS].
        mask: (B, 1 + T) bool, True = valid; [CLS] always is.
    """

    states: Tensor
    pooled: Tensor
    mask: Tensor

    @property
    def frames(self) -> Tensor:
        """(B, T, D) encoded frames."""
        return self.states[:, 1:]


class VideoEncoder(nn.Module):
    """A learned [CLS], sinusoidal positions and a masked post-norm Transformer (Li et al., WACV 2023, section 3).

    Args:
        feature_dim: Width of the frame features; projected to `embed_dim` when it differs, else used as they are.
        embed_dim: D.
        num_heads: Attention heads.
        num_layers: Transformer layers.
        feedforward_dim: Width of the layers' hidden layer.
        dropout: Everywhere.
        position_weight: Factor of the positions: 1 in pretraining, 0.1 in fine-tuning.
        trained_length: Most frames seen in training; longer videos are laid over these positions. None: no limit.
        gradient_checkpointing: Trade time for memory in training.
    """

    def __init__(
        self,
        feature_dim: int = 1024,
        embed_dim: int = 1024,
        num_heads: int = 8,
        num_layers: int = 3,
        feedforward_dim: int = 4096,
        dropout: float = 0.1,
        position_weight: float = 1.0,
        trained_length: int | None = None,
        gradient_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.feature_dim = feature_dim
        self.embed_dim = embed_dim
        self.input_projection = nn.Identity() if feature_dim == embed_dim else nn.Linear(feature_dim, embed_dim)
        self.cls = nn.Parameter(torch.randn(embed_dim) * 0.02)
        self.positions = SinusoidalPositions(
            embed_dim,
            weight=position_weight,
            dropout=dropout,
            trained_length=None if trained_length is None else trained_length + 1,  # and [CLS]
        )
        self.transformer = TransformerStack(
            num_layers, embed_dim, num_heads, feedforward_dim, dropout, gradient_checkpointing
        )
        self.pooler = nn.Linear(embed_dim, embed_dim)

    def forward(self, frames: Tensor, frame_mask: Tensor) -> VideoEncoding:
        """Encode videos.

        Args:
            frames: (B, T, D) what `embed` gave, some frames perhaps replaced.
            frame_mask: (B, T) bool, True = a frame of the video.
        """
        batch = frames.shape[0]
        states = torch.cat([self.cls.to(frames.dtype).expand(batch, 1, -1), frames], dim=1)  # (B, 1 + T, D)
        mask = torch.cat([frame_mask.new_ones(batch, 1), frame_mask], dim=1)  # (B, 1 + T)
        states = self.transformer(self.positions(states), mask)
        return VideoEncoding(states, torch.tanh(self.pooler(states[:, 0])), mask)

    def embed(self, features: Tensor) -> Tensor:
        """(B, T, feature_dim) features -> (B, T, D) what the Transformer takes."""
        out: Tensor = self.input_projection(features)
        return out
