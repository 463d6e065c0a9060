"""What stands on the towers in pretraining: projection, matching and masked-frame heads.

Axis letters: B batch, T picks, L tokens, D width.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from sspvs.models.layers import SinusoidalPositions, TransformerStack


class ProjectionHead(nn.Sequential):
    """Two linear layers with a ReLU between, from the text's width to the video's.

    Args:
        input_dim: Width in.
        output_dim: Width out.
        hidden_dim: Width between; `input_dim` when None.
    """

    def __init__(self, input_dim: int, output_dim: int, hidden_dim: int | None = None) -> None:
        hidden_dim = input_dim if hidden_dim is None else hidden_dim
        super().__init__(nn.Linear(input_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, output_dim))


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
        """Recover M masked frames of each video.

        Args:
            frames: (B, T, D) what the encoder was given: the mask vector at the masked frames.
            frame_mask: (B, T) bool, True = valid.
            encoded: (B, T, D) the encoder's states of the frames.
            masked_index: (B, M) positions.

        Returns:
            (B, M, feature_dim).
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
