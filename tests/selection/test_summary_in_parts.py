"""Long shots in parts: the summary is never a scrap of its budget, and each selected shot is played whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.selection.shots import split_long
from sspvs.selection.summary import Budget, select, select_in_parts
from sspvs.types import Shots, Timeline


def _timeline(n_frames: int, fps: float = 25.0) -> Timeline:
    return Timeline(np.arange(n_frames) / fps, n_frames / fps)


def _scores(n_frames: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    picks = np.arange(0, n_frames, 12)
    return np.random.default_rng(seed).random(len(picks)), picks


def test_whole_shots_stay_whole_when_they_make_a_summary() -> None:
    shots = Shots.from_starts(np.arange(0, 1000, 50), 1000)
    scores, picks = _scores(1000, 0)
    kept, chosen = select_in_parts(scores, picks, shots, Budget(ratio=0.15), _timeline(1000))
    assert kept is shots
    assert (chosen.segments == select(scores, picks, shots, Budget(ratio=0.15), _timeline(1000)).segments).all()


def test_one_take_is_cut_into_its_best_parts() -> None:
    n_frames = 3000
    scores = np.zeros(250)
    scores[[40, 41, 42, 43, 44, 45, 200, 201, 202, 203, 204, 205]] = 1.0  # 6 picks = 2.9 s each
    picks = np.arange(0, n_frames, 12)
    shots = Shots.from_starts(np.array([0]), n_frames)
    kept, chosen = select_in_parts(scores, picks, shots, Budget(ratio=0.1), _timeline(n_frames))
    played = np.zeros(n_frames, dtype=bool)
    for start, end in chosen.segments:
        played[start:end] = True
    assert played[40 * 12 : 46 * 12].mean() > 0.5
    assert played[200 * 12 : 206 * 12].mean() > 0.5
    assert 0.5 * 300 <= played.sum() <= 300
    assert len(kept) == 40


def test_a_scrap_beside_long_takes_does_not_become_the_summary() -> None:
    shots = Shots.from_starts(np.array([0, 1000, 1010]), 2000)
    scores, picks = _scores(2000, 1)
    budget = Budget(ratio=0.15)
    assert select(scores, picks, shots, budget, _timeline(2000)).segments.tolist() == [[1000, 1010]]
    _, chosen = select_in_parts(scores, picks, shots, budget, _timeline(2000))
    assert (chosen.segments[:, 1] - chosen.segments[:, 0]).sum() >= 150


def test_a_number_of_shots_takes_shots() -> None:
    shots = Shots.from_starts(np.array([0, 1000]), 2000)
    scores, picks = _scores(2000, 1)
    kept, chosen = select_in_parts(scores, picks, shots, Budget(max_shots=1), _timeline(2000))
    assert len(kept) == 2
    assert chosen.selected.sum() == 1


@settings(max_examples=150, deadline=None)
@given(
    n_frames=st.integers(1, 2000),
    n_shots=st.integers(1, 12),
    ratio=st.floats(0.0005, 1.0),
    seed=st.integers(0, 1000),
    fps=st.sampled_from([5.0, 25.0, 60.0]),
)
def test_selected_shots_are_what_is_played_and_fit(
    n_frames: int, n_shots: int, ratio: float, seed: int, fps: float
) -> None:
    generator = np.random.default_rng(seed)
    starts = np.unique(np.append(0, generator.integers(0, n_frames, n_shots)))
    shots = Shots.from_starts(starts, n_frames)
    scores, picks = _scores(n_frames, seed)
    timeline = _timeline(n_frames, fps)
    kept, chosen = select_in_parts(scores, picks, shots, Budget(ratio=ratio), timeline)
    assert set(starts) <= set(kept.bounds[:, 0])
    inside = [any(a <= start and end <= b for a, b in kept.bounds[chosen.selected]) for start, end in chosen.segments]
    assert all(inside)
    played = (chosen.segments[:, 1] - chosen.segments[:, 0]).sum()
    assert 1 <= played <= max(1, int(ratio * n_frames + 1e-6))
    assert len(chosen.shot_scores) == len(chosen.keyframes) == len(kept)
    assert ((chosen.keyframes >= kept.bounds[:, 0]) & (chosen.keyframes < kept.bounds[:, 1])).all()


def test_parts_keep_the_minimal_length() -> None:
    shots = Shots.from_starts(np.array([0, 700]), 1700)  # 28 s and 40 s at 25 fps
    scores, picks = _scores(1700, 2)
    for minimum in (1.0, 4.0, 6.0, 9.0, 30.0):
        kept, chosen = select_in_parts(
            scores, picks, shots, Budget(duration_seconds=10.0), _timeline(1700), min_shot_seconds=minimum
        )
        assert (kept.lengths >= minimum * 25).all() or len(kept) == 2
        assert 0 < (chosen.segments[:, 1] - chosen.segments[:, 0]).sum() <= 250


def test_split_long_parts_are_equal_and_short_enough() -> None:
    timeline = _timeline(1000)
    shots = Shots.from_starts(np.array([0, 100]), 1000)
    parts = split_long(shots, timeline, 7.0, longer_than=5.0)
    assert parts.bounds[0].tolist() == [0, 100]
    assert parts.lengths[1:].tolist() == [150] * 6
    assert len(split_long(shots, timeline, 7.0, longer_than=100.0)) == 2
    # 36 s in parts of 0.6 s would be 60; of at least 0.7 s (and a frame, by which a boundary may move) 48.
    assert len(split_long(shots, timeline, 0.6, longer_than=5.0)) == 61
    parts = split_long(shots, timeline, 0.6, longer_than=5.0, min_part_seconds=0.7)
    assert len(parts) == 49
    assert parts.lengths[1:].min() >= 0.7 * 25
    with pytest.raises(ValueError, match="part_seconds"):
        split_long(shots, timeline, 0.0, longer_than=1.0)
