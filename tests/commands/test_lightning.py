"""`sspvs fit`, `validate`, `test` and `predict`: what they write, restore and refuse."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path

import h5py
import pytest
import torch
import yaml
from helpers.interrupting import arguments, in_a_process
from helpers.wandb_records import records

from sspvs.cli import main
from sspvs.tasks.pretrain import PretrainTask


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the smoke config with an embed_dim that the config does not have."""
    folder = tmp_path_factory.mktemp("fit") / "runs"
    words = arguments(folder, "--run.samples", "2", "--model.video.embed_dim", "24")
    assert main(["fit", *words]) == 0
    return folder / "smoke" / "version_0"


def words(run: Path, *more: str) -> list[str]:
    return arguments(run.parents[1], *more)


def figures(text: str) -> dict[str, float]:
    rows = [line.split() for line in text.splitlines() if line.startswith(("  val/", "  test/"))]
    return {name: float(value) for name, value in rows}


def test_the_folder_of_a_run(run: Path) -> None:
    names = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert names == {
        "config.yaml", "hparams.yaml", "metrics.csv", "retrieval.csv", "samples/0.png", "samples/1.png",
        "checkpoints/best.ckpt", "checkpoints/last.ckpt",
        *(f"pretrained/{one}/{name}" for one in ("best", "last") for name in ("config.json", "model.safetensors")),
    }  # fmt: skip
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["model"]["video"]["embed_dim"] == 24
    assert config["data"]["batch_size"] == 4
    best = PretrainTask.from_pretrained(run / "pretrained" / "best")
    kept = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert kept["hyper_parameters"]["video"]["feature_dim"] == 32  # linked from the data
    assert kept["hyper_parameters"]["video"]["trained_length"] == 32
    assert all(torch.equal(value, kept["state_dict"][name]) for name, value in best.state_dict().items())


