"""`sspvs fit` and the rest on `task: summarize`: what is linked, written, restored and refused."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers.crossval_material import write_config
from helpers.tiny_pretraining import TEXT, VIDEO

from sspvs.cli import main
from sspvs.crossval.plan import CrossvalSettings, Plan
from sspvs.data.batch import SummarizeBatch
from sspvs.data.summarize import SummarizeDataModule
from sspvs.errors import WeightsNotFoundError
from sspvs.table import read_dataset, read_score_facts, read_scores
from sspvs.tasks.data_facts import refuse_other_data
from sspvs.tasks.pretrain import PretrainTask
from sspvs.tasks.summarize import ScoredVideos, SummarizeTask
from sspvs.training.command_line import ReadConfig, TrainingCLI
from sspvs.training.run import RunSettings
from sspvs.training.samples import plot_scores, samples_of
from sspvs.training.starting_point import find_starting_point
from sspvs.training.tasks import TASKS, chosen_task, task_named, task_of_kind

SMOKE = Path(__file__).parents[2] / "configs" / "pretrain" / "smoke.yaml"


class Made(TrainingCLI):
    """Everything but the run itself."""

    def _run_subcommand(self, subcommand: str) -> None:
        pass


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three epochs of two batches, two stages."""
    folder = tmp_path_factory.mktemp("fit_summarize")
    return write_config(folder, run={"name": "tiny", "root": str(folder / "runs"), "samples": 1})


