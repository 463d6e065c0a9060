"""Contrastive importance against a double loop written from its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from sspvs.importance.contrastive import contrastive_importance
from sspvs.importance.terms import pairwise_terms


def local_dissimilarity(features, fraction=0.1, **how):
    return pairwise_terms(features, neighbour_fraction=fraction, consistency=False, **how).dissimilarity


def global_consistency(features, **how):
    return pairwise_terms(features, local=False, **how).consistency


def unit(rows):
    return [row / math.sqrt(sum(row**2)) if any(row) else row for row in np.asarray(rows, dtype=np.float64)]


def squared_distance(first, second):
    return sum((first - second) ** 2)


def plain_dissimilarity(features, fraction=0.1, raw=None):
    points, anchors = unit(features), unit(features if raw is None else raw)
    count = len(points)
    result = []
    for t in range(count):
        cosines = [2.0 if j == t else float(sum(anchors[t] * anchors[j])) for j in range(count)]
        nearest = sorted(range(count), key=lambda j: -cosines[j])[: max(math.floor(round(fraction * count, 9)), 1)]
        assert t in nearest
        result.append(sum(squared_distance(points[t], points[j]) for j in nearest) / len(nearest))
    return np.array(result)


def plain_consistency(features):
    points = unit(features)
    return np.array(
        [math.log(sum(math.exp(-2 * squared_distance(one, other)) for other in points) / len(points)) for one in points]
    )


def min_max(values):
    return (values - values.min()) / (values.max() - values.min())


def drawn(count, seed=0, width=6):
    return np.random.default_rng(seed).standard_normal((count, width)) + 0.7


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 60), seed=st.integers(0, 999), fraction=st.sampled_from([0.05, 0.1, 0.3, 1.0]))
def test_terms_equal_the_double_loop(count, seed, fraction):
    features, raw = drawn(count, seed), drawn(count, seed + 1000, width=4)
    np.testing.assert_allclose(
        local_dissimilarity(features, fraction), plain_dissimilarity(features, fraction), rtol=0, atol=1e-12
    )
    np.testing.assert_allclose(
        local_dissimilarity(features, fraction, raw=raw),
        plain_dissimilarity(features, fraction, raw),
        rtol=0,
        atol=1e-12,
    )
    np.testing.assert_allclose(global_consistency(features), plain_consistency(features), rtol=0, atol=1e-12)


@pytest.mark.parametrize("post", ["summe", "tvsum", "none"])
@pytest.mark.parametrize("combine", ["a", "g", "h", "ag", "ah", "gh", "agh"])
@pytest.mark.parametrize("refined", [False, True])
@pytest.mark.parametrize("guided", [False, True])
def test_scores_are_the_terms_normalised_multiplied_mapped_and_smoothed(post, combine, refined, guided):
    features, raw = drawn(45), drawn(45, 1) if refined else None
    text = np.random.default_rng(2).uniform(-0.2, 0.4, 45) if guided else None
    unique = np.random.default_rng(3).uniform(0.4, 0.6, 45)
    terms = {
        "local_dissimilarity": plain_dissimilarity(features, raw=raw),
        "global_consistency": plain_consistency(features),
        "uniqueness": unique,
    }
    names = [name for letter, name in zip("agh", terms, strict=True) if letter in combine]
    expected = math.prod(min_max(terms[name]) for name in names)
    if guided:
        expected = expected * min_max(text)
    if post != "none":
        expected = np.exp(expected - 1) if post == "tvsum" else expected + 0.05
        expected = gaussian_filter1d(expected, 1, mode="reflect", truncate=4)
    result = contrastive_importance(
        features, combine=combine, post=post, raw=raw, uniqueness=unique, text_similarity=text
    )
    np.testing.assert_allclose(result.scores, expected, rtol=0, atol=1e-10)
    assert list(result.curves) == names + ["text_similarity"] * guided
    for curve in result.curves.values():
        assert curve.min() == 0
        assert curve.max() == 1


def test_smoothing_equals_its_definition():
    features = drawn(30)
    mapped = contrastive_importance(features, post="none").scores + 0.05
    weights = [math.exp(-(offset**2) / 2) for offset in range(-4, 5)]
    reflected = np.concatenate([mapped[3::-1], mapped, mapped[:-5:-1]])
    expected = [sum(w * reflected[t + i] for i, w in enumerate(weights)) / sum(weights) for t in range(30)]
    np.testing.assert_allclose(contrastive_importance(features).scores, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("block", [{"block_rows": 1}, {"block_rows": 7}, {"block_rows": 1000}, {"memory_bytes": 1}])
@pytest.mark.parametrize("kind", ["plain", "refined", "with zeros"])
def test_blocks_change_nothing(block, kind):
    features = drawn(53)
    raw = drawn(53, 1) if kind == "refined" else None
    if kind == "with zeros":
        features[[3, 30]] = 0
    whole = contrastive_importance(features, raw=raw).scores
    np.testing.assert_allclose(contrastive_importance(features, raw=raw, **block).scores, whole, rtol=0, atol=1e-13)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), count=st.integers(2, 50))
def test_terms_follow_a_permutation_of_the_frames(seed, count):
    features, order = drawn(count, seed), np.random.default_rng(seed).permutation(count)
    np.testing.assert_allclose(
        local_dissimilarity(features[order], 0.3), local_dissimilarity(features, 0.3)[order], rtol=0, atol=1e-13
    )
    np.testing.assert_allclose(
        global_consistency(features[order]), global_consistency(features)[order], rtol=0, atol=1e-13
    )


def test_scale_does_not_matter():
    features = drawn(40)
    expected = contrastive_importance(features).scores
    scales = np.geomspace(1e-200, 1e200, 40)[:, None]  # of each frame by itself
    np.testing.assert_allclose(contrastive_importance(features * scales).scores, expected, rtol=0, atol=1e-12)


def test_frames_of_zeros():
    features = drawn(40)
    features[[5, 6, 20]] = 0
    np.testing.assert_allclose(local_dissimilarity(features), plain_dissimilarity(features), rtol=0, atol=1e-12)
    np.testing.assert_allclose(global_consistency(features), plain_consistency(features), rtol=0, atol=1e-12)


def test_a_frame_is_its_own_neighbour_also_among_equal_frames():
    raw, refined = np.ones((30, 3)), drawn(30)
    # One neighbour, and all are equally near: only the frame itself gives 0.
    assert (local_dissimilarity(refined, 1 / 30, raw=raw) == 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_frames_are_at_distance_zero(dtype):
    # Most frames are one frame: their nearest tenth are copies. Round-off must not look like dissimilarity.
    rng = np.random.default_rng(0)
    features = np.repeat(rng.standard_normal((1, 1280)), 50, axis=0).astype(dtype)
    features[:5] = rng.standard_normal((5, 1280))
    assert local_dissimilarity(features)[5:].max() < 1e-14


@pytest.mark.parametrize("count", [1, 2, 3, 9, 200])
@pytest.mark.parametrize(("post", "expected"), [("none", 1.0), ("summe", 1.05), ("tvsum", 1.0)])
def test_a_video_of_one_picture_scores_the_same_everywhere(count, post, expected):
    picture = np.random.default_rng(3).random((1, 300))
    features = np.repeat(picture, count, axis=0).astype(np.float32)
    jitter = 1 + 1e-7 * np.random.default_rng(4).standard_normal(features.shape)  # float32 round-off
    for frames in (features, features * jitter):
        np.testing.assert_allclose(contrastive_importance(frames, post=post).scores, expected, rtol=0, atol=1e-12)


def test_constant_text_says_nothing():
    features = drawn(25)
    plain = contrastive_importance(features).scores
    guided = contrastive_importance(features, text_similarity=np.full(25, 0.3))
    np.testing.assert_array_equal(guided.scores, plain)
    np.testing.assert_array_equal(guided.curves["text_similarity"], 1)


@pytest.mark.parametrize("level", [0.5, 0.0, -3.0])
def test_constant_uniqueness_says_nothing(level):
    features = drawn(25)
    plain = contrastive_importance(features, combine="ag").scores
    jitter = 1 + 1e-6 * np.random.default_rng(4).standard_normal(25)  # float32 round-off of a network
    judged = contrastive_importance(features, combine="agh", uniqueness=(level * jitter).astype(np.float32))
    np.testing.assert_array_equal(judged.scores, plain)
    np.testing.assert_array_equal(judged.curves["uniqueness"], 1)


def test_uniqueness_is_not_looked_at_unless_asked_for():
    features = drawn(25)
    plain = contrastive_importance(features).scores
    np.testing.assert_array_equal(contrastive_importance(features, uniqueness=np.full(7, np.nan)).scores, plain)


def test_half_precision_features_are_taken_as_they_are():
    features = drawn(40).astype(np.float16)
    np.testing.assert_allclose(local_dissimilarity(features), plain_dissimilarity(features), rtol=0, atol=1e-12)
    said = np.random.default_rng(1).random(40).astype(np.float16)
    found = contrastive_importance(features, combine="h", uniqueness=said, text_similarity=said, post="none")
    np.testing.assert_allclose(found.scores, min_max(said.astype(np.float64)) ** 2, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("features", "settings", "message"),
    [
        (np.ones(3), {}, "features must be"),
        (np.ones((0, 3)), {}, "features must be"),
        (np.ones((3, 0)), {}, "features must be"),
        (np.array([[1.0, 2.0], [np.nan, 1.0]]), {}, "row 1"),
        (np.array([[1.0, np.inf]]), {}, "row 0"),
        (np.array([[1.0, -np.inf]]), {}, "row 0"),
        (np.ones((3, 2)), {"combine": "ga"}, "combine"),
        (np.ones((3, 2)), {"combine": ""}, "combine"),
        (np.ones((3, 2)), {"combine": "gh"}, "uniqueness, which was not given"),
        (np.ones((3, 2)), {"combine": "h", "uniqueness": np.ones(4)}, "uniqueness"),
        (np.ones((3, 2)), {"combine": "h", "uniqueness": np.full(3, np.nan)}, "uniqueness"),
        (np.array([[1.0, np.nan]]), {"combine": "h", "uniqueness": np.ones(1)}, "row 0"),
        (np.ones((3, 2)), {"post": "exp"}, "post"),
        (np.ones((3, 2)), {"raw": np.ones((4, 2))}, "raw"),
        (np.ones((3, 2)), {"raw": np.full((3, 2), np.nan)}, "raw"),
        (np.ones((3, 2)), {"neighbour_fraction": 0}, "neighbour_fraction"),
        (np.ones((3, 2)), {"neighbour_fraction": 1.1}, "neighbour_fraction"),
        (np.ones((3, 2)), {"text_similarity": np.ones(4)}, "text_similarity"),
        (np.ones((3, 2)), {"text_similarity": np.full(3, np.nan)}, "text_similarity"),
        (np.ones((3, 2)), {"block_rows": 0}, "block_rows"),
        (np.ones((3, 2)), {"memory_bytes": 0}, "memory_bytes"),
    ],
)
def test_wrong_arguments(features, settings, message):
    with pytest.raises(ValueError, match=message):
        contrastive_importance(features, **settings)
