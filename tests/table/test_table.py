"""`VideoTable`: features of one or several streams, and each check in one place for every task."""

from __future__ import annotations

import pickle
import re
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.pair_sets import features_of, write_set
from helpers.summarization_material import write_annotated
from helpers.tiny_summarizers import saved_summarizer

import sspvs
from sspvs.data.pretrain import PretrainDataModule
from sspvs.data.refine import RefineDataModule
from sspvs.data.summarize import SummarizeDataModule
from sspvs.errors import DatasetError, FeatureFileError, FingerprintMismatchError
from sspvs.scorers import load_scorer
from sspvs.table import (
    FeatureKind,
    FeatureMemory,
    FeatureStream,
    Video,
    VideoTable,
    add_stream,
    check_features,
    join,
    layout,
    merge_files,
    read_dataset,
    read_features,
    table,
    write_features,
)
from sspvs.table.streams import parted_fingerprint
from sspvs.types import Fingerprint, FrameFeatures

APPEARANCE = Fingerprint("net", "00", "resize", "none", 2.0)
MOTION = Fingerprint("flow", "11", "crop", "unit", 2.0)
LENGTHS = {"a": 7, "b": 12}


def file_of(path: Path, number: int = 0, width: int = 6, fingerprint: Fingerprint | None = APPEARANCE) -> Path:
    """Videos `a` and `b`, every second frame picked."""
    videos = [
        FrameFeatures(name, features_of(number + i, n, width), 2 * np.arange(n), 2 * n)
        for i, (name, n) in enumerate(LENGTHS.items())
    ]
    write_features(path, videos, fingerprint=fingerprint)
    return path


def motion(width: int = 3) -> dict[str, np.ndarray]:
    return {name: features_of(10 + i, n, width) for i, (name, n) in enumerate(LENGTHS.items())}


def test_one_stream_is_read_with_its_picks(tmp_path: Path) -> None:
    videos = VideoTable.open(file_of(tmp_path / "f.h5"))
    assert list(videos) == ["a", "b"]
    assert (videos.feature_dim, videos.fingerprint, videos.common_fingerprint) == (6, APPEARANCE, APPEARANCE)
    assert videos.n_picks.tolist() == [7, 12]
    video = videos["b"]
    assert video.picks is not None
    assert (video.picks.tolist(), video.n_frames) == (list(range(0, 24, 2)), 24)
    np.testing.assert_array_equal(videos.features(video), features_of(1, 12))
    np.testing.assert_array_equal(videos.features(video, 3, 5), features_of(1, 12)[3:5])
    np.testing.assert_array_equal(videos.rows(video, lambda n: np.array([0, n - 1])), features_of(1, 12)[[0, 11]])


def test_annotations_are_read_when_they_are_needed(tmp_path: Path) -> None:
    path = write_annotated(tmp_path / "d.h5", 3, features={"video_2"})
    videos = VideoTable.open(path)
    assert [len(video.streams) for video in videos.values()] == [0, 1, 0]
    for key, video in videos.items():
        expected = read_dataset(path)[key]
        assert video.annotations is not None
        assert (video.annotations.video_name, video.annotations.n_frames) == (expected.video_name, expected.n_frames)
        np.testing.assert_array_equal(video.annotations.picks, expected.picks)


def test_streams_of_one_file_are_joined_pick_by_pick(tmp_path: Path) -> None:
    path = file_of(tmp_path / "f.h5")
    add_stream(path, "motion", motion(), fingerprint=MOTION)
    with h5py.File(path) as file:  # the layout
        assert file["a/features_motion"].shape == (7, 3)
        assert file["a/features_motion"].attrs["fingerprint_backbone"] == "flow"
    with read_features(path) as store:
        with store.group("a") as group:
            assert layout.stream_names(group) == ["features", "features_motion"]
        np.testing.assert_array_equal(store["a"].features, features_of(0, 7))  # one stream unless others are named
    assert VideoTable.open(path).feature_dim == 6
    for memory in (None, FeatureMemory(), FeatureMemory(0)):
        videos = VideoTable.open(path, streams=("features", "features_motion"), memory=memory)
        expected = np.concatenate([features_of(1, 12), motion()["b"]], axis=1)
        assert videos.feature_dim == 9
        assert [stream.fingerprint for stream in videos["b"].streams] == [APPEARANCE, MOTION]
        assert videos.fingerprint == Fingerprint("net + motion=flow", "00 + 11", "resize + crop", "none + unit", 2.0)
        for _ in range(2):
            np.testing.assert_array_equal(videos.features(videos["b"]), expected)
            np.testing.assert_array_equal(videos.features(videos["b"], 2, 9), expected[2:9])
            np.testing.assert_array_equal(videos.rows(videos["b"], lambda n: np.array([1, n - 2])), expected[[1, 10]])
        again = pickle.loads(pickle.dumps(videos))
        np.testing.assert_array_equal(again.features(again["b"]), expected)


def test_streams_come_along_when_files_are_merged(tmp_path: Path) -> None:
    path = file_of(tmp_path / "f.h5")
    add_stream(path, "motion", motion(), fingerprint=MOTION)
    merge_files(tmp_path / "merged.h5", {"b": path}, APPEARANCE)
    videos = VideoTable.open(tmp_path / "merged.h5", streams=("features", "features_motion"))
    np.testing.assert_array_equal(videos.features(videos["b"])[:, 6:], motion()["b"])


