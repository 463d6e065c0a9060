"""What the encoders are built of: masked post-norm Transformer layers and sinusoidal positions.

Axis letters: B batch, T positions, D width, H heads.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint


class SelfAttention(nn.Module):
    """Multi-head self-attention on torch's fused kernel (Vaswani et al., 2017).

    Args:
        embed_dim: D, a multiple of `num_heads` unless `head_dim` is given.
        num_heads: H.
        dropout: Of the attention weights, while training.
        head_dim: Width of the keys and values of each head; D / H when None.
        bias: Whether the projections have biases.
    """

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, *, head_dim: int | None = None, bias: bool = True
    ) -> None:
        super().__init__()
        if head_dim is None and embed_dim % num_heads:
            raise ValueError(f"embed_dim must be a multiple of num_heads, got {embed_dim} and {num_heads}")
        inner_dim = embed_dim if head_dim is None else num_heads * head_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.in_projection = nn.Linear(embed_dim, 3 * inner_dim, bias=bias)  # rows: all of q, then k, then v
        self.out_projection = nn.Linear(inner_dim, embed_dim, bias=bias)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D) states under a (B, T) mask, True = valid, of which each row has one -> (B, T, D)."""
        q, k, v = rearrange(self.in_projection(states), "b t (three h d) -> three b h t d", three=3, h=self.num_heads)
        # Without padding no mask is passed: torch's fastest kernels take none.
        allowed = None if all_valid(mask) else mask[:, None, None, :]  # (B, 1, 1, T)
        mixed = functional.scaled_dot_product_attention(
            q, k, v, attn_mask=allowed, dropout_p=self.dropout if self.training else 0.0
        )
        out: Tensor = self.out_projection(rearrange(mixed, "b h t d -> b t (h d)"))
        return out


class TransformerLayer(nn.Module):
    """A post-norm Transformer encoder layer: attention, then a feed-forward network, each added and normalised.

    Args:
        embed_dim: D.
        num_heads: H.
        feedforward_dim: Width of the hidden layer.
        dropout: After attention, within the feed-forward network and after it, and on the attention weights.
        norm: Makes a norm of a width.
        attention: Further settings of `SelfAttention`.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        feedforward_dim: int,
        dropout: float = 0.1,
        *,
        norm: Callable[[int], nn.Module] = nn.LayerNorm,
        **attention: Any,
    ) -> None:
        super().__init__()
        self.attention = SelfAttention(embed_dim, num_heads, dropout, **attention)
        self.linear1 = nn.Linear(embed_dim, feedforward_dim)
        self.linear2 = nn.Linear(feedforward_dim, embed_dim)
        self.norm1 = norm(embed_dim)
        self.norm2 = norm(embed_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        states = self.norm1(states + self.dropout(self.attention(states, mask)))
        hidden = relu_dropout(self.linear1(states), self.dropout.p if self.training else 0.0)
        out: Tensor = self.norm2(states + self.dropout(self.linear2(hidden)))
        return out


class _ReluDropout(torch.autograd.Function):
    """Keeps its output only: where that is above 0 the input was, and was kept."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, probability: float) -> Tensor:
        out = torch.empty_like(states).bernoulli_(1.0 - probability)
        out.mul_(states).clamp_(min=0.0).mul_(1.0 / (1.0 - probability))
        ctx.save_for_backward(out)
        ctx.probability = probability
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (out,) = ctx.saved_tensors
        passed: Tensor = torch.ops.aten.threshold_backward(gradients[0], out, 0)  # where the output is above 0
        return passed.mul_(1.0 / (1.0 - ctx.probability)), None


def relu_dropout(states: Tensor, probability: float) -> Tensor:
    """ReLU, then dropout, keeping one tensor for the backward pass, the one that the next layer keeps anyway."""
    if probability == 0.0:
        return functional.relu(states)
    out: Tensor = _ReluDropout.apply(states, probability)
    return out


