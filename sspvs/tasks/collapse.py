"""Whether embeddings collapse: all videos in one place, or along few directions.

Axis letters: N embeddings, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def collapse_monitor(embeddings: Tensor) -> dict[str, float]:
    """Three signs of collapse.

    Args:
        embeddings: (N, D).

    Returns:
        `effective_rank`: exponential of the entropy of the normalised singular values of the centred unit vectors (Roy
        and Vetterli, EUSIPCO 2007), from 0 (all the same) to min(N - 1, D).
        `mean_cosine`: mean cosine of two different ones, 1 when all point the same way; 0 for a single one.
        `spread`: mean standard deviation of a coordinate of the unit vectors, times the root of D: near 1 when they are
        spread over the sphere, 0 when they are all the same.
    """
    count, width = embeddings.shape
    unit = functional.normalize(embeddings.double(), dim=-1)
    centred = unit - unit.mean(dim=0)
    # Singular values from the smaller of the two Gram matrices.
    gram = centred @ centred.T if count < width else centred.T @ centred
    singular = torch.linalg.eigvalsh(gram).clamp(min=0.0).sqrt()
    singular = singular * (singular > 1e-6)  # what rounding leaves
    shares = singular / singular.sum().clamp(min=1e-12)
    shares = shares[shares > 0]
    rank = float(torch.exp(-(shares * shares.log()).sum())) if len(shares) else 0.0
    pairs = float(unit.sum(dim=0).square().sum()) - float(unit.square().sum())
    return {
        "effective_rank": rank,
        "mean_cosine": pairs / (count * (count - 1)) if count > 1 else 0.0,
        "spread": float(unit.std(dim=0, correction=0).mean()) * width**0.5,
    }
