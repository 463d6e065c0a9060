from __future__ import annotations

import io
import pickle
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sspvs.errors import FeatureFileError, FingerprintMismatchError, OutputError
from sspvs.table import (
    FeatureKind,
    FeatureStore,
    SourceStamp,
    VideoScores,
    check_features,
    merge_files,
    pack_video,
    read_features,
    read_scores,
    write_scores,
)
from sspvs.table.layout import group_name
from sspvs.types import DecodeReport, Fingerprint, FrameFeatures, Timeline, VideoInfo

PRINT = Fingerprint("lite", "ab" * 32, "resize 224x224 area", "(x - 127) / 128", 2.0)


def full_video(name: str = "clip", n_picks: int = 5, seed: int = 0) -> FrameFeatures:
    rng = np.random.default_rng(seed)
    n_frames = 15 * n_picks - 3
    seconds = np.concatenate([[0.0], np.cumsum(rng.uniform(0.01, 0.09, n_frames - 1))])  # variable frame rate
    return FrameFeatures(
        name=name,
        features=rng.standard_normal((n_picks, 7)).astype(np.float32),
        picks=np.arange(n_picks, dtype=np.int64) * 15,
        n_frames=n_frames,
        timeline=Timeline(seconds, float(seconds[-1]) + 0.04),
        fingerprint=PRINT,
        frame_change=rng.uniform(0, 255, n_frames).astype(np.float32),
        info=VideoInfo("clip.mp4", 640, 360, 29.97, 12.5, 72, True, 90, "h264", 0.25),
        decode=DecodeReport(72, 70, 2, "pyav", ("2 damaged", 'quotes "and" \u00fcml\u00e4ute'), refused_frames=2),
    )


def write_groups(path: Path, **groups: dict[str, object]) -> Path:
    """A foreign file, written with h5py alone."""
    with h5py.File(path, "w") as file:
        for name, datasets in groups.items():
            group = file.create_group(name)
            for key, value in datasets.items():
                group[key] = value
    return path


def test_what_is_packed_is_read_back(tmp_path: Path) -> None:
    video = full_video("Base jumping \u00e9")
    source = SourceStamp("clip.mp4", 123456789012, 1_700_000_000_123_456_789, "ab" * 8)
    path = tmp_path / "part.h5"
    path.write_bytes(pack_video("g", video, source))
    with read_features(path) as store:
        assert list(store) == ["g"]
        back = store["g"]
        assert store.source_of("g") == source
    for key in ("name", "n_frames", "fingerprint", "info", "decode"):
        assert getattr(back, key) == getattr(video, key), key
    np.testing.assert_array_equal(back.features, video.features)
    np.testing.assert_array_equal(back.picks, video.picks)
    np.testing.assert_array_equal(back.frame_change, video.frame_change)
    assert back.timeline is not None
    assert video.timeline is not None
    np.testing.assert_array_equal(back.timeline.frame_seconds, video.timeline.frame_seconds)  # to the last bit
    assert back.timeline.end_seconds == video.timeline.end_seconds
    assert back.features.dtype == np.float32
    assert back.picks.dtype == np.int64


def test_facts_of_files_from_before_timecode_was_kept_are_read(tmp_path: Path) -> None:
    video = full_video()
    assert video.info is not None
    video = replace(video, info=replace(video.info, timecode="01:00:00;00", reel_name="A001"))
    path = tmp_path / "part.h5"
    path.write_bytes(pack_video("clip", video))
    with read_features(path) as store:
        assert store["clip"].info == video.info
    with h5py.File(path, "a") as file:
        for key in ("timecode", "reel_name"):
            del file["clip"].attrs[key]
    with read_features(path) as store:
        assert store["clip"].info == replace(video.info, timecode="", reel_name="")


def test_layout_is_the_communitys(tmp_path: Path) -> None:
    video = full_video()
    path = tmp_path / "part.h5"
    path.write_bytes(pack_video("clip", video))
    with h5py.File(path) as file:  # as any other program would read it
        group = file["clip"]
        assert group["features"].shape == (5, 7)
        assert group["features"].dtype == np.float32
        assert group["picks"][...].tolist() == [0, 15, 30, 45, 60]
        assert (int(group["n_frames"][()]), int(group["n_steps"][()])) == (72, 5)
        assert group["video_name"][()] == b"clip"
        assert group["frame_seconds"].compression == "gzip"
        for attrs in (file.attrs, group.attrs):
            assert attrs["fingerprint_backbone"] == "lite"
            assert attrs["fingerprint_rate_hz"] == 2.0
            assert attrs["fingerprint_digest"] == PRINT.digest


def test_same_features_give_the_same_bytes() -> None:
    assert pack_video("a", full_video()) == pack_video("a", full_video())
    assert pack_video("a", full_video()) != pack_video("a", full_video(seed=1))


