"""A small text tower, trained from scratch: needs no weights and no vocabulary of others.

Axis letters: B batch, L tokens, W the tower's width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sspvs.models.layers import SinusoidalPositions, TransformerStack
from sspvs.models.text_towers.base import TextEncoder, TextEncoding

SMALL_VOCAB_SIZE = 8192
"""Ids of the small tower and of its tokenizer unless the settings say otherwise."""


class SmallTextEncoder(TextEncoder):
    """A Transformer of the same layers as the video tower.

    Args:
        vocab_size: Number of ids.
        text_dim: W.
        num_heads: Attention heads.
        num_layers: Transformer layers.
        feedforward_dim: Width of their hidden layer; 4 W when None.
        dropout: Everywhere.
        attend_padding: Attend to the padding too.
        gradient_checkpointing: Compute layers again in the backward pass instead of keeping what they computed.
    """

    def __init__(
        self,
        vocab_size: int = SMALL_VOCAB_SIZE,
        text_dim: int = 256,
        num_heads: int = 4,
        num_layers: int = 2,
        feedforward_dim: int | None = None,
        dropout: float = 0.1,
        attend_padding: bool = False,
        gradient_checkpointing: bool = False,
    ) -> None:
        super().__init__(text_dim, vocab_size)
        self.attend_padding = attend_padding
        self.embedding = nn.Embedding(vocab_size, text_dim)
        self.positions = SinusoidalPositions(text_dim, dropout=dropout)
        self.transformer = TransformerStack(
            num_layers, text_dim, num_heads, feedforward_dim or 4 * text_dim, dropout, gradient_checkpointing
        )
        self.pooler = nn.Linear(text_dim, text_dim)
        nn.init.normal_(self.embedding.weight, std=0.5)

    def forward(self, tokens: Tensor, token_mask: Tensor) -> TextEncoding:
        """See `TextEncoder.forward`; `pooled` is the tanh-projected state of the first token."""
        mask = torch.ones_like(token_mask) if self.attend_padding else token_mask
        states = self.transformer(self.positions(self.embedding(tokens)), mask)
        return TextEncoding(states, torch.tanh(self.pooler(states[:, 0])))
