"""Kernel temporal segmentation against brute force, the textbook programme and real footage."""

from __future__ import annotations

import itertools
import math
import sys

import numpy as np
import pytest
from helpers.textbook_kts import objective, textbook_kts
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.selection.kts import DEFAULT_PENALTY, SegmentCosts, cheapest_partition, kts, kts_about

kts_module = sys.modules["sspvs.selection.kts"]
costs_module = sys.modules["sspvs.selection.kts"]


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(costs_module, "_BLOCK_ROWS", 32)
    monkeypatch.setattr(costs_module, "_PIECE_COLUMNS", 20)
    monkeypatch.setattr(costs_module, "_RESERVE_COLUMNS", 1)


def all_partitions(count, min_picks):
    for changes in range(count):
        for cuts in itertools.combinations(range(1, count), changes):
            starts = (0, *cuts)
            if min(np.diff([*starts, count])) >= min_picks or changes == 0:
                yield starts


def scenes(rng, lengths, width=16, noise=0.3):
    return np.concatenate(
        [rng.standard_normal(width) + noise * rng.standard_normal((length, width)) for length in lengths]
    )


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 9),
    width=st.integers(1, 4),
    penalty=st.floats(0.01, 4),
    min_picks=st.integers(1, 4),
    kind=st.sampled_from(["noise", "few values", "zeros"]),
)
def test_no_partition_is_better(seed, count, width, penalty, min_picks, kind):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((count, width))
    if kind != "noise":
        features = np.round(features)  # equal frames, and frames of zeros
    if kind == "zeros":
        features[rng.random(count) < 0.5] = 0
    starts = kts(features, penalty=penalty, min_shot_picks=min_picks)
    best = min(objective(features, other, penalty) for other in all_partitions(count, min_picks))
    assert tuple(starts) in set(all_partitions(count, min_picks))
    assert objective(features, starts, penalty) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("min_picks", [1, 2, 5])
