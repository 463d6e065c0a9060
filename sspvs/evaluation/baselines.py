"""The rows that stand beside a method's: human, random and consensus, and training-free contrastive importance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sspvs.errors import DatasetError
from sspvs.evaluation.evaluate import Rows, evaluate_video
from sspvs.evaluation.human import human_video
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.protocol import Protocol
from sspvs.evaluation.random_scores import random_video
from sspvs.evaluation.requirements import (
    BASELINES,
    Baseline,
    baseline_unavailable,
    consensus_scores,
    require,
)
from sspvs.evaluation.results import MethodResult
from sspvs.evaluation.split_half import split_half
from sspvs.evaluation.summary_rule import SummaryRule
from sspvs.types import Annotations, FrameFeatures

__all__ = [
    "BASELINES",
    "DEFAULT_DRAWS",
    "Baseline",
    "baseline_unavailable",
    "consensus_prediction",
    "contrastive_predictions",
    "evaluate_baseline",
    "split_half",
]

DEFAULT_DRAWS = 100


def evaluate_baseline(
    dataset: Mapping[str, Annotations],
    baseline: Baseline,
    *,
    protocols: Sequence[Protocol],
    rule: SummaryRule | None = None,
    draws: int = DEFAULT_DRAWS,
    seed: int = 0,
) -> dict[str, MethodResult]:
    """One of the rows that every table has.

    Args:
        dataset: Annotations by key, at least one.
        baseline: `human`: each user in the method's place. `random`: uniform scores at the picks, averaged over draws.
            `consensus`: the mean of all users as the prediction, which has seen the answers: a ceiling.
        protocols: At least one.
        rule: How scores become summaries; floor(0.15 N) frames and exact values by default.
        draws: How many random scores, >= 1.
        seed: Of the draws, >= 0.

    Returns:
        A result a protocol, by its name, with the videos in the dataset's order.

    Raises:
        ValueError: When there is no such baseline, no video, or a number is out of its range.
        ProtocolUnavailableError: When a video lacks what it takes; `baseline_unavailable` asks beforehand.
        DatasetError: When the annotations hold NaN or infinity.
    """
    if baseline not in BASELINES:
        raise ValueError(f"baseline must be one of {', '.join(BASELINES)}, got {baseline!r}")
    rule = SummaryRule() if rule is None else rule
    rows = Rows(baseline, protocols, rule)
    settings: dict[str, Any] = {"summaries": "the users' own" if baseline == "human" else "by rule"}
    if baseline == "random":
        settings.update(draws=draws, seed=seed)
    for key in dataset:
        annotations = dataset[key]
        if baseline == "human":
            rows.add(human_video(annotations, protocols))
        elif baseline == "random":
            rows.add(random_video(annotations, protocols, rule, draws=draws, seed=seed))
        else:
            for protocol in protocols:
                require(baseline_unavailable("consensus", protocol, annotations), protocol.name, annotations)
            rows.add(evaluate_video(annotations, consensus_prediction(annotations), protocols, rule))
    return rows.results(settings)


def consensus_prediction(annotations: Annotations) -> Prediction:
    """The mean of all users at the picks (gtscore where there is one), as a method would predict it.

    Raises:
        ProtocolUnavailableError: When nothing is known of what users think.
        DatasetError: When it holds NaN or infinity.
    """
    scores = consensus_scores(annotations)
    if scores is None:
        require("needs user_scores, gtscore or user_summary", "consensus", annotations)
        raise AssertionError
    return Prediction.of(scores, annotations)


def contrastive_predictions(
    features: Mapping[str, FrameFeatures],
    dataset: Mapping[str, Annotations],
    *,
    combine: Literal["a", "g", "ag"] = "ag",
    post: Literal["summe", "tvsum", "none"] = "summe",
) -> dict[str, Prediction]:
    """Contrastive importance of each video of a dataset: a baseline that needs features, and no training.

    Pang et al., WACV 2023; see `sspvs.importance.contrastive`.

    Args:
        features: Features by the dataset's keys.
        dataset: Annotations by key.
        combine: `ag` for local dissimilarity times global consistency, `a` for the first alone, `g` for the second.
        post: What becomes of the product: `summe` p + 0.05, `tvsum` exp(p - 1), either then smoothed; `none`.

    Returns:
        Predictions by key, on the dataset's clocks also where the features have other picks.

    Raises:
        DatasetError: When a video has no features, or features of a video of another length.
        ValueError: When a name is none of those above.
    """
    from sspvs.importance.contrastive import contrastive_importance

    predictions, known = {}, set(features)
    for key in dataset:
        annotations = dataset[key]
        if key not in known:
            raise DatasetError(
                f"{annotations.video_name} ({key}): the contrastive baseline needs features, and there are none; "
                "build the dataset with --features or --videos"
            )
        video = features[key]
        if video.n_frames != annotations.n_frames:
            raise DatasetError(
                f"{annotations.video_name} ({key}): features of {video.n_frames} frames do not fit annotations of "
                f"{annotations.n_frames}; extract them from the same video"
            )
        scores = contrastive_importance(video.features, combine=combine, post=post).scores
        predictions[key] = Prediction.of(scores, annotations, picks=video.picks)
    return predictions
