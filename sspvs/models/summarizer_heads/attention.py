"""The self-attention head: one layer of its own in place of the pretrained tower.

Axis letters: B batch, T picks, D width.
"""

from __future__ import annotations

from torch import Tensor, nn

from sspvs.models.layers import SelfAttention
from sspvs.models.summarizer_heads.base import SingleStageHead


class AttentionHead(SingleStageHead):
    """Self-attention over the frames, added to them and normalised, then linear (after VASNet, Fajtl et al., 2018).

    It knows no positions: frames in another order get the same scores, in that order.

    Args:
        embed_dim: D.
        num_heads: Attention heads.
        dropout: Of the attention weights, of what is added, and in front of the linear layer.
    """

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, dropout=dropout)
        self.attention = SelfAttention(embed_dim, num_heads, dropout)
        self.norm = nn.LayerNorm(embed_dim)

    def frame_states(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """See `SingleStageHead.frame_states`."""
        nothing = ~frame_mask.any(dim=1, keepdim=True)  # an empty video attends to its padding: finite numbers
        states: Tensor = self.norm(frames + self.dropout(self.attention(frames, frame_mask | nothing)))
        return states
