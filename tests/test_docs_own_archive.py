"""The walk-through of the docs: from videos without annotations to a refined checkpoint to a summary."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest
from helpers.written_commands import commands_under

from sspvs.cli import main

ROOT = Path(__file__).parents[1]
ARCHIVE = ("pancake.mkv", "charades.mp4", "sample_demo_1.mp4", "montage.mp4")
NEW = "sample_demo_3.mp4"
QUICK = ["--trainer.max_epochs", "2", "--trainer.accelerator", "cpu"]  # as printed it is 40 epochs


def test_from_an_archive_to_a_summary(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = commands_under("Learn from an archive without labels")
    assert [words[1] for words in commands] == ["extract", "fit", "summarize"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "videos").mkdir()
    for name in ARCHIVE:
        shutil.copy(shared_data / "videos" / name, tmp_path / "videos")
    shutil.copy(shared_data / "videos" / NEW, tmp_path / "new.mp4")

    for words in commands:
        quick = QUICK if words[1] == "fit" else []
        assert main([*words[1:], *quick]) == 0, f"{shlex.join(words)}: {capsys.readouterr().err}"

    summary = json.loads((tmp_path / "summary" / "summary.json").read_text())
    assert summary["scorer"].endswith("archive/version_0/pretrained/last") or "archive" in summary["scorer"]
    assert summary["feature_fingerprint"]["backbone"] == "efficientnet-lite0"
    assert 0 < summary["selected_seconds"] <= 0.15 * summary["video"]["duration_seconds"] + 0.05
    page = (tmp_path / "summary" / "report.html").read_text()
    for curve in ("local_dissimilarity", "global_consistency", "uniqueness"):
        assert curve in page


def test_real_captioned_clips_to_a_refined_checkpoint(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder with the features of 77 real clips: a training, then scores of the same file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "features").mkdir()
    shutil.copy(shared_data / "footage" / "footage.h5", tmp_path / "features")
    config = str(ROOT / "configs" / "refine" / "archive.yaml")
    quick = ["--trainer.max_epochs", "1", "--trainer.accelerator", "cpu", "--data.repeats", "1"]
    assert main(["fit", "--config", config, *quick]) == 0
    checkpoint = "runs/archive/version_0/pretrained/last"
    assert main(["score", "features/footage.h5", "--scorer", checkpoint, "--out", "scores.h5"]) == 0
