"""The protocol of CTVSUM's code on SumMe: each user's summary averaged over the frames of each pick."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.drawn_dataset import drawn_video
from scipy.stats import kendalltau

from sspvs.evaluation.evaluate import evaluate
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.protocol import PROTOCOLS, protocols_named
from sspvs.evaluation.requirements import reference_scores, unavailable


def test_summaries_are_averaged_over_the_frames_of_each_pick() -> None:
    video = drawn_video(3)
    assert video.user_summaries is not None
    blocks = [
        [float(np.mean(user[start : start + 15])) for start in range(0, video.n_frames, 15)]
        for user in video.user_summaries
    ]
    assert np.array_equal(video.picks, np.arange(0, video.n_frames, 15))
    assert 0 < min(value for row in blocks for value in row if value) < 1  # not what single frames give
    protocol = PROTOCOLS["per-user-blocks"]
    np.testing.assert_allclose(reference_scores(protocol, video), blocks)
    scores = np.random.default_rng(0).random(len(video.picks))
    found = evaluate({"v": video}, {"v": Prediction.of(scores, video)}, method="", protocols=[protocol])
    taus = [kendalltau(scores, row).statistic for row in blocks]
    assert found[protocol.name].videos[0].kendall_tau == pytest.approx(np.mean(taus))


def test_it_is_a_variant_that_all_leaves_out() -> None:
    assert [protocol.name for protocol in protocols_named("all")] == [
        "per-user", "per-user-frames", "summary-vs-mean", "mean-annotator"
    ]  # fmt: skip


def test_ratings_stay_as_they_are_at_the_picks() -> None:
    ratings, protocol = drawn_video(3, ratings=True), PROTOCOLS["per-user-blocks"]
    np.testing.assert_array_equal(reference_scores(protocol, ratings), ratings.user_scores_at_picks)
    video = drawn_video(3)
    assert unavailable(protocol, replace(video, user_scores=None)) is not None
    assert unavailable(protocol, replace(video, user_scores=video.user_scores_at_picks)) is not None  # choices at picks
