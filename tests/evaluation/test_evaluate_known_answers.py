"""The figures that anybody can recompute from the official annotation files, to four decimals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.official_annotations import read_summe, read_tvsum
from helpers.split_half import split_half

from sspvs.evaluation.baselines import evaluate_baseline
from sspvs.evaluation.protocol import PROTOCOLS
from sspvs.evaluation.rank_correlation import mean_of_defined, rank_correlations
from sspvs.evaluation.requirements import agreement_with_mean_of_others, mean_scores, pairwise_agreement
from sspvs.types import Annotations

PER_USER, FRAMES, SUMMARY, ANNOTATOR = (
    PROTOCOLS[name] for name in ("per-user", "per-user-frames", "summary-vs-mean", "mean-annotator")
)


@pytest.fixture(scope="module")
def summe(shared_data: Path) -> dict[str, Annotations]:
    return read_summe(shared_data)


@pytest.fixture(scope="module")
def tvsum(shared_data: Path) -> dict[str, Annotations]:
    return read_tvsum(shared_data)


def figures(result):
    return [round(result.spreads[metric].mean, 4) for metric in ("kendall_tau", "spearman_rho")]


def over_videos(pairs):
    columns = zip(*pairs, strict=True)
    return [round(float(np.mean([mean_of_defined(values) for values in column])), 4) for column in columns]


def test_the_datasets_are_whole(summe, tvsum):
    assert len(summe) == 25
    assert len(tvsum) == 50
    assert {video.n_users for video in tvsum.values()} == {20}
    assert {video.n_users for video in summe.values()} <= set(range(15, 19))


def test_human_rows_of_summe(summe):
    human = evaluate_baseline(summe, "human", protocols=list(PROTOCOLS.values()))
    assert figures(human["per-user"]) == [0.2096, 0.2096]
    assert figures(human["per-user-frames"]) == [0.2115, 0.2115]
    assert figures(human["mean-annotator"]) == [0.2958, 0.3290]
    assert figures(human["summary-vs-mean"]) == [0.2958, 0.3292]
    for row in human.values():
        assert round(row.spreads["f_score_avg"].mean, 4) == 0.3107
        assert round(row.spreads["f_score_max"].mean, 4) == 0.5433
        assert row.undefined_pairs == 0


def test_human_rows_of_tvsum(tvsum):
    human = evaluate_baseline(tvsum, "human", protocols=[PER_USER, FRAMES, ANNOTATOR])
    assert figures(human["per-user"]) == [0.1774, 0.2042]
    assert figures(human["mean-annotator"]) == [0.3139, 0.3957]
    assert np.isnan(human["per-user"].spreads["f_score_avg"].mean)  # no user summaries in the file


def test_agreement_of_ratings_at_every_frame(tvsum):
    pairs = [agreement_with_mean_of_others(video.user_scores) for video in tvsum.values()]
    assert over_videos(pairs) == [0.3139, 0.3956]
    pairs = [pairwise_agreement(video.user_scores) for video in tvsum.values()]
    assert over_videos(pairs) == [0.1774, 0.2042]


def test_consensus_is_the_ceiling_of_per_user(summe, tvsum):
    summe_row = evaluate_baseline(summe, "consensus", protocols=[PER_USER, ANNOTATOR])
    tvsum_row = evaluate_baseline(tvsum, "consensus", protocols=[PER_USER, ANNOTATOR])
    assert figures(summe_row["per-user"]) == [0.3901, 0.4356]
    assert figures(tvsum_row["per-user"]) == [0.3782, 0.4732]
    assert figures(summe_row["mean-annotator"]) == figures(tvsum_row["mean-annotator"]) == [1.0, 1.0]
    by_hand = [
        rank_correlations(mean_scores(video.user_scores_at_picks), video.user_scores_at_picks)
        for video in tvsum.values()
    ]
    assert over_videos(by_hand) == [0.3782, 0.4732]


def test_ten_raters_against_the_other_ten(tvsum):
    # The figures were taken over 40 random halves, whose mean has a standard error of about .002.
    row = split_half(tvsum, draws=40, seed=0)
    assert row.spreads["kendall_tau"].mean == pytest.approx(0.521, abs=0.005)
    assert row.spreads["spearman_rho"].mean == pytest.approx(0.676, abs=0.005)


def test_random_scores_give_nothing(summe, tvsum):
    for dataset in (summe, tvsum):
        rows = evaluate_baseline(dataset, "random", protocols=[PER_USER, FRAMES, ANNOTATOR], draws=20)
        for row in rows.values():
            assert abs(row.spreads["kendall_tau"].mean) < 0.01
            assert abs(row.spreads["spearman_rho"].mean) < 0.01