def test_streams_of_several_files_are_joined_by_id(tmp_path: Path) -> None:
    first, second = file_of(tmp_path / "f.h5"), file_of(tmp_path / "g.h5", 20, 4, None)
    videos = join([VideoTable.open(first), VideoTable.open(second)])
    np.testing.assert_array_equal(
        videos.features(videos["a"]), np.concatenate([features_of(0, 7), features_of(20, 7, 4)], axis=1)
    )
    assert videos.fingerprint is not None  # what made the second stream is unknown
    assert parted_fingerprint(videos.fingerprint) == [("features", APPEARANCE), ("features", None)]
    write_features(tmp_path / "c.h5", [FrameFeatures("a", features_of(0, 7), np.arange(7), 7)])
    with pytest.raises(FeatureFileError, match=r"no second stream of 1 of 2 videos \(b\)"):
        join([VideoTable.open(first), VideoTable.open(tmp_path / "c.h5")])


def test_streams_of_other_numbers_of_picks_are_refused(tmp_path: Path) -> None:
    path = file_of(tmp_path / "f.h5")
    with pytest.raises(
        FeatureFileError, match=r"'motion' is \(5, 3\), but 'features' has 7 picks; extract both at one"
    ):
        add_stream(path, "motion", {"a": features_of(0, 5, 3)})
    with pytest.raises(FeatureFileError, match="no video 'z'"):
        add_stream(path, "motion", {"z": features_of(0, 5, 3)})
    with h5py.File(path, "a") as file:
        file["a/features_motion"] = features_of(0, 5, 3)
    with pytest.raises(FeatureFileError, match=r"a: streams of different numbers of picks: 7 .*f.h5#a\), 5 .*motion"):
        VideoTable.open(path, streams=("features", "features_motion"))
    late = Video("a", (FeatureStream(path, "a"), FeatureStream(path, "a", name="features_motion")))
    with pytest.raises(FeatureFileError, match="streams of different numbers of picks: 7"):
        VideoTable([late]).features(late)
    with pytest.raises(FeatureFileError, match="no 'features_sound' in it"):
        VideoTable.open(path, streams=("features", "features_sound"))


def test_the_check_of_width_and_fingerprint() -> None:
    expected = FeatureKind(6, APPEARANCE)
    assert check_features(expected, expected, "f.h5") is None
    assert check_features(FeatureKind(6, MOTION), FeatureKind(6), "f.h5") is None  # nothing to compare with
    warning = check_features(FeatureKind(6), expected, "f.h5")
    assert warning is not None
    assert "no fingerprint" in warning
    for kind in (FeatureFileError, DatasetError):
        with pytest.raises(kind, match=r"f\.h5: features 5 wide, most others 6"):
            check_features(FeatureKind(5, APPEARANCE), expected, "f.h5")
    with pytest.raises(FingerprintMismatchError, match=r"backbone is flow, expected net; .*--backbone net --rate 2"):
        check_features(FeatureKind(6, MOTION), expected, "f.h5")


def test_every_task_and_scorer_uses_the_one_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From file to batch, each video's features are held against the others once."""
    checked: list[str] = []

    def counting(found: FeatureKind, expected: FeatureKind, where: str, **words: Any) -> str | None:
        checked.append(where)
        return check_features(found, expected, where, **words)

    for module in list(sys.modules.values()):
        if getattr(module, "check_features", None) is check_features and module.__name__.startswith("sspvs."):
            monkeypatch.setattr(module, "check_features", counting)
    assert table.check_features is counting

    pairs = PretrainDataModule(
        str(write_set(tmp_path / "pairs", [5, 6, 7, 8])), encoder="small", batch_size=2, num_workers=0
    )
    pairs.setup()
    next(iter(pairs.train_dataloader()))
    assert sorted(where for where in checked if where.startswith("v")) == ["v00", "v01", "v02", "v03"]

    checked.clear()
    annotated = SummarizeDataModule(str(write_annotated(tmp_path / "summe.h5", 4)), batch_size=1)
    annotated.setup()
    next(iter(annotated.train_dataloader()))
    assert sorted(checked) == [f"summe/video_{number}" for number in range(1, 5)]

    checked.clear()
    clips = RefineDataModule([str(file_of(tmp_path / "clips.h5"))], clip_frames=4, batch_size=2)
    clips.setup()
    next(iter(clips.train_dataloader()))
    assert sorted(checked) == ["clips/a", "clips/b"]

    checked.clear()
    video = FrameFeatures("seen", features_of(0, 30, 24), np.arange(30), 30, fingerprint=APPEARANCE)
    load_scorer(saved_summarizer(tmp_path / "model", fingerprint=APPEARANCE)).score(video)
    assert set(checked) == {"seen"}


def test_the_words_of_the_check_stand_in_one_place() -> None:
    package = Path(sspvs.__file__).parent
    for words in (
        r"features \{[\w.]+\} wide",
        r"of another extractor than \{",
        "frame numbers that increase",
    ):
        homes = [
            p.relative_to(package).as_posix() for p in package.rglob("*.py") if re.search(words, p.read_text("utf-8"))
        ]
        assert len(homes) == 1, (words, homes)
