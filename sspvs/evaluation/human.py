"""The human row: each user in the method's place.

Under `per-user` and `per-user-frames` each user is held against each other one (mean over pairs), under
`mean-annotator` and `summary-vs-mean` against the mean of the others. F1 is of each user's summary against those of the
others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sspvs.evaluation.agreement import agreement_with_mean_of_others, pairwise_agreement
from sspvs.evaluation.evaluate import video_result
from sspvs.evaluation.f_score import pairwise_f_scores
from sspvs.evaluation.protocol import Protocol
from sspvs.evaluation.requirements import baseline_unavailable, require, user_rows
from sspvs.evaluation.results import VideoResult
from sspvs.types import Annotations, FloatArray


def human_video(annotations: Annotations, protocols: Sequence[Protocol]) -> dict[str, VideoResult]:
    """The users of one video against each other, under each protocol.

    Args:
        annotations: The video.
        protocols: Which ones.

    Raises:
        ProtocolUnavailableError: When the video has fewer than two users, or not what a protocol needs.
        DatasetError: When the annotations hold NaN or infinity.
    """
    summaries = annotations.user_summaries
    f_avg, f_max = np.nan, np.nan
    if summaries is not None and len(summaries) > 1:
        each_avg, each_max = human_f_scores(summaries)
        f_avg, f_max = float(each_avg.mean()), float(each_max.mean())
    results = {}
    for protocol in protocols:
        require(baseline_unavailable("human", protocol, annotations), protocol.name, annotations)
        rows = user_rows(protocol, annotations)
        assert rows is not None
        agree = pairwise_agreement if protocol.reference == "users" else agreement_with_mean_of_others
        row = video_result(annotations, agree(rows), None)
        results[protocol.name] = replace(row, f_score_avg=f_avg, f_score_max=f_max)
    return results


def human_f_scores(user_summaries: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """F1 of each user's summary against the other users'.

    Args:
        user_summaries: (U, N) bool, or 0 and 1, U >= 2.

    Returns:
        (U,) mean over the others, and (U,) the largest of them.

    Raises:
        ValueError: When there are fewer than two users, or values are neither 0 nor 1.
    """
    table = pairwise_f_scores(user_summaries)
    n_users = len(table)
    if n_users < 2:
        raise ValueError(f"human F1 needs at least two users, got {n_users}")
    others = table[~np.eye(n_users, dtype=np.bool_)].reshape(n_users, n_users - 1)
    return others.mean(axis=1), others.max(axis=1)
