"""A method's predictions against people's judgements, under protocols that are named."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sspvs.evaluation.average_precision import average_precisions, top_of
from sspvs.evaluation.f_score import f_scores
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.protocol import Protocol
from sspvs.evaluation.rank_correlation import Correlations, mean_of_defined, rank_correlations
from sspvs.evaluation.requirements import reference_scores, require, unavailable
from sspvs.evaluation.results import MethodResult, VideoResult
from sspvs.evaluation.summary_rule import RULES, SummaryRule
from sspvs.types import Annotations, BoolArray, FloatArray

__all__ = ["evaluate", "evaluate_video", "method_results", "unavailable", "video_result"]


def evaluate(
    dataset: Mapping[str, Annotations],
    predictions: Mapping[str, Prediction],
    *,
    method: str,
    protocols: Sequence[Protocol],
    rule: SummaryRule = RULES["default"],
) -> dict[str, MethodResult]:
    """Evaluate one method on the videos that it has predictions for.

    Args:
        dataset: Annotations by key.
        predictions: Predictions by key, at least one; videos of the dataset without one are left out.
        method: Its name, as in tables.
        protocols: At least one.
        rule: How scores become summaries; floor(0.15 N) frames and exact values by default.

    Returns:
        A result a protocol, by its name, with the videos in the dataset's order. F1 does not depend on the protocol;
        it is NaN where there are no user summaries, or neither shots nor a recorded summary.

    Raises:
        ValueError: When there is no prediction or protocol, or a prediction is of no video of the dataset.
        ProtocolUnavailableError: When a video lacks what a protocol needs; `unavailable` says so beforehand.
        DatasetError: When the annotations hold NaN or infinity.
    """
    known = set(dataset)  # looking up a key in a dataset file reads the video
    unknown = [key for key in predictions if key not in known]
    if unknown:
        raise ValueError(f"predictions of videos that the dataset does not have: {', '.join(unknown[:5])}")
    videos = [evaluate_video(dataset[key], predictions[key], protocols, rule) for key in dataset if key in predictions]
    return method_results(method, protocols, rule, videos, {"summaries": _origin(predictions.values())})


def evaluate_video(
    annotations: Annotations, prediction: Prediction, protocols: Sequence[Protocol], rule: SummaryRule
) -> dict[str, VideoResult]:
    """One prediction of one video under each protocol, by the protocol's name.

    Raises:
        ValueError: When the prediction is of another video; `Prediction.of` makes it for one.
        ProtocolUnavailableError: When the video lacks what a protocol needs.
        DatasetError: When the annotations hold NaN or infinity.
    """
    if prediction.at_picks.shape != annotations.picks.shape or prediction.at_frames.shape != (annotations.n_frames,):
        raise ValueError(f"{annotations.video_name}: the prediction was made for another video; use Prediction.of")
    for protocol in protocols:
        require(unavailable(protocol, annotations, prediction), protocol.name, annotations)
    summary = prediction.summary  # a recorded one, else that of the rule, which needs shots
    if summary is None and annotations.shots is not None:
        summary = rule.summarize(prediction.at_frames, annotations.shots)
    each = None
    if summary is not None and annotations.user_summaries is not None:
        each = f_scores(summary, annotations.user_summaries)
    results = {}
    for protocol in protocols:
        if protocol.prediction == "summary":
            assert summary is not None
            scores: FloatArray | BoolArray = summary
        else:
            scores = prediction.at_picks if protocol.clock == "picks" else prediction.at_frames
        references = reference_scores(protocol, annotations)
        if protocol.figure == "precision":
            precision = average_precisions(scores[None], references > 0, top_of(annotations))
            row = precision_result(annotations, precision, each)
        else:
            row = video_result(annotations, rank_correlations(scores, references), each)
        results[protocol.name] = row if summary is None else replace(row, summary_frames=int(summary.sum()))
    return results


def video_result(annotations: Annotations, pairs: Correlations, f_score_each: FloatArray | None) -> VideoResult:
    """One video's row, from its pairs' correlations and (U,) F1 with each user (None when unknown)."""
    return VideoResult(
        key=annotations.key,
        name=annotations.video_name,
        kendall_tau=mean_of_defined(pairs.kendall_tau),
        spearman_rho=mean_of_defined(pairs.spearman_rho),
        f_score_avg=np.nan if f_score_each is None else float(f_score_each.mean()),
        f_score_max=np.nan if f_score_each is None else float(f_score_each.max()),
        undefined_pairs=int(np.isnan(pairs.kendall_tau).sum()),
        n_pairs=pairs.kendall_tau.size,
    )


def precision_result(annotations: Annotations, precision: FloatArray, f_score_each: FloatArray | None) -> VideoResult:
    """One video's row under a protocol of highlights, from average precision of any shape; otherwise `video_result`."""
    none = Correlations(np.full(1, np.nan), np.full(1, np.nan))
    return replace(
        video_result(annotations, none, f_score_each),
        average_precision=float(precision.mean()),
        kind=annotations.category,
        undefined_pairs=0,
        n_pairs=precision.size,
    )


def method_results(
    method: str,
    protocols: Sequence[Protocol],
    rule: SummaryRule,
    videos: Sequence[Mapping[str, VideoResult]],
    settings: Mapping[str, Any],
) -> dict[str, MethodResult]:
    """A result a protocol from each video's results by protocol; `settings` is what made them beside the rule."""
    if not protocols:
        raise ValueError("name at least one protocol")
    if not videos:
        raise ValueError(f"{method}: no video to evaluate")
    made_by = {"rule": rule.as_dict(), **settings}
    rows = [next(iter(video.values())) for video in videos]
    empty = [row.name for row in rows if row.summary_frames == 0]
    if empty:
        made_by["empty_summaries"] = empty  # no shot fitted, or none was worth more than 0
    return {
        protocol.name: MethodResult(method, protocol.name, tuple(video[protocol.name] for video in videos), made_by)
        for protocol in protocols
    }


def _origin(predictions: Iterable[Prediction]) -> str:
    """Where the summaries that were judged come from."""
    recorded = [prediction.summary is not None for prediction in predictions]
    if all(recorded):
        return "recorded"
    return "by rule" if not any(recorded) else f"recorded for {sum(recorded)} of {len(recorded)} videos, else by rule"
