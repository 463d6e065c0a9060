"""Average precision of highlights, as the tables of YouTube Highlights and TVSum's top-5 mAP have it.

The definition is that of UMT (Liu et al., CVPR 2022; its public evaluation code), which Moment-DETR's successors took
over. It is the area under precision over recall by the trapezoid rule, precision beginning at 1, not the step function
of scikit-learn. Without a highlight among the ranked clips it is 0 and counts. Axis letters: D predictions, U
annotators, T clips, K of them from the top.
"""

import numpy as np
import numpy.typing as npt

from sspvs.evaluation.prediction import finite
from sspvs.types import Annotations, BoolArray, FloatArray

TOP = 5
LABELS = (0.0, 0.5, 1.0)  # none, borderline, a highlight


def average_precisions(predictions: npt.ArrayLike, highlights: BoolArray, top: int | None = None) -> FloatArray:
    """(D, U) average precision of (D, T) scores, by which clips are ranked, with each of (U, T) annotators' highlights.

    Args:
        predictions: (D, T) finite scores. Clips of equal scores stand in the order of time and against it: the mean of
            both counts.
        highlights: (U, T) which clips each annotator takes for highlights.
        top: Rank and count that many clips alone; all when None.
    """
    scores = finite("predictions", predictions, 2)
    forwards = np.argsort(-scores, axis=1, kind="stable")
    backwards = scores.shape[1] - 1 - np.argsort(-scores[:, ::-1], axis=1, kind="stable")
    precision = _of_ranking(forwards[:, :top], highlights)
    tied = (forwards != backwards).any(axis=1)
    precision[tied] = (precision[tied] + _of_ranking(backwards[tied, :top], highlights)) / 2
    return precision


def _of_ranking(order: npt.NDArray[np.int64], highlights: BoolArray) -> FloatArray:
    """(D, U), from (D, K) clips in the order of their rank."""
    found = np.stack([row[order] for row in highlights], axis=1).astype(np.float64)  # (D, U, K)
    hits = found.cumsum(axis=2)
    precision = hits / np.arange(1, order.shape[1] + 1)
    before = np.concatenate([np.ones_like(precision[..., :1]), precision[..., :-1]], axis=2)
    area: FloatArray = (found * (before + precision) / 2).sum(axis=2)
    return np.asarray(area / np.maximum(hits[..., -1], 1))


def highlights_of(annotations: Annotations) -> BoolArray | None:
    """(U, T) which picks each annotator takes for highlights; None where there are no scores of single annotators.

    Labels of one annotator (YouTube Highlights): 1; borderline clips, at 0.5, are none. Other scores (TVSum): above the
    annotator's median, of an even number of clips the lower of the middle two.
    """
    scores = annotations.user_scores_at_picks
    if scores is None:
        return None
    if is_labelled(annotations):
        return np.asarray(scores == 1)
    median = np.sort(scores, axis=1)[:, (scores.shape[1] - 1) // 2]
    return np.asarray(scores > median[:, None])


def top_of(annotations: Annotations) -> int | None:
    """How many clips from the top count: 5 of those that several people rated, all of those of one annotator."""
    return TOP if annotations.n_users > 1 else None


def is_labelled(annotations: Annotations) -> bool:
    """Whether the scores are labels of one annotator: 1 a highlight, 0 none, 0.5 borderline."""
    scores = annotations.user_scores
    return scores is not None and len(scores) == 1 and bool(np.isin(scores, LABELS).all())


def agreement(annotations: Annotations) -> FloatArray:
    """(P,) average precision of each annotator's scores with the highlights of each other one."""
    scores, highlights = annotations.user_scores_at_picks, highlights_of(annotations)
    assert scores is not None
    assert highlights is not None
    each = average_precisions(scores, highlights, top_of(annotations))
    others: FloatArray = each[~np.eye(len(each), dtype=np.bool_)]
    return others
