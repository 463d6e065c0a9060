"""The rows that stand beside a method: people, random scores, the consensus, and scores of features."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sspvs.errors import DatasetError
from sspvs.evaluation.average_precision import agreement, average_precisions, top_of
from sspvs.evaluation.evaluate import evaluate_video, method_results, precision_result, video_result
from sspvs.evaluation.f_score import f_of_counts, pairwise_f_scores
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.protocol import Protocol
from sspvs.evaluation.rank_correlation import Correlations, RankReference
from sspvs.evaluation.requirements import (
    Baseline,
    agreement_with_mean_of_others,
    baseline_unavailable,
    consensus_scores,
    pairwise_agreement,
    reference_scores,
    require,
    user_rows,
)
from sspvs.evaluation.results import MethodResult, VideoResult
from sspvs.evaluation.summary_rule import RULES, SummaryRule
from sspvs.types import Annotations, BoolArray, FloatArray, FrameFeatures, IntArray

DEFAULT_DRAWS = 100


def evaluate_baseline(
    dataset: Mapping[str, Annotations],
    baseline: Baseline,
    *,
    protocols: Sequence[Protocol],
    rule: SummaryRule = RULES["default"],
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
        ProtocolUnavailableError: When a video lacks what it takes; `baseline_unavailable` says so beforehand.
        DatasetError: When the annotations hold NaN or infinity.
    """
    rows: list[Mapping[str, VideoResult]] = []
    settings: dict[str, Any] = {"summaries": "the users' own" if baseline == "human" else "by rule"}
    if baseline == "random":
        settings.update(draws=draws, seed=seed)
    for key in dataset:
        annotations = dataset[key]
        for protocol in protocols:
            require(baseline_unavailable(baseline, protocol, annotations), protocol.name, annotations)
        if baseline == "human":
            rows.append(_human_video(annotations, protocols))
        elif baseline == "random":
            rows.append(_random_video(annotations, protocols, rule, random_scores(annotations, draws=draws, seed=seed)))
        else:
            rows.append(evaluate_video(annotations, consensus_prediction(annotations), protocols, rule))
    return method_results(baseline, protocols, rule, rows, settings)


def consensus_prediction(annotations: Annotations) -> Prediction:
    """The mean of all users at the picks (gtscore where there is one), as a method would predict it."""
    scores = consensus_scores(annotations)
    if scores is None:
        require("needs user_scores, gtscore or user_summary", "consensus", annotations)
        raise AssertionError
    return Prediction.of(scores, annotations)


def feature_predictions(
    features: Mapping[str, FrameFeatures],
    dataset: Mapping[str, Annotations],
    score: Callable[[FrameFeatures], FloatArray],
) -> dict[str, Prediction]:
    """Scores of each video by a function of its features, put on the dataset's clocks.

    Raises:
        DatasetError: When a video has no features, or features of a video of another length.
    """
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
        predictions[key] = Prediction.of(score(video), annotations, picks=video.picks)
    return predictions


def random_scores(annotations: Annotations, *, draws: int, seed: int) -> FloatArray:
    """(D, T) uniform scores in [0, 1) at the picks: the same for the same seed and key."""
    if draws < 1 or seed < 0:
        raise ValueError(f"draws must be at least 1 and seed at least 0, got {draws} and {seed}")
    return _generator(annotations, seed).random((draws, len(annotations.picks)))


def _human_video(annotations: Annotations, protocols: Sequence[Protocol]) -> dict[str, VideoResult]:
    """The users of one video against each other, under each protocol."""
    summaries = annotations.user_summaries
    f_avg, f_max = np.nan, np.nan
    if summaries is not None and len(summaries) > 1:
        table = pairwise_f_scores(summaries)
        others = table[~np.eye(len(table), dtype=np.bool_)].reshape(len(table), -1)  # (U, U - 1)
        f_avg, f_max = float(others.mean(axis=1).mean()), float(others.max(axis=1).mean())
    results = {}
    for protocol in protocols:
        rows = user_rows(protocol, annotations)
        assert rows is not None
        if protocol.figure == "precision":
            row = precision_result(annotations, agreement(annotations), None)
        else:
            agree = pairwise_agreement if protocol.each_user else agreement_with_mean_of_others
            row = video_result(annotations, agree(rows), None)
        results[protocol.name] = replace(row, f_score_avg=f_avg, f_score_max=f_max)
    return results