class TransformerStack(nn.Module):
    """Transformer layers, one after the other.

    Args:
        num_layers: How many.
        embed_dim: D.
        num_heads: H.
        feedforward_dim: Width of the hidden layers.
        dropout: As in `TransformerLayer`.
        gradient_checkpointing: Compute each layer again in the backward pass instead of keeping what it computed:
            memory of one layer instead of all, for about a third more time.
    """

    def __init__(
        self,
        num_layers: int,
        embed_dim: int,
        num_heads: int,
        feedforward_dim: int,
        dropout: float = 0.1,
        gradient_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.gradient_checkpointing = gradient_checkpointing
        self.layers = nn.ModuleList(
            TransformerLayer(embed_dim, num_heads, feedforward_dim, dropout) for _ in range(num_layers)
        )

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        for layer in self.layers:
            if self.gradient_checkpointing and torch.is_grad_enabled():
                states = checkpoint(layer, states, mask, use_reentrant=False)
            else:
                states = layer(states, mask)
        return states


def start_as_released(stack: TransformerStack) -> None:
    """Draw the weights as torch's `TransformerEncoder` does, of which the released SSPVS is built.

    Attention's input projections are Xavier's over q, k and v together, its biases are zero, and all layers start as
    copies of the first one.
    """
    for layer in stack.layers[:1]:
        assert isinstance(layer, TransformerLayer)
        nn.init.xavier_uniform_(layer.attention.in_projection.weight)
        nn.init.zeros_(layer.attention.in_projection.bias)
        nn.init.zeros_(layer.attention.out_projection.bias)
    for layer in stack.layers[1:]:
        layer.load_state_dict(stack.layers[0].state_dict())


class SinusoidalPositions(nn.Module):
    """Adds sinusoidal positions (Vaswani et al., 2017: base 10000, sine on even, cosine on odd columns), then dropout.

    Sequences longer than `trained_length` are laid over the trained positions: position i counts as
    i * (trained_length - 1) / (length - 1), so that no position was never seen (linear interpolation).

    Args:
        embed_dim: D, even.
        weight: Factor of the positions: 1 in pretraining and 0.1 in fine-tuning, as published.
        dropout: While training.
        trained_length: Longest sequence whose positions count one by one; None for no limit.
    """

    def __init__(
        self, embed_dim: int, *, weight: float = 1.0, dropout: float = 0.1, trained_length: int | None = None
    ) -> None:
        super().__init__()
        if embed_dim % 2:
            raise ValueError(f"embed_dim must be even, got {embed_dim}")
        self.embed_dim = embed_dim
        self.weight = weight
        self.trained_length = trained_length
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T, D) -> (B, T, D); a sequence ends with the last True of a (B, T) mask, at T without one."""
        table = self.table(states.shape[1], states.device, mask)
        out: Tensor = self.dropout(states + self.weight * table.to(states.dtype))
        return out

    def table(self, length: int, device: torch.device | None = None, mask: Tensor | None = None) -> Tensor:
        """Positions, (T, D) float32; (B, T, D) with a (B, T) mask where sequences are laid over the trained ones."""
        places = torch.arange(length, dtype=torch.float32, device=device)
        # A trace is for every length, that of its example as well as longer ones.
        traced = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        if self.trained_length is not None and (traced or length > self.trained_length):
            last = places[-1:] if mask is None else (places * mask).amax(dim=1, keepdim=True)  # (1,) or (B, 1)
            places = places * ((self.trained_length - 1) / last.clamp(min=1.0)).clamp(max=1.0)
        columns = torch.arange(0, self.embed_dim, 2, dtype=torch.float32, device=device)
        angles = places[..., None] * torch.exp(columns * (-math.log(10000.0) / self.embed_dim))  # (..., T, D / 2)
        return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)  # (..., T, D)


class ProjectionHead(nn.Sequential):
    """Two linear layers with a ReLU between, `input_dim` wide there unless `hidden_dim` is given."""

    def __init__(self, input_dim: int, output_dim: int, hidden_dim: int | None = None) -> None:
        hidden_dim = input_dim if hidden_dim is None else hidden_dim
        super().__init__(nn.Linear(input_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, output_dim))


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """(B, D) mean of (B, T, D) states over their valid positions; zeros where there is none."""
    weights = mask.to(states.dtype)[..., None]
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)


def all_valid(mask: Tensor) -> bool:
    """Whether nothing is padding; False on a GPU or while compiling, where finding out costs a halt."""
    if mask.is_cuda or torch.compiler.is_compiling():
        return False
    return bool(mask.all())
