"""The published pretraining step written plainly from its description: torch's own layers, no masks, naive distances.

The parameters have the names that the official checkpoint has (without its prefix), so that a state dict of it is an
official checkpoint. For full-length videos and texts only.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class _Positions(nn.Module):
    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        place = torch.arange(5000, dtype=torch.float32)[:, None]
        rate = torch.exp(torch.arange(0, dim, 2, dtype=torch.float32) * (-math.log(10000.0) / dim))
        table = torch.zeros(5000, 1, dim)
        table[:, 0, 0::2], table[:, 0, 1::2] = torch.sin(place * rate), torch.cos(place * rate)
        self.register_buffer("pe", table)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:  # (T, B, D)
        return self.dropout(x + self.pe[: len(x)])


class PlainSspvs(nn.Module):
    def __init__(
        self, bert, dim: int = 1024, heads: int = 8, hidden: int = 4096, dropout: float = 0.1, *, mixing: int = 512
    ) -> None:
        super().__init__()
        width = bert.config.hidden_size

        def stack(layers: int) -> nn.TransformerEncoder:
            layer = nn.TransformerEncoderLayer(dim, heads, hidden, dropout)
            return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)

        self.v_cls, self.v_mask = nn.Embedding(1, dim), nn.Embedding(1, dim)
        self.pos_encoder = _Positions(dim, dropout)
        self.transformer_encoder, self.transformer_encoder_naive = stack(3), stack(1)
        self.prob_dist = nn.Sequential(nn.Linear(dim, mixing), nn.ReLU(), nn.Linear(mixing, 2))
        self.video_decoder = nn.Sequential(nn.Linear(dim, dim), nn.ReLU())
        self.video_decoder_naive = nn.Sequential(nn.Linear(dim, dim), nn.ReLU())
        self.vid_cls_decoder = nn.Linear(dim, dim)
        self.project_t_v = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, dim))
        self.classifier = nn.Sequential(
            nn.Linear(width + dim, dim), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(dim, dim // 2), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(dim // 2, 1),
        )  # fmt: skip
        self.bert_embeddings, self.bert_encoder, self.bert_pooler = bert.embeddings, bert.encoder, bert.pooler

    def loss_terms(self, frames: Tensor, tokens: Tensor, masked_index: Tensor, is_match: Tensor) -> dict[str, Tensor]:
        batch = len(frames)
        states = self.bert_encoder(self.bert_embeddings(tokens)).last_hidden_state
        z0 = self.bert_pooler(states)
        words = self.project_t_v(states)
        masked = torch.stack(
            [
                torch.cat([row[:m], self.v_mask.weight, row[m + 1 :]])
                for row, m in zip(frames, masked_index, strict=True)
            ]
        )
        x = torch.cat([self.v_cls.weight.expand(batch, 1, -1), masked], dim=1)
        encoded = self.transformer_encoder(self.pos_encoder(x.transpose(0, 1))).transpose(0, 1)
        g0 = torch.tanh(self.vid_cls_decoder(encoded[:, 0]))
        logits = self.classifier(torch.cat([z0, g0], dim=1))[:, 0]
        return {
            "coarse_loss": nn.functional.binary_cross_entropy(torch.sigmoid(logits), is_match.float()),
            "fine_loss": self._fine(encoded, words, is_match.float()),
            "mask_loss": self._mask(frames, masked, encoded[:, 1:], masked_index),
        }

    def _fine(self, encoded: Tensor, words: Tensor, y: Tensor) -> Tensor:
        v, w = nn.functional.normalize(encoded, dim=-1), nn.functional.normalize(words, dim=-1)
        distance = (v[:, :, None] - w[:, None]).pow(2).sum(-1).sqrt()  # the naive (B, T, L, D)
        hd = torch.maximum(distance.min(2).values.max(1).values, distance.min(1).values.max(1).values)
        return (y * hd**2 + (1 - y) * torch.clamp(1.414 - hd, min=0) ** 2).mean()

    def _mask(self, frames: Tensor, masked: Tensor, encoded: Tensor, masked_index: Tensor) -> Tensor:
        windows, targets, at_mask = [], [], []
        for row, original, state, m in zip(masked, frames, encoded, masked_index, strict=True):
            m = int(m)
            window = [row[i] if 0 <= i < len(row) else torch.zeros_like(row[0]) for i in range(m - 4, m + 5)]
            windows.append(torch.stack(window))
            targets.append(original[m])
            at_mask.append(state[m])
        local = self.transformer_encoder_naive(self.pos_encoder(torch.stack(windows, dim=1)))[4]
        state = torch.stack(at_mask)
        weight = self.prob_dist(state).softmax(-1)
        guess = weight[:, :1] * self.video_decoder_naive(local) + weight[:, 1:] * self.video_decoder(state)
        return nn.functional.mse_loss(guess, torch.stack(targets))
