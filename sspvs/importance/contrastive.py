"""Contrastive importance of frames: without training, or of refined features.

Pang et al., Contrastive Losses Are Natural Criteria for Unsupervised Video Summarization, WACV 2023; Journal of Imaging
2024.

z_t is the L2-normalised feature of frame t. A frame matters when it differs from the frames most like it (local
dissimilarity) and when, all the same, it is like the video as a whole (global consistency). A third term, how unlike
the frames of all videos it is (uniqueness), is learned together with refined features.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from sspvs.importance.terms import TERMS, Combine, Frames, evaluated, term_names
from sspvs.types import FloatArray

Post: TypeAlias = Literal["summe", "tvsum", "none"]
"""What follows the combination of terms; see `contrastive_importance`."""


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


def contrastive_importance(
    features: npt.ArrayLike,
    *,
    combine: Combine = "ag",
    post: Post = "summe",
    raw: npt.ArrayLike | None = None,
    neighbour_fraction: float = 0.1,
    uniqueness: npt.ArrayLike | None = None,
    text_similarity: npt.ArrayLike | None = None,
    device: str = "cpu",
    memory_bytes: int = 256 * 2**20,
    block_rows: int | None = None,
) -> Importance:
    """Importance of each frame: its terms, min-max normalised over the video and combined.

    A term that is the same for all frames, as in a video of one frame or one colour, carries no information and is 1.

    Args:
        features: (T, D) features, any scale.
        combine: An expression over terms, such as `a*g` (`ag` for short) or `a*u + g`: `a` local dissimilarity, `g`
            global consistency, `h` or `u` uniqueness, `t` similarity to a text, or any name in `TERMS`.
        post: What follows the combination p: `summe` p + 0.05, `tvsum` exp(p - 1), either then smoothed by a Gaussian
            filter of sigma 1 pick; `none` leaves it as it is.
        raw: (T, E) raw features that neighbours are chosen by, when `features` are refined ones.
        neighbour_fraction: Share of the frames that are neighbours, in (0, 1].
        uniqueness: (T,) output of a uniqueness head, any range; needed if `combine` has `h`, otherwise not read.
        text_similarity: (T,) similarity of each frame to a text, any range: one more factor, unless `combine` has `t`.
        device: `cpu`, `cuda`, `cuda:1`, or `auto`: a GPU for long videos when there is one.
        memory_bytes: Size of a block of distances; the result does not depend on it.
        block_rows: Rows in a block, instead.

    Returns:
        The scores and the terms they are made of.

    Raises:
        ValueError: If a name, shape or number is out of its range, or an input is not finite.

    Example:
        >>> features = np.random.default_rng(0).standard_normal((8, 16))
        >>> sspvs.contrastive_importance(features).scores.shape
        (8,)
    """
    names = term_names(combine)
    for name, given in (("uniqueness", uniqueness), ("text_similarity", text_similarity)):
        if name in names and given is None:
            raise ValueError(f"combine {combine!r} needs {name}, which was not given: give it, or leave it out")
    if post not in ("summe", "tvsum", "none"):
        raise ValueError(f"post must be 'summe', 'tvsum' or 'none', got {post!r}")
    factor = text_similarity is not None and "text_similarity" not in names
    frames = Frames(
        features, names, raw, neighbour_fraction, uniqueness, text_similarity, device, memory_bytes, block_rows
    )
    frames.pairwise  # noqa: B018  checks the features, whatever the terms
    curves = {name: TERMS[name](frames) for name in (*names, *(("text_similarity",) if factor else ()))}
    combined = evaluated(combine, curves)
    return Importance(_finished(combined * curves["text_similarity"] if factor else combined, post), curves)


def _finished(product: FloatArray, post: str) -> FloatArray:
    if post == "none":
        return np.array(product)  # it may be a curve
    from scipy.ndimage import gaussian_filter1d

    mapped = np.exp(product - 1) if post == "tvsum" else product + 0.05
    smoothed: FloatArray = gaussian_filter1d(mapped, sigma=1.0)
    return smoothed
