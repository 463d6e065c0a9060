"""Contrastive importance of frames: without training, or of refined features.

Pang et al., Contrastive Losses Are Natural Criteria for Unsupervised Video Summarization, WACV 2023; Journal of Imaging
2024.

z_t is the L2-normalised feature of frame t. A frame matters when it differs from the frames most like it (local
dissimilarity) and when, all the same, it is like the video as a whole (global consistency). A third term, how unlike
the frames of all videos it is (uniqueness), is learned together with refined features.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from sspvs.importance.pairwise import DEFAULT_MEMORY_BYTES, pairwise_terms
from sspvs.types import FloatArray

Combine = Literal["a", "g", "h", "ag", "ah", "gh", "agh"]
"""The terms that are multiplied: `a` local dissimilarity, `g` global consistency, `h` uniqueness."""

_CONSTANT_SPREAD = 1e-10
"""A term that varies less is constant: float32 features of equal frames differ by that much in squared distance."""

_CONSTANT_UNIQUENESS = 1e-5
"""Of its largest value: a network says of equal frames in float32 what differs by less."""


@dataclass(frozen=True)
class Importance:
    """Importance of each pick, and the curves it is made of.

    Attributes:
        scores: (T,) float64.
        curves: What it is made of, each (T,), by name. Here the normalised terms that were multiplied, in [0, 1]:
            `local_dissimilarity`, `global_consistency`, `uniqueness`, `text_similarity`.
    """

    scores: FloatArray
    curves: dict[str, FloatArray] = field(default_factory=dict)


def local_dissimilarity(
    features: npt.ArrayLike,
    neighbour_fraction: float = 0.1,
    *,
    raw: npt.ArrayLike | None = None,
    device: str = "cpu",
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    block_rows: int | None = None,
) -> FloatArray:
    """A(t), the mean of |z_t - z_j|^2 over the frames j nearest to t.

    The neighbours are the floor(neighbour_fraction * T) frames, at least one, of the highest cosine similarity to t in
    the raw features, t itself included.

    Args:
        features: (T, D) features that distances are taken from, any scale.
        neighbour_fraction: Share of the frames that are neighbours, in (0, 1].
        raw: (T, E) raw features that neighbours are chosen by, when `features` are refined ones.
        device: `cpu`, `cuda`, `cuda:1`, or `auto`: a GPU for long videos when there is one.
        memory_bytes: What a block of distances may take; the result does not depend on it.
        block_rows: Rows in a block, instead.

    Returns:
        (T,) float64 in [0, 4], not normalised.

    Raises:
        ValueError: If a shape or number is out of its range, or a feature is not finite.
    """
    return pairwise_terms(
        features,
        raw=raw,
        neighbour_fraction=neighbour_fraction,
        consistency=False,
        device=device,
        memory_bytes=memory_bytes,
        block_rows=block_rows,
    ).dissimilarity


def global_consistency(
    features: npt.ArrayLike,
    *,
    device: str = "cpu",
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    block_rows: int | None = None,
) -> FloatArray:
    """G(t), the logarithm of the mean of exp(-2 |z_t - z_j|^2) over all frames j.

    Args:
        features: (T, D) features, any scale.
        device: `cpu`, `cuda`, `cuda:1`, or `auto`: a GPU for long videos when there is one.
        memory_bytes: What a block of distances may take; the result does not depend on it.
        block_rows: Rows in a block, instead.

    Returns:
        (T,) float64 in [-8, 0], not normalised.

    Raises:
        ValueError: If a shape or number is out of its range, or a feature is not finite.
    """
    return pairwise_terms(
        features, local=False, device=device, memory_bytes=memory_bytes, block_rows=block_rows
    ).consistency


def contrastive_importance(
    features: npt.ArrayLike,
    *,
    combine: Combine = "ag",
    post: Literal["summe", "tvsum", "none"] = "summe",
    raw: npt.ArrayLike | None = None,
    neighbour_fraction: float = 0.1,
    uniqueness: npt.ArrayLike | None = None,
    text_similarity: npt.ArrayLike | None = None,
    device: str = "cpu",
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    block_rows: int | None = None,
) -> Importance:
    """Importance of each frame: its terms, min-max normalised over the video and multiplied.

    A term that is the same for all frames, as in a video of one frame or one colour, says nothing and counts as 1.

    Args:
        features: (T, D) features, any scale.
        combine: The terms that are multiplied, see `Combine`; those with `h` need `uniqueness`.
        post: What becomes of the product p: `summe` p + 0.05, `tvsum` exp(p - 1), either then smoothed by a Gaussian
            filter of sigma 1 pick; `none` leaves the product as it is.
        raw: (T, E) raw features that neighbours are chosen by, when `features` are refined ones.
        neighbour_fraction: Share of the frames that are neighbours, in (0, 1].
        uniqueness: (T,) what a uniqueness head says of each frame, any range; not looked at unless `combine` has `h`.
        text_similarity: (T,) similarity of each frame to a text, any range: one more term.
        device: `cpu`, `cuda`, `cuda:1`, or `auto`: a GPU for long videos when there is one.
        memory_bytes: What a block of distances may take; the result does not depend on it.
        block_rows: Rows in a block, instead.

    Returns:
        The scores and the terms they are made of.

    Raises:
        ValueError: If a name, shape or number is out of its range, or an input is not finite.
    """
    if combine not in get_args(Combine):
        raise ValueError(f"combine must be one of {', '.join(get_args(Combine))}, got {combine!r}")
    if "h" in combine and uniqueness is None:
        raise ValueError(
            f"combine {combine!r} multiplies by uniqueness, which was not given: give it or leave out the h"
        )
    if post not in ("summe", "tvsum", "none"):
        raise ValueError(f"post must be 'summe', 'tvsum' or 'none', got {post!r}")
    terms = pairwise_terms(
        features,
        raw=raw,
        neighbour_fraction=neighbour_fraction,
        local="a" in combine,
        consistency="g" in combine,
        device=device,
        memory_bytes=memory_bytes,
        block_rows=block_rows,
    )
    curves: dict[str, FloatArray] = {}
    if "a" in combine:
        curves["local_dissimilarity"] = _normalised(terms.dissimilarity)
    if "g" in combine:
        curves["global_consistency"] = _normalised(terms.consistency)
    count = np.shape(features)[0]
    if "h" in combine:
        unique = _of_each_frame("uniqueness", uniqueness, count)
        curves["uniqueness"] = _normalised(unique, _CONSTANT_UNIQUENESS * np.abs(unique).max())
    if text_similarity is not None:
        curves["text_similarity"] = _normalised(_of_each_frame("text_similarity", text_similarity, count))
    product = np.prod(list(curves.values()), axis=0)
    return Importance(_finished(product, post), curves)


def _of_each_frame(name: str, given: npt.ArrayLike | None, count: int) -> FloatArray:
    """(T,) float64 of what the caller brings."""
    values = np.asarray(given, dtype=np.float64)
    if values.shape != (count,) or not np.isfinite(values).all():
        raise ValueError(f"{name} must be {count} finite numbers, got shape {values.shape}")
    return values


def _normalised(term: FloatArray, constant: float = _CONSTANT_SPREAD) -> FloatArray:
    """A term scaled to [0, 1]; ones when it varies by no more than `constant`."""
    low, high = term.min(), term.max()
    if high - low <= constant:
        return np.ones_like(term)
    normalised: FloatArray = (term - low) / (high - low)
    return normalised


def _finished(product: FloatArray, post: str) -> FloatArray:
    if post == "none":
        return product
    from scipy.ndimage import gaussian_filter1d

    mapped = np.exp(product - 1) if post == "tvsum" else product + 0.05
    smoothed: FloatArray = gaussian_filter1d(mapped, sigma=1.0)
    return smoothed