def test_merge_takes_each_group_from_its_file(tmp_path: Path) -> None:
    parts = {}
    for seed, name in enumerate("cab"):
        parts[name] = tmp_path / f"{name}.part"
        parts[name].write_bytes(pack_video(name, full_video(name, seed=seed)))
    merge_files(tmp_path / "one.h5", {"a": parts["a"], "c": parts["c"]}, PRINT)
    merge_files(tmp_path / "all.h5", {"a": tmp_path / "one.h5", "b": parts["b"], "c": tmp_path / "one.h5"}, PRINT)
    with read_features(tmp_path / "all.h5") as store:
        assert list(store) == ["a", "b", "c"]
        assert store.fingerprint == PRINT
        for seed, name in enumerate("cab"):
            np.testing.assert_array_equal(store[name].features, full_video(seed=seed).features)
            assert store.fingerprint_of(name) == PRINT


def test_community_file_is_read(tmp_path: Path) -> None:
    path = write_groups(
        tmp_path / "eccv16.h5",
        video_1={
            "features": np.ones((4, 1024), np.float32),
            "picks": np.array([0.0, 15.0, 30.0, 45.0]),
            "n_frames": 50,
            "n_steps": 4,
            "video_name": np.bytes_(b"Air_Force_One"),
        },
        video_2={"features": np.zeros((2, 1024)), "picks": [0, 15, 20], "n_frames": 20},  # picks end in N
        video_3={"features": np.zeros((2, 8), np.float16), "picks": [0, 15], "user_summary": np.zeros((15, 21))},
    )
    with read_features(path) as store:
        one, two, three = (store[f"video_{i}"] for i in (1, 2, 3))
        assert store.fingerprint is None
    assert read_features(path).fingerprint is None
    assert (one.name, one.n_frames, one.fingerprint, one.timeline, one.info) == ("Air_Force_One", 50, None, None, None)
    assert one.picks.tolist() == [0, 15, 30, 45]
    assert two.picks.tolist() == [0, 15]
    assert (two.name, two.features.dtype) == ("video_2", np.float32)
    assert three.n_frames == 21


def test_real_footage_without_picks(shared_data: Path) -> None:
    with read_features(shared_data / "footage" / "footage.h5") as store:
        assert len(store) == 77
        for name, video in store.items():
            assert video.features.dtype == np.float32, name
            assert video.picks.tolist() == list(range(video.n_frames))


def test_one_video_at_the_root(tmp_path: Path) -> None:
    path = tmp_path / "AbCd_123.h5"
    with h5py.File(path, "w") as file:
        file["features"] = np.ones((3, 4), np.float32)
    with read_features(path) as store:
        assert {name: video.features.shape for name, video in store.items()} == {"AbCd_123": (3, 4)}


ONES = np.ones((3, 4), np.float32)


