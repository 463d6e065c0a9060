"""Shots from picks, from cuts, uniform ones, and merging."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sspvs.selection.shots import kts_shots, merge_short, shots_from_cuts, shots_from_picks, uniform_shots
from sspvs.types import Shots, Timeline


def constant_rate(n_frames, fps=25.0):
    return Timeline(np.arange(n_frames) / fps, n_frames / fps)


def wandering(count, rate=2.0, seed=0):
    """(T, 8) features of one take, whose speed does not depend on the rate."""
    steps = np.random.default_rng(seed).standard_normal((count, 8)) / np.sqrt(10 * rate)
    return np.cumsum(steps, axis=0) + 3


def seconds_of(shots, timeline):
    return np.diff(
        np.append(timeline.frame_seconds, timeline.end_seconds)[np.append(shots.bounds[:, 0], shots.n_frames)]
    )


@pytest.mark.parametrize("rate", [0.5, 1, 2, 5, 12.5])
def test_kts_shots_last_a_few_seconds_at_any_rate(rate):
    timeline = constant_rate(10_000)  # 400 s
    picks = np.arange(0, 10_000, int(25 / rate))
    shots = kts_shots(wandering(len(picks), rate), picks, timeline, longest_seconds=12.0)
    lengths = seconds_of(shots, timeline)
    assert 4.0 <= lengths.mean() <= 5.5
    assert lengths.max() <= 12.0 + 1e-9
    assert lengths.min() >= min(0.9, 1 / rate) / 2  # the first one starts before its pick, not half-way
    shorter = kts_shots(wandering(len(picks), rate), picks, timeline, mean_seconds=3.0, longest_seconds=12.0)
    assert 2.4 <= seconds_of(shorter, timeline).mean() <= 3.3


def test_kts_shots_keep_cuts_to_the_frame_and_are_divided_within():
    scene = np.random.default_rng(1).standard_normal((3, 8))
    picks, change = np.arange(0, 1500, 15), np.zeros(1500)
    change[[447, 462, 1095]] = 9  # one second of another scene between two picks each
    features = np.repeat(scene[[0, 1, 0, 2]], [30, 1, 42, 27], axis=0)
    for longest in (100.0, 6.0, 0.6):
        shots = kts_shots(
            features, picks, Timeline(np.arange(1500) / 30, 50.0), longest_seconds=longest, frame_change=change
        )
        assert {0, 1095} <= set(shots.bounds[:, 0])
        assert shots.lengths.max() <= max(30 * longest, 1) + 1
        if longest < 1:  # picks are as close as the longest shot
            assert {447, 462} <= set(shots.bounds[:, 0])


def test_kts_shots_of_irregular_picks_and_gaps():
    rng = np.random.default_rng(2)
    picks = np.unique(rng.integers(0, 9000, 400))
    seconds = np.arange(9000) / 30
    seconds[5000:] += 3600  # the camera was stopped for an hour
    timeline = Timeline(seconds, 3600 + 300.0)
    shots = kts_shots(wandering(len(picks)), picks, timeline, longest_seconds=10.0)
    lengths = seconds_of(shots, timeline)
    assert (np.sort(lengths)[:-1] <= 10 + 1 / 30).all()
    assert lengths.max() >= 3590  # a frame is not divided
    assert 30 <= len(shots) <= 90  # 300 s of picture


@pytest.mark.parametrize("count", [1, 2, 3, 9])
@pytest.mark.parametrize("kind", ["different", "equal", "huge"])
def test_kts_shots_of_few_rows(count, kind):
    features = np.ones((count, 4)) if kind == "equal" else np.random.default_rng(0).standard_normal((count, 4))
    timeline = constant_rate(200)  # 8 s
    picks = np.arange(count) * 200 // count
    shots = kts_shots(features * (1e300 if kind == "huge" else 1), picks, timeline, longest_seconds=0.6)
    assert shots.lengths.max() <= 16
    assert 14 <= len(shots) <= 32
    with pytest.raises(ValueError, match="lengths must be positive"):
        kts_shots(features, picks, timeline, longest_seconds=0.0)


def test_boundary_is_at_the_largest_change_between_two_picks():
    change = np.zeros(60)
    change[[17, 30, 31, 40]] = [9, 3, 1, 99]
    shots = shots_from_picks(np.array([0, 1, 2, 3]), np.array([0, 20, 35, 40]), 60, change)
    assert list(shots.bounds[:, 0]) == [0, 17, 30, 40]
    assert shots.n_frames == 60


def test_boundary_is_half_way_when_changes_are_unknown_or_equal():
    picks = np.array([0, 15, 30, 45])
    for change in (None, np.full(50, 2.0)):
        shots = shots_from_picks(np.array([0, 2]), picks, 50, change)
        assert shots.bounds.tolist() == [[0, 23], [23, 50]]


@given(data=st.data(), n_frames=st.integers(1, 60))
def test_each_pick_stays_in_its_shot(data, n_frames):
    picks = np.array(sorted(data.draw(st.sets(st.integers(0, n_frames - 1), min_size=1))))
    later = data.draw(st.sets(st.integers(1, len(picks) - 1))) if len(picks) > 1 else set()
    starts = np.array([0, *sorted(later)])
    change = data.draw(st.none() | st.just(np.random.default_rng(len(picks)).random(n_frames)))
    shots = shots_from_picks(starts, picks, n_frames, change)
    expected = np.searchsorted(starts, np.arange(len(picks)), side="right") - 1
    assert list(np.searchsorted(shots.bounds[:, 0], picks, side="right") - 1) == list(expected)


@pytest.mark.parametrize(
    ("starts", "picks", "change"),
    [([1], [0, 5], None), ([0, 2], [0, 5], None), ([0, 0], [0, 5], None), ([0], [5, 5], None), ([0], [0, 10], None),
     ([0], [0, 5], np.zeros(9)), ([], [0], None), ([0], [], None)],
)  # fmt: skip
def test_picks_that_do_not_fit(starts, picks, change):
    with pytest.raises(ValueError, match=r"starts|picks|frame_change"):
        shots_from_picks(np.array(starts, dtype=int), np.array(picks, dtype=int), 10, change)


def test_cuts():
    assert shots_from_cuts(np.array([7, 3, 0, 3]), 10).bounds.tolist() == [[0, 3], [3, 7], [7, 10]]
    assert shots_from_cuts(np.array([], dtype=int), 10).bounds.tolist() == [[0, 10]]
    for wrong in ([10], [-1]):
        with pytest.raises(ValueError, match="cuts"):
            shots_from_cuts(np.array(wrong), 10)


def test_uniform_shots_in_frames():
    assert uniform_shots(100, shot_frames=25).bounds.tolist() == [[0, 25], [25, 50], [50, 75], [75, 100]]
    assert len(uniform_shots(5, shot_frames=100)) == 1
    lengths = uniform_shots(103, shot_frames=20).lengths
    assert lengths.max() - lengths.min() <= 1
    assert len(uniform_shots(3, shot_frames=1)) == 3


def test_uniform_shots_in_seconds():
    assert uniform_shots(constant_rate(250), 2.0).bounds[:, 0].tolist() == [0, 50, 100, 150, 200]
    slow_then_fast = np.concatenate([np.arange(10) * 1.0, 10 + np.arange(100) * 0.1])  # 10 s of 1 Hz, 10 s of 10 Hz
    shots = uniform_shots(Timeline(slow_then_fast, 20.0), 5.0)
    assert shots.bounds.tolist() == [[0, 5], [5, 10], [10, 60], [60, 110]]
    assert uniform_shots(constant_rate(250), 60.0).bounds.tolist() == [[0, 250]]
    assert uniform_shots(constant_rate(1), 2.0).bounds.tolist() == [[0, 1]]
    sparse = Timeline(np.array([0.0, 9.0]), 10.0)  # two frames: no shot is empty
    assert len(uniform_shots(sparse, 1.0)) == 2


@pytest.mark.parametrize(
    ("video", "length"),
    [(10, {}), (10, {"shot_frames": 0}), (0, {"shot_frames": 1}), (constant_rate(10), {"shot_seconds": 0})],
)
def test_uniform_shots_that_cannot_be(video, length):
    with pytest.raises(ValueError):
        uniform_shots(video, **length)


def test_merging_follows_its_rule():
    shots = Shots.from_starts(np.array([0, 10, 12, 20, 50, 51]), 60)  # lengths 10 2 8 30 1 9
    merged = merge_short(shots, min_frames=5)
    # 1 joins 9 (shorter than 30); 2 joins 8 (shorter than 10).
    assert merged.bounds[:, 0].tolist() == [0, 10, 20, 50]
    equal = Shots.from_starts(np.array([0, 10, 12]), 22)  # neighbours of 10 and 10: the one before
    assert merge_short(equal, min_frames=5).bounds[:, 0].tolist() == [0, 12]
    assert merge_short(shots, min_frames=0).bounds.tolist() == shots.bounds.tolist()
    assert len(merge_short(shots, min_frames=1000)) == 1


@given(
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=20),
    minimum=st.integers(0, 30),
)
def test_no_short_shot_is_left(lengths, minimum):
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    shots = Shots.from_starts(starts, sum(lengths))
    merged = merge_short(shots, min_frames=minimum)
    assert set(merged.bounds[:, 0]) <= set(starts)
    assert merged.n_frames == sum(lengths)
    assert len(merged) == 1 or merged.lengths.min() >= minimum
    if min(lengths) >= minimum:
        assert len(merged) == len(shots)


def test_merging_in_seconds():
    timeline = constant_rate(100)
    shots = Shots.from_starts(np.array([0, 25, 49]), 100)  # 1 s, 0.96 s, 2.04 s
    assert len(merge_short(shots, timeline, 1.0)) == 2
    assert len(merge_short(shots, timeline, 0.96)) == 3
    for wrong in ({}, {"min_seconds": 1.0}, {"min_seconds": 1.0, "min_frames": 3}, {"min_frames": -1}):
        with pytest.raises(ValueError, match="min"):
            merge_short(shots, **wrong)
