from __future__ import annotations

import io
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.extraction_material import BLUE, GREEN, RED, MeanColour, draw_folder, draw_video
from PIL import Image

import sspvs.features.extract as extract_module
from sspvs.errors import FeatureFileError, FingerprintMismatchError, OutputError, VideoError
from sspvs.features.extract import NotFiniteError, Sampling, extract_to_file, extract_video
from sspvs.features.resumable import open_parts
from sspvs.table import SourceStamp, pack_video, read_features


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return draw_folder(tmp_path_factory.mktemp("videos"), 4)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the videos that are opened for decoding from here on."""
    names: list[str] = []
    real = extract_module.open_video

    def spy(path: Path, **settings: object) -> object:
        names.append(Path(path).name)
        return real(path, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(extract_module, "open_video", spy)
    return names


def contents(path: Path) -> dict[str, bytes]:
    """Every video of a feature file, as bytes that are equal only when all of it is."""
    with read_features(path) as store:
        return {name: pack_video(name, store[name], store.source_of(name)) for name in store}


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_features_are_those_of_the_frames_on_screen(tmp_path: Path) -> None:
    path = draw_video(tmp_path / "a.mp4", [RED, GREEN, BLUE], fps=10, seconds=1.0)
    video = extract_video(path, MeanColour(), Sampling(rate_hz=2.0), thumbnails=True)
    features = video.features
    assert features.picks.tolist() == [0, 5, 10, 15, 20, 25]
    assert (features.name, features.n_frames) == ("a", 30)
    expected = np.repeat(np.array([RED, GREEN, BLUE], np.float32), 2, axis=0)
    np.testing.assert_allclose(features.features, expected, atol=6)  # a lossy codec
    assert features.features.dtype == np.float32
    assert features.fingerprint == MeanColour().fingerprint(2.0)
    assert features.timeline is not None
    np.testing.assert_allclose(features.timeline.frame_seconds, np.arange(30) / 10, atol=1e-6)
    assert features.frame_change is not None
    assert sorted(np.argsort(features.frame_change)[-2:].tolist()) == [10, 20]  # where the colours change
    assert len(video.thumbnails) == 6
    for jpeg, colour in zip(video.thumbnails, expected, strict=True):
        picture = Image.open(io.BytesIO(jpeg))
        assert picture.size == (160, 120)  # the video's aspect, not the network's square
        np.testing.assert_allclose(np.asarray(picture).mean(axis=(0, 1)), colour, atol=8)


def test_thumbnails_of_untagged_hd_have_the_colours_that_players_show(tmp_path: Path) -> None:
    """Coded by BT.601 and untagged, as 720 lines are shown by BT.709; features are made of it as ever."""
    path = draw_video(tmp_path / "hd.mp4", [GREEN], fps=2, size=(64, 720))
    video = extract_video(path, MeanColour(), Sampling(rate_hz=2.0), thumbnails=True)
    np.testing.assert_allclose(video.features.features[0], GREEN, atol=6)
    red, green, blue = GREEN
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    as_red, as_blue = luma + 1.5748 * (red - luma) / 1.402, luma + 1.8556 * (blue - luma) / 1.772
    shown = (as_red, (luma - 0.2126 * as_red - 0.0722 * as_blue) / 0.7152, as_blue)
    thumbnail = np.asarray(Image.open(io.BytesIO(video.thumbnails[0]))).mean(axis=(0, 1))
    np.testing.assert_allclose(thumbnail, np.clip(shown, 0, 255), atol=6)
    assert np.abs(thumbnail - GREEN).max() > 15


def test_batches_have_the_size_asked_for_and_change_nothing(videos: list[Path]) -> None:
    small, large = MeanColour(), MeanColour()
    a = extract_video(videos[2], small, Sampling(rate_hz=5.0, batch_size=4))
    b = extract_video(videos[2], large, Sampling(rate_hz=5.0, batch_size=1000))
    n_picks = len(a.features.picks)
    assert small.batches == [4] * (n_picks // 4) + [n_picks % 4] * (n_picks % 4 > 0)
    assert large.batches == [n_picks]
    np.testing.assert_array_equal(a.features.features, b.features.features)
    assert a.thumbnails == ()


def test_features_that_are_not_finite_are_refused(videos: list[Path]) -> None:
    class Broken(MeanColour):
        def encode(self, frames: np.ndarray) -> np.ndarray:
            return super().encode(frames) * np.float32(np.inf)

    with pytest.raises(NotFiniteError, match="mean-colour"):
        extract_video(videos[0], Broken())


def test_many_videos_go_into_one_file(videos: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "f.h5"
    report = extract_to_file(videos, out, MeanColour())
    assert report.extracted == tuple(path.stem for path in videos)
    assert (report.kept, report.failed) == ((), ())
    assert listing(tmp_path) == ["f.h5"]
    with read_features(out) as store:
        assert store.fingerprint == MeanColour().fingerprint(2.0)
        for path in videos:
            alone = extract_video(path, MeanColour()).features
            np.testing.assert_array_equal(store[path.stem].features, alone.features)
            np.testing.assert_array_equal(store[path.stem].picks, alone.picks)
            source = store.source_of(path.stem)
            assert source == SourceStamp.of(path)
        assert report.n_picks == sum(len(video.picks) for video in store.values())
        assert report.n_frames == sum(video.n_frames for video in store.values())


def test_workers_change_nothing(videos: list[Path], tmp_path: Path) -> None:
    extract_to_file(videos, tmp_path / "one.h5", MeanColour(), workers=1)
    extract_to_file(videos, tmp_path / "three.h5", MeanColour(), workers=3)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "three.h5").read_bytes()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_the_network_ends_its_video_alone(videos: list[Path], tmp_path: Path, workers: int) -> None:
    class Breaks(MeanColour):
        def encode(self, frames: np.ndarray) -> np.ndarray:
            if not self.batches:
                self.batches.append(len(frames))
                raise RuntimeError("out of memory")
            return super().encode(frames)

    before = threading.active_count()
    report = extract_to_file(videos, tmp_path / "f.h5", Breaks(), workers=workers)
    assert [reason for _, reason in report.failed] == ["RuntimeError: out of memory"]
    assert list(contents(tmp_path / "f.h5")) == sorted(report.extracted)
    assert len(report.extracted) == len(videos) - 1
    assert threading.active_count() == before


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bad_file_is_reported_and_the_rest_go_on(videos: list[Path], tmp_path: Path, workers: int) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "text.mp4").write_text("not a video\n" * 100)
    (bad / "empty.mp4").touch()
    paths = [bad / "text.mp4", videos[0], bad / "gone.mp4", bad / "empty.mp4", videos[1]]
    report = extract_to_file(paths, tmp_path / "f.h5", MeanColour(), workers=workers)
    assert report.extracted == (videos[0].stem, videos[1].stem)
    assert [path.name for path, _ in report.failed] == ["empty.mp4", "gone.mp4", "text.mp4"]
    assert all(reason and "\n" not in reason for _, reason in report.failed)
    assert list(contents(tmp_path / "f.h5")) == [videos[0].stem, videos[1].stem]


def test_nothing_usable_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a video\n" * 100)
    report = extract_to_file([tmp_path / "text.mp4"], tmp_path / "new" / "deep" / "f.h5", MeanColour())
    assert (report.extracted, len(report.failed)) == ((), 1)
    assert listing(tmp_path) == ["text.mp4"]


def test_what_is_there_is_kept_and_new_videos_are_added(videos: list[Path], tmp_path: Path, opened: list[str]) -> None:
    out = tmp_path / "f.h5"
    extract_to_file(videos[:2], out, MeanColour())
    first = contents(out)
    report = extract_to_file(videos[1:3], out, MeanColour())
    assert (report.extracted, report.kept) == ((videos[2].stem,), (videos[1].stem,))
    assert opened == [path.name for path in videos[:3]]  # each decoded once
    second = contents(out)
    assert list(second) == [path.stem for path in videos[:3]]
    assert {name: second[name] for name in first} == first
    untouched = out.stat().st_mtime_ns
    assert extract_to_file(videos[:3], out, MeanColour()).extracted == ()
    assert out.stat().st_mtime_ns == untouched


def test_a_changed_video_is_made_again(tmp_path: Path) -> None:
    path, out = tmp_path / "a.mp4", tmp_path / "f.h5"
    draw_video(path, [RED])
    extract_to_file([path], out, MeanColour())
    draw_video(path, [BLUE])
    os.utime(path, ns=(1, 1))
    report = extract_to_file([path], out, MeanColour())
    assert report.extracted == ("a",)
    with read_features(out) as store:
        assert list(store) == ["a"]
        np.testing.assert_allclose(store["a"].features[0], BLUE, atol=6)


def test_a_moved_video_is_recognised(videos: list[Path], tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    here = Path(shutil.copy(videos[0], tmp_path / "here" / "a.mp4"))
    extract_to_file([here], tmp_path / "f.h5", MeanColour())
    there = (tmp_path / "here").rename(tmp_path / "there") / "a.mp4"
    assert extract_to_file([there], tmp_path / "f.h5", MeanColour()).kept == ("a",)


def test_equal_stems_get_groups_of_their_own_and_keep_them(tmp_path: Path) -> None:
    colours = {"x/clip.mp4": RED, "y/clip.mp4": GREEN, "z/clip_2.mp4": BLUE}
    paths = [draw_video(tmp_path / name, [colour]) for name, colour in colours.items()]
    out = tmp_path / "f.h5"
    extract_to_file([paths[1]], out, MeanColour())  # the second of them first, alone
    report = extract_to_file([*paths, tmp_path / "x" / ".." / "x" / "clip.mp4"], out, MeanColour())
    assert report.kept == ("clip",)
    assert report.extracted == ("clip_2", "clip_3")
    with read_features(out) as store:
        found = {name: (video.name, video.features[0]) for name, video in store.items()}
    for group, name, colour in [("clip", "clip", GREEN), ("clip_2", "clip_2", BLUE), ("clip_3", "clip", RED)]:
        assert found[group][0] == name
        np.testing.assert_allclose(found[group][1], colour, atol=6)


def test_features_of_another_extractor_are_not_mixed(videos: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "f.h5"
    extract_to_file(videos[:1], out, MeanColour("00"))
    before = out.read_bytes()
    for backbone, rate in [(MeanColour("11"), 2.0), (MeanColour("00"), 1.0)]:
        with pytest.raises(FingerprintMismatchError, match="--overwrite"):
            extract_to_file(videos[:1], out, backbone, Sampling(rate_hz=rate))
        assert out.read_bytes() == before
        assert listing(tmp_path) == ["f.h5"]
    report = extract_to_file(videos[1:2], out, MeanColour("11"), overwrite=True)
    assert report.extracted == (videos[1].stem,)
    assert list(contents(out)) == [videos[1].stem]


def test_files_that_are_not_ours_are_left_alone(videos: list[Path], tmp_path: Path) -> None:
    text = tmp_path / "notes.h5"
    text.write_text("dear diary")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="no h5 file"):
            extract_to_file(videos[:1], text, MeanColour(), overwrite=overwrite)
        with pytest.raises(OutputError, match="folder"):
            extract_to_file(videos[:1], tmp_path, MeanColour(), overwrite=overwrite)
        with pytest.raises(OutputError, match="cannot be written"):
            extract_to_file(videos[:1], text / "f.h5", MeanColour(), overwrite=overwrite)
    video = Path(shutil.copy(videos[0], tmp_path / "a.mp4"))
    with pytest.raises(OutputError):
        extract_to_file([video], video, MeanColour(), overwrite=True)
    assert listing(tmp_path) == ["a.mp4", "notes.h5"]
    assert text.read_text() == "dear diary"
    foreign = tmp_path / "foreign.h5"
    foreign.write_bytes(pack_video("v", extract_video(videos[0], MeanColour()).features)[:4000])
    with pytest.raises((FeatureFileError, OutputError)):
        extract_to_file(videos[:1], foreign, MeanColour())


def test_a_file_without_fingerprint_is_not_added_to(videos: list[Path], tmp_path: Path) -> None:
    import h5py

    out = tmp_path / "f.h5"
    with h5py.File(out, "w") as file:
        file.create_group("video_1")["features"] = np.ones((3, 3), np.float32)
    with pytest.raises(FingerprintMismatchError, match="no feature fingerprint"):
        extract_to_file(videos[:1], out, MeanColour())


def test_two_runs_cannot_write_one_file(videos: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "f.h5"
    fingerprint = MeanColour().fingerprint(2.0)
    with open_parts(out, fingerprint), pytest.raises(OutputError, match="another run"):
        extract_to_file(videos[:1], out, MeanColour())
    assert listing(tmp_path) == []
    assert extract_to_file(videos[:1], out, MeanColour()).extracted  # free again


def test_the_lock_is_never_held_twice(tmp_path: Path) -> None:
    """Many threads take and release it; a folder that is being removed must not let two in."""
    fingerprint = MeanColour().fingerprint(2.0)
    inside, most, entered = 0, 0, 0
    count = threading.Lock()

    def run() -> None:
        nonlocal inside, most, entered
        times = 0
        while times < 15:
            try:
                with open_parts(tmp_path / "f.h5", fingerprint):
                    with count:
                        inside += 1
                        entered += 1
                        most = max(most, inside)
                    time.sleep(0.0005)
                    with count:
                        inside -= 1
                times += 1
            except OutputError:
                pass

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert entered == 6 * 15
    assert listing(tmp_path) == []


def test_real_backbone_on_a_real_clip(shared_data: Path, tmp_path: Path) -> None:
    from sspvs.features.backbones import load_backbone

    backbone = load_backbone("efficientnet-lite0", device="cpu")
    path = shared_data / "videos" / "sample_demo_3.mp4"
    report = extract_to_file([path], tmp_path / "f.h5", backbone, Sampling(batch_size=4))
    whole = extract_video(path, backbone).features
    with read_features(tmp_path / "f.h5") as store:
        stored = store[path.stem]
    assert report.n_picks == len(whole.picks) == len(stored.picks)
    assert stored.features.shape == (len(whole.picks), backbone.feature_dim)
    np.testing.assert_allclose(stored.features, whole.features, atol=1e-4)  # whatever the batch
    assert stored.info is not None
    assert stored.info.has_audio
    with pytest.raises(VideoError):
        extract_video(shared_data / "README.md", backbone)
