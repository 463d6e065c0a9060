"""How far users agree: the human rows of the tables, and the ceilings.

Each function takes the users' scores (U, n) on whatever clock: ratings or summaries, at the picks or at every frame.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sspvs.evaluation.inputs import finite
from sspvs.evaluation.rank_correlation import Correlations, rank_correlations
from sspvs.types import FloatArray


def pairwise_agreement(user_scores: npt.ArrayLike) -> Correlations:
    """Each user against each other user.

    Args:
        user_scores: (U, n) finite, U >= 2.

    Returns:
        Two (U (U - 1) / 2,) arrays, one value for each pair of users; NaN where one of them is constant.

    Raises:
        ValueError: When there are fewer than two users, or a score is NaN or infinite.
    """
    scores = _several(user_scores)
    tau, rho = rank_correlations(scores, scores)
    pairs = np.triu_indices(len(scores), k=1)
    return Correlations(tau[pairs], rho[pairs])


def agreement_with_mean_of_others(user_scores: npt.ArrayLike) -> Correlations:
    """Each user against the mean of the other users' scores.

    Args:
        user_scores: (U, n) finite, U >= 2.

    Returns:
        Two (U,) arrays; NaN where a user, or the mean of the others, is constant.

    Raises:
        ValueError: When there are fewer than two users, or a score is NaN or infinite.
    """
    scores = _several(user_scores)
    exact = np.asarray(scores, dtype=np.float32).astype(np.float64)
    others = exact.sum(axis=0) - exact  # (U, n); a mean's ranks are those of the sum
    tau, rho = rank_correlations(others, scores)
    return Correlations(tau.diagonal(), rho.diagonal())


def mean_scores(user_scores: npt.ArrayLike) -> FloatArray:
    """(n,) float64 mean over (U, n) users' scores.

    The scores are taken as float32 and added as float64, which is exact for ratings: frames where users gave the same
    values in another order stay tied.
    """
    mean: FloatArray = np.asarray(user_scores, dtype=np.float32).mean(axis=0, dtype=np.float64)
    return mean


def _several(user_scores: npt.ArrayLike) -> FloatArray:
    scores = finite("user_scores", user_scores, 2)
    if len(scores) < 2:
        raise ValueError(f"agreement needs at least two users, got {len(scores)}")
    return scores