@pytest.fixture(scope="module")
def run(config: Path) -> Path:
    assert main(["fit", "--config", str(config), "--trainer.check_val_every_n_epoch", "1"]) == 0
    return config.parent / "runs" / "tiny" / "version_0"


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pretraining checkpoint of 16-D features, with its own small text tower of 40 ids."""
    torch.manual_seed(1)
    return PretrainTask(VIDEO, TEXT).save_pretrained(tmp_path_factory.mktemp("pretrained"))


def validations(run: Path) -> list[dict[str, float]]:
    with (run / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["val/loss"]]
    return [{name: float(value) for name, value in row.items() if value} for row in rows]


def test_the_folder_of_a_run(run: Path) -> None:
    names = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert names == {
        "config.yaml", "hparams.yaml", "metrics.csv", "samples/0.png", "checkpoints/best.ckpt", "checkpoints/last.ckpt",
        *(f"pretrained/{one}/{name}" for one in ("best", "last") for name in ("config.json", "model.safetensors")),
    }  # fmt: skip
    assert yaml.safe_load((run / "config.yaml").read_text())["task"] == "summarize"
    task = SummarizeTask.from_pretrained(run / "pretrained" / "best")
    kept = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert kept["hyper_parameters"]["video"]["feature_dim"] == 16  # of the data
    assert kept["hyper_parameters"]["video"]["trained_length"] == 8
    assert kept["hyper_parameters"]["feature_fingerprint"]["backbone"] == "drawn"
    assert all(torch.equal(value, kept["state_dict"][name]) for name, value in task.state_dict().items())


def test_the_best_checkpoint_has_the_highest_tau(run: Path) -> None:
    rows = validations(run)
    assert {"val/kendall_tau", "val/spearman_rho", "val/f_score_avg", "val/mse_loss"} <= set(rows[0])
    taus = [row["val/kendall_tau"] for row in rows]
    assert len(set(taus)) > 1
    kept = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert kept["epoch"] == int(np.argmax(taus))


@pytest.mark.parametrize("which", ["last", "pretrained/last"])
def test_its_figures_again(run: Path, config: Path, which: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    given = which if which == "last" else str(run / which)
    assert main(["validate", "--config", str(config), "--ckpt_path", given]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  val/")]
    found = {name: float(value) for name, value in lines}
    assert found["val/kendall_tau"] == pytest.approx(validations(run)[-1]["val/kendall_tau"], abs=1e-4)
    assert main(["test", "--config", str(config), "--ckpt_path", given]) == 0
    assert "test/kendall_tau" in capsys.readouterr().out


def received(run: Path, target: Path, change: Callable[[dict[str, Any]], object]) -> tuple[Path, Path]:
    """The last checkpoint of a run as folder and file, with other settings."""
    folder = shutil.copytree(run / "pretrained" / "last", target)
    kept = json.loads((folder / "config.json").read_text())
    change(kept["settings"])
    (folder / "config.json").write_text(json.dumps(kept))
    file = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    change(file["hyper_parameters"])
    torch.save(file, target.with_suffix(".ckpt"))
    return folder, target.with_suffix(".ckpt")


def test_a_received_checkpoint_fetches_and_opens_nothing(
    run: Path, config: Path, pretrained: Path, tmp_path: Path, opened: list[str]
) -> None:
    """Whatever is to be downloaded, or started from, is for those to say who run it."""
    trap = shutil.copytree(pretrained, tmp_path / "trap")

    def change(settings: dict[str, Any]) -> None:
        settings["pretrained"] = str(trap)
        settings["text"].update(download=True, encoder=str(trap), config=None)

    for source in received(run, tmp_path / "sent", change):
        for verb, more in (("fit", ()), ("validate", ()), ("test", ()), ("predict", ("--out", str(tmp_path / "s.h5")))):
            opened.clear()
            made = Made(verb, ["--config", str(config), "--ckpt_path", str(source), *more])
            assert any(name.startswith(str(source)) for name in opened)
            assert not [name for name in opened if name.startswith(str(trap))]
            assert made.model.hparams["pretrained"] is None
            assert made.model.hparams["text"]["download"] is False
            assert made.settings.model.text.download is False


def test_a_damaged_checkpoint_is_one_line(
    run: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()

    def refusal(source: Path) -> str:
        words = ["--config", str(config), "--run.root", str(tmp_path / "runs"), "--ckpt_path", str(source)]
        assert main(["fit", *words]) == 2
        assert not list((tmp_path / "runs").rglob("*"))
        lines = capsys.readouterr().err.splitlines()
        assert [line.partition(":")[0] for line in lines] == ["error"]
        assert str(source) in lines[0]
        return lines[0]

    for source in received(run, tmp_path / "sent", lambda settings: settings["video"].update(dropout=float("nan"))):
        assert "video.dropout must be a finite number, got nan" in refusal(source)
    whole = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    name = "model.video_encoder.cls"
    for wrong, reason in ((whole["state_dict"][name] * torch.nan, "has NaN"), ("weights", "is no tensor")):
        torch.save({**whole, "state_dict": {**whole["state_dict"], name: wrong}}, tmp_path / "wrong.ckpt")
        assert f"its tensor {name} {reason}" in refusal(tmp_path / "wrong.ckpt")
    for part, wrong in (("loops", {}), ("optimizer_states", "x")):
        torch.save({**whole, part: wrong}, tmp_path / "wrong.ckpt")
        assert "its state of the training is damaged" in refusal(tmp_path / "wrong.ckpt")


def test_scores_of_the_tested_videos(run: Path, config: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.h5"
    assert main(["predict", "--config", str(config), "--ckpt_path", "best", "--out", str(out), "--data.fold", "1"]) == 0
    scores, store = read_scores(out), read_dataset(config.parent / "drawn.h5")
    assert sorted(scores) == ["video_1", "video_4", "video_7"]
    task = SummarizeTask.from_pretrained(run / "pretrained" / "best")
    for key, scored in scores.items():
        features = torch.from_numpy(store.features[key].features)[None]  # alone, without padding
        with torch.no_grad():
            alone = task.model(features, torch.ones(features.shape[:2], dtype=torch.bool)).scores[0]
        np.testing.assert_allclose(scored.scores, alone.numpy(), atol=1e-5)
        assert scored.n_frames == store[key].n_frames
    facts = read_score_facts(out)
    assert facts.settings["checkpoint"].endswith("best.ckpt")
    assert facts.settings["fold"] == 1
    assert (
        main(["evaluate", "--dataset", str(config.parent / "drawn.h5"), "--scores", str(out), "--allow-missing"]) == 0
    )


def test_a_restart_goes_on_exactly(run: Path, config: Path, tmp_path: Path) -> None:
    words = ["fit", "--config", str(config), "--run.root", str(tmp_path), "--run.samples", "0"]
    assert main([*words, "--trainer.max_epochs", "2"]) == 0
    assert main([*words, "--ckpt_path", "last"]) == 0
    one, other = (
        torch.load(path / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for path in (run, tmp_path / "tiny" / "version_1")
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_nothing_to_validate_on(config: Path, tmp_path: Path) -> None:
    more = ["--run.root", str(tmp_path), "--data.validate_on", "nothing", "--trainer.max_epochs", "1"]
    assert main(["fit", "--config", str(config), *more]) == 0
    run = tmp_path / "tiny" / "version_0"
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["last.ckpt"]
    assert [path.name for path in (run / "pretrained").iterdir()] == ["last"]


def test_from_pretraining(config: Path, pretrained: Path, tmp_path: Path) -> None:
    """The towers and the tokenizer are those of the checkpoint; the config's own sizes do not count."""
    gate = ["--model.summarizer.text_guidance", "gate", "--model.text.encoder", "small"]
    words = ["--config", str(config), "--run.root", str(tmp_path), "--model.pretrained", str(pretrained), *gate]
    cli = Made("fit", [*words, "--data.text.title", "7"])
    assert cli.model.hparams["video"]["num_heads"] == VIDEO.num_heads == 4  # the config has 2
    assert cli.model.hparams["video"]["trained_length"] is None  # as pretrained, not max_frames
    assert cli.datamodule.vocab_size == cli.model.model.text_encoder.vocab_size == 40
    assert (cli.datamodule.encoder, cli.datamodule.use_text) == ("small", "gate")
    assert cli.model.text_fields.title == cli.datamodule.text.title == 7
    assert Made("fit", [*words, "--data.title_as_query", "true"]).model.hparams["title_as_query"] is True
    assert cli.model.initialised_from["source"] == pretrained.name
    known = PretrainTask.from_pretrained(pretrained).model.video_encoder.state_dict()
    assert all(torch.equal(value, known[name]) for name, value in cli.model.model.video_encoder.state_dict().items())
    own = Made("fit", [*words, "--model.video.trained_length", "300"])
    assert own.model.hparams["video"]["trained_length"] == 300

    assert main(["fit", *words, "--trainer.max_epochs", "1", "--data.texts", str(manifest(tmp_path))]) == 0
    checkpoint = tmp_path / "tiny" / "version_0" / "checkpoints" / "last.ckpt"
    again = Made("validate", [*words, "--ckpt_path", str(checkpoint), "--data.text.title", "9"])
    assert again.model.handover_report is None  # nothing is loaded twice: Lightning restores the weights
    assert again.model.initialised_from["source"] == pretrained.name
    assert again.datamodule.text.title == 10  # as the model was trained
    assert again.datamodule.vocab_size == 40


