"""Kendall's tau-b and Spearman's rho, as scipy computes them; fast for one prediction against many users.

Which scores are correlated with which is a protocol's business (`sspvs.evaluation.protocol`). A constant side has no
correlation: NaN, which evaluation leaves out of its means and counts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sspvs.evaluation.inputs import finite, run_starts
from sspvs.evaluation.rank_reference import Correlations, RankReference
from sspvs.types import FloatArray

__all__ = [
    "Correlations",
    "RankReference",
    "kendall_tau",
    "mean_of_defined",
    "rank_correlations",
    "spearman_rho",
]


def rank_correlations(
    prediction: npt.ArrayLike, references: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Correlations:
    """Tau-b and rho of predictions with each of U references.

    Args:
        prediction: (n,) finite scores, or (D, n) for D of them.
        references: (U, n) finite scores of each user.
        weights: (n,) whole numbers >= 1: a point of weight w counts as w equal points.

    Returns:
        Two arrays (U,), or (D, U); NaN where one side is constant.

    Raises:
        ValueError: When shapes do not fit, or a value is NaN or infinite.

    Example:
        >>> tau, rho = rank_correlations([0.1, 0.4, 0.2], [[1, 3, 2], [3, 1, 2], [5, 5, 5]])
        >>> tau
        array([ 1., -1., nan])
    """
    given = np.asarray(prediction)
    scores = finite("prediction", given if given.ndim == 2 else given[None], 2)
    rows = finite("references", references, 2)
    if scores.shape[1] != rows.shape[1]:
        raise ValueError(f"prediction {scores.shape[1:]} and references {rows.shape} must be as long")
    cells = np.flatnonzero(run_starts(scores))
    both = RankReference(rows, cells, weights).correlate(scores[:, cells])
    return both if given.ndim == 2 else Correlations(both.kendall_tau[0], both.spearman_rho[0])


def kendall_tau(prediction: npt.ArrayLike, reference: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """Kendall's tau-b of two (n,) series; NaN when one is constant.

    Args:
        prediction: (n,) finite scores.
        reference: (n,) finite scores.
        weights: (n,) whole numbers >= 1: a point of weight w counts as w equal points.

    Raises:
        ValueError: When shapes do not fit, or a value is NaN or infinite.
    """
    return float(_one_pair(prediction, reference, weights).kendall_tau[0])


def spearman_rho(prediction: npt.ArrayLike, reference: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """Spearman's rho of two (n,) series, ties at their average rank; NaN when one is constant.

    Args:
        prediction: (n,) finite scores.
        reference: (n,) finite scores.
        weights: (n,) whole numbers >= 1: a point of weight w counts as w equal points.

    Raises:
        ValueError: When shapes do not fit, or a value is NaN or infinite.
    """
    return float(_one_pair(prediction, reference, weights).spearman_rho[0])


def mean_of_defined(values: npt.ArrayLike) -> float:
    """The mean of the values that are not NaN; NaN when none is left."""
    array: FloatArray = np.asarray(values, dtype=np.float64)
    known = array[~np.isnan(array)]
    return float(known.mean()) if known.size else np.nan


def _one_pair(prediction: npt.ArrayLike, reference: npt.ArrayLike, weights: npt.ArrayLike | None) -> Correlations:
    finite("prediction", prediction, 1)
    return rank_correlations(prediction, finite("reference", reference, 1)[None], weights)
