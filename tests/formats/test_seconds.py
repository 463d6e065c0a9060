"""The arithmetic of conversions: bytes, and one value a second, against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.formats.seconds import second_starts, shots_a_second, summaries_a_second, values_a_second
from sspvs.formats.youtube8m import quantise
from sspvs.table.reader import dequantise
from sspvs.types import Shots


def test_a_byte_stands_for_its_level() -> None:
    levels = dequantise(np.arange(256, dtype=np.uint8)[None], unit_length=False)[0]
    assert levels == pytest.approx([b * 4 / 255 + 4 / 512 - 2 for b in range(256)], abs=1e-6)


def test_every_byte_comes_back_from_its_level() -> None:
    values = np.random.default_rng(0).permutation(np.arange(256, dtype=np.uint8)).reshape(4, 64)
    values[:, 0] = 10  # no row reaches the end of the range: nothing to shrink
    values[values == 255] = 254
    stored, rescaled = quantise(dequantise(values, unit_length=False))
    assert stored.tolist() == values.tolist()
    assert not rescaled


def test_normalised_features_have_unit_length_and_keep_their_direction_through_bytes() -> None:
    values = np.random.default_rng(1).integers(0, 256, (5, 1024), dtype=np.uint8)
    unit = dequantise(values)
    assert np.linalg.norm(unit, axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    stored, rescaled = quantise(unit)
    assert rescaled
    again = dequantise(stored)
    assert (unit * again).sum(axis=1).min() > 0.9999


def test_features_beyond_the_range_are_shrunk_and_not_cut() -> None:
    rows = np.array([[0.0, 8.0, 4.0], [1.0, -1.0, 0.5]])
    stored, rescaled = quantise(rows)
    assert rescaled
    back = dequantise(stored, unit_length=False)
    assert back[0, 1] / back[0, 2] == pytest.approx(2, abs=0.05)


def _held(values: np.ndarray, picks: np.ndarray, n_frames: int) -> list[float]:
    """Every frame's value, by a loop."""
    held, current = [], 0
    for frame in range(n_frames):
        while current + 1 < len(picks) and picks[current + 1] <= frame:
            current += 1
        held.append(float(values[current]))
    return held


@st.composite
def clocks(draw: st.DrawFn) -> tuple[int, np.ndarray, float]:
    n_frames = draw(st.integers(1, 120))
    picks = draw(st.sets(st.integers(0, n_frames - 1), min_size=1, max_size=20))
    fps = draw(st.sampled_from([1.0, 2.0, 5.0, 7.3, 23.976, 25.0, 29.97, 30.0]))
    return n_frames, np.array(sorted(picks)), fps


@settings(max_examples=200, deadline=None)
@given(clocks(), st.integers(0, 2**32 - 1))
def test_values_a_second_are_those_of_a_loop(clock: tuple[int, np.ndarray, float], seed: int) -> None:
    n_frames, picks, fps = clock
    values = np.random.default_rng(seed).random(len(picks))
    held = _held(values, picks, n_frames)
    n_seconds = math.floor((n_frames - 1) / fps + 1e-6) + 1
    seconds: list[list[float]] = [[] for _ in range(n_seconds)]
    for frame, value in enumerate(held):
        seconds[math.floor(frame / fps + 1e-6)].append(value)
    means = values_a_second(values, picks, n_frames, fps, "mean")
    firsts = values_a_second(values, picks, n_frames, fps, "hold")
    assert means == pytest.approx([sum(second) / len(second) for second in seconds], abs=1e-9)
    assert firsts.tolist() == [second[0] for second in seconds]
    wide = values_a_second(np.stack([values, 2 * values], axis=1), picks, n_frames, fps)
    assert wide[:, 0] == pytest.approx(means, abs=1e-12)
    assert wide.shape == (n_seconds, 2)


@settings(max_examples=100, deadline=None)
@given(clocks(), st.integers(0, 2**32 - 1))
def test_summaries_a_second_are_those_of_a_loop(clock: tuple[int, np.ndarray, float], seed: int) -> None:
    n_frames, _, fps = clock
    rows = np.random.default_rng(seed).random((2, n_frames)) < 0.4
    found = summaries_a_second(rows, fps)
    for user, row in enumerate(rows):
        for second in range(found.shape[1]):
            inside = [bool(row[f]) for f in range(n_frames) if math.floor(f / fps + 1e-6) == second]
            assert found[user, second] == (sum(inside) * 2 >= len(inside) and any(inside))


def test_one_frame_a_second_changes_nothing() -> None:
    values = np.random.default_rng(0).random(17).astype(np.float32)
    assert values_a_second(values, np.arange(17), 17, 1.0).tobytes() == values.tobytes()
    assert second_starts(17, 1.0).tolist() == list(range(18))


def test_shots_a_second_cut_at_the_nearest_second_and_lose_none_of_the_video() -> None:
    shots = Shots(np.array([[0, 44], [44, 50], [50, 149], [149, 160]]), 160)
    found = shots_a_second(shots, 30.0)
    assert found.bounds.tolist() == [[0, 1], [1, 2], [2, 5], [5, 6]]
    assert found.n_frames == 6


@given(clocks(), st.integers(0, 2**32 - 1))
def test_shots_a_second_always_cover_the_video(clock: tuple[int, np.ndarray, float], seed: int) -> None:
    n_frames, picks, fps = clock
    shots = Shots.from_starts(np.unique(np.append(0, picks)), n_frames)
    assert shots_a_second(shots, fps).n_frames == len(second_starts(n_frames, fps)) - 1
