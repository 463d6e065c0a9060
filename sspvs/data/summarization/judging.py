"""Scores of whole videos to the figures that choose a checkpoint; results are evaluated by `sspvs.benchmark`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sspvs.evaluation.evaluate import evaluate_video, unavailable
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.protocol import DEFAULT_PROTOCOL, PROTOCOLS, Protocol
from sspvs.evaluation.rank_correlation import mean_of_defined
from sspvs.evaluation.requirements import consensus_scores
from sspvs.evaluation.results import METRICS
from sspvs.evaluation.summary_rule import SummaryRule
from sspvs.types import Annotations, FloatArray

logger = logging.getLogger(__name__)
_FALLBACK = "mean-annotator"


def judge(annotations: Mapping[str, Annotations], scores: Mapping[str, FloatArray]) -> dict[str, float]:
    """Means over the videos that were scored.

    Correlations are under `per-user`; when that is not available on one of the videos, all are held against the mean
    annotator instead. F1 is of 15 % summaries, over those videos that have users' summaries and shots.

    Args:
        annotations: Videos by id.
        scores: (T,) finite scores at the picks, by id.

    Returns:
        `kendall_tau`, `spearman_rho`, `f_score_avg`, `f_score_max`. What is undefined for a video is left out of the
        mean (scores that are constant have no correlation), and NaN when it is for all. F1 is missing when no video has
        what it takes, and everything when no video was scored.

    Raises:
        ValueError: Scores of no such video, of another length, or not finite.
    """
    unknown = [name for name in scores if name not in annotations]
    if unknown:
        raise ValueError(f"scores of {unknown[0]}, which is not among the {len(annotations)} videos that are judged")
    if not scores:
        return {}
    judged = {name: annotations[name] for name in scores}
    protocol = protocol_for(list(judged.values()))
    if protocol.name == _FALLBACK:
        judged = {name: _with_mean_annotator(video) for name, video in judged.items()}
    rule, rows = SummaryRule(), []
    for name, video in judged.items():
        rows.append(evaluate_video(video, Prediction.of(scores[name], video), [protocol], rule)[protocol.name])
    figures = {metric: mean_of_defined([getattr(row, metric) for row in rows]) for metric in METRICS}
    has_summaries = any(not np.isnan(row.f_score_avg) for row in rows)
    return {name: value for name, value in figures.items() if has_summaries or not name.startswith("f_score")}


def protocol_for(videos: Sequence[Annotations]) -> Protocol:
    """`per-user` where it is available on all of the videos, else `mean-annotator`."""
    wanted = PROTOCOLS[DEFAULT_PROTOCOL]
    lacking = [video for video in videos if unavailable(wanted, video) is not None]
    if not lacking:
        return wanted
    logger.debug("%d of %d videos have no scores of single users", len(lacking), len(videos))
    return PROTOCOLS[_FALLBACK]


def _with_mean_annotator(video: Annotations) -> Annotations:
    """With a gtscore, also where only users' scores or summaries are known."""
    return replace(video, gtscore=consensus_scores(video))
