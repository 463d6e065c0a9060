"""Scores on whatever clock, put on the dataset's two."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.drawn_annotations import drawn_video
from helpers.naive_protocols import naive_hold
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.evaluation.prediction import Prediction

VIDEO = drawn_video(np.random.default_rng(0))  # 60 frames, 7 picks


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 40))
def test_scores_are_held_from_one_pick_to_the_next(seed, n_picks, own_picks):
    rng = np.random.default_rng(seed)
    video = drawn_video(rng, n_picks=n_picks)
    scores = rng.random(n_picks)
    prediction = Prediction.of(scores, video)
    held = naive_hold(scores, video.picks, 60)
    np.testing.assert_array_equal(prediction.at_picks, scores)
    np.testing.assert_array_equal(prediction.at_frames, held)
    np.testing.assert_array_equal(prediction.at_frames[video.picks], scores)
    picks = np.sort(rng.choice(60, own_picks, replace=False))
    scores = rng.random(own_picks)
    prediction = Prediction.of(scores, video, picks=picks)
    held = naive_hold(scores, picks, 60)
    np.testing.assert_array_equal(prediction.at_frames, held)
    np.testing.assert_array_equal(prediction.at_picks, held[video.picks])


def test_scores_per_frame_are_sampled_at_the_picks():
    scores = np.random.default_rng(0).random(60)
    prediction = Prediction.of(scores, VIDEO)
    np.testing.assert_array_equal(prediction.at_frames, scores)
    np.testing.assert_array_equal(prediction.at_picks, scores[VIDEO.picks])
    assert prediction.summary is None


def test_picks_may_be_floats_and_may_close_with_the_length_of_the_video():
    prediction = Prediction.of([0.2, 0.8], VIDEO, picks=[0.0, 30.0, 60.0])
    np.testing.assert_array_equal(prediction.at_frames, np.repeat([0.2, 0.8], 30))


def test_a_recorded_summary_becomes_bool():
    summary = Prediction.of(np.ones(7), VIDEO, summary=np.eye(1, 60, 3)[0]).summary
    assert summary.dtype == np.bool_
    assert np.flatnonzero(summary).tolist() == [3]


@pytest.mark.parametrize(
    ("scores", "extra", "message"),
    [
        (np.ones(8), {}, r"The video_1: expected 7 scores \(one a pick\) or 60 \(one a frame\), got 8"),
        (np.ones((7, 1)), {}, "dimensions"),
        ([1, 2, 3, np.nan, 5, 6, 7], {}, r"scores must be finite, got nan at \[3\]"),
        ([1, 2, 3, np.inf, 5, 6, 7], {}, "scores must be finite, got inf"),
        (["a"] * 7, {}, "numbers"),
        (np.ones(3), {"picks": [0, 1]}, "picks"),
        (np.ones(3), {"picks": [0, 5, 5]}, "increase"),
        (np.ones(3), {"picks": [0, 5, 99]}, "within the video's 60 frames"),
        (np.ones(3), {"picks": [0, 5, 7.5]}, "whole"),
        (np.ones(7), {"summary": np.ones(59)}, "summary of 60 frames"),
        (np.ones(7), {"summary": np.full(60, 0.5)}, "0 and 1"),
    ],
)
def test_wrong_input_is_named_with_the_video(scores, extra, message):
    with pytest.raises(ValueError, match=message):
        Prediction.of(scores, VIDEO, **extra)
