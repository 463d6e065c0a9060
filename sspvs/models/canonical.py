"""Canonical correlations: linear maps of videos and texts into one space, in closed form.

What hundreds of pairs suffice for: a network that learns the same maps by its gradient from a random start overfits.

Axis letters: N pairs, V and T widths of videos and texts, C width of the common space.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class CanonicalMaps(NamedTuple):
    """`x @ weight.T + bias` maps centred videos and texts to where cosines tell which belong together."""

    video_weight: Tensor  # (C, V) float32; rows beyond the rank of the data are zeros, here and in the text's
    video_bias: Tensor  # (C,)
    text_weight: Tensor  # (C, T)
    text_bias: Tensor  # (C,)
    correlations: Tensor  # (rank,) of the shrunk data, the largest first


def canonical_maps(
    video: Tensor, text: Tensor, width: int, *, video_shrinkage: float = 10.0, text_shrinkage: float = 3.0
) -> CanonicalMaps:
    """Shrunk canonical correlation analysis (Hotelling, 1936; shrunk as in Vinod, 1976).

    Both sides are whitened with `shrinkage` times their mean variance added to the variance of each direction, so that
    directions that few pairs show count little. The singular vectors of their cross-covariance are the space; a video's
    coordinates are weighted by the correlations, which makes its map the regression of the texts.

    Args:
        video: (N, V) a vector of each video.
        text: (N, T) of its text.
        width: C.
        video_shrinkage: In mean variances of the directions that vary, at least 0.
        text_shrinkage: The same of the texts.

    Returns:
        The maps; a video of average variance has length sqrt(C).

    Raises:
        ValueError: There are fewer than two pairs, or all videos or all texts are the same.
    """
    if len(video) != len(text) or len(video) < 2:
        raise ValueError(f"canonical correlations need two pairs or more, got {len(video)} videos, {len(text)} texts")
    (videos, of_video), (texts, of_text) = (
        _whitened(one.detach().double().cpu(), shrinkage, name)
        for one, shrinkage, name in ((video, video_shrinkage, "videos"), (text, text_shrinkage, "texts"))
    )
    left, correlations, right = torch.linalg.svd(videos.T @ texts / len(video), full_matrices=False)
    rank = min(width, len(correlations))
    shared = of_video @ (left[:, :rank] * correlations[:rank])  # (V, rank)
    size = ((video.detach().double().cpu() - video.double().mean(dim=0).cpu()) @ shared).square().sum(dim=1).mean()
    weights, biases = [], []
    for vectors, mapped in ((video, shared * (width / size.clamp(min=1e-30)).sqrt()), (text, of_text @ right[:rank].T)):
        weight = torch.zeros(width, mapped.shape[0], dtype=torch.float64)
        weight[:rank] = mapped.T
        weights.append(weight.float())
        biases.append(-(weight @ vectors.detach().double().mean(dim=0).cpu()).float())
    return CanonicalMaps(weights[0], biases[0], weights[1], biases[1], correlations.float())


def _whitened(vectors: Tensor, shrinkage: float, name: str) -> tuple[Tensor, Tensor]:
    """(N, rank) whitened vectors and the (D, rank) map of centred vectors that makes them."""
    centred = vectors - vectors.mean(dim=0)
    _, sizes, directions = torch.linalg.svd(centred, full_matrices=False)
    sizes, directions = sizes[: len(vectors) - 1], directions[: len(vectors) - 1]
    varies = sizes > 1e-6 * vectors.norm(dim=1).mean().clamp(min=1e-30)
    if not varies.any():
        raise ValueError(f"canonical correlations need {name} that differ, and all have the same vector")
    variances = sizes[varies].square() / len(vectors)
    made = directions[varies].T * (variances + shrinkage * variances.mean()).rsqrt()
    return centred @ made, made
