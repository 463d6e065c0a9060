"""The walk-through of the docs: from your own annotations to a checkpoint to a summary, command by command."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
from pathlib import Path

import pytest
from helpers.written_commands import commands_under

from sspvs.cli import main

ROOT = Path(__file__).parents[1]
NEW = "sample_demo_3.mp4"
SECONDS = {"pancake.mkv": 10.0, "charades.mp4": 30.0, "sample_demo_1.mp4": 9.0}
QUICK = ["--trainer.max_epochs", "2", "--trainer.accelerator", "cpu"]  # as printed it is 40 epochs


def test_from_annotations_to_a_summary(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = commands_under("Train on your own annotations")
    assert [words[:2] for words in commands] == [
        ["sspvs", "data"], ["sspvs", "crossval"], ["sspvs", "fit"], ["sspvs", "summarize"],
    ]  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "videos").mkdir()
    with (tmp_path / "mine.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["video", "annotator", "start", "end"])
        for name, seconds in SECONDS.items():
            shutil.copy(shared_data / "videos" / name, tmp_path / "videos")
            rows.writerows(
                [[name, "ann", 1, seconds / 3], [name, "bob", 2, seconds / 2], [name, "bob", seconds - 2, seconds]]
            )
    shutil.copy(shared_data / "videos" / NEW, tmp_path / "new.mp4")

    for words in commands:
        quick = QUICK if words[1] in ("crossval", "fit") else []
        assert main([*words[1:], *quick]) == 0, f"{shlex.join(words)}: {capsys.readouterr().err}"

    tested = json.loads((tmp_path / "runs" / "mine" / "result.json").read_text())
    assert sorted(tested["videos"]) == sorted(SECONDS)
    assert {"human", "random", "contrastive"} <= set(tested["baselines"])
    for name in ("human", "random", "contrastive"):  # shots fit into 15 % of clips of 10 to 30 s
        assert tested["baselines"][name]["f_score_avg"]["mean"] > 0.05, name
    for row in (tested, *tested["baselines"].values()):
        assert not row["settings"].get("empty_summaries")
    summary = json.loads((tmp_path / "summary" / "summary.json").read_text())
    assert summary["scorer"].endswith("best")
    assert summary["feature_fingerprint"]["backbone"] == "efficientnet-lite0"
    assert 0 < summary["selected_seconds"] <= 0.15 * summary["video"]["duration_seconds"] + 0.05
    assert (
        "Stage 1" in (tmp_path / "summary" / "report.html").read_text()
        or "stage_1" in (tmp_path / "summary" / "scores.csv").read_text()
    )