@pytest.mark.parametrize("penalty", [0.2, 0.7, 1.25, 3.0])
@pytest.mark.parametrize("kind", ["scenes", "noise", "walk"])
def test_equals_the_textbook(kind, penalty, min_picks):
    rng = np.random.default_rng(7)
    features = {
        "scenes": scenes(rng, [31, 5, 60, 12, 12, 40], noise=0.6),
        "noise": rng.standard_normal((90, 12)),
        "walk": np.cumsum(rng.standard_normal((150, 6)), axis=0),
    }[kind]
    expected = textbook_kts(features, penalty, len(features) // min_picks - 1, min_picks)
    starts = kts(features, penalty=penalty, min_shot_picks=min_picks)
    assert objective(features, starts, penalty) == pytest.approx(objective(features, expected, penalty), abs=1e-9)
    assert np.diff([*starts, len(features)]).min() >= min_picks


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(10, 50),
    min_picks=st.integers(1, 7),
    penalty=st.floats(0.05, 3),
    block_rows=st.integers(1, 12),
    reserve=st.integers(1, 20),
)
def test_equals_the_textbook_on_mixed_scales_in_tiny_blocks(seed, count, min_picks, penalty, block_rows, reserve):
    rng = np.random.default_rng(seed)
    features = np.zeros((count, 3))
    for size in (0.2, 0.6, 1.5):  # a tree of changes, so that several numbers of shots are locally best
        features += size * rng.standard_normal((count + 1, 3))[np.cumsum(rng.random(count) < 0.1 / size)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs_module, "_BLOCK_ROWS", block_rows)
        patch.setattr(costs_module, "_PIECE_COLUMNS", 5)
        patch.setattr(costs_module, "_RESERVE_COLUMNS", reserve)
        starts = kts(features, penalty=penalty, min_shot_picks=min_picks)
    expected = textbook_kts(features, penalty, max(count // min_picks - 1, 0), min_picks)
    assert objective(features, starts, penalty) == pytest.approx(objective(features, expected, penalty), abs=1e-9)


@pytest.mark.parametrize("min_picks", [1, 3, 140])
def test_equals_the_textbook_over_many_blocks(min_picks, small_blocks):
    features = scenes(np.random.default_rng(3), [150, 20, 7, 200, 33, 90], noise=0.9)
    expected = textbook_kts(features, 0.8, min(len(features) // min_picks - 1, 80), min_picks)
    starts = kts(features, penalty=0.8, min_shot_picks=min_picks)
    assert list(starts) == list(expected)
    assert 1 < len(starts) < 40


def test_single_precision_gives_the_same(monkeypatch, small_blocks):
    features = scenes(np.random.default_rng(5), [150, 20, 7, 200, 33, 90], noise=0.9)
    double = kts(features)
    monkeypatch.setattr(costs_module, "DOUBLE_PRECISION_PICKS", 0)
    assert list(kts(features.astype(np.float32))) == list(double)


@pytest.mark.parametrize("beta", [0.0, 0.3, 2.0, 1e3])
@pytest.mark.parametrize(("min_picks", "longest"), [(1, None), (4, None), (1, 12), (4, 9)])
def test_linear_price_equals_plain_dynamic_programming(beta, min_picks, longest, small_blocks):
    features = np.cumsum(np.random.default_rng(1).standard_normal((300, 5)), axis=0) / 10
    costs = SegmentCosts(features, min_picks)
    ends = np.arange(301)  # the longest segment varies by up to a fifth, as of picks at irregular times
    earliest = (
        None
        if longest is None
        else np.maximum.accumulate(np.maximum(ends - longest - ends // 7 % 2 * (longest // 5), 0))
    )
    value, starts = cheapest_partition(costs, beta, earliest)
    best = np.full(301, np.inf)
    best[0] = -beta
    for end in range(min_picks, 301):
        for start in range(0 if earliest is None else earliest[end], end - min_picks + 1):
            part = features[start:end]
            scatter = (part**2).sum() - (part.sum(axis=0) ** 2).sum() / len(part)
            best[end] = min(best[end], best[start] + scatter + beta)
    assert value == pytest.approx(best[300], abs=1e-8)
    assert costs.scatter(starts) + beta * (len(starts) - 1) == pytest.approx(value, abs=1e-8)
    if earliest is not None:
        assert (starts >= earliest[[*starts[1:], 300]]).all()


def test_costs_do_not_depend_on_the_order_of_asking(small_blocks):
    features = np.random.default_rng(2).standard_normal((128, 7))
    piecemeal, at_once = SegmentCosts(features, 2), SegmentCosts(features, 2)
    assert len(at_once.edges) == 5
    for low in ([0, 30, 60, 96], [0, 7, 31, 96], [0, 0, 0, 0]):
        for index, column in enumerate(low):
            piecemeal.rows(index, column)
    for index, (first, last) in enumerate(itertools.pairwise(at_once.edges)):
        expected = at_once.rows(index, 0)
        np.testing.assert_allclose(piecemeal.rows(index, 0), expected, rtol=0, atol=1e-9)
        for end, start in [(first + 1, 0), (last, 0), (last, first // 2), (last, max(last - 1, 0))]:
            part = features[start:end]
            scatter = ((part - part.mean(axis=0)) ** 2).sum() if end - start >= 2 else np.inf
            assert expected[end - first - 1, start] == pytest.approx(scatter, abs=1e-9)


def test_noise_of_three_thousand_picks_has_no_better_neighbour():
    features = np.random.default_rng(11).standard_normal((3000, 8)).astype(np.float32)
    starts = kts(features, penalty=0.6)
    best = objective(features, starts, 0.6)
    others = [np.arange(0, 3000, step) for step in (1, 2, 3, 7, 50, 3000)]
    for change in range(1, len(starts), max(len(starts) // 20, 1)):
        others.append(np.delete(starts, change))
        for shift in (-1, 1):
            moved = starts.copy()
            moved[change] += shift
            if (np.diff([*moved, 3000]) > 0).all():
                others.append(moved)
    assert min(objective(features, other, 0.6) for other in others) >= best - 1e-9


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(1e-6, 1e30))
def test_scale_does_not_matter(seed, scale):
    rng = np.random.default_rng(seed)
    features = scenes(rng, rng.integers(1, 20, 5))
    assert list(kts(features * scale)) == list(kts(features))


def test_known_scenes_are_found():
    lengths = [12, 3, 30, 25, 8]
    starts = kts(scenes(np.random.default_rng(0), lengths, width=64))
    assert list(starts) == [0, 12, 15, 45, 70]


@pytest.mark.parametrize("features", [np.ones((1, 4)), np.ones((2, 4)), np.ones((500, 4)), np.zeros((50, 4))])
def test_videos_without_change_are_one_shot(features):
    assert list(kts(features)) == [0]


def test_two_different_picks():
    features = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert list(kts(features, penalty=0.1)) == [0, 1]
    assert list(kts(features, penalty=10)) == [0]
    assert list(kts(features, penalty=0.1, min_shot_picks=2)) == [0]


def test_more_penalty_never_gives_more_shots():
    features = scenes(np.random.default_rng(4), [10] * 20, noise=1.0)
    numbers = [len(kts(features, penalty=penalty)) for penalty in np.geomspace(0.01, 10, 15)]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] > 50
    assert numbers[-1] == 1


def test_long_videos_are_cut_into_windows(monkeypatch):
    monkeypatch.setattr(kts_module, "WINDOW_PICKS", 100)
    features = scenes(np.random.default_rng(6), [30, 95, 60, 20], width=32)  # 205 picks: windows of 68, 69 and 68
    assert list(kts(features)) == [0, 30, 68, 125, 137, 185]


def drift(rng, count, width=12, noise=0.3):
    """One take: features that wander, with noise."""
    return np.cumsum(rng.standard_normal((count, width)), axis=0) / 10 + noise * rng.standard_normal((count, width))


@pytest.mark.parametrize("kind", ["drift", "noise", "scenes", "far from zero"])
def test_about_so_many_shots_whatever_the_features(kind):
    rng = np.random.default_rng(9)
    features = {
        "drift": drift(rng, 240),
        "noise": rng.standard_normal((240, 300)),
        "scenes": scenes(rng, [60, 20, 100, 60]),
        "far from zero": 100 + drift(rng, 240) / 50,
    }[kind]
    for wanted in (24, 60):
        starts = kts_about(features, wanted, rate_hz=2)
        assert 0.9 * wanted <= len(starts) <= wanted
        assert list(kts_about(1e12 * features, wanted, rate_hz=2)) == list(starts)
    if kind == "noise":
        assert list(kts_about(features, 1, rate_hz=2)) == [0]
    if kind == "scenes":
        assert {0, 60, 80, 180} <= set(starts)
        assert list(kts_about(features, 1, rate_hz=2)) == [0, 60, 80, 180]


@pytest.mark.parametrize("backbone", ["wide", "narrow", "positive"])
@pytest.mark.parametrize("rate", [1, 2, 8])
def test_cuts_are_found_at_every_rate_and_not_only_so_many(backbone, rate):
    rng = np.random.default_rng(10)
    lengths = rate * np.array([1, 2, 1, 3, 2, 7, 1, 1, 4, 2, 2, 1, 9, 1] if rate > 1 else [2, 2, 3, 2, 7, 2, 4, 9, 2])
    features = scenes(rng, lengths, width=512 if backbone == "wide" else 24)
    if backbone == "positive":  # as after a rectifier: rows share much of their direction
        features = np.maximum(features, 0)
    starts = kts_about(features, 4, rate_hz=rate)
    assert list(starts) == [0, *np.cumsum(lengths)[:-1]]


def test_what_does_not_change_is_not_cut():
    still = np.repeat(np.random.default_rng(0).standard_normal((3, 8)), [30, 5, 40], axis=0)
    assert list(kts_about(still, 20, rate_hz=2)) == [0, 30, 35]  # twenty were wanted
    for features in (np.ones((50, 4)), np.zeros((50, 4)), np.ones((1, 4)), np.full((30, 3), 1e30)):
        assert list(kts_about(features, 20, rate_hz=2)) == [0]


def test_wanted_shots_and_limits_hold_in_windows(monkeypatch):
    features = drift(np.random.default_rng(6), 205)
    earliest = np.maximum(np.arange(206) - 15, 0)
    monkeypatch.setattr(kts_module, "WINDOW_PICKS", 100)
    starts = kts_about(features, 41, rate_hz=2, min_shot_picks=2, earliest=earliest)
    assert {0, 68, 137} <= set(starts)
    assert 37 <= len(starts) <= 45
    lengths = np.diff([*starts, 205])
    assert lengths.min() >= 2
    assert lengths.max() <= 15


def test_half_precision_is_fine():
    features = scenes(np.random.default_rng(8), [20, 20, 20], width=64)
    assert list(kts(features.astype(np.float16))) == list(kts(features)) == [0, 20, 40]


@pytest.mark.parametrize(
    ("features", "settings", "message"),
    [
        (np.ones(4), {}, "features must be"),
        (np.ones((0, 4)), {}, "features must be"),
        (np.array([[1.0], [np.nan]]), {}, "row 1"),
        (np.array([[1.0], [-np.inf]]), {}, "row 1"),
        (np.ones((3, 2)), {"penalty": 0}, "penalty"),
        (np.ones((3, 2)), {"penalty": math.nan}, "penalty"),
        (np.ones((3, 2)), {"min_shot_picks": 0}, "min_shot_picks"),
    ],
)
def test_wrong_arguments(features, settings, message):
    with pytest.raises(ValueError, match=message):
        kts(features, **settings)


@pytest.mark.parametrize("clip_picks", [6, 10])
def test_real_scenes_are_found(shared_data, clip_picks):
    h5py = pytest.importorskip("h5py")
    with h5py.File(shared_data / "footage" / "footage.h5") as file:
        clips = [file[name]["features"][:clip_picks] for name in sorted(file)]
    clips = [clip for clip in clips if len(clip) == clip_picks]
    clips = [clips[index] for index in np.random.default_rng(0).permutation(len(clips))]
    starts = kts(np.concatenate(clips), penalty=DEFAULT_PENALTY)
    true = np.arange(len(clips)) * clip_picks
    found = np.isin(true, starts).sum() - 1
    assert found / (len(true) - 1) >= 0.95
    assert found / (len(starts) - 1) >= 0.75  # some clips have cuts of their own


@pytest.mark.parametrize("file", ["footage/footage.h5", "real/relations_resnet152.h5"])
def test_joints_of_real_clips_are_found_with_features_of_any_backbone(shared_data, file):
    h5py = pytest.importorskip("h5py")
    with h5py.File(shared_data / file) as content:
        names = sorted(name for name in content if isinstance(content[name], h5py.Group))[:80]
        scale = content["scale"][()] if "scale" in content else 1
        clips = [content[name]["features"][()].astype(np.float32) * scale for name in names]
    clips = [clips[index] for index in np.random.default_rng(0).permutation(len(clips))]
    for rows, recall, precision in ((2, 0.85, 0.95), (3, 0.95, 0.95), (6, 0.98, 0.9)):  # 1, 1.5 and 3 seconds
        parts = [clip[:rows] for clip in clips if len(clip) >= rows]
        joints = np.arange(1, len(parts)) * rows
        starts = kts_about(np.concatenate(parts), len(parts) * rows // 10, rate_hz=2)
        assert np.isin(joints, starts).mean() >= recall
        assert np.isin(starts[1:], joints).mean() >= precision
