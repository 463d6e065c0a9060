"""`sspvs fit` and the rest on `task: refine`: what is linked, written, restored and refused."""

from __future__ import annotations

import csv
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers.crossval_material import write_config
from helpers.format_material import youtube8m_tfrecord
from helpers.interrupting import in_a_process, interrupted_at
from helpers.summarization_material import fingerprint_of
from helpers.tiny_refined import tiny_refined
from helpers.tiny_refining import tiny_clips, tiny_refiner
from helpers.tiny_summarizing import tiny_summarizer

import sspvs
from sspvs.cli import main
from sspvs.data.batch import RefineBatch
from sspvs.scorers import load_scorer
from sspvs.table import read_dataset, read_score_facts, read_scores, write_features
from sspvs.tasks.refine import RefineTask
from sspvs.training.command_line import ReadConfig, TrainingCLI
from sspvs.training.samples import RefinedSamples, plot_scores
from sspvs.training.tasks import TASKS, task_named, task_of_kind
from sspvs.types import FrameFeatures

CONFIGS = Path(__file__).parents[2] / "configs" / "refine"
SIZES = {"embed_dim": 16, "num_layers": 1, "head_dim": 8, "feedforward_dim": 16, "uniqueness_dim": 8}


class Made(TrainingCLI):
    """Everything but the run itself."""

    def _run_subcommand(self, subcommand: str) -> None:
        pass


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three epochs of two batches on nine drawn videos in three folds, two held out of training."""
    folder = tmp_path_factory.mktemp("fit_refine")
    known = yaml.safe_load(write_config(folder).read_text())
    data = {name: known["data"][name] for name in ("dataset", "splits", "val_share")}
    content = {
        "task": "refine",
        "run": {"name": "tiny", "root": str(folder / "runs"), "samples": 2},
        "trainer": {**known["trainer"], "check_val_every_n_epoch": 1},
        "model": {"refiner": SIZES, "losses": {"segments": 4, "neighbour_fraction": 0.3}, "optim": {"lr": 0.003}},
        "data": {**data, "validate_on": "held-out", "clip_frames": 10, "batch_size": 2},
    }
    path = folder / "refine.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def run(config: Path) -> Path:
    assert main(["fit", "--config", str(config)]) == 0
    return config.parent / "runs" / "tiny" / "version_0"


@pytest.fixture
def _one_thread() -> Iterator[None]:
    """As in other processes: how many threads share a sum changes its last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def validations(run: Path) -> list[dict[str, float]]:
    with (run / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["val/loss"]]
    return [{name: float(value) for name, value in row.items() if value} for row in rows]


def test_the_folder_of_a_run(run: Path) -> None:
    names = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert names == {
        "config.yaml", "hparams.yaml", "metrics.csv", "samples/0.png", "samples/1.png", "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        *(f"pretrained/{one}/{name}" for one in ("best", "last") for name in ("config.json", "model.safetensors")),
    }  # fmt: skip
    assert yaml.safe_load((run / "config.yaml").read_text())["task"] == "refine"
    task = RefineTask.from_pretrained(run / "pretrained" / "best")
    kept = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert kept["hyper_parameters"]["refiner"]["feature_dim"] == 16  # of the data
    assert kept["hyper_parameters"]["feature_fingerprint"]["backbone"] == "drawn"
    assert all(torch.equal(value, kept["state_dict"][name]) for name, value in task.state_dict().items())


def test_the_best_checkpoint_has_the_lowest_loss(run: Path) -> None:
    rows = validations(run)
    terms = {f"val/{name}_loss" for name in ("alignment", "uniformity", "commonness", "uniqueness")}
    assert {"val/kendall_tau", "val/spearman_rho", "val/f_score_avg", *terms} <= set(rows[0])
    losses = [row["val/loss"] for row in rows]
    assert len(set(losses)) == 3
    kept = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert kept["epoch"] == int(np.argmin(losses))