@pytest.mark.parametrize(
    ("datasets", "says"),
    [
        ({"gtscore": np.ones(3)}, "'features'"),
        ({"features": np.ones(3, np.float32)}, "(3,)"),
        ({"features": np.ones((0, 4), np.float32)}, "(0, 4)"),
        ({"features": np.ones((3, 4), np.uint8)}, "uint8"),
        ({"features": np.where(np.eye(3, 4) > 0, np.nan, 1.0)}, "NaN"),
        ({"features": ONES, "picks": [0, 1, 2]}, "n_frames"),
        ({"features": ONES, "picks": [0, 1], "n_frames": 9}, "2 'picks' for 3"),
        ({"features": ONES, "picks": [0, 2, 1], "n_frames": 9}, "increase"),
        ({"features": ONES, "picks": [0, 1, 9], "n_frames": 9}, "0..8"),
        ({"features": ONES, "picks": [0, 1.5, 2], "n_frames": 9}, "whole"),
        ({"features": ONES, "picks": [0, np.nan, 2], "n_frames": 9}, "NaN"),
        ({"features": ONES, "n_frames": 9}, "no 'picks'"),
        ({"features": ONES, "picks": [0, 1, 2], "n_frames": 9, "n_steps": 4}, "n_steps"),
        ({"features": ONES, "picks": [0, 1, 2], "n_frames": 9, "frame_change": np.ones(8)}, "frame_change"),
        ({"features": ONES, "picks": [0, 1, 2], "n_frames": "many"}, "video 'bad'"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, datasets: dict[str, object], says: str) -> None:
    path = write_groups(tmp_path / "f.h5", good={"features": ONES}, bad=datasets)
    with read_features(path) as store:
        assert store["good"].features.shape == (3, 4)  # one bad video does not spoil the file
        with pytest.raises(FeatureFileError) as caught:
            store["bad"]
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def bad_files(folder: Path) -> dict[str, Path]:
    good = pack_video("clip", full_video(n_picks=200))
    files = {
        "truncated": good[: len(good) // 2],
        "text": b"features, but as text\n" * 50,
        "pickle": pickle.dumps({"features": [1, 2, 3]}),
        "empty": b"",
    }
    for name, content in files.items():
        (folder / f"{name}.h5").write_bytes(content)
    with h5py.File(folder / "no_groups.h5", "w") as file:
        file["loose"] = 3
    (folder / "a_folder.h5").mkdir()
    names = [*files, "no_groups", "a_folder", "missing"]
    return {name: folder / f"{name}.h5" for name in names}


@pytest.mark.parametrize("kind", ["truncated", "text", "pickle", "empty", "no_groups", "a_folder", "missing"])
def test_what_is_no_feature_file_is_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    path = bad_files(tmp_path)[kind]
    with pytest.raises(FeatureFileError) as caught:
        read_features(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damage_in_the_middle_is_an_error_or_harmless(tmp_path: Path) -> None:
    """Overwriting any stretch of the file must never give a traceback of another kind."""
    good = bytearray(pack_video("clip", full_video(n_picks=40)))
    path = tmp_path / "f.h5"
    refused = 0
    for start in range(0, len(good), 397):
        damaged = bytearray(good)
        damaged[start : start + 64] = bytes([0xA5]) * len(damaged[start : start + 64])
        path.write_bytes(damaged)
        try:
            with read_features(path) as store:
                for _ in store.values():
                    pass
        except FeatureFileError:
            refused += 1
    assert refused > 0


def test_a_store_can_be_pickled_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    path.write_bytes(pack_video("clip", full_video()))
    store = FeatureStore(path)
    again = pickle.loads(pickle.dumps(store))
    store.close()
    np.testing.assert_array_equal(again["clip"].features, store["clip"].features)  # both open by themselves
    store.close()
    again.close()
    with pytest.raises(KeyError):
        store["other"]


@given(st.text(min_size=0, max_size=40))
def test_any_stem_becomes_one_group(stem: str) -> None:
    name = group_name(stem)
    with h5py.File(io.BytesIO(), "w") as file:
        file.create_group(name)
        assert list(file) == [name]


def test_names_that_are_no_utf8_are_stored(tmp_path: Path) -> None:
    video = full_video("caf\udce9")
    path = tmp_path / "f.h5"
    path.write_bytes(pack_video(group_name("caf\udce9"), video, SourceStamp("x", 1, 1)))
    with read_features(path) as store:
        (name,) = store
        assert store[name].name == name


def test_fingerprints_are_compared_field_by_field() -> None:
    assert check_features(FeatureKind(7, PRINT), FeatureKind(7, PRINT), "f.h5") is None
    warning = check_features(FeatureKind(7, None), FeatureKind(7, PRINT), "f.h5")
    assert warning is not None
    assert "f.h5" in warning
    other = Fingerprint("lite", "cd" * 32, PRINT.transform, PRINT.normalisation, 1.0)
    with pytest.raises(FingerprintMismatchError) as caught:
        check_features(FeatureKind(7, other), FeatureKind(7, PRINT), "f.h5")
    message = str(caught.value)
    assert "weights_digest" in message
    assert "rate_hz" in message
    assert "transform" not in message
    assert "--backbone lite --rate 2" in message


def test_scores_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "scores.h5"
    scores = {
        "video_1": VideoScores("video_1", np.linspace(0, 1, 4), np.arange(4) * 15, 50, "Air_Force_One"),
        "video_2": VideoScores("video_2", np.ones(3, np.float32)),
    }
    write_scores(path, iter(scores.values()), scorer="contrastive", settings={"post": "none"}, fingerprint=PRINT)
    back = read_scores(path)
    assert list(back) == ["video_1", "video_2"]
    np.testing.assert_array_equal(back["video_1"].scores, scores["video_1"].scores)
    assert back["video_1"].picks is not None
    assert back["video_1"].picks.tolist() == [0, 15, 30, 45]
    assert (back["video_1"].n_frames, back["video_1"].video_name) == (50, "Air_Force_One")
    assert (back["video_2"].picks, back["video_2"].n_frames) == (None, None)
    with h5py.File(path) as file:
        assert file["video_2/scores"].shape == (3,)
        assert file.attrs["scorer"] == "contrastive"
        assert file.attrs["settings"] == '{"post": "none"}'
        assert file["video_1"].attrs["fingerprint_digest"] == PRINT.digest


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "scores.h5"
    write_scores(path, [VideoScores("a", np.ones(3))], scorer="x")
    before = path.read_bytes()
    bad = [VideoScores("a", np.zeros(3)), VideoScores("b", np.array([1.0, np.nan]))]
    with pytest.raises(ValueError, match="b: scores"):
        write_scores(path, bad, scorer="x")
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["scores.h5"]
    with pytest.raises(OutputError):
        write_scores(path / "inside_a_file.h5", bad[:1], scorer="x")
