"""The text tower behind one interface: tokens in, a state per token and one for the whole text out.

Axis letters: B batch, L tokens, W the tower's width.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sspvs.errors import WeightsNotFoundError
from sspvs.models.layers import SinusoidalPositions, TransformerStack


class TextEncoding(NamedTuple):
    """What a text tower gives.

    Attributes:
        states: (B, L, W) encoded tokens.
        pooled: (B, W) the whole text.
    """

    states: Tensor
    pooled: Tensor


class TextEncoder(nn.Module):
    """The interface: `text_dim` is W.

    Args:
        text_dim: W.
    """

    def __init__(self, text_dim: int) -> None:
        super().__init__()
        self.text_dim = text_dim

    def forward(self, tokens: Tensor, token_mask: Tensor) -> TextEncoding:
        """Encode texts.

        Args:
            tokens: (B, L) ids; the first is [CLS].
            token_mask: (B, L) bool, True = a token, False = padding.
        """
        raise NotImplementedError


class SmallTextEncoder(TextEncoder):
    """A Transformer trained from scratch: needs no weights of others.

    Args:
        vocab_size: Number of ids.
        text_dim: W.
        num_heads: Attention heads.
        num_layers: Transformer layers.
        feedforward_dim: Width of their hidden layer; 4 W when None.
        dropout: Everywhere.
    """

    def __init__(
        self,
        vocab_size: int,
        text_dim: int = 256,
        num_heads: int = 4,
        num_layers: int = 2,
        feedforward_dim: int | None = None,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(text_dim)
        self.embedding = nn.Embedding(vocab_size, text_dim)
        self.positions = SinusoidalPositions(text_dim, dropout=dropout)
        self.transformer = TransformerStack(num_layers, text_dim, num_heads, feedforward_dim or 4 * text_dim, dropout)
        self.pooler = nn.Linear(text_dim, text_dim)
        nn.init.normal_(self.embedding.weight, std=0.5)

    def forward(self, tokens: Tensor, token_mask: Tensor) -> TextEncoding:
        """See `TextEncoder.forward`; `pooled` is the tanh-projected state of the first token."""
        states = self.transformer(self.positions(self.embedding(tokens)), token_mask)
        return TextEncoding(states, torch.tanh(self.pooler(states[:, 0])))


class HuggingFaceTextEncoder(TextEncoder):
    """Any encoder of the transformers library; `bert-base-uncased` is the published one.

    Args:
        name: Model id or folder, read from this machine unless `download`.
        config: Sizes, such as `{"model_type": "bert", "hidden_size": 768}`, instead of stored weights: the weights
            are drawn, or loaded afterwards.
        attend_padding: Attend to the padding too, as the original does.
        download: Fetch what is not on this machine.

    Raises:
        WeightsNotFoundError: When the weights are not on this machine.
    """

    def __init__(
        self,
        name: str = "bert-base-uncased",
        *,
        config: dict[str, Any] | None = None,
        attend_padding: bool = False,
        download: bool = False,
    ) -> None:
        from transformers import AutoConfig, AutoModel

        if config is not None:
            model = AutoModel.from_config(AutoConfig.for_model(**config))  # type: ignore[no-untyped-call]
        else:
            try:
                model = AutoModel.from_pretrained(name, local_files_only=not download)
            except (OSError, ValueError) as error:
                raise WeightsNotFoundError(
                    f"text encoder '{name}': no weights on this machine (looked in the Hugging Face cache and for a "
                    f"folder of that name); allow the download, or give a folder: {str(error).splitlines()[0]}"
                ) from error
        super().__init__(int(model.config.hidden_size))
        self.model = model
        self.attend_padding = attend_padding

    def forward(self, tokens: Tensor, token_mask: Tensor) -> TextEncoding:
        """See `TextEncoder.forward`; `pooled` is the model's own, else the mean of the valid states."""
        mask = torch.ones_like(token_mask) if self.attend_padding else token_mask
        out = self.model(input_ids=tokens, attention_mask=mask)
        pooled = getattr(out, "pooler_output", None)
        if pooled is None:
            weights = token_mask[..., None].to(out.last_hidden_state.dtype)
            pooled = (out.last_hidden_state * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)
        return TextEncoding(out.last_hidden_state, pooled)
