"""F1 of a summary against users' summaries, in frames.

Gygli et al., "Creating summaries from user videos", ECCV 2014 (SumMe: the best user counts, `max`); Song et al.,
"TVSum", CVPR 2015 (the mean over users, `avg`). Neither means much without random summaries in the same table, which
reach .57 avg on TVSum and .41 max on SumMe (Otani et al., CVPR 2019).
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from sspvs.evaluation.prediction import as_binary, run_starts
from sspvs.types import FloatArray

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
        >>> sspvs.f_score([1, 1, 0, 0], [[1, 0, 0, 0], [1, 1, 0, 0]], "max")
        1.0
    """
    if reduction not in ("avg", "max"):
        raise ValueError(f"reduction must be 'avg' or 'max', got {reduction!r}")
    each = f_scores(summary, user_summaries)
    return float(each.mean() if reduction == "avg" else each.max())


def f_scores(summary: npt.ArrayLike, user_summaries: npt.ArrayLike) -> FloatArray:
    """(U,) F1 in [0, 1] of one (N,) summary against each of (U, N) users' summaries.

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
    """(U, U) F1 of each of (U, N) summaries with each other; bool, or 0 and 1 of any type."""
    chosen = as_binary("summaries", summaries)
    if chosen.ndim != 2:
        raise ValueError(f"summaries must be (U, N), got shape {chosen.shape}")
    starts = np.flatnonzero(run_starts(chosen)) if chosen.size else np.zeros(0, dtype=np.int64)
    runs = chosen[:, starts].astype(np.float64)  # frames where no summary starts or ends count together
    overlap = (runs * np.diff(starts, append=chosen.shape[1])) @ runs.T
    sizes = overlap.diagonal()
    return f_of_counts(overlap, sizes[:, None], sizes)


def f_of_counts(overlap: npt.ArrayLike, size: npt.ArrayLike, user_size: npt.ArrayLike) -> FloatArray:
    """F1 = 2 overlap / (size + user size), 0 where nothing overlaps; all three in frames and broadcast."""
    both = np.asarray(size, dtype=np.float64) + np.asarray(user_size, dtype=np.float64)
    scores: FloatArray = 2 * np.asarray(overlap, dtype=np.float64) / np.maximum(both, 1)
    return scores