def manifest(folder: Path) -> Path:
    """Texts of all videos."""
    path = folder / "texts.csv"
    path.write_text("id,title\n" + "".join(f"video_{n},a dog runs\n" for n in range(1, 10)))
    return path


def test_checkpoints_of_another_task_are_refused(
    run: Path, config: Path, pretrained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = ["fit", "--config", str(config), "--run.root", str(tmp_path), "--ckpt_path"]
    there = [
        "fit",
        "--config",
        str(SMOKE),
        "--run.root",
        str(tmp_path),
        "--data.world.folder",
        str(tmp_path),
        "--ckpt_path",
    ]
    for words, expected in (
        (
            [*here, str(pretrained)],
            "got one of task 'pretrain'; what pretraining learned is given as --model.pretrained",
        ),
        ([*there, str(run / "pretrained" / "best")], "expected a checkpoint of task 'pretrain', got one of task 'summ"),
        ([*there, str(run / "checkpoints" / "best.ckpt")], "got one of task 'summarize'; give the config"),
        ([*here, str(tmp_path / "none")], "no checkpoint at"),
    ):
        capsys.readouterr()
        assert main(words) == 2
        assert expected in capsys.readouterr().err
    with pytest.raises(WeightsNotFoundError):
        find_starting_point("best", RunSettings(root=str(tmp_path)), task_named("summarize"), required=True)


def test_which_task_is_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text("task: summarize\n")
    other.write_text("run: {name: x}\n")
    chosen = {
        (): "pretrain",
        ("--config", str(one)): "summarize",
        (f"-c={one}", "--config", str(other)): "summarize",
        ("--config", str(other)): "pretrain",
        ("--config", str(one), "--task=pretrain"): "pretrain",
        ("--task", "pretrain", "--config", str(one)): "summarize",  # the last word counts
        ("--config", "nowhere.yaml"): "pretrain",
        ("--config",): "pretrain",
    }
    assert {words: chosen_task(words).name for words in chosen} == chosen
    with pytest.raises(ValueError, match="task must be one of pretrain, summarize, refine, got 'sing'"):
        chosen_task(["--task", "sing"])
    (tmp_path / "list.yaml").write_text("task: [summarize]")
    with pytest.raises(ValueError, match="task must be one of"):
        chosen_task(["--config", str(tmp_path / "list.yaml")])
    assert main(["fit", "--config", str(one), "--task", "sing"]) == 2
    assert "error: task must be one of" in capsys.readouterr().err
    for name in TASKS:
        task = task_named(name)
        assert task.name == name
        assert task_of_kind(task.kind) is task
    assert task_of_kind("sspvs.other") is None


def test_another_head(config: Path, tmp_path: Path) -> None:
    """The config's two stages are the progressive head's; a run's own config repeats it, or goes back to stages."""
    words = ["--config", str(config), "--run.root", str(tmp_path / "runs"), "--model.summarizer.head", "linear"]
    assert main(["fit", *words, "--trainer.max_steps", "1"]) == 0
    run = tmp_path / "runs" / "tiny" / "version_0"
    task = SummarizeTask.from_pretrained(run / "pretrained" / "last")
    assert task.hparams["summarizer"]["num_stages"] == len(task.model.head.stages) == 1
    own = ["--config", str(run / "config.yaml")]
    top = tmp_path / "top.yaml"
    top.write_text("model: {summarizer: {head: attention, num_stages: 4}}")
    for more, expected in (
        ([], ("linear", 1)),
        (["--model.summarizer.head=progressive"], ("progressive", 3)),
        (["--model.summarizer.head", "progressive", "--model.summarizer.num_stages", "2"], ("progressive", 2)),
        (["--model.summarizer.num_stages", "2"], ("linear", 2)),  # refused when it is made
        (["--config", str(top)], ("attention", 4)),  # likewise
        (["--config", str(top), "--config", str(config)], ("attention", 2)),  # likewise
        (["--config", str(top), "--model.summarizer.head", "progressive"], ("progressive", 3)),
    ):
        chosen = ReadConfig("fit", [*own, *more]).settings.model.summarizer
        assert (chosen.head, chosen.num_stages) == expected, more
    settings = CrossvalSettings((str(config),), tmp_path / "cv", ("--model.summarizer.head", "csta-small"))
    assert Plan.read(settings).config["model"]["summarizer"]["num_stages"] == 1


MISTAKES = [
    (["--data.fold", "7"], "fold must be from 0 to 2"),
    (["--data.val_share", "2"], "val_share"),
    (["--model.summarizer.num_stages", "0"], "num_stages"),
    (["--model.summarizer.head", "linear", "--model.summarizer.num_stages=4"], "linear head has one stage, got num_st"),
    (["--model.summarizer", "{head: csta-small, num_stages: 4}"], "csta-small head has one stage, got num_stages 4"),
    (["--model.summarizer.text_guidance", "gate", "--model.text.encoder", "small"], "text"),
    (["--model.losses.mse", "0"], "every term is off"),
    (["--model.pretrained", "nowhere"], "nowhere"),
    (["--data.batch_size", "500"], "lower data.batch_size"),
]


@pytest.mark.parametrize(("more", "expected"), MISTAKES, ids=lambda value: " ".join(value))
def test_mistakes_are_one_line(
    more: list[str], expected: str, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["fit", "--config", str(config), "--run.root", str(tmp_path), *more]) == 2
    err = capsys.readouterr().err
    assert len([line for line in err.splitlines() if line.startswith("error:")]) == 1
    assert expected in err


def test_plots_leave_padding_out() -> None:
    mask = torch.arange(6) < torch.tensor([[6], [4]])
    batch = SummarizeBatch(torch.zeros(2, 6, 3), mask, torch.rand(2, 6) * mask, ("a", "b"))
    scored = ScoredVideos(("a", "b"), (torch.rand(6), torch.rand(4)), (torch.rand(2, 6), torch.rand(2, 4)))
    one, other = samples_of(scored, batch)
    assert (one.id, other.id) == ("a", "b")
    assert (other.scores.shape, other.stage_scores.shape, other.target.shape) == ((4,), (2, 4), (4,))
    np.testing.assert_array_equal(other.target, batch.target[1, :4].numpy())
    figure = plot_scores(other)
    assert len(figure.axes) == 2
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), other.scores)
    assert len(figure.axes[1].lines) == 2
    assert len(plot_scores(next(samples_of(scored._replace(stage_scores=(torch.rand(1, 6),) * 2), batch))).axes) == 1


def test_widths_of_streams_are_a_fact_of_the_data(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--config", str(config), "--model.video.normalise", "l2,sqrt+centre"]
    width = Made("fit", ["--config", str(config)]).datamodule.feature_dim
    with pytest.raises(ValueError, match="normalise must have one word for all streams or one for each of 1, got 2"):
        Made("fit", arguments)
    monkeypatch.setattr(SummarizeDataModule, "stream_widths", (5, width - 5))
    made = Made("fit", arguments).model
    assert made.hparams["video"]["stream_widths"] == (5, width - 5)
    assert made.model.video_encoder.input_projection.normalised_widths == (5, width - 5)
    monkeypatch.setattr(SummarizeDataModule, "stream_widths", (6, width - 6))
    assert Made("fit", ["--config", str(config)]).model.model.video_encoder.settings.stream_widths == (6, width - 6)
    with pytest.raises(ValueError, match="the data has streams of widths"):
        refuse_other_data(SimpleNamespace(feature_dim=width, stream_widths=(6, width - 6)),
                          made.model.video_encoder.settings, {}, None)  # fmt: skip
