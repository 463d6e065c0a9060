"""A checkpoint of several streams, on the user's path: feature files and videos are scored alike."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.extraction_material import MeanColour, draw_video
from helpers.tiny_summarizers import saved_summarizer

import sspvs
from sspvs.annotations.captions import Caption, Sentences, caption_stream
from sspvs.cli import main
from sspvs.features.extract import Sampling, extract_to_file, extract_video
from sspvs.scorers import load_scorer
from sspvs.table import read_features
from sspvs.table.streams import joined_fingerprint
from sspvs.types import FurtherStream

RED, GREEN, BLUE = (200, 30, 30), (30, 160, 60), (40, 60, 200)
SRT = "1\n00:00:01,000 --> 00:00:03,000\nA red wall is seen.\n"


class Sharp(MeanColour):
    """Another backbone, of frames of another size."""

    def __init__(self) -> None:
        super().__init__("11")
        self.name, self.resize = "sharp", sspvs.video.Resize("squash", 4, "area")

    def encode(self, frames: np.ndarray) -> np.ndarray:
        return frames.reshape(len(frames), -1)[:, :5].astype(np.float32)


class Brighter(MeanColour):
    """Another backbone, of the same frames."""

    def __init__(self) -> None:
        super().__init__("22")
        self.name = "brighter/net:x"

    def encode(self, frames: np.ndarray) -> np.ndarray:
        return super().encode(frames) + 1


BACKBONES: dict[str, Any] = {"mean-colour": MeanColour, "sharp": Sharp, "brighter/net:x": Brighter}


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sspvs.scorers.loading.load_backbone", lambda name, **_: BACKBONES[name]())


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_video(tmp_path_factory.mktemp("clip") / "v.mp4", [RED, GREEN, BLUE, RED, BLUE, GREEN], seconds=2.0)


def test_several_backbones_go_into_streams_of_one_file(clip: Path, tmp_path: Path) -> None:
    out, first, further = tmp_path / "f.h5", MeanColour(), [Sharp(), Brighter()]
    extract_to_file([clip], out, first)
    assert extract_to_file([clip], out, first).kept == ("v",)
    assert extract_to_file([clip], out, first, further=further, workers=2).extracted == ("v",)  # it lacked the streams
    assert extract_to_file([clip], out, first, further=further).kept == ("v",)
    assert extract_to_file([clip], out, first).kept == ("v",)
    with read_features(out) as store:
        assert store.stream_names("v") == ["features", "features_brighter_net_x", "features_sharp"]
        for backbone, name in zip(further, ("sharp", "brighter_net_x"), strict=True):
            alone = extract_video(clip, backbone).features
            np.testing.assert_array_equal(store["v"].streams[name].features, alone.features)
            assert store["v"].streams[name].fingerprint == alone.fingerprint
    with h5py.File(out, "a") as file:
        file["v/features_sharp"].attrs["fingerprint_weights_digest"] = "33"
    with pytest.raises(
        sspvs.errors.FingerprintMismatchError, match=r"stream 'sharp'.*replace the file with --overwrite"
    ):
        extract_to_file([clip], out, first, further=further)


def checkpoint(folder: Path) -> Path:
    made = [MeanColour().fingerprint(2.0), Sentences().fingerprint(2.0), Sharp().fingerprint(2.0)]
    streams = list(zip(("features", "features_captions", "features_edges"), made, strict=True))
    return saved_summarizer(folder, feature_dim=3 + 384 + 5, fingerprint=joined_fingerprint(streams))


def expected_scores(video: Path, folder: Path, captions: list[Caption]) -> np.ndarray:
    """Streams made one by one and put side by side by hand."""
    features = extract_video(video, MeanColour(), Sampling(rate_hz=2.0)).features
    words = caption_stream(captions, features, features.timeline, Sentences(), "v").features
    edges = extract_video(video, Sharp(), Sampling(rate_hz=2.0)).features.features
    return (
        load_scorer(folder, device="cpu")
        .score(sspvs.extract(video, backbone=_Given(np.hstack([features.features, words, edges]))))
        .scores
    )


class _Given(MeanColour):
    """Features that are known before."""

    def __init__(self, rows: np.ndarray) -> None:
        super().__init__()
        self.rows = list(rows)

    def encode(self, frames: np.ndarray) -> np.ndarray:
        return np.array([self.rows.pop(0) for _ in frames], np.float32)

    def fingerprint(self, rate_hz: float) -> Any:
        return None


@pytest.mark.usefixtures("loaded")
def test_a_video_is_scored_with_each_stream_that_the_checkpoint_names(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, video = checkpoint(tmp_path / "net"), Path(shutil.copy(clip, tmp_path / "v.mp4"))
    without = sspvs.summarize(video, scorer=folder, device="cpu")
    np.testing.assert_allclose(without.scores, expected_scores(video, folder, []), rtol=1e-5)
    assert any("no subtitles" in warning and "'captions'" in warning for warning in without.warnings)
    video.with_suffix(".srt").write_text(SRT)
    spoken = sspvs.summarize(video, scorer=folder, device="cpu")
    captions = [Caption(1.0, 3.0, "A red wall is seen.")]
    np.testing.assert_allclose(spoken.scores, expected_scores(video, folder, captions), rtol=1e-5)
    assert not np.allclose(spoken.scores, without.scores, rtol=1e-3)
    (tmp_path / "c.jsonl").write_text('{"id": "v", "frame": 5, "caption": "a blue wall"}\n')
    given = sspvs.summarize(video, scorer=folder, device="cpu", captions=tmp_path / "c.jsonl")
    captions = [Caption(5, 5, "a blue wall", in_frames=True)]
    np.testing.assert_allclose(given.scores, expected_scores(video, folder, captions), rtol=1e-5)
    assert given.settings["captions"] == "c.jsonl"
    assert main(["summarize", str(video), "--captions", str(tmp_path / "c.jsonl"), "--out", str(tmp_path / "o")]) == 2
    assert "captions are for checkpoints that were trained with a stream of them" in capsys.readouterr().err


def test_a_feature_file_is_scored_with_its_streams(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = checkpoint(tmp_path / "net"), tmp_path / "f.h5"
    extract_to_file([clip], out, MeanColour(), further=[Sharp()])
    score = ["score", str(out), "--scorer", str(folder), "--out", str(tmp_path / "s.h5"), "--device", "cpu"]
    with h5py.File(out, "a") as file:
        file.move("v/features_sharp", "v/features_edges")
    with read_features(out) as store:
        words = np.zeros((len(store["v"].picks), 384), np.float32)
    sspvs.table.add_stream(out, "captions", {"v": words}, fingerprint=Sentences().fingerprint(2.0))
    assert main(score) == 0
    with h5py.File(tmp_path / "s.h5") as file:
        np.testing.assert_allclose(file["v/scores"][()], expected_scores(clip, folder, []), rtol=1e-5)
    with h5py.File(out, "a") as file:
        del file["v/features_edges"]
        file["v/features_captions"].attrs["fingerprint_weights_digest"] = "44"
    capsys.readouterr()
    assert main(score) == 2
    assert "captions: weights_digest is 44" in capsys.readouterr().err


def test_zeros_stand_for_a_stream_that_is_missing(clip: Path, tmp_path: Path) -> None:
    scorer = load_scorer(checkpoint(tmp_path / "net"), device="cpu")
    scorer.streams = {"features": 3, "captions": 384, "edges": 5}
    video = extract_video(clip, MeanColour()).features
    assert scorer.lacks(video) == ("captions", "edges")
    joined = scorer.joined(video)
    np.testing.assert_array_equal(joined.features, np.hstack([video.features, np.zeros((len(video.picks), 389))]))
    assert scorer.check_features(joined.fingerprint, "v") is None
    assert scorer.joined(joined) is joined
    edges = FurtherStream(np.ones((len(video.picks), 5), np.float32), Sharp().fingerprint(2.0))
    assert scorer.lacks(sspvs.types.FrameFeatures("v", video.features, video.picks, 120, streams={"edges": edges})) == (
        "captions",
    )
