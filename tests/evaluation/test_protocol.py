"""Every protocol and baseline against plain loops, on annotations of odd shapes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.drawn_annotations import drawn_video
from helpers.naive_protocols import naive_human, naive_method
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.errors import DatasetError, ProtocolUnavailableError
from sspvs.evaluation.baselines import consensus_prediction, evaluate_baseline, random_scores
from sspvs.evaluation.evaluate import evaluate
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.protocol import PROTOCOLS, protocols_named
from sspvs.evaluation.summary_rule import SummaryRule

ALL = protocols_named("all")
METRICS = ("kendall_tau", "spearman_rho", "f_score_avg", "f_score_max", "undefined_pairs", "n_pairs")


@st.composite
def videos(draw, fewest_users=1):
    """Annotations with few or many users, picks and shots, some users constant."""
    n_frames = draw(st.integers(1, 70))
    n_users = draw(st.integers(fewest_users, 5))
    return drawn_video(
        np.random.default_rng(draw(st.integers(0, 2**32))),
        n_users=n_users,
        n_frames=n_frames,
        n_picks=draw(st.integers(1, min(n_frames, 8))),
        n_shots=draw(st.integers(1, min(n_frames, 8))),
        levels=draw(st.integers(1, 5)),
        constant_users=draw(st.integers(0, n_users)),
    )


def row(result):
    (video,) = result.videos
    return [getattr(video, metric) for metric in METRICS]


@settings(max_examples=100, deadline=None)
@given(videos(), st.integers(0, 2**32), st.integers(1, 9))
def test_a_method_under_each_protocol(video, seed, levels):
    scores = np.random.default_rng(seed).integers(0, levels, len(video.picks)) / 7
    results = evaluate({"v": video}, {"v": Prediction.of(scores, video)}, method="ours", protocols=ALL)
    for name, result in results.items():
        expected = naive_method(video, scores, name)
        np.testing.assert_allclose(row(result), expected, rtol=0, atol=1e-9, err_msg=name)


@settings(max_examples=100, deadline=None)
@given(videos(fewest_users=2))
def test_the_human_row_under_each_protocol(video):
    results = evaluate_baseline({"v": video}, "human", protocols=ALL)
    for name, result in results.items():
        np.testing.assert_allclose(row(result), naive_human(video, name), rtol=0, atol=1e-9, err_msg=name)


@settings(max_examples=25, deadline=None)
@given(videos(), st.integers(0, 9), st.integers(1, 4))
def test_the_random_row_is_the_mean_of_its_draws(video, seed, draws):
    results = evaluate_baseline({"v": video}, "random", protocols=ALL, draws=draws, seed=seed)
    drawn = random_scores(video, draws=draws, seed=seed)
    for name, result in results.items():
        each = np.array([naive_method(video, scores, name) for scores in drawn])
        for place, metric in enumerate(METRICS[:4]):
            known = each[:, place][~np.isnan(each[:, place])]
            expected = known.mean() if len(known) else np.nan
            assert getattr(result.videos[0], metric) == pytest.approx(expected, abs=1e-9, nan_ok=True), (name, metric)
        assert row(result)[4:] == [each[:, 4].sum(), each[:, 5].sum()]


@settings(max_examples=50, deadline=None)
@given(videos())
def test_the_consensus_row_is_that_of_the_mean_annotator(video):
    results = evaluate_baseline({"v": video}, "consensus", protocols=ALL)
    for name, result in results.items():
        expected = naive_method(video, video.gtscore.astype(np.float64), name)
        np.testing.assert_allclose(row(result), expected, rtol=0, atol=1e-9, err_msg=name)


@settings(max_examples=30, deadline=None)
@given(videos(fewest_users=2), st.integers(0, 2**32))
def test_the_order_of_the_users_changes_nothing(video, seed):
    order = np.random.default_rng(seed).permutation(video.n_users)
    shuffled = replace(
        video, user_scores=video.user_scores[order], user_summaries=video.user_summaries[order], gtscore=None
    )
    video = replace(video, gtscore=None)
    for baseline in ("human", "random", "consensus"):
        first = evaluate_baseline({"v": video}, baseline, protocols=ALL, draws=3)
        second = evaluate_baseline({"v": shuffled}, baseline, protocols=ALL, draws=3)
        for name in first:
            np.testing.assert_allclose(row(first[name]), row(second[name]), rtol=0, atol=1e-12)


def test_scores_per_frame_are_taken_as_they_are():
    rng = np.random.default_rng(0)
    video = drawn_video(rng)
    scores = rng.random(video.n_frames)
    results = evaluate({"v": video}, {"v": Prediction.of(scores, video)}, method="m", protocols=ALL)
    every = replace(video, picks=np.arange(video.n_frames), gtscore=None)
    expected = naive_method(every, scores, "per-user-frames")
    np.testing.assert_allclose(row(results["per-user-frames"]), expected, rtol=0, atol=1e-9)
    expected = naive_method(video, scores[video.picks], "per-user")
    np.testing.assert_allclose(row(results["per-user"])[:2], expected[:2], rtol=0, atol=1e-9)


def test_a_recorded_summary_is_judged_instead_of_one_made_by_the_rule():
    video = drawn_video(np.random.default_rng(1))
    prediction = Prediction.of(np.arange(7.0), video, summary=video.user_summaries[0])
    no_shots = replace(video, shots=None)
    for dataset in (video, no_shots):
        result = evaluate({"v": dataset}, {"v": prediction}, method="m", protocols=ALL)["summary-vs-mean"]
        assert result.videos[0].f_score_max == 1
        assert result.videos[0].summary_frames == video.user_summaries[0].sum()
        assert result.settings["summaries"] == "recorded"


def test_settings_say_what_made_the_numbers():
    video = drawn_video(np.random.default_rng(2))
    rule = SummaryRule(rounding="round")
    result = evaluate({"v": video}, {"v": consensus_prediction(video)}, method="m", protocols=ALL, rule=rule)
    assert result["per-user"].settings["rule"] == {"fraction": 0.15, "rounding": "round", "values": "exact"}
    assert result["per-user"].settings["summaries"] == "by rule"
    random = evaluate_baseline({"v": video}, "random", protocols=ALL, draws=7, seed=3)["per-user"]
    assert (random.settings["draws"], random.settings["seed"]) == (7, 3)


def test_empty_summaries_are_told():
    video = drawn_video(np.random.default_rng(3))
    logits = Prediction.of(np.linspace(-2, -1, 7), video)  # no shot is worth more than 0
    result = evaluate({"v": video}, {"v": logits}, method="m", protocols=ALL)
    assert result["per-user"].settings["empty_summaries"] == ["The video_1"]
    assert row(result["per-user"])[2:4] == [0, 0]
    assert row(result["summary-vs-mean"])[4:] == [1, 1]


def test_videos_come_in_the_order_of_the_dataset_and_only_those_predicted():
    rng = np.random.default_rng(4)
    dataset = {key: drawn_video(rng, key=key) for key in ("b", "a", "c")}
    predictions = {key: consensus_prediction(dataset[key]) for key in ("c", "b")}
    result = evaluate(dataset, predictions, method="m", protocols=ALL)["per-user"]
    assert [video.key for video in result.videos] == ["b", "c"]
    with pytest.raises(ValueError, match="does not have: z"):
        evaluate(dataset, {"z": predictions["c"]}, method="m", protocols=ALL)
    with pytest.raises(ValueError, match="no video"):
        evaluate(dataset, {}, method="m", protocols=ALL)
    with pytest.raises(ValueError, match="at least one protocol"):
        evaluate(dataset, predictions, method="m", protocols=[])


def test_a_prediction_of_another_video_is_refused():
    rng = np.random.default_rng(5)
    video, other = drawn_video(rng), drawn_video(rng, n_frames=61)
    with pytest.raises(ValueError, match="another video"):
        evaluate({"v": video}, {"v": consensus_prediction(other)}, method="m", protocols=ALL)


def test_random_scores_depend_on_seed_and_key_alone():
    rng = np.random.default_rng(6)
    video, other = drawn_video(rng, key="x"), drawn_video(rng, key="y")
    np.testing.assert_array_equal(random_scores(video, draws=3, seed=1), random_scores(video, draws=3, seed=1))
    assert not np.array_equal(random_scores(video, draws=3, seed=1), random_scores(video, draws=3, seed=2))
    assert not np.array_equal(random_scores(video, draws=3, seed=1), random_scores(other, draws=3, seed=1))
    for wrong in ({"draws": 0}, {"seed": -1}):
        with pytest.raises(ValueError, match="at least"):
            evaluate_baseline({"v": video}, "random", protocols=ALL, **wrong)


@pytest.mark.parametrize("baseline", ["human", "random", "consensus"])
def test_nan_among_the_annotations_is_named(baseline):
    video = drawn_video(np.random.default_rng(7))
    scores = video.user_scores.copy()
    scores[1, video.picks[0]] = np.nan
    bad = replace(video, user_scores=scores)
    with pytest.raises(DatasetError, match="The video_1: user_scores must be finite, found nan"):
        evaluate_baseline({"v": bad}, baseline, protocols=[PROTOCOLS["per-user"]])
    if baseline != "human":
        bad = replace(video, gtscore=np.full(7, np.inf, dtype=np.float32))
        with pytest.raises(DatasetError, match="gtscore must be finite, found inf"):
            evaluate_baseline({"v": bad}, baseline, protocols=[PROTOCOLS["mean-annotator"]])


def test_an_unknown_baseline_is_named():
    video = drawn_video(np.random.default_rng(8))
    with pytest.raises(ValueError, match="human, random, consensus"):
        evaluate_baseline({"v": video}, "oracle", protocols=ALL)
    with pytest.raises(ValueError, match="no video"):
        evaluate_baseline({}, "random", protocols=ALL)


def test_a_protocol_that_is_not_available_is_refused_by_name():
    video = replace(drawn_video(np.random.default_rng(9)), user_scores=None)
    with pytest.raises(ProtocolUnavailableError, match="The video_1: per-user needs the scores of each user"):
        evaluate({"v": video}, {"v": consensus_prediction(video)}, method="m", protocols=ALL)
