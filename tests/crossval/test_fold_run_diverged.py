"""A cross-validation whose training diverges says where, since when, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from helpers.crossval_material import write_config

from sspvs.cli import main

REFINER = {"embed_dim": 16, "num_layers": 1, "head_dim": 8, "feedforward_dim": 16, "uniqueness_dim": 8}


@pytest.mark.parametrize(
    ("task", "jobs"), [("summarize", "1"), pytest.param("summarize", "2", marks=pytest.mark.slow), ("refine", "1")]
)
def test_the_message(task: str, jobs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_config(tmp_path)
    if task == "refine":
        content = yaml.safe_load(config.read_text())
        data = {name: content["data"][name] for name in ("dataset", "splits")}
        content |= {
            "task": "refine",
            "model": {"refiner": REFINER, "losses": {"segments": 4}},
            "data": {**data, "clip_frames": 10, "batch_size": 2},
        }
        config.write_text(yaml.safe_dump(content))
    words = ["crossval", "--config", str(config), "--out", str(tmp_path / "o"), "--seeds", "1", "--jobs", jobs]
    words += ["--model.optim.lr", "1e30" if task == "refine" else "1e6", "--trainer.max_epochs", "2"]
    assert main(words) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "error: seed 0, fold " in line
    what = "the weights" if task == "refine" else "the scores of drawn/video_"  # nothing is validated in the former
    assert f": the training diverged: {what}" in line
    assert " are not finite (NaN or infinite) after step " in line
    assert "lower the learning rate (--model.optim.lr, here 1e+" in line
    assert not (tmp_path / "o" / "result.json").exists()
