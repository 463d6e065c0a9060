"""A small text tower, trained from scratch: needs no weights and no vocabulary of others.

Axis letters: B batch, L tokens, W the tower's width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sspvs.models.layers import SinusoidalPositions, TransformerStack
from sspvs.models.settings import SmallTextSettings
from sspvs.models.text_towers.base import TextEncoder, TextEncoding

SMALL_VOCAB_SIZE = SmallTextSettings().vocab_size
"""Ids of the small tower and of its tokenizer unless the settings say otherwise."""


class SmallTextEncoder(TextEncoder):
    """A Transformer of the same layers as the video tower.

    Args:
        sizes: Its sizes.
        attend_padding: Attend to the padding too.
        gradient_checkpointing: Compute layers again in the backward pass instead of keeping what they computed.
    """

    def __init__(
        self,
        sizes: SmallTextSettings | None = None,
        *,
        attend_padding: bool = False,
        gradient_checkpointing: bool = False,
    ) -> None:
        sizes = SmallTextSettings() if sizes is None else sizes
        width = sizes.text_dim
        super().__init__(width, sizes.vocab_size)
        self.attend_padding = attend_padding
        self.embedding = nn.Embedding(sizes.vocab_size, width)
        self.positions = SinusoidalPositions(width, dropout=sizes.dropout)
        self.transformer = TransformerStack(
            sizes.num_layers,
            width,
            sizes.num_heads,
            sizes.feedforward_dim or 4 * width,
            sizes.dropout,
            gradient_checkpointing,
        )
        self.pooler = nn.Linear(width, width)
        nn.init.normal_(self.embedding.weight, std=0.5)

    def forward(self, tokens: Tensor, token_mask: Tensor) -> TextEncoding:
        """See `TextEncoder.forward`; `pooled` is the tanh-projected state of the first token."""
        mask = torch.ones_like(token_mask) if self.attend_padding else token_mask
        states = self.transformer(self.positions(self.embedding(tokens)), mask)
        return TextEncoding(states, torch.tanh(self.pooler(states[:, 0])))
