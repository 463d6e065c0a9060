"""The pretraining model: both towers and the heads of the three objectives.

Axis letters: B batch, T picks, L tokens, M masked frames, D width of the video tower.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from sspvs.models.heads import MaskedFrameHead, MatchingHead, ProjectionHead
from sspvs.models.text_towers import TextEncoder
from sspvs.models.video_encoder import VideoEncoder, VideoEncoding


class PretrainOutput(NamedTuple):
    """What the losses are computed from.

    Attributes:
        video: The encoded, masked videos.
        words: (B, L, D) projected word states.
        pooled_text: (B, W) whole texts.
        matching_logits: (B,) does this text belong to this video?
        recovered: (B, M, feature_dim) the masked frames' features.
        fine: (B, X, D) what words are compared with: see `PretrainModel.fine_frames`.
        fine_mask: (B, X) bool, True = valid.
    """

    video: VideoEncoding
    words: Tensor
    pooled_text: Tensor
    matching_logits: Tensor
    recovered: Tensor
    fine: Tensor
    fine_mask: Tensor


class PretrainModel(nn.Module):
    """Multimodal self-supervised pretraining (Li et al., WACV 2023, arXiv 2201.02494).

    Args:
        video_encoder: The video tower.
        text_encoder: The text tower.
        dropout: Of the heads.
        local_radius: Frames on each side that recover a masked one.
        contrastive_dim: Width of the space of the contrastive losses over the batch; None: no such projection.
        frames_alone: Give words single frames to be compared with, through a projection of their own.
    """

    def __init__(
        self,
        video_encoder: VideoEncoder,
        text_encoder: TextEncoder,
        dropout: float = 0.1,
        local_radius: int = 4,
        contrastive_dim: int | None = None,
        frames_alone: bool = False,
    ) -> None:
        super().__init__()
        sizes, text_dim = video_encoder.settings, text_encoder.text_dim
        dim = sizes.embed_dim
        self.video_encoder = video_encoder
        self.text_encoder = text_encoder
        self.mask_vector = nn.Parameter(torch.randn(dim) * 0.02)
        self.text_projection = ProjectionHead(text_dim, dim)
        self.frame_projection = ProjectionHead(sizes.feature_dim, dim, hidden_dim=dim) if frames_alone else None
        self.matching_head = MatchingHead(text_dim, dim, hidden_dims=(dim, max(dim // 2, 1)), dropout=dropout)
        self.mask_head = MaskedFrameHead(
            dim,
            sizes.feature_dim,
            sizes.num_heads,
            sizes.feedforward_dim,
            dropout,
            local_radius,
            mixing_dim=max(dim // 2, 1),
        )
        self.contrastive_video = None if contrastive_dim is None else nn.Linear(dim, contrastive_dim)
        self.contrastive_text = None if contrastive_dim is None else nn.Linear(text_dim, contrastive_dim)

    def forward(
        self, frames: Tensor, frame_mask: Tensor, tokens: Tensor, token_mask: Tensor, masked_index: Tensor
    ) -> PretrainOutput:
        """Encode masked videos and texts.

        Args:
            frames: (B, T, feature_dim) features.
            frame_mask: (B, T) bool, True = a frame of the video.
            tokens: (B, L) ids.
            token_mask: (B, L) bool, True = a token.
            masked_index: (B, M) frames to mask and recover; of equal entries one counts. M may be 0.
        """
        embedded = self.video_encoder.embed(frames)  # (B, T, D)
        if masked_index.shape[1]:
            hidden = torch.zeros_like(frame_mask).scatter(1, masked_index, value=True)  # (B, T)
            embedded = torch.where(hidden[..., None], self.mask_vector.to(embedded.dtype), embedded)
        video = self.video_encoder(embedded, frame_mask)
        text = self.text_encoder(tokens, token_mask)
        fine, fine_mask = self.fine_frames(frames, frame_mask, video)
        return PretrainOutput(
            video=video,
            words=self.text_projection(text.states),
            pooled_text=text.pooled,
            matching_logits=self.matching_head(text.pooled, video.pooled),
            recovered=self.mask_head(embedded, frame_mask, video.frames, masked_index)
            if masked_index.shape[1]
            else embedded.new_zeros(len(frames), 0, frames.shape[-1]),
            fine=fine,
            fine_mask=fine_mask,
        )

    def fine_frames(self, frames: Tensor, frame_mask: Tensor, video: VideoEncoding) -> tuple[Tensor, Tensor]:
        """What words are compared with: all states as published, or the frames, each by itself.

        Args:
            frames: (B, T, feature_dim) features; those that are masked in the video are not here.
            frame_mask: (B, T) bool.
            video: The encoded videos.

        Returns:
            (B, X, D) and their (B, X) mask; X is 1 + T, or T for single frames.
        """
        if self.frame_projection is None:
            return video.states, video.mask
        return self.frame_projection(frames), frame_mask
