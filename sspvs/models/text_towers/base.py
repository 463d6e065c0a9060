"""What every text tower is: tokens in, a state per token and one for the whole text out.

Axis letters: B batch, L tokens, W the tower's width.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn


class TextEncoding(NamedTuple):
    """What a text tower gives.

    Attributes:
        states: (B, L, W) encoded tokens.
        pooled: (B, W) the whole text.
    """

    states: Tensor
    pooled: Tensor


class TextEncoder(nn.Module):
    """The interface.

    Attributes:
        text_dim: W.
        vocab_size: Number of token ids.
        config: What `TextEncoderSettings.config` must be for the same tower without its stored weights, plain types;
            None where the settings say all of it. A checkpoint keeps it, and needs nobody's weights again.
        frozen: See `freeze`.

    Args:
        text_dim: W.
        vocab_size: Number of token ids.
        config: As above.
    """

    def __init__(self, text_dim: int, vocab_size: int, config: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.text_dim = text_dim
        self.vocab_size = vocab_size
        self.config = config
        self.frozen = False

    def forward(self, tokens: Tensor, token_mask: Tensor) -> TextEncoding:
        """Encode texts.

        Args:
            tokens: (B, L) ids; the first is [CLS].
            token_mask: (B, L) bool, True = a token, False = padding.
        """
        raise NotImplementedError

    def freeze(self) -> None:
        """Do not train the tower: no gradients, and no dropout even while the model around it trains."""
        self.requires_grad_(False)
        self.frozen = True
        self.eval()

    def train(self, mode: bool = True) -> TextEncoder:
        """As torch has it, but a frozen tower stays in evaluation mode."""
        super().train(mode and not self.frozen)
        return self
