"""The pretraining model: both towers, and the heads of the objectives.

Axis letters: B batch, T picks, L tokens, M masked frames, X states that words are compared with, D width, W the text's.
"""

from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from sspvs.models.layers import ProjectionHead, SinusoidalPositions, TransformerStack
from sspvs.models.text_towers import TextEncoder
from sspvs.models.video_encoder import VideoEncoder, VideoEncoding


class MatchingHead(nn.Module):
    """Does this text belong to this video? An MLP on both pooled vectors (Li et al., WACV 2023, coarse alignment).

    Args:
        text_dim: Width of the pooled text.
        video_dim: Width of the pooled video.
        hidden_dims: Widths of the two hidden layers.
        dropout: After each of them.
    """

    def __init__(
        self, text_dim: int, video_dim: int, hidden_dims: tuple[int, int] = (1024, 512), dropout: float = 0.1
    ) -> None:
        super().__init__()
        first, second = hidden_dims
        self.layers = nn.Sequential(
            nn.Linear(text_dim + video_dim, first),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(second, 1),
        )

    def forward(self, text: Tensor, video: Tensor) -> Tensor:
        """(B, text_dim) and (B, video_dim) -> (B,) logits."""
        logits: Tensor = self.layers(torch.cat([text, video], dim=-1))  # (B, 1)
        return logits.squeeze(-1)


class MaskedFrameHead(nn.Module):
    """Recovers a masked frame from its neighbours and from the whole video, mixed (Li et al., WACV 2023).

    *Local*: the frames around it, zeros beyond the ends, through positions and a one-layer Transformer. *Global*: the
    encoder's state at the mask. A softmax over two logits of that state weighs them.

    Args:
        embed_dim: D.
        feature_dim: Width of what is recovered.
        num_heads: Attention heads of the local Transformer.
        feedforward_dim: Width of its hidden layer.
        dropout: In it and on its positions.
        local_radius: Frames on each side.
        mixing_dim: Width of the hidden layer that weighs.
    """

    def __init__(
        self,
        embed_dim: int = 1024,
        feature_dim: int = 1024,
        num_heads: int = 8,
        feedforward_dim: int = 4096,
        dropout: float = 0.1,
        local_radius: int = 4,
        mixing_dim: int = 512,
    ) -> None:
        super().__init__()
        self.local_radius = local_radius
        self.positions = SinusoidalPositions(embed_dim, dropout=dropout)
        self.local_transformer = TransformerStack(1, embed_dim, num_heads, feedforward_dim, dropout)
        self.local_decoder = nn.Sequential(nn.Linear(embed_dim, feature_dim), nn.ReLU())
        self.global_decoder = nn.Sequential(nn.Linear(embed_dim, feature_dim), nn.ReLU())
        self.mixing = nn.Sequential(nn.Linear(embed_dim, mixing_dim), nn.ReLU(), nn.Linear(mixing_dim, 2))

    def forward(self, frames: Tensor, frame_mask: Tensor, encoded: Tensor, masked_index: Tensor) -> Tensor:
        """(B, M, feature_dim) recovered frames.

        Args:
            frames: (B, T, D) what the encoder was given: the mask vector at the masked frames.
            frame_mask: (B, T) bool, True = valid.
            encoded: (B, T, D) the encoder's states of the frames.
            masked_index: (B, M) positions.
        """
        states = encoded.gather(1, masked_index[..., None].expand(-1, -1, encoded.shape[-1]))  # (B, M, D)
        weights = self.mixing(states).softmax(dim=-1)  # (B, M, 2)
        local = self._local(frames * frame_mask[..., None].to(frames.dtype), masked_index)
        out: Tensor = weights[..., :1] * local + weights[..., 1:] * self.global_decoder(states)
        return out

    def _local(self, frames: Tensor, masked_index: Tensor) -> Tensor:
        """(B, M, feature_dim) from the 2 r + 1 frames around each masked one."""
        radius, (batch, count) = self.local_radius, masked_index.shape
        padded = nn.functional.pad(frames, (0, 0, radius, radius))  # (B, T + 2 r, D), zeros beyond the ends
        around = masked_index[..., None] + torch.arange(2 * radius + 1, device=frames.device)  # (B, M, 2 r + 1)
        rows = torch.arange(batch, device=frames.device)[:, None, None]
        windows = rearrange(padded[rows, around], "b m w d -> (b m) w d")
        everything = torch.ones(windows.shape[:2], dtype=torch.bool, device=frames.device)
        centre = self.local_transformer(self.positions(windows), everything)[:, radius]  # (B M, D)
        return torch.unflatten(self.local_decoder(centre), 0, (batch, count))


class PretrainOutput(NamedTuple):
    """What the losses are computed from."""

    video: VideoEncoding  # the encoded, masked videos
    words: Tensor  # (B, L, D) projected word states
    pooled_text: Tensor  # (B, W) whole texts
    matching_logits: Tensor  # (B,) does this text belong to this video?
    recovered: Tensor  # (B, M, feature_dim) the masked frames' features
    fine: Tensor  # (B, X, D) what words are compared with: see `PretrainModel.fine_frames`
    fine_mask: Tensor  # (B, X) bool, True = valid


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
        self.frame_projection = ProjectionHead(video_encoder.frame_dim, dim, hidden_dim=dim) if frames_alone else None
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
        hidden = torch.zeros_like(frame_mask).scatter(1, masked_index, value=True)  # (B, T)
        embedded = self.video_encoder.embed(frames, frame_mask & ~hidden)  # (B, T, D); no mean has what is hidden
        if masked_index.shape[1]:
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
        """(B, X, D) what words are compared with, and its (B, X) mask: all states, X = 1 + T, or single frames, X = T.

        Frames that are masked in the video are not masked here.
        """
        if self.frame_projection is None:
            return video.states, video.mask
        return self.frame_projection(self.video_encoder.normalised(frames, frame_mask)), frame_mask
