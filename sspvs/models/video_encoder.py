"""The video tower: frame features in, a state per frame and one for the whole video out.

Axis letters: B batch, T picks, D width.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from sspvs.models.layers import SinusoidalPositions, TransformerStack, masked_mean, start_as_released
from sspvs.models.settings import VideoEncoderSettings
from sspvs.models.streams import StreamProjection, drop_streams, normalise, normalised_widths


class VideoEncoding(NamedTuple):
    """What the video tower gives."""

    states: Tensor  # (B, 1 + T, D) encoded [CLS] and frames
    pooled: Tensor  # (B, D) tanh-projected state of [CLS]
    mask: Tensor  # (B, 1 + T) bool, True = valid; [CLS] always is
    mean: Tensor  # (B, D) mean of the frames as the Transformer takes them, without positions

    @property
    def frames(self) -> Tensor:
        """(B, T, D) encoded frames."""
        return self.states[:, 1:]


class VideoEncoder(nn.Module):
    """A learned [CLS], sinusoidal positions and a masked post-norm Transformer (Li et al., WACV 2023, section 3).

    Attributes:
        frame_dim: Width of what `normalised` returns.
    """

    def __init__(self, settings: VideoEncoderSettings | None = None) -> None:
        settings = VideoEncoderSettings() if settings is None else settings
        super().__init__()
        self.settings = settings
        feature_dim, embed_dim = settings.feature_dim, settings.embed_dim
        self._widths = settings.stream_widths or (feature_dim,)
        self.frame_dim = sum(normalised_widths(self._widths, settings.normalise))
        self.input_projection: nn.Module = nn.Identity()
        if settings.normalise != "none":
            self.input_projection = StreamProjection(self._widths, embed_dim, settings.normalise)
        elif feature_dim != embed_dim:
            self.input_projection = nn.Linear(feature_dim, embed_dim)
        self.cls = nn.Parameter(torch.randn(embed_dim) * 0.02)
        self.positions = SinusoidalPositions(
            embed_dim,
            weight=settings.position_weight,
            dropout=settings.dropout,
            trained_length=None if settings.trained_length is None else settings.trained_length + 1,  # and [CLS]
        )
        self.transformer = TransformerStack(
            settings.num_layers,
            embed_dim,
            settings.num_heads,
            settings.feedforward_dim,
            settings.dropout,
            settings.gradient_checkpointing,
        )
        self.pooler = nn.Linear(embed_dim, embed_dim)
        if settings.start == "released":
            nn.init.normal_(self.cls)
            start_as_released(self.transformer)

    def forward(self, frames: Tensor, frame_mask: Tensor) -> VideoEncoding:
        """Encode (B, T, D) outputs of `embed`, some perhaps replaced, under a (B, T) mask, True = a frame."""
        batch, mean = frames.shape[0], masked_mean(frames, frame_mask)
        states = torch.cat([self.cls.to(frames.dtype).expand(batch, 1, -1), frames], dim=1)  # (B, 1 + T, D)
        mask = torch.cat([frame_mask.new_ones(batch, 1), frame_mask], dim=1)  # (B, 1 + T)
        states = self.transformer(self.positions(states, mask), mask)
        return VideoEncoding(states, torch.tanh(self.pooler(states[:, 0])), mask, mean)

    def embed(self, features: Tensor, frame_mask: Tensor) -> Tensor:
        """(B, T, feature_dim) features of whole videos, (B, T) mask -> (B, T, D) what the Transformer takes."""
        if self.training and self.settings.stream_dropout:
            features = drop_streams(features, frame_mask, self._widths, self.settings.stream_dropout)
        by_stream = isinstance(self.input_projection, StreamProjection)
        out: Tensor = self.input_projection(features, frame_mask) if by_stream else self.input_projection(features)
        return out

    def normalised(self, features: Tensor, frame_mask: Tensor) -> Tensor:
        """(B, T, feature_dim) features of whole videos, (B, T) mask -> (B, T, frame_dim), as they are projected."""
        if self.settings.normalise == "none":
            return features
        return normalise(features, frame_mask, self._widths, self.settings.normalise)