def _random_video(
    annotations: Annotations, protocols: Sequence[Protocol], rule: SummaryRule, scores: FloatArray
) -> dict[str, VideoResult]:
    """(D, T) random scores of one video under each protocol, each figure the mean over draws."""
    chosen = _chosen_shots(annotations, rule, scores)
    f_avg, f_max = _f_scores(chosen, annotations)
    results = {}
    for protocol in protocols:
        if protocol.figure == "precision":
            row = precision_result(annotations, _precision_of(annotations, protocol, scores), None)
            results[protocol.name] = replace(row, f_score_avg=f_avg, f_score_max=f_max)
            continue
        pairs = _drawn_pairs(annotations, protocol, scores, chosen)
        by_draw = Correlations(*map(_means_of_defined, pairs))
        results[protocol.name] = replace(
            video_result(annotations, by_draw, None),
            f_score_avg=f_avg,
            f_score_max=f_max,
            undefined_pairs=int(np.isnan(pairs.kendall_tau).sum()),
            n_pairs=pairs.kendall_tau.size,
        )
    return results


def figures_of_draws(
    annotations: Annotations, protocols: Sequence[Protocol], rule: SummaryRule, scores: FloatArray
) -> dict[str, tuple[FloatArray, ...]]:
    """(D,) tau and rho, or average precision, of each of (D, T) scores of one video at its picks, by protocol.

    They are means over the references.
    """
    summarised = any(protocol.prediction == "summary" for protocol in protocols)
    chosen = _chosen_shots(annotations, rule, scores) if summarised else None
    return {
        one.name: (_precision_of(annotations, one, scores).mean(axis=1),)
        if one.figure == "precision"
        else tuple(map(_means_of_defined, _drawn_pairs(annotations, one, scores, chosen)))
        for one in protocols
    }


def _precision_of(annotations: Annotations, protocol: Protocol, scores: FloatArray) -> FloatArray:
    """(D, U) average precision of (D, T) scores."""
    return average_precisions(scores, reference_scores(protocol, annotations) > 0, top_of(annotations))


def _held_from(annotations: Annotations) -> IntArray:
    """(T,) where each score starts to hold."""
    return np.concatenate([[0], annotations.picks[1:]])


def _chosen_shots(annotations: Annotations, rule: SummaryRule, scores: FloatArray) -> BoolArray | None:
    """(D, S) shots of the summaries of (D, T) scores; None without shots."""
    if annotations.shots is None:
        return None
    lengths = np.diff(np.append(_held_from(annotations), annotations.n_frames))
    return rule.choose(np.repeat(scores, lengths, axis=1), annotations.shots)


def _drawn_pairs(
    annotations: Annotations, protocol: Protocol, scores: FloatArray, chosen: BoolArray | None
) -> Correlations:
    """(D, U) correlations of (D, T) scores, and of the shots chosen by them, with each reference."""
    drawn: FloatArray | BoolArray = scores
    cells: IntArray | None = None
    if protocol.prediction == "summary":
        assert annotations.shots is not None
        assert chosen is not None
        drawn, cells = chosen, annotations.shots.bounds[:, 0]
    elif protocol.clock == "frames":
        cells = _held_from(annotations)
    return RankReference(reference_scores(protocol, annotations), cells).correlate(drawn)


def _f_scores(chosen: BoolArray | None, annotations: Annotations) -> tuple[float, float]:
    """F1 of (D, S) chosen shots, mean and largest over users, then the mean over draws."""
    users, shots = annotations.user_summaries, annotations.shots
    if chosen is None or users is None or shots is None:
        return np.nan, np.nan
    in_shots = np.add.reduceat(users.astype(np.float64), shots.bounds[:, 0], axis=1)  # (U, S) frames
    taken = chosen.astype(np.float64)
    each = f_of_counts(taken @ in_shots.T, (taken @ shots.lengths)[:, None], in_shots.sum(axis=1))  # (D, U)
    return float(each.mean()), float(each.max(axis=1).mean())


def _means_of_defined(table: FloatArray) -> FloatArray:
    """(D,) mean over the users of (D, U) values, without those that are NaN."""
    known = ~np.isnan(table)
    with np.errstate(invalid="ignore"):  # a draw that is undefined for all users
        means: FloatArray = np.where(known, table, 0.0).sum(axis=1) / known.sum(axis=1)
    return means


def _generator(annotations: Annotations, seed: int) -> np.random.Generator:
    """What draws for one video: seeded by a seed and the video's key."""
    digest = hashlib.sha256(annotations.key.encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])
