"""Hard cuts, fades and dissolves: on drawn pictures whose changes are known, and on real footage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.selection.transitions import find_transitions
from sspvs.types import FrameTrace, Timeline
from sspvs.video import open_video

ROWS, COLUMNS = 9, 16


def pictures(number, n_frames, rng, motion=1.5):
    """(n_frames, 208) blocks of a scene of its own that moves a little."""
    scene = np.random.default_rng(number).uniform(30, 220, 208)
    return scene + np.cumsum(rng.normal(0, motion / 4, (n_frames, 208)), axis=0)


def find(blocks, fps=25.0, times=None):
    """The transitions of frames at a constant rate, or at given times."""
    blocks = np.clip(np.round(blocks), 0, 255).astype(np.uint8)
    zeros = np.zeros(len(blocks), np.float32)
    times = np.arange(len(blocks)) / fps if times is None else times
    return find_transitions(FrameTrace(zeros, blocks, zeros, zeros), Timeline(times, times[-1] + 1 / fps))


@settings(deadline=None, max_examples=30)
@given(lengths=st.lists(st.integers(3, 60), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_every_hard_cut_and_nothing_else(lengths, seed):
    rng = np.random.default_rng(seed)
    blocks = np.concatenate([pictures(100 * seed + i, n, rng) for i, n in enumerate(lengths)])
    found = find(blocks)
    assert found.cuts.tolist() == np.cumsum(lengths)[:-1].tolist()
    assert len(found.gradual) == 0


def test_a_cut_is_found_in_reverse_too():
    rng = np.random.default_rng(1)
    blocks = np.concatenate([pictures(i, 40, rng) for i in range(5)])
    backwards = find(blocks[::-1]).cuts
    assert (len(blocks) - backwards)[::-1].tolist() == find(blocks).cuts.tolist()


@settings(deadline=None, max_examples=30)
@given(
    lengths=st.lists(st.integers(15, 60), min_size=1, max_size=8),
    fps=st.sampled_from([10, 12, 15, 24, 30, 48, 50, 60, 90, 120]),
    seed=st.integers(0, 99),
)
def test_every_hard_cut_at_other_rates(lengths, fps, seed):
    """Moving pictures whose frames are repeated or left out: each cut stays at the first frame after it."""
    rng = np.random.default_rng(seed)
    blocks = np.concatenate([pictures(100 * seed + i, n, rng, motion=24) for i, n in enumerate(lengths)])
    frames = np.arange(int(len(blocks) * fps / 25)) * 25 // fps
    expected = np.searchsorted(frames, np.cumsum(lengths)[:-1])
    assert find(blocks[frames], fps).cuts.tolist() == expected[expected < len(frames)].tolist()


@pytest.mark.parametrize("fps", [10, 15, 50, 120])
def test_flashes_and_dissolves_last_as_long_at_other_rates(fps):
    blocks = pictures(3, 4 * fps, np.random.default_rng(0))
    blocks[2 * fps : 2 * fps + fps // 10] += 90
    assert find(blocks, fps).cuts.tolist() == []
    part = np.clip((np.arange(4 * fps) / fps - 1.5) / 1.0, 0, 1)[:, None]
    found = find(
        (1 - part) * pictures(1, 1, np.random.default_rng(0)) + part * pictures(2, 1, np.random.default_rng(0)), fps
    )
    ((start, end),) = found.gradual.tolist()
    assert len(found.cuts) == 0
    assert abs((start + end) / 2 / fps - 2) <= 0.15


def test_rates_that_change_within_a_video():
    rng = np.random.default_rng(0)
    blocks = np.concatenate([pictures(number, 50, rng) for number in range(6)])
    gaps = np.concatenate([np.full(100, 1 / 60), np.full(100, 1 / 10), np.tile([1 / 50, 1 / 50, 4 / 50], 34)[:100]])
    assert find(blocks, times=np.cumsum(gaps)).cuts.tolist() == [50, 100, 150, 200, 250]


@pytest.mark.parametrize("flash", [1, 2, 4])
def test_a_flash_is_no_cut(flash):
    blocks = pictures(3, 80, np.random.default_rng(0))
    blocks[40 : 40 + flash] += 90
    assert find(blocks).cuts.tolist() == []


@pytest.mark.parametrize("length", [10, 16, 25, 40])
@pytest.mark.parametrize("to_black", [False, True])
def test_dissolves_and_fades_are_one_gradual_transition(length, to_black):
    rng = np.random.default_rng(0)
    one, other = pictures(1, 60 + length, rng), pictures(2, 60 + length, rng)
    if to_black:
        other[:] = 16
        other[:, 144:] = 128
    part = np.clip((np.arange(120 + length) - 60) / length, 0, 1)[:, None]
    blocks = (1 - part) * np.concatenate([one, one[-1:].repeat(60, 0)])
    blocks += part * np.concatenate([other[:1].repeat(60, 0), other])
    found = find(blocks)
    assert len(found.cuts) == 0
    ((start, end),) = found.gradual.tolist()
    assert abs((start + end) / 2 - (60 + length / 2)) <= 3
    assert found.starts.tolist() == [(start + end) // 2]


def test_a_pan_is_no_transition():
    wide = np.random.default_rng(0).uniform(30, 220, (ROWS, 400))
    wide = np.apply_along_axis(lambda row: np.convolve(row, np.ones(9) / 9, "same"), 1, wide)
    frames = [np.concatenate([wide[:, at : at + COLUMNS].ravel(), np.full(64, 128)]) for at in range(0, 300, 2)]
    found = find(np.array(frames))
    assert len(found.cuts) == 0


@pytest.mark.parametrize("n_frames", [1, 2, 3, 9])
def test_videos_of_a_few_frames(n_frames):
    found = find(pictures(0, n_frames, np.random.default_rng(0)))
    assert found.cuts.tolist() == []
    assert found.gradual.shape == (0, 2)


def test_a_part_that_changes_is_no_transition():
    blocks = pictures(1, 120, np.random.default_rng(0))
    blocks[:, :40] += np.clip((np.arange(120) - 50) / 20, 0, 1)[:, None] * 120  # a title that comes up
    assert len(find(blocks).gradual) == 0


def test_the_cuts_of_real_footage(shared_data):
    true = [200, 500, 725, 875, 1025, 1426]  # montage.json
    with open_video(shared_data / "videos" / "montage.mp4") as video:
        video.scan()
        found = find_transitions(video.trace, video.timeline).starts.tolist()
    assert all(min(abs(cut - other) for other in found) <= 2 for cut in true)
    assert len(found) <= len(true) + 1  # one of the clips jumps by itself
    for name in ("charades.mp4", "sample_demo_1.mp4"):  # one take each
        with open_video(shared_data / "videos" / name) as video:
            video.scan()
            assert find_transitions(video.trace, video.timeline).starts.tolist() == []
