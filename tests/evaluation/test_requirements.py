"""What a protocol needs of a dataset, and what it says where that is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.drawn_annotations import drawn_video
from helpers.split_half import split_half

from sspvs.errors import ProtocolUnavailableError
from sspvs.evaluation.baselines import consensus_prediction, evaluate_baseline
from sspvs.evaluation.evaluate import evaluate
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.protocol import PROTOCOLS
from sspvs.evaluation.requirements import BASELINES, baseline_unavailable, unavailable

FULL = drawn_video(np.random.default_rng(0))


@pytest.mark.parametrize(
    ("missing", "protocol", "words"),
    [
        ({"user_scores": None}, "per-user", "user_scores.*sspvs data build tvsum"),
        ({"user_scores": None}, "per-user-frames", "user_scores.*sspvs data build tvsum"),
        ({"user_scores": FULL.user_scores_at_picks}, "per-user-frames", "at the picks only"),
        ({"user_summaries": None}, "summary-vs-mean", "user_summary.*mean-annotator"),
        ({"shots": None}, "summary-vs-mean", "shots.*--segmenter"),
        ({"user_scores": None, "gtscore": None}, "mean-annotator", "gtscore"),
    ],
)
def test_what_is_missing_is_said_with_the_way_out(missing, protocol, words):
    video = replace(FULL, **missing)
    reason = unavailable(PROTOCOLS[protocol], video)
    with pytest.raises(AssertionError):
        assert reason is None
    with pytest.raises(ProtocolUnavailableError, match=f"^The video_1: {protocol} needs .*{words}"):
        evaluate({"v": video}, {"v": Prediction.of(np.ones(7), video)}, method="m", protocols=[PROTOCOLS[protocol]])
    for baseline in ("random", "consensus"):
        assert baseline_unavailable(baseline, PROTOCOLS[protocol], video) == reason
        with pytest.raises(ProtocolUnavailableError, match=words):
            evaluate_baseline({"v": video}, baseline, protocols=[PROTOCOLS[protocol]])


def test_everything_is_available_on_a_full_dataset():
    for protocol in PROTOCOLS.values():
        assert unavailable(protocol, FULL) is None
        assert all(baseline_unavailable(baseline, protocol, FULL) is None for baseline in BASELINES)


def test_the_human_row_needs_two_users():
    alone = drawn_video(np.random.default_rng(1), n_users=1)
    for protocol in PROTOCOLS.values():
        with pytest.raises(ProtocolUnavailableError, match="at least two users"):
            evaluate_baseline({"v": alone}, "human", protocols=[protocol])
        assert "two users" in baseline_unavailable("human", protocol, alone)
    with pytest.raises(ProtocolUnavailableError, match="at least two users"):
        split_half({"v": alone})


def test_the_human_row_of_the_mean_annotator_needs_each_user():
    video = replace(FULL, user_scores=None)
    assert unavailable(PROTOCOLS["mean-annotator"], video) is None
    assert "user_scores" in baseline_unavailable("human", PROTOCOLS["mean-annotator"], video)
    assert baseline_unavailable("human", PROTOCOLS["summary-vs-mean"], video) is None
    at_picks = replace(FULL, user_scores=FULL.user_scores_at_picks)
    assert "picks only" in baseline_unavailable("human", PROTOCOLS["per-user-frames"], at_picks)
    assert "user_summary" in baseline_unavailable(
        "human", PROTOCOLS["summary-vs-mean"], replace(FULL, user_summaries=None)
    )


def test_user_scores_at_the_picks_serve_as_well_as_those_at_every_frame():
    at_picks = replace(FULL, user_scores=FULL.user_scores_at_picks)
    protocols = [PROTOCOLS["per-user"], PROTOCOLS["mean-annotator"]]
    for baseline in BASELINES:
        first = evaluate_baseline({"v": FULL}, baseline, protocols=protocols, draws=2)
        second = evaluate_baseline({"v": at_picks}, baseline, protocols=protocols, draws=2)
        assert first == second


def test_the_mean_annotator_is_made_where_the_file_has_none():
    video = replace(FULL, gtscore=None)
    protocol = [PROTOCOLS["mean-annotator"]]
    prediction = {"v": Prediction.of(np.random.default_rng(0).random(7), FULL)}
    with_gtscore = evaluate({"v": FULL}, prediction, method="m", protocols=protocol)
    assert evaluate({"v": video}, prediction, method="m", protocols=protocol) == with_gtscore


def test_f_score_is_undefined_without_summaries_of_users_or_shots():
    protocol = [PROTOCOLS["per-user"]]
    for missing in ({"user_summaries": None}, {"shots": None}):
        video = replace(FULL, **missing)
        for baseline in ("random", "consensus"):
            (result,) = evaluate_baseline({"v": video}, baseline, protocols=protocol)["per-user"].videos
            assert np.isnan([result.f_score_avg, result.f_score_max]).all()
            assert np.isfinite(result.kendall_tau)
    (result,) = evaluate_baseline({"v": replace(FULL, shots=None)}, "human", protocols=protocol)["per-user"].videos
    assert np.isfinite(result.f_score_avg)  # users' summaries need no shots


def test_a_set_with_one_summary_and_no_users_has_f_score_and_mean_annotator():
    n_frames = 40  # as MR.HiSum: a score a second, T = N
    drawn = drawn_video(np.random.default_rng(3), n_users=1, n_frames=n_frames, n_picks=n_frames)
    video = replace(drawn, user_scores=None)
    prediction = {"v": Prediction.of(np.random.default_rng(4).random(n_frames), video)}
    both = [PROTOCOLS["mean-annotator"], PROTOCOLS["summary-vs-mean"]]
    result = evaluate({"v": video}, prediction, method="m", protocols=both)["mean-annotator"].videos[0]
    assert np.isfinite([result.kendall_tau, result.f_score_avg]).all()
    assert result.f_score_avg == result.f_score_max


def test_consensus_takes_what_there_is():
    np.testing.assert_array_equal(consensus_prediction(FULL).at_picks, FULL.gtscore)
    no_mean = replace(FULL, gtscore=None)
    np.testing.assert_allclose(
        consensus_prediction(no_mean).at_picks, FULL.user_scores_at_picks.mean(axis=0), rtol=1e-6
    )
    only_summaries = replace(no_mean, user_scores=None)
    np.testing.assert_allclose(
        consensus_prediction(only_summaries).at_picks, FULL.user_summaries[:, FULL.picks].mean(axis=0)
    )
    with pytest.raises(ProtocolUnavailableError, match="consensus needs"):
        consensus_prediction(replace(only_summaries, user_summaries=None))
