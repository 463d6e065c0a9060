"""F1 of a summary against users' summaries, in frames.

Gygli et al., "Creating summaries from user videos", ECCV 2014 (SumMe: the best user counts, `max`); Song et al.,
"TVSum", CVPR 2015 (the mean over users, `avg`). Neither means much without random summaries in the same table, which
reach .57 avg on TVSum and .41 max on SumMe (Otani et al., CVPR 2019).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from sspvs.types import BoolArray, FloatArray

Reduction = Literal["avg", "max"]


def f_score(summary: npt.ArrayLike, user_summaries: npt.ArrayLike, reduction: Reduction = "avg") -> float:
    """F1 of one summary against U users' summaries.

    Args:
        summary: (N,) the frames it has: bool, or 0 and 1 of any type.
        user_summaries: (U, N) likewise, U >= 1.
        reduction: `avg`, the mean over users, or `max`, the user it fits best.

    Returns:
        F1 in [0, 1]. An empty summary, or an empty user, gives 0.

    Raises:
        ValueError: When shapes do not fit, a value is neither 0 nor 1, or there is no such reduction. Many evaluators
            cut or pad a summary of another length without a word; here it is refused, for its frames may have moved.

    Example:
        >>> f_score([1, 1, 0, 0], [[1, 0, 0, 0], [1, 1, 0, 0]], "max")
        1.0
    """
    if reduction not in ("avg", "max"):
        raise ValueError(f"reduction must be 'avg' or 'max', got {reduction!r}")
    each = f_scores(summary, user_summaries)
    return float(each.mean() if reduction == "avg" else each.max())


def f_scores(summary: npt.ArrayLike, user_summaries: npt.ArrayLike) -> FloatArray:
    """F1 of one summary against each user's.

    Args:
        summary: (N,) the frames it has: bool, or 0 and 1 of any type.
        user_summaries: (U, N) likewise, U >= 1.

    Returns:
        (U,) float64 in [0, 1].

    Raises:
        ValueError: As `f_score`.
    """
    chosen = as_binary("summary", summary)
    users = as_binary("user_summaries", user_summaries)
    if chosen.ndim != 1 or users.ndim != 2:
        raise ValueError(f"summary and user_summaries must be (N,) and (U, N), got {chosen.shape} and {users.shape}")
    if chosen.size == 0 or len(users) == 0:
        raise ValueError(f"F1 needs a frame and a user, got {chosen.shape} and {users.shape}")
    if len(chosen) != users.shape[1]:
        raise ValueError(
            f"the summary has {len(chosen)} frames and the users' summaries have {users.shape[1]}: they must be of the "
            "same frames; make the summary for as many frames as the annotations have"
        )
    overlap = users[:, chosen].sum(axis=1)
    return f_of_counts(overlap, np.count_nonzero(chosen), users.sum(axis=1))


def pairwise_f_scores(summaries: npt.ArrayLike) -> FloatArray:
    """F1 of each of U summaries with each other.

    Args:
        summaries: (U, N) bool, or 0 and 1 of any type.

    Returns:
        (U, U) float64, symmetric.

    Raises:
        ValueError: When it is not (U, N), or a value is neither 0 nor 1.
    """
    chosen = as_binary("summaries", summaries)
    if chosen.ndim != 2:
        raise ValueError(f"summaries must be (U, N), got shape {chosen.shape}")
    counts = chosen.astype(np.float64)
    sizes = counts.sum(axis=1)
    return f_of_counts(counts @ counts.T, sizes[:, None], sizes)


def f_of_counts(overlap: npt.ArrayLike, size: npt.ArrayLike, user_size: npt.ArrayLike) -> FloatArray:
    """F1 = 2 overlap / (size + user size), 0 where nothing overlaps; all three in frames and broadcast."""
    both = np.asarray(size, dtype=np.float64) + np.asarray(user_size, dtype=np.float64)
    scores: FloatArray = 2 * np.asarray(overlap, dtype=np.float64) / np.maximum(both, 1)
    return scores


def as_binary(name: str, values: npt.ArrayLike) -> BoolArray:
    """Bool from bool, or from 0 and 1 of any type.

    Raises:
        ValueError: When a value is neither.
    """
    array = np.asarray(values)
    if array.dtype == np.bool_:
        return array
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} must be 0 and 1, got {array.dtype}")
    chosen: BoolArray = array == 1
    odd = array[~chosen & (array != 0)]
    if odd.size:
        raise ValueError(f"{name} must be 0 and 1, found {odd.flat[0]}; (x > 0) makes a summary of other numbers")
    return chosen