def test_its_own_config_repeats_it(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = ["--config", str(run / "config.yaml"), "--run.root", str(tmp_path), "--trainer.max_epochs", "1"]
    assert main(["fit", *again]) == 0
    assert main(["fit", *again]) == 0  # beside the first, no clash
    assert sorted(path.name for path in (tmp_path / "smoke").iterdir()) == ["version_0", "version_1"]


@pytest.mark.parametrize("which", ["last", "pretrained/last", "checkpoints/last.ckpt"])
def test_a_checkpoint_brings_its_settings(run: Path, which: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The config alone would make another model; the figures are those of the end of training."""
    given = which if which == "last" else str(run / which)
    capsys.readouterr()
    assert main(["validate", *words(run, "--ckpt_path", given)]) == 0
    found = figures(capsys.readouterr().out)
    with (run / "metrics.csv").open(newline="") as file:
        trained = [row for row in csv.DictReader(file) if row["val/loss"]][-1]
    assert found["val/loss"] == pytest.approx(float(trained["val/loss"]), rel=1e-4)
    assert found["val/matching_accuracy"] == pytest.approx(float(trained["val/matching_accuracy"]), rel=1e-4)


def test_what_contradicts_a_checkpoint(
    run: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert main(["validate", *words(run, "--ckpt_path", "best", "--model.video.embed_dim=64")]) == 2
    assert "--model.video.embed_dim 64 contradicts the checkpoint" in capsys.readouterr().err
    assert main(["validate", *words(run, "--ckpt_path", "best")]) == 0
    assert "video.embed_dim 24 (config: 32)" in caplog.text
    assert main(["validate", *words(run, "--ckpt_path", "best", "--data.world.settings.drawn.feature_dim=16")]) == 2
    assert re.search(r"the data: features 16 wide, those of .+ 32; extract", capsys.readouterr().err)


def test_training_on_from_a_folder(run: Path, tmp_path: Path) -> None:
    """Its weights and sizes, with an optimiser of one's own."""
    more = ("--ckpt_path", str(run / "pretrained" / "last"), "--trainer.max_steps", "1", "--model.optim.lr", "0.5")
    assert main(["fit", *arguments(tmp_path / "runs", *more)]) == 0
    new = torch.load(tmp_path / "runs" / "smoke" / "version_0" / "checkpoints" / "last.ckpt", weights_only=True)
    assert new["hyper_parameters"]["video"]["embed_dim"] == 24
    assert new["hyper_parameters"]["optim"]["lr"] == 0.5
    assert new["global_step"] == 1


def test_embeddings(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "e.h5"
    assert main(["predict", *words(run, "--ckpt_path", "best", "--out", str(out))]) == 0
    config = yaml.safe_load((run / "config.yaml").read_text())
    with h5py.File(out) as file:
        assert len(file) == config["data"]["world"]["settings"]["pretrain_val"]
        assert all(name.startswith("val_") for name in file)
        one = next(iter(file.values()))
        assert one["video"].shape == (24,)
        assert one["text"].shape == (32,)
        assert file.attrs["checkpoint"].endswith("best.ckpt")
    assert main(["predict", *words(run, "--ckpt_path", "best", "--out", str(tmp_path / "no" / "e.h5"))]) == 2


MISTAKES = [
    ([], "give data.train"),
    (["--config", "nowhere.yaml"], "nowhere.yaml"),
    (["--model.nonsense", "3"], "unknown option --model.nonsense (see `sspvs fit --help`)"),
    (["--model.optim.lrr", "3"], "unknown option --model.optim.lrr; did you mean --model.optim.lr?"),
    (["--lr", "3"], "unknown option --lr; did you mean --model.optim.lr?"),
    (["--data.world.settings.drawn.feature_dm", "3"], "did you mean --data.world.settings.drawn.feature_dim?"),
    (["--data.train", "s3://b//pairs.jsonl"], "addresses are not read: s3://b//pairs.jsonl; "),
    (["--config", "http://host//c.yaml"], "addresses are not read: http://host//c.yaml; "),
    (["--trainer.max_epochs", "many"], "max_epochs"),
    (["--trainer.accelerator", "tpu"], ""),
    (["--model.losses.coarse", "cosine"], "coarse"),
    (["--data.batch_size", "500"], "lower data.batch_size"),
    (["--ckpt_path", "nowhere.ckpt"], "no checkpoint at nowhere.ckpt"),
    (["--run.save_every", "0"], "save_every"),
    (["--wandb", "loud"], "wandb"),
    (["--model.losses.coarse", "infonce", "--data.batch_size", "1"], "infonce and hausdorff tell each text from the"),
    (["--data.negative_probability", "0"], "matching and hausdorff would see matching texts only"),
]


@pytest.mark.parametrize(("more", "expected"), MISTAKES, ids=lambda value: " ".join(value) if value else "nothing")
def test_mistakes_are_one_line(
    more: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = more if not more or more[0] == "--config" else arguments(tmp_path / "runs", *more)
    assert main(["fit", *given]) == 2
    err = capsys.readouterr().err
    lines = [line for line in err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    assert expected in lines[0]
    assert "Traceback" not in err
    assert not list((tmp_path / "runs").rglob("*.ckpt")) if (tmp_path / "runs").exists() else True


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"model": {"optim": {"lrr": 3}}}, "unknown option model.optim.lrr; did you mean model.optim.lr?"),
        ({"modle": {"optim": {"lr": 3}}}, "unknown option modle.optim.lr; did you mean model.optim.lr?"),
        ({"data": {"world": {"settings": {"wordng": {"shufled": 3}}}}}, "data.world.settings.wording.shuffled?"),
        ({"data": {"train": "http://host//p.jsonl"}}, "addresses are not read: http://host//p.jsonl; "),
    ],
    ids=["a key", "a group", "inside a dataclass that may be None", "an address"],
)
def test_mistakes_in_a_config_are_one_line(
    config: dict[str, object], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "more.yaml"
    file.write_text(yaml.safe_dump(config))
    assert main(["fit", *arguments(tmp_path / "runs", "--config", str(file))]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert expected in err
    assert err.count("\n") == 1


def divergence_line(capsys: pytest.CaptureFixture[str]) -> str:
    err = capsys.readouterr().err
    assert "Traceback" not in err
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert "the training diverged: " in line
    assert "; lower the learning rate (--model.optim.lr, here 1e+12)" in line
    return line


def test_divergence_before_the_first_validation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = arguments(tmp_path / "runs", "--model.optim.lr", "1e12", "--run.save_every", "1000")
    assert main(["fit", *words]) == 2
    assert "the outputs of val_00000 are not finite (NaN or infinite) after step 6 (" in divergence_line(capsys)


def test_divergence_leaves_the_checkpoint_before_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = arguments(tmp_path / "runs", "--run.save_every", "2", "--trainer.max_epochs", "1")
    broken = [
        "--trainer.callbacks+=helpers.interrupting.NanAt",
        "--trainer.callbacks.step=3",
        "--model.optim.lr",
        "1e12",
    ]
    assert main(["fit", *words, *broken, "--model.optim.warmup_steps", "100000000000000"]) == 2
    line = divergence_line(capsys)
    assert "the weights are not finite (NaN or infinite) after step 4 (" in line
    assert " since step 4); " in line
    kept = torch.load(tmp_path / "runs/smoke/version_0/checkpoints/last.ckpt", weights_only=True)
    assert kept["global_step"] == 2
    assert all(bool(weight.isfinite().all()) for weight in kept["state_dict"].values())
    assert main(["fit", *words, "--ckpt_path", "last"]) == 0


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nonsense"):
        main(["fit", "--debug", *arguments(tmp_path / "runs", "--model.nonsense", "3")])


def test_help_and_the_whole_config(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["predict", "--help"]) == 0
    assert "--model.losses.margin" in capsys.readouterr().out
    assert main(["fit", *arguments(tmp_path / "runs", "--print_config")]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["model"]["losses"]["margin"] == 1.414


def test_wandb_offline(tmp_path: Path) -> None:
    """The run's folder holds curves, config, the retrieval table and plots; the axis is the step."""
    pytest.importorskip("wandb")
    from wandb.proto import wandb_internal_pb2

    more = ["--wandb", "offline", "--wandb_project", "p", "--wandb_group", "g", "--run.samples", "1"]
    done = in_a_process("fit", arguments(tmp_path / "runs", *more), tmp_path)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs" / "smoke" / "version_0" / "wandb").glob("offline-run-*")
    (log,) = folder.glob("*.wandb")
    keys: set[str] = set()
    config: dict[str, str] = {}
    for data in records(log.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        keys |= {item.key or item.nested_key[0] for item in record.history.item}
        config |= {item.key: item.value_json for item in record.config.update}
        if record.run.project:
            assert (record.run.project, record.run.run_group) == ("p", "g")
            config |= {item.key: item.value_json for item in record.run.config.update}
    wanted = {"trainer/global_step", "train/loss", "val/loss", "val/retrieval", "val/samples", "val/text_to_video_r10"}
    assert wanted <= keys
    assert json.loads(config["config"])["model"]["video"]["embed_dim"] == 32
    assert list((folder / "files" / "media" / "table" / "val").glob("retrieval*.json"))
    assert list((folder / "files" / "media" / "images" / "val").glob("samples*.png"))


@pytest.mark.slow
def test_two_processes_and_uneven_data(tmp_path: Path) -> None:
    """23 videos on two ranks in batches of 4, 7 to validate on: no process waits for ever, every video counts once."""
    more = ["--trainer.devices", "2", "--trainer.strategy", "ddp", "--data.world.settings.pretrain_train", "23"]
    more += ["--data.world.settings.pretrain_val", "7", "--trainer.max_epochs", "1"]
    done = in_a_process("fit", arguments(tmp_path / "runs", *more), tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 steps")
    assert figures(done.stdout)["val/retrieval_candidates"] == 7
    assert (tmp_path / "runs" / "smoke" / "version_0" / "pretrained" / "last" / "config.json").is_file()
    assert [path.name for path in (tmp_path / "runs" / "smoke").iterdir()] == ["version_0"]
    out = tmp_path / "e.h5"
    words = arguments(tmp_path / "runs", *more[:-2], "--ckpt_path", "last", "--out", str(out))
    assert in_a_process("predict", words, tmp_path).returncode == 0
    with h5py.File(out) as file:
        assert len(file) == 7


@pytest.mark.parametrize("verb", ["validate", "test", "predict"])
def test_random_weights_are_not_judged(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = Path(__file__).parents[2] / "configs" / "finetune" / "smoke.yaml"
    more = ["--out", str(tmp_path / "s.h5")] if verb == "predict" else []
    assert main([verb, "--config", str(config), "--data.world.folder", str(tmp_path / "worlds"), *more]) == 2
    err = capsys.readouterr().err
    assert f"{verb} needs --ckpt_path" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without named pipes")
def test_settings_beyond_the_bounds_are_refused_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a config, in a config that a config or an option names, and on the command line."""
    pipe, deep, bomb, nested, piped = (tmp_path / name for name in ("pipe", "deep", "bomb.yaml", "nested", "piped"))
    os.mkfifo(pipe)
    deep.write_text("data: " + "[" * 100_000)
    lines = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12)]
    bomb.write_text("a0: &a0 [x]\n" + "".join(lines))
    nested.write_text(f"data: {bomb}\n")
    piped.write_text(f"data: {pipe}\n")
    (listed := tmp_path / "listed").write_text("trainer: [1]\n")
    cases: dict[tuple[str, str], str] = {
        ("--config", str(deep)): f"{deep}: expected a config (YAML), found lists and objects within one another",
        ("--config", str(bomb)): f"{bomb}: expected a config (YAML), found line 7: aliases that stand for more than",
        ("--config", str(nested)): f"{bomb}: expected a config (YAML), found line 7: aliases that stand for more than",
        ("--config", str(pipe)): f"{pipe}: expected a config (YAML), but it is a pipe",
        ("--config", str(listed)): "trainer must be a mapping of settings, got [1]",
        ("--config", str(piped)): f"data: {pipe}: it is a pipe",
        ("--data", str(pipe)): f"data: {pipe}: it is a pipe",
        ("--data", "{" * 100_000): "data: lists and objects within one another",
        ("--data.train", "[" * 300 + "]" * 300): "data.train: line 1: lists and objects within one another",
        ("--trainer.max_steps", "9" * 5000): "trainer.max_steps: line 1: a whole number of 5000 digits",
    }
    for words_given, message in cases.items():
        assert main(["fit", *words_given]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"error: {message}"), err[:300]
        assert err.count("\n") == 1
