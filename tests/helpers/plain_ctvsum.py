"""CTVSUM's network written from its description, with parts of their own for q, k and v, as a release has them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class PlainAttention(nn.Module):
    def __init__(self, dim: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.w_qs, self.w_ks, self.w_vs = (nn.Linear(dim, heads * head_dim, bias=False) for _ in range(3))
        self.fc = nn.Linear(heads * head_dim, dim, bias=False)
        self.layer_norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """(T, D) of one clip."""
        parts = []
        split = (part(x).unflatten(-1, (self.heads, -1)) for part in (self.w_qs, self.w_ks, self.w_vs))
        for q, k, v in zip(*(part.unbind(1) for part in split), strict=True):
            parts.append((q @ k.T / math.sqrt(q.shape[-1])).softmax(-1) @ v)
        return self.layer_norm(self.fc(torch.cat(parts, -1)) + x)


class PlainLayer(nn.Module):
    def __init__(self, dim: int, heads: int, head_dim: int, hidden: int) -> None:
        super().__init__()
        self.slf_attn = PlainAttention(dim, heads, head_dim)
        self.pos_ffn = nn.ModuleDict(
            {"w_1": nn.Linear(dim, hidden), "w_2": nn.Linear(hidden, dim), "layer_norm": nn.LayerNorm(dim, eps=1e-6)}
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.slf_attn(x)
        return self.pos_ffn["layer_norm"](self.pos_ffn["w_2"](self.pos_ffn["w_1"](x).relu()) + x)


class PlainCtvsum(nn.Module):
    """Refined features and uniqueness of one clip, (T, D) -> (T, E) and (T,) or None."""

    def __init__(
        self, dim: int = 12, embed: int = 10, layers: int = 2, heads: int = 1, hidden: int = 14, *, unique: int = 9
    ) -> None:
        super().__init__()
        self.projection, self.norm = nn.Linear(dim, embed), nn.LayerNorm(embed, eps=1e-6)
        self.layer_stack = nn.ModuleList(PlainLayer(embed, heads, 64, hidden) for _ in range(layers))
        self.unique_layer = PlainLayer(embed, heads, 64, hidden) if unique else None
        self.unique = nn.Sequential(nn.Linear(embed, unique), nn.ReLU(), nn.Linear(unique, 1)) if unique else None
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor | None]:
        x = self.norm(self.projection(frames))
        for layer in self.layer_stack:
            x = layer(x)
        if self.unique is None or self.unique_layer is None:
            return x, None
        return x, self.unique(self.unique_layer(x.detach()))[:, 0].sigmoid()
