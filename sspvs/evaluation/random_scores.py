"""The random row: what scores that know nothing reach, averaged over seeded draws."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sspvs.evaluation.evaluate import video_result
from sspvs.evaluation.f_score import f_of_counts
from sspvs.evaluation.protocol import Protocol
from sspvs.evaluation.rank_correlation import Correlations
from sspvs.evaluation.rank_reference import RankReference
from sspvs.evaluation.requirements import baseline_unavailable, reference_scores, require
from sspvs.evaluation.results import VideoResult
from sspvs.evaluation.summary_rule import SummaryRule
from sspvs.types import Annotations, BoolArray, FloatArray, IntArray


def random_scores(annotations: Annotations, *, draws: int, seed: int) -> FloatArray:
    """Uniform scores at the picks: the same for the same seed and key, whatever other videos there are.

    Args:
        annotations: The video.
        draws: D >= 1.
        seed: A whole number >= 0.

    Returns:
        (D, T) float64 in [0, 1).

    Raises:
        ValueError: When draws or seed is out of its range.
    """
    if draws < 1 or seed < 0:
        raise ValueError(f"draws must be at least 1 and seed at least 0, got {draws} and {seed}")
    return generator_of(annotations, seed).random((draws, len(annotations.picks)))


def generator_of(annotations: Annotations, seed: int) -> np.random.Generator:
    """What draws for one video: seeded by a seed and the video's key."""
    digest = hashlib.sha256(annotations.key.encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])


def random_video(
    annotations: Annotations, protocols: Sequence[Protocol], rule: SummaryRule, *, draws: int, seed: int
) -> dict[str, VideoResult]:
    """Random scores of one video under each protocol, each figure the mean over draws.

    Args:
        annotations: The video.
        protocols: Which ones.
        rule: How scores become summaries.
        draws: D >= 1.
        seed: A whole number >= 0.

    Raises:
        ValueError: When draws or seed is out of its range.
        ProtocolUnavailableError: When the video lacks what a protocol needs.
        DatasetError: When the annotations hold NaN or infinity.
    """
    for protocol in protocols:
        require(baseline_unavailable("random", protocol, annotations), protocol.name, annotations)
    scores = random_scores(annotations, draws=draws, seed=seed)
    held_from = np.concatenate([[0], annotations.picks[1:]])  # where each score starts to hold
    shots, chosen = annotations.shots, None
    if shots is not None:
        lengths = np.diff(np.append(held_from, annotations.n_frames))
        chosen = rule.choose(np.repeat(scores, lengths, axis=1), shots)
    f_avg, f_max = _f_scores(chosen, annotations)
    results = {}
    for protocol in protocols:
        rows = reference_scores(protocol, annotations)
        drawn: FloatArray | BoolArray = scores
        cells: IntArray | None = None
        if protocol.prediction == "summary":
            assert shots is not None
            assert chosen is not None
            drawn, cells = chosen, shots.bounds[:, 0]
        elif protocol.clock == "frames":
            cells = held_from
        pairs = RankReference(rows, cells).correlate(drawn)
        by_draw = Correlations(*map(_means_of_defined, pairs))
        results[protocol.name] = replace(
            video_result(annotations, by_draw, None),
            f_score_avg=f_avg,
            f_score_max=f_max,
            undefined_pairs=int(np.isnan(pairs.kendall_tau).sum()),
            n_pairs=pairs.kendall_tau.size,
        )
    return results


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
