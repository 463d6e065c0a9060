"""A run that was killed or stopped by a signal goes on as if it never had: same losses, same weights."""

from __future__ import annotations

import csv
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.interrupting import ROOT, KilledError, arguments, in_a_process, interrupted_at, killed_at

from sspvs.cli import main
from sspvs.tasks.saved_task import SavedTask
from sspvs.training.command_line import TrainingCLI
from sspvs.training.signals import StoppedBySignalError, ending_on_signals


def losses(version: Path) -> dict[int, dict[str, float]]:
    """Step -> training losses, as the CSV file has them."""
    with (version / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["train/loss"]]
    return {
        int(row["step"]): {name: float(value) for name, value in row.items() if name.startswith("train/")}
        for row in rows
    }


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """As in the processes: how many threads share a sum changes its last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing interrupts: twelve steps in two epochs."""
    folder = tmp_path_factory.mktemp("whole") / "runs"
    assert main(["fit", *arguments(folder)]) == 0
    return folder / "smoke" / "version_0"


@pytest.mark.parametrize(
    ("step", "number"), [(9, signal.SIGKILL), (9, signal.SIGTERM), (5, signal.SIGHUP)], ids=lambda one: str(one)
)
def test_an_interrupted_run_goes_on_exactly(
    whole: Path, step: int, number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    """Killed in its second epoch, after the checkpoint of step 8; or stopped by a signal, after the step in which it
    came, and after the validation at the end of the first epoch."""
    folder = whole.parents[1].with_name(f"runs_{number.name}")
    words, before = arguments(folder, *interrupted_at(step, number)), signal.getsignal(number)
    version, again = (folder / "smoke" / f"version_{n}" for n in (0, 1))
    if number == signal.SIGKILL:
        assert in_a_process("fit", words, folder.parent).returncode == -signal.SIGKILL
        saved = 8
    else:
        assert main(["fit", *words]) == 128 + number
        saved = step + 1
        message = f"stopped by {number.name} after step {saved}; saved {version / 'checkpoints' / 'last.ckpt'}; "
        assert capfd.readouterr().err == f"{message}--ckpt_path last goes on from there\n"
        assert signal.getsignal(number) is before
    assert torch.load(version / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == saved
    assert not list(version.rglob("*.tmp"))

    assert main(["fit", *arguments(folder, "--ckpt_path", "last")]) == 0
    expected, found = losses(whole), losses(again)
    assert sorted(expected) == list(range(12))
    assert sorted(found) == list(range(saved, 12))
    assert found == {step: expected[step] for step in found}
    assert len({row["train/loss"] for row in expected.values()}) == 12
    assert outcome(again) == outcome(whole)


BEST_FIRST = ["--run.mode", "max", "--run.save_every", "3", "--trainer.max_epochs", "3"]
"""The highest loss is the first epoch's, so that the best checkpoint lies before most interruptions."""


EARLY = ["--trainer.callbacks+=pytorch_lightning.callbacks.EarlyStopping"]
EARLY += ["--trainer.callbacks.monitor=val/loss", "--trainer.callbacks.mode=max", "--trainer.callbacks.patience"]
AVERAGED = ["--trainer.callbacks+=sspvs.tasks.optim.EmaWeights"]


def outcome(version: Path) -> dict[str, Any]:
    """What a run ends with: both checkpoints, and what is exported of them."""
    out: dict[str, Any] = {}
    for name in ("best", "last"):
        kept = torch.load(version / "checkpoints" / f"{name}.ckpt", weights_only=True)
        values = b"".join(value.numpy().tobytes() for _, value in sorted(kept["state_dict"].items()))
        scores = [float(s["best_model_score"]) for s in kept["callbacks"].values() if "best_model_score" in s]
        out[name] = (kept["global_step"], hashlib.sha256(values).hexdigest(), scores)
        for path in sorted((version / "pretrained" / name).iterdir()):
            out[f"{name}/{path.name}"] = path.read_bytes()
    return out


def last_validation(version: Path) -> dict[str, str]:
    with (version / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["val/loss"]]
    return {name: value for name, value in rows[-1].items() if name.startswith("val/")}


@pytest.fixture(scope="module")
def three_epochs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("three_epochs") / "runs"
    assert main(["fit", *arguments(folder, *BEST_FIRST)]) == 0
    return folder / "smoke" / "version_0"


def killed(words: list[str]) -> None:
    with pytest.raises(KilledError):
        main(["fit", *words])


@pytest.mark.slow
def test_killed_again_and_again(three_epochs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, in and after validations, before and in the export; the folder of the runs is renamed meanwhile."""
    moments = [
        ("on_train_batch_start", 5),  # before the first validation; saved: step 3
        ("on_validation_batch_start", 1),  # in it: it is done again
        ("on_train_epoch_end", 1),  # between it and the choice
        ("on_train_batch_start", 6),  # after the best one
        ("on_validation_batch_start", 3),  # in the last one; saved: step 15, not 18
        ("on_train_end", 1),  # after the last checkpoint, before the export
    ]
    for number, (hook, call) in enumerate(moments):
        folder = tmp_path / f"runs_{number}"
        if number:
            folder.with_name(f"runs_{number - 1}").rename(folder)
        killed(arguments(folder, *BEST_FIRST, "--ckpt_path", "last", *killed_at(hook, call)))
    kept = sorted((folder / "smoke").glob("*/checkpoints/last.ckpt"))
    steps = {path.parts[-3]: torch.load(path, weights_only=True)["global_step"] for path in kept}
    assert steps == {"version_0": 3, "version_3": 6, "version_4": 15, "version_5": 18}
    words = arguments(folder, *BEST_FIRST, "--ckpt_path", "last")
    save = SavedTask.save_pretrained
    with monkeypatch.context() as patch:
        patch.setattr(SavedTask, "save_pretrained", _killed_after_one(save))
        killed(words)
    assert main(["fit", *words]) == 0
    found, expected = outcome(folder / "smoke" / "version_7"), outcome(three_epochs)
    assert found == expected
    assert [found[name][0] for name in ("best", "last")] == [6, 18]
    assert last_validation(folder / "smoke" / "version_7") == last_validation(three_epochs)


@pytest.mark.parametrize(
    ("more", "moment"),
    [
        (["--trainer.val_check_interval", "2"], ("on_validation_batch_start", 7)),  # of step 8, within an epoch
        (["--trainer.max_epochs", "-1", "--trainer.max_steps", "10", *EARLY, "2"], ("on_train_batch_start", 7)),
        (["--trainer.max_epochs", "5", *EARLY, "1"], ("on_train_end", 1)),
        (["--trainer.accumulate_grad_batches", "2", *AVERAGED], ("on_train_batch_start", 9)),
        (["--trainer.accumulate_grad_batches", "3"], ("on_train_batch_start", 2)),  # before the first step is complete
    ],
    ids=[
        "validations within epochs",
        "steps that end within an epoch",
        "stopped early",
        "averaged weights",
        "gradients that are accumulated",
    ],
)
def test_killed_once(more: list[str], moment: tuple[str, int], tmp_path: Path) -> None:
    """Counts of early stopping, and figures that it asks for before the next validation, go on as well."""
    words = ["--run.mode", "max", "--run.save_every", "2", *more]
    assert main(["fit", *arguments(tmp_path / "whole", *words)]) == 0
    killed(arguments(tmp_path / "runs", *words, *killed_at(*moment)))
    assert main(["fit", *arguments(tmp_path / "runs", *words, "--ckpt_path", "last")]) == 0
    expected = outcome(tmp_path / "whole" / "smoke" / "version_0")
    assert outcome(tmp_path / "runs" / "smoke" / "version_1") == expected
    assert expected["best"][0] < expected["last"][0] <= 12


@pytest.mark.parametrize("lost", [False, True])
def test_a_restart_by_another_figure_or_without_the_best(
    whole: Path, lost: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The best checkpoint is chosen anew, and a line says so."""
    kept = tmp_path / "kept" / "checkpoints"
    shutil.copytree(whole / "checkpoints", kept)
    if lost:
        (kept / "best.ckpt").unlink()
    words = ["--ckpt_path", str(kept / "last.ckpt"), "--trainer.max_epochs", "3"]
    words += [] if lost else ["--run.monitor", "val/mask_loss"]
    assert main(["fit", *arguments(tmp_path / "runs", *words)]) == 0
    reason = f"{kept / 'best.ckpt'} is missing: the best checkpoint so far is lost"
    assert (reason if lost else "chosen by another figure; val/mask_loss chooses it anew") in caplog.text
    assert outcome(tmp_path / "runs" / "smoke" / "version_0")["best"][0] == 18


@pytest.mark.parametrize("swallowed", [False, True])
def test_interrupted_before_it_starts(
    swallowed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """By Ctrl-C in the sanity check; or before, where a library catches the exception."""
    if swallowed:
        made = TrainingCLI.instantiate_classes

        def instantiate(cli: TrainingCLI) -> None:
            made(cli)
            with suppress(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(TrainingCLI, "instantiate_classes", instantiate)
    more = [] if swallowed else ["--trainer.callbacks+=helpers.interrupting.InterruptedInSanityCheck"]
    assert main(["fit", *arguments(tmp_path / "runs", *more)]) == 130
    assert capfd.readouterr() == ("", "interrupted\n")
    assert not list(tmp_path.glob("runs/*"))


def test_signals_that_are_ignored_stay_so() -> None:
    """As SIGHUP is under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending_on_signals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            with pytest.raises(StoppedBySignalError) as stopped:
                os.kill(os.getpid(), signal.SIGTERM)
        assert (stopped.value.status, str(stopped.value)) == (143, "stopped by SIGTERM")
    finally:
        signal.signal(signal.SIGHUP, before)


def test_interrupted_while_libraries_are_imported() -> None:
    """At once, whatever they catch."""
    lines = [
        "import os, signal",
        "from sspvs.training.signals import interruptible_imports",
        "with interruptible_imports():",
        "    try: os.kill(os.getpid(), signal.SIGINT)",
        "    except BaseException: print('caught')",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


@pytest.mark.slow
@pytest.mark.parametrize("task", ["pretrain", "finetune", "refine"])
def test_killed_at_random_moments(task: str, tmp_path: Path) -> None:
    """SIGKILL within the seconds that the whole run takes, until a run comes to its end."""
    rng = random.Random(15)
    words = ["--config", str(ROOT / "configs" / task / "smoke.yaml"), "--run.name", "smoke", "--run.save_every", "1"]
    words += ["--run.samples", "0", "--run.mode", "max", "--data.world.folder", str(tmp_path / "worlds")]
    started = time.monotonic()
    done = in_a_process("fit", [*words, "--run.root", str(tmp_path / "whole")], tmp_path)
    seconds = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    words += ["--run.root", str(tmp_path / "runs"), "--ckpt_path", "last"]
    for _ in range(6):
        with suppress(subprocess.TimeoutExpired):  # which kills it
            in_a_process("fit", words, tmp_path, timeout=seconds * rng.uniform(0.3, 1.1))
    assert in_a_process("fit", words, tmp_path).returncode == 0
    last = max((tmp_path / "runs" / "smoke").iterdir(), key=lambda path: int(path.name.removeprefix("version_")))
    assert outcome(last) == outcome(tmp_path / "whole" / "smoke" / "version_0")


def _killed_after_one(save: Callable[..., Path]) -> Callable[..., Path]:
    """Saves `best`, and ends the run before `last`."""

    def saving(task: SavedTask, folder: Path) -> Path:
        if folder.name == "last":
            raise KilledError
        return save(task, folder)

    return saving


def test_the_losses_tell_other_dropout_apart(whole: Path) -> None:
    """Dropout depends on the seed, so that the comparison above would see it drawn otherwise."""
    folder = whole.parents[1].with_name("runs_other")
    kept = whole / "checkpoints" / "last.ckpt"
    assert main(["fit", *arguments(folder, "--trainer.max_steps", "1", "--seed_everything", "0")]) == 0
    same = losses(folder / "smoke" / "version_0")
    assert same[0] == losses(whole)[0]
    words = arguments(folder, "--ckpt_path", str(kept), "--trainer.max_epochs", "3")
    assert main(["fit", *words]) == 0
    assert main(["fit", *words, "--seed_everything", "1"]) == 0
    two, three = (losses(folder / "smoke" / f"version_{n}")[12]["train/loss"] for n in (1, 2))
    assert two != three


def test_a_torn_checkpoint_is_passed_over(whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "runs" / "smoke"
    for version, content in ((0, (whole / "checkpoints" / "last.ckpt").read_bytes()), (1, b"half a checkpoint")):
        (folder / f"version_{version}" / "checkpoints").mkdir(parents=True)
        (folder / f"version_{version}" / "checkpoints" / "last.ckpt").write_bytes(content)
    words = arguments(tmp_path / "runs", "--ckpt_path", "last", "--trainer.max_epochs", "2")
    assert main(["fit", *words]) == 0
    assert "version_1/checkpoints/last.ckpt: no checkpoint" in caplog.text
    assert main(["validate", *arguments(tmp_path / "none", "--ckpt_path", "last")]) == 2