@pytest.mark.parametrize("which", ["last", "pretrained/last"])
def test_its_figures_again(run: Path, config: Path, which: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    given = which if which == "last" else str(run / which)
    assert main(["validate", "--config", str(config), "--ckpt_path", given]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  val/")]
    found = {name: float(value) for name, value in lines}
    for name in ("val/kendall_tau", "val/loss"):
        assert found[name] == pytest.approx(validations(run)[-1][name], abs=1e-4)
    assert main(["test", "--config", str(config), "--ckpt_path", given]) == 0
    assert "test/kendall_tau" in capsys.readouterr().out


def test_scores_of_the_tested_videos(run: Path, config: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.h5"
    assert main(["predict", "--config", str(config), "--ckpt_path", "best", "--out", str(out), "--data.fold", "1"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["scores.h5"]
    scores, store = read_scores(out), read_dataset(config.parent / "drawn.h5")
    assert sorted(scores) == ["video_1", "video_4", "video_7"]
    scorer = load_scorer(run / "pretrained" / "best")
    for key, scored in scores.items():
        np.testing.assert_allclose(scored.scores, scorer.score(store.features[key]).scores, atol=1e-5)
        assert scored.n_frames == store[key].n_frames
    facts = read_score_facts(out)
    assert facts.scorer == "refine"
    assert facts.settings["checkpoint"].endswith("best.ckpt")


@pytest.fixture(scope="module")
def watched(config: Path) -> Path:
    """The same training with the scores of every epoch."""
    words = ["--run.name", "watched", "--run.epoch_scores", "true", "--run.samples", "0"]
    assert main(["fit", "--config", str(config), *words]) == 0
    return config.parent / "runs" / "watched" / "version_0"


def test_the_scores_of_every_epoch_are_those_that_were_judged(watched: Path, config: Path) -> None:
    files = sorted((watched / "epoch_scores").iterdir())
    assert [path.name for path in files] == ["epoch_000.h5", "epoch_001.h5", "epoch_002.h5"]
    rows = validations(watched)
    assert len({row["val/kendall_tau"] for row in rows}) > 1
    dataset = config.parent / "drawn.h5"
    for number, (path, row) in enumerate(zip(files, rows, strict=True)):
        found = sspvs.evaluate(dataset, path, allow_missing=True).methods[path.stem]["per-user"]
        assert len(found.videos) == 2  # those held out
        assert found.spreads["kendall_tau"].mean == pytest.approx(row["val/kendall_tau"], abs=1e-6)
        facts = read_score_facts(path)
        assert (facts.scorer, facts.settings["epoch"], facts.settings["run"]) == ("refine", number, "watched/version_0")
    scorer = load_scorer(watched / "pretrained" / "last")
    for key, scored in read_scores(files[-1]).items():
        np.testing.assert_allclose(scored.scores, scorer.score(read_dataset(dataset).features[key]).scores, atol=1e-5)


def test_scores_of_every_epoch_belong_to_what_scores(capsys: pytest.CaptureFixture[str]) -> None:
    config = CONFIGS.parent / "pretrain" / "smoke.yaml"
    assert main(["fit", "--config", str(config), "--run.epoch_scores", "true"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: run.epoch_scores")
    assert said.count("\n") == 1


def test_tensorboard_beside_csv(config: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra 'tensorboard' is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert main(["fit", "--config", str(config), "--run.root", str(tmp_path), "--logger", "tensorboard"]) == 0
    run = tmp_path / "tiny" / "version_0"
    events = EventAccumulator(str(run)).Reload()
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for name in ("train/loss", "val/kendall_tau", "val/loss"):
        expected = [(int(row["step"]), float(row[name])) for row in rows if row[name]]
        found = [(event.step, event.value) for event in events.Scalars(name)]
        assert [step for step, _ in found] == [step for step, _ in expected]
        np.testing.assert_allclose([value for _, value in found], [value for _, value in expected], rtol=1e-5)
    assert len([tag for tag in events.Tags()["images"] if tag.startswith("val/samples/")]) == 2


def test_without_tensorboard_one_line_says_what_to_do(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("neither tensorboard nor tensorboardX")

    monkeypatch.setattr("sspvs.training.run.TensorBoardLogger", absent)
    assert main(["fit", "--config", str(config), "--run.root", str(tmp_path), "--logger", "tensorboard"]) == 2
    assert capsys.readouterr().err == (
        'error: TensorBoard is not installed: pip install "sspvs[tensorboard]", or leave out --logger tensorboard\n'
    )
    assert not list(tmp_path.rglob("*.yaml"))


def test_a_restart_goes_on_exactly(run: Path, config: Path, tmp_path: Path) -> None:
    words = ["fit", "--config", str(config), "--run.root", str(tmp_path), "--run.samples", "0"]
    assert main([*words, "--trainer.max_epochs", "2"]) == 0
    assert main([*words, "--ckpt_path", "last"]) == 0
    one, other = (
        torch.load(path / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for path in (run, tmp_path / "tiny" / "version_1")
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_weights_alone_with_other_objectives(run: Path, config: Path, tmp_path: Path) -> None:
    """A folder gives sizes and weights; what is trained on is the new config's."""
    words = ["--config", str(config), "--run.root", str(tmp_path), "--ckpt_path", str(run / "pretrained" / "last")]
    cli = Made("fit", [*words, "--model.losses.uniformity", "0.25", "--model.combine", "ag"])
    assert cli.model.losses.uniformity == 0.25
    assert cli.model.scoring.combine == "ag"
    known = RefineTask.from_pretrained(run / "pretrained" / "last").state_dict()
    assert all(torch.equal(value, known[name]) for name, value in cli.model.state_dict().items())
    with pytest.raises(ValueError, match=r"--model\.refiner\.embed_dim 32 contradicts the checkpoint"):
        Made("fit", [*words, "--model.refiner.embed_dim", "32"])
    with pytest.raises(ValueError, match=r"--model\.combine a contradicts the checkpoint"):
        Made("validate", [*words, "--model.combine", "a"])


def test_without_the_uniqueness_head(config: Path, tmp_path: Path) -> None:
    """What belongs to it goes with it, also where a config sets it; its other terms stay."""
    for path in (config, CONFIGS / "tvsum.yaml"):
        words = ["--config", str(path), "--run.root", str(tmp_path), "--model.refiner.uniqueness", "false"]
        model = ReadConfig("fit", words).settings.model
        assert (model.losses.commonness, model.losses.uniqueness, model.combine) == (0, 0, "ag")
        assert model.losses.uniformity == 0.5
    assert ReadConfig("fit", [*words, "--model.combine", "a"]).settings.model.combine == "a"
    cli = Made("fit", ["--config", str(config), "--run.root", str(tmp_path), "--model.refiner", "{uniqueness: false}"])
    assert cli.model.combinations == ("a", "ag")


def test_a_folder_of_features_without_any_label(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Held out are unlabelled videos; there is a loss and no figure of people's, and nothing to test."""
    archive = tmp_path / "archive"
    archive.mkdir()
    for number in range(10):
        np.save(archive / f"{number}.npy", np.random.default_rng(number).random((20 + number, 16), np.float32))
    words = ["--config", str(CONFIGS / "smoke.yaml"), "--run.root", str(tmp_path / "runs"), "--data.world", "null"]
    words += ["--data.features", f"[{archive}]", "--run.name", "mine", "--data.fold", "null"]
    assert main(["fit", *words]) == 0
    shown = capsys.readouterr().out
    assert "val/uniqueness_loss" in shown
    assert "kendall" not in shown
    run = tmp_path / "runs" / "mine" / "version_0"
    assert (run / "samples" / "0.png").is_file()
    assert RefineTask.from_pretrained(run / "pretrained" / "best").hparams["refiner"]["feature_dim"] == 16


def test_checkpoints_of_another_task_are_refused(
    run: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summarizer = tiny_summarizer().save_pretrained(tmp_path / "summarizer")
    here = ["fit", "--config", str(config), "--run.root", str(tmp_path), "--ckpt_path"]
    there = ["fit", "--config", str(config.parent / "tiny.yaml"), "--run.root", str(tmp_path)]
    for words, expected in (
        ([*here, str(summarizer)], "expected a checkpoint of task 'refine', got one of task 'summarize'"),
        ([*there, "--ckpt_path", str(run / "checkpoints" / "best.ckpt")], "got one of task 'refine'"),
        ([*there, "--ckpt_path", str(run / "pretrained" / "best")], "got one of task 'refine'"),
        ([*there, "--model.pretrained", str(run / "pretrained" / "best")], "got 'sspvs.refine'"),
    ):
        capsys.readouterr()
        assert main(words) == 2
        assert expected in capsys.readouterr().err


MISTAKES = [
    (["--model.losses.segments", "0"], "segments must be at least 1"),
    (["--model.refiner.uniqueness", "false", "--model.losses.commonness", "0.1"], "belong to the uniqueness head"),
    (["--model.refiner.uniqueness", "false", "--model.combine", "agh"], "combine agh needs uniqueness"),
    (["--model.combine", "xyz"], "combine"),
    (["--data.fold", "7"], "fold must be from 0 to 2"),
    (["--model.summarizer.num_stages", "2"], "summarizer"),
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
    assert not list(tmp_path.iterdir())  # a training that was refused leaves no folder


@pytest.mark.slow
@pytest.mark.usefixtures("_one_thread")
def test_a_killed_training_of_an_archive_goes_on_exactly(tmp_path: Path) -> None:
    """Killed in its second epoch, after the checkpoint at the end of the first: the same weights in the end."""
    features = archive(tmp_path / "features", 9)
    words = ["--config", str(CONFIGS / "archive.yaml"), "--data.features", f"[{features}]", "--trainer.max_epochs", "2"]
    words += ["--trainer.accelerator", "cpu", "--data.clip_frames", "40", "--model.losses.segments", "4"]
    words += ["--data.repeats", "2", "--run.root", str(tmp_path / "runs"), "--run.name"]
    done = in_a_process("fit", [*words, "killed", *interrupted_at(6, signal.SIGKILL)], tmp_path)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert main(["fit", *words, "killed", "--ckpt_path", "last"]) == 0
    assert main(["fit", *words, "whole"]) == 0
    versions = [tmp_path / "runs" / name for name in ("killed/version_0", "killed/version_1", "whole/version_0")]
    cut, one, other = (torch.load(path / "checkpoints" / "last.ckpt", weights_only=True) for path in versions)
    assert (cut["global_step"], one["global_step"]) == (4, 8)
    assert not list(versions[0].rglob("*.tmp"))
    assert all(torch.equal(one["state_dict"][name], other["state_dict"][name]) for name in other["state_dict"])


@pytest.mark.slow
def test_two_processes_and_an_uneven_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """11 videos of 20 to 30 frames on two ranks, padded: no process waits for ever, those held out count once each."""
    features = archive(tmp_path / "features", 11)
    words = ["--config", str(CONFIGS / "archive.yaml"), "--data.features", f"[{features}]", "--trainer.max_epochs", "1"]
    words += ["--trainer.accelerator", "cpu", "--data.clip_frames", "25", "--model.losses.segments", "4"]
    words += ["--data.repeats", "1", "--data.batch_size", "2", "--data.short", "mask", "--run.root", "runs"]
    words += ["--data.validate_on", "held-out", "--data.val_share", "0.3"]
    two = ["--trainer.devices", "2", "--trainer.strategy", "ddp"]
    done = in_a_process("fit", [*words, *two], tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "archive" / "version_0" / "pretrained" / "best" / "config.json").is_file()
    again = [*words, "--run.root", str(tmp_path / "runs"), "--trainer.devices", "1", "--ckpt_path", "last"]
    capsys.readouterr()
    assert main(["validate", *again]) == 0
    assert figures_in(capsys.readouterr().out) == pytest.approx(figures_in(done.stdout), abs=1e-4)
    late = in_a_process("fit", [*words, *two, "--data.batch_size", "6", "--run.name", "large"], tmp_path)
    assert late.returncode == 2
    assert "a batch of 6 on each of 2 ranks needs 12 videos" in late.stderr
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["archive"]


def test_what_is_refused_once_all_is_read_leaves_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fewer videos than a batch, one video to hold one out of, features of another backbone than the checkpoint's."""
    many, one = archive(tmp_path / "many", 6, made="drawn"), archive(tmp_path / "one", 1)
    known = tiny_refined(feature_dim=16, fingerprint=fingerprint_of("other")).save_pretrained(tmp_path / "known")
    words = ["fit", "--config", str(CONFIGS / "archive.yaml"), "--trainer.accelerator", "cpu"]
    words += ["--run.root", str(tmp_path / "runs"), "--data.features"]
    for more, expected in (
        ([f"[{many}]", "--data.batch_size", "50"], "needs 50 videos, there are 6"),
        ([str(many), "--data.batch_size", "50"], "needs 50 videos, there are 6"),
        ([f"[{one}]", "--data.validate_on", "held-out"], "set validate_on to nothing"),
        (
            [f"[{many}]", "--ckpt_path", str(known)],
            "those the model was trained on (backbone is drawn, expected other",
        ),
    ):
        capsys.readouterr()
        assert main([*words, *more]) == 2, more
        err = capsys.readouterr().err
        assert expected in err, more
        assert len([line for line in err.splitlines() if line.startswith("error:")]) == 1
        assert not list((tmp_path / "runs").rglob("*"))


def test_archives_have_nothing_to_validate_or_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    features = archive(tmp_path / "features", 6)
    known = tiny_refined(feature_dim=16).save_pretrained(tmp_path / "known")
    words = ["--config", str(CONFIGS / "archive.yaml"), "--data.features", f"[{features}]", "--ckpt_path", str(known)]
    words += ["--trainer.accelerator", "cpu"]
    for verb, more, expected in (
        ("validate", [], "data.validate_on is nothing: there is nothing to validate on"),
        ("test", [], "unlabelled videos cannot be tested; give data.dataset or data.world as well"),
        ("predict", ["--out", str(tmp_path / "s.h5")], "unlabelled videos cannot be tested"),
    ):
        capsys.readouterr()
        assert main([verb, *words, *more]) == 2, verb
        assert expected in capsys.readouterr().err, verb
    assert not (tmp_path / "s.h5").exists()


def test_a_checkpoint_remembers_that_its_rows_had_unit_length(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    youtube8m_tfrecord(tmp_path / "train.tfrecord")
    features = [str(tmp_path / "train.tfrecord")]
    small = ["--model.refiner.embed_dim", "16", "--model.refiner.num_layers", "1"]
    words = ["fit", "--config", str(CONFIGS / "youtube8m.yaml"), "--data.features", str(features), *small]
    words += ["--data.num_workers", "0", "--data.batch_size", "2"]
    words += ["--trainer.accelerator", "cpu", "--run.root", str(tmp_path / "runs"), "--model.scored_as_given", "false"]
    assert main([*words, "--trainer.max_epochs", "1"]) == 0
    run = tmp_path / "runs" / "refine_youtube8m" / "version_0"
    for made in (run / "pretrained" / "last", run / "checkpoints" / "last.ckpt"):
        task = RefineTask.from_pretrained(made)
        assert task.hparams["unit_length"]
        assert task.model.unit_length
    frames = np.random.default_rng(0).standard_normal((30, 1024), dtype=np.float32)
    scorer = load_scorer(run / "pretrained" / "last")
    videos = [FrameFeatures("v", length * frames, np.arange(30), 30) for length in (1, 17)]
    first, second = (scorer.score(video).scores for video in videos)
    np.testing.assert_allclose(first, second, atol=1e-5)
    as_published = ["--ckpt_path", str(run / "pretrained" / "last"), "--run.name", "published"]
    without = [word for word in words if word not in ("--model.scored_as_given", "false")]
    assert main([*without, *as_published, "--trainer.max_epochs", "1"]) == 0
    other = load_scorer(tmp_path / "runs" / "published" / "version_0" / "pretrained" / "last")
    first, second = (other.score(video).scores for video in videos)
    assert np.abs(first - second).max() > 0.01
    assert main([*words, "--trainer.max_epochs", "2", "--ckpt_path", str(run / "checkpoints" / "last.ckpt")]) == 0
    assert "unit_length" not in caplog.text
    again = tmp_path / "runs" / "refine_youtube8m" / "version_1" / "pretrained" / "last"
    plain = archive(tmp_path / "features", 3, width=1024)  # goes on with features of another length
    words[words.index(str(features))] = f"[{plain}]"
    assert RefineTask.from_pretrained(again).hparams["unit_length"]
    assert main([*words, "--trainer.max_epochs", "1", "--ckpt_path", str(again)]) == 0
    last = tmp_path / "runs" / "refine_youtube8m" / "version_2" / "pretrained" / "last"
    assert RefineTask.from_pretrained(last).model.unit_length


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    features = archive(tmp_path / "features", 4, scale=1e30)
    words = ["fit", "--config", str(CONFIGS / "archive.yaml"), "--data.features", f"[{features}]"]
    words += ["--trainer.accelerator", "cpu", "--trainer.max_epochs", "1", "--run.root", str(tmp_path / "runs")]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert re.search(r"the training diverged: the weights are not finite .* after step \d+ \(train/\w+", error)
    assert " since step 1); lower the learning rate (--model.optim.lr, here 0.0003)" in error
    run = tmp_path / "runs" / "archive" / "version_0"
    assert not (run / "pretrained").exists()
    assert not (run / "checkpoints").exists()


def archive(folder: Path, count: int, *, scale: float = 1.0, width: int = 16, made: str | None = None) -> Path:
    """Videos of 20 frames and more, a file each."""
    folder.mkdir()
    for number in range(count):
        frames = np.random.default_rng(number).random((20 + number, width), np.float32) * np.float32(scale)
        picks = np.arange(len(frames))
        fingerprint = None if made is None else fingerprint_of(made)
        write_features(
            folder / f"{number}.h5", [FrameFeatures("v", frames, picks, len(frames))], fingerprint=fingerprint
        )
    return folder


def figures_in(shown: str) -> dict[str, float]:
    """What the command line shows after a run."""
    lines = [line.split() for line in shown.splitlines() if line.startswith("  val/")]
    return {name: float(value) for name, value in lines}


def test_it_is_in_the_table() -> None:
    assert "refine" in TASKS
    assert task_of_kind("sspvs.refine") is task_named("refine")
    assert task_named("refine").rule == "last"


def test_plots_show_the_terms_and_people_where_there_are_annotators() -> None:
    class Trainer:
        datamodule = None

    task, batch = tiny_refiner().eval(), tiny_clips(batch=2)
    one, other = RefinedSamples(2).samples_of(Trainer(), task, batch)
    assert isinstance(batch, RefineBatch)
    assert (one.id, other.id) == batch.ids
    assert one.target is None
    assert one.labels == ("local dissimilarity", "global consistency", "uniqueness")
    assert other.scores.shape == (int(batch.frame_mask[1].sum()),)
    upper, lower = plot_scores(other).axes
    assert len(upper.lines) == 1
    assert [line.get_label() for line in lower.lines] == list(other.labels)
