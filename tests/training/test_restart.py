"""A run that was killed or told to stop goes on as if it never had: same losses, same weights."""

from __future__ import annotations

import csv
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from sspvs.cli import main

sys.path.insert(0, str(Path(__file__).parent))
from interrupting import arguments, in_a_process, interrupted_at


def losses(version: Path) -> dict[int, dict[str, float]]:
    """Step -> training losses, as the CSV file has them."""
    with (version / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["train/loss"]]
    return {
        int(row["step"]): {name: float(value) for name, value in row.items() if name.startswith("train/")}
        for row in rows
    }


def weights(version: Path) -> dict[str, torch.Tensor]:
    found = torch.load(version / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert isinstance(found, dict)
    return found


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


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_interrupted_run_goes_on_exactly(whole: Path, number: signal.Signals) -> None:
    """Killed in its second epoch after the checkpoint of step 8; or told to stop in the step after that."""
    folder = whole.parents[1].with_name(f"runs_{number.name}")
    first = in_a_process("fit", arguments(folder, *interrupted_at(9, number)), folder.parent)
    version, again = (folder / "smoke" / f"version_{n}" for n in (0, 1))
    saved = torch.load(version / "checkpoints" / "last.ckpt", weights_only=True)
    if number == signal.SIGTERM:
        assert first.returncode == 143
        assert first.stderr.startswith("stopped by SIGTERM after step 10; saved ")
        assert first.stderr.count("\n") == 1
        assert saved["global_step"] == 10
    else:
        assert first.returncode == -signal.SIGKILL
        assert saved["global_step"] == 8
    assert not list(version.rglob("*.tmp"))

    assert main(["fit", *arguments(folder, "--ckpt_path", "last")]) == 0
    expected, found = losses(whole), losses(again)
    assert sorted(expected) == list(range(12))
    assert sorted(found) == list(range(saved["global_step"], 12))
    assert found == {step: expected[step] for step in found}
    assert len({row["train/loss"] for row in expected.values()}) == 12
    one, other = weights(whole), weights(again)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


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
