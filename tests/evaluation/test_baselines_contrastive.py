"""Contrastive importance as a baseline on a dataset with features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.drawn_annotations import drawn_video
from helpers.naive_protocols import naive_hold

from sspvs.errors import DatasetError
from sspvs.evaluation.baselines import feature_predictions
from sspvs.importance.contrastive import contrastive_importance
from sspvs.types import FrameFeatures

RNG = np.random.default_rng(0)
DATASET = {key: drawn_video(RNG, key=key) for key in ("video_1", "video_2")}
PICKS = np.arange(0, 60, 4)
FEATURES = {
    key: FrameFeatures(key, RNG.random((15, 8)).astype(np.float32), PICKS, 60) for key in ("video_1", "video_2")
}


def contrastive_predictions(features, dataset, **how):
    return feature_predictions(features, dataset, lambda v: contrastive_importance(v.features, **how).scores)


@pytest.mark.parametrize(("combine", "post"), [("ag", "summe"), ("a", "tvsum"), ("ag", "none")])
def test_importance_is_put_on_the_clocks_of_the_dataset(combine, post):
    predictions = contrastive_predictions(FEATURES, DATASET, combine=combine, post=post)
    assert list(predictions) == ["video_1", "video_2"]
    for key, prediction in predictions.items():
        scores = contrastive_importance(FEATURES[key].features, combine=combine, post=post).scores
        np.testing.assert_array_equal(prediction.at_frames, naive_hold(scores, PICKS, 60))
        np.testing.assert_array_equal(prediction.at_picks, prediction.at_frames[DATASET[key].picks])


def test_missing_features_are_named():
    with pytest.raises(DatasetError, match=r"The video_2 \(video_2\).*--features"):
        contrastive_predictions({"video_1": FEATURES["video_1"]}, DATASET)


def test_features_of_another_video_are_refused():
    other = {**FEATURES, "video_2": replace(FEATURES["video_2"], n_frames=61)}
    with pytest.raises(DatasetError, match="61 frames do not fit annotations of 60"):
        contrastive_predictions(other, DATASET)
