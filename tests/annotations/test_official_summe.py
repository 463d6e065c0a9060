"""SumMe's official annotation files: read as they are, and what is wrong with a folder reported in a line."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from sspvs.annotations import read_summe
from sspvs.annotations.record import FrameChoices
from sspvs.errors import DatasetError

N, U = 40, 3


def content(**changes: Any) -> dict[str, Any]:
    scores = np.zeros((N, U), dtype=np.uint8)
    scores[5:10, 0], scores[20:24, 1], scores[6:9, 2] = 1, 2, 7
    fields = {"user_score": scores, "nFrames": N, "FPS": 25.0, "video_duration": 1.6, "gt_score": scores.mean(axis=1)}
    return {key: value for key, value in {**fields, **changes}.items() if value is not None}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    gt = tmp_path / "GT"
    gt.mkdir()
    for name in ("paluma_jump", "Base jumping", "Cooking", "Bearpark_climbing"):
        savemat(gt / f"{name}.mat", content())
    return gt


def test_a_folder_that_is_not_complete_is_numbered_with_a_warning(folder: Path) -> None:
    found = read_summe(folder)
    names = ["Base jumping", "Bearpark_climbing", "Cooking", "paluma_jump"]  # lower case last
    assert [(video.key, video.name) for video in found.videos] == [(f"video_{i}", n) for i, n in enumerate(names, 1)]
    assert not found.community_keys
    assert "4 of SumMe's 25 videos" in found.warnings[0]
    assert "go by the names" in found.warnings[0]


def test_what_was_chosen_is_what_is_above_zero_with_users_first(folder: Path) -> None:
    video = read_summe(folder.parent).videos[0]  # the folder that GT lies in is fine too
    assert isinstance(video.opinions, FrameChoices)
    expected = np.zeros((U, N), dtype=bool)
    expected[0, 5:10] = expected[1, 20:24] = expected[2, 6:9] = True
    np.testing.assert_array_equal(video.opinions.chosen, expected)
    assert (video.n_frames, video.fps, video.duration_seconds) == (N, 25.0, 1.6)


def test_the_official_folder_has_the_communitys_keys(shared_data: Path) -> None:
    folder = shared_data / "annotations" / "summe_gt"
    known = json.loads((shared_data / "annotations" / "summe_names.json").read_text())
    found = read_summe(folder)
    assert {video.name: video.key for video in found.videos} == {
        name.replace(" ", "_"): key for name, key in known.items()
    }
    assert found.community_keys
    assert found.warnings == ()
    for video in found.videos:
        raw = loadmat(folder / f"{video.name}.mat")
        assert isinstance(video.opinions, FrameChoices)
        np.testing.assert_array_equal(video.opinions.chosen, raw["user_score"].T > 0)
        assert video.n_frames == raw["nFrames"].item() == video.opinions.chosen.shape[1]
        assert video.fps == pytest.approx(raw["FPS"].item())


def _not_v73(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["user_score"] = np.zeros((N, U))
    content_ = path.read_bytes()
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\0" * 384 + content_)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"user_score": None}, "expected a SumMe annotation with user_score, found FPS, gt_score, nFrames"),
        ({"nFrames": None}, "expected a SumMe annotation with nFrames"),
        ({"nFrames": 41}, "N = nFrames = 41.0, found uint8 of shape (40, 3)"),
        ({"user_score": np.zeros((U, N))}, "of shape (3, 40)"),
        ({"user_score": np.full((N, U), np.nan)}, "'user_score' is NaN at frame 0 of user 0"),
        ({"user_score": "text"}, "'user_score' as (N, U) numbers"),
        ({"nFrames": np.array([1, 2])}, "'nFrames' as one number above 0"),
        ({"FPS": 0.0}, "'FPS' as one number above 0"),
    ],
)
def test_a_wrong_mat_is_refused(changes: dict[str, Any], message: str, folder: Path) -> None:
    savemat(folder / "Cooking.mat", content(**changes))
    with pytest.raises(DatasetError) as caught:
        read_summe(folder)
    assert message in str(caught.value)
    assert "Cooking.mat" in str(caught.value)


def test_files_that_are_no_matlab_v5(folder: Path) -> None:
    whole = (folder / "Cooking.mat").read_bytes()
    for bad in (whole[: len(whole) // 2], b"", b"not matlab at all", pickle.dumps({"user_score": 1})):
        (folder / "Cooking.mat").write_bytes(bad)
        with pytest.raises(DatasetError, match=r"Cooking\.mat") as caught:
            read_summe(folder)
        assert "\n" not in str(caught.value)
    _not_v73(folder / "Cooking.mat")
    with pytest.raises(DatasetError, match=r"expected MATLAB v5, .* found v7\.3"):
        read_summe(folder)


def test_a_single_file_a_missing_folder_and_an_empty_one(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"expected the folder .* found a file; give .*GT"):
        read_summe(folder / "Cooking.mat")
    with pytest.raises(DatasetError, match="no such folder"):
        read_summe(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="found none"):
        read_summe(tmp_path / "empty")
