"""Video-text retrieval: does each video find its text among all, and each text its video?

Axis letters: N videos and as many texts; the text of video n is text n.
"""

from typing import Literal

import numpy as np

from sspvs.types import FloatArray

RECALL_AT = (1, 5, 10)

Ties = Literal["pessimistic", "mean"]


def own_ranks(similarity: FloatArray, *, ties: Ties = "pessimistic") -> FloatArray:
    """The rank of the diagonal entry in each row, 1 the best.

    Args:
        similarity: (N, N) higher is nearer.
        ties: What equal scores count as. `pessimistic`: all of them before the own one, so that a model whose scores
            are all the same gets the last rank; `mean`: half of them.

    Returns:
        (N,) float64 ranks in 1..N; halves occur with `mean`.

    Raises:
        ValueError: For another shape, or scores that are not finite.

    Example:
        >>> own_ranks(np.array([[0.9, 0.1], [0.3, 0.3]]))
        array([1., 2.])
    """
    scores = np.asarray(similarity)
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1] or len(scores) == 0:
        raise ValueError(f"similarity must be (N, N) with N >= 1, got {scores.shape}")
    if ties not in ("pessimistic", "mean"):
        raise ValueError(f"ties must be 'pessimistic' or 'mean', got {ties!r}")
    if not np.isfinite(scores).all():
        raise ValueError("similarity holds values that are not finite: they cannot be ranked")
    own = np.diagonal(scores)[:, None]
    better = (scores > own).sum(axis=1)
    equal = (scores == own).sum(axis=1) - 1  # without itself
    ranks: FloatArray = 1.0 + better + equal * (1.0 if ties == "pessimistic" else 0.5)
    return ranks


def retrieval_metrics(similarity: FloatArray, *, ties: Ties = "pessimistic") -> dict[str, float]:
    """Recall at 1, 5 and 10 and the median rank, both ways, of an (N, N) similarity of video (rows) and text (columns).

    By chance recall at k is k / N and the median rank (N + 1) / 2: N is among the figures.

    Returns:
        `video_to_text_r1`, `_r5`, `_r10` (shares in 0..1), `video_to_text_median_rank`, the same for `text_to_video`,
        and `retrieval_candidates` (N).
    """
    scores = np.asarray(similarity)
    figures: dict[str, float] = {}
    for direction, matrix in (("video_to_text", scores), ("text_to_video", scores.T)):
        ranks = own_ranks(matrix, ties=ties)
        for k in RECALL_AT:
            figures[f"{direction}_r{k}"] = float((ranks <= k).mean())
        figures[f"{direction}_median_rank"] = float(np.median(ranks))
    figures["retrieval_candidates"] = float(len(scores))
    return figures
