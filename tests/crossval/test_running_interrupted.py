"""Killed, stopped, in several processes: the table stays the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import h5py
import pytest
import torch
from helpers.crossval_material import N_FOLDS, N_VIDEOS, environment, figures, write_config
from helpers.wandb_records import records

from sspvs.atomic import write_text
from sspvs.crossval import CrossValidation, cross_validate
from sspvs.crossval.folder import CrossvalFolder
from sspvs.crossval.running import visible_names
from sspvs.data.fold_data import judge
from sspvs.errors import FeatureFileError
from sspvs.table import read_dataset, read_scores

SEEDS = 2


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """As in other processes: how many threads share a sum changes its last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> CrossValidation:
    """The run that nothing interrupts."""
    config = write_config(tmp_path_factory.mktemp("crossval"))
    return cross_validate(config, config.parent / "out", seeds=SEEDS)


def started(config: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    """`sspvs crossval` as a process of its own."""
    words = [sys.executable, "-m", "sspvs", "crossval", "--config", str(config), "--out", str(out), *more]
    return subprocess.Popen(
        words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=out.parent
    )


def until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    for _ in range(6000):
        if condition() or process.poll() is not None:
            return
        time.sleep(0.02)
    raise AssertionError("waited for two minutes")


def finished(out: Path) -> list[Path]:
    return sorted(out.glob("seed_*/fold_*"))


@pytest.mark.slow
def test_killed_and_started_again(whole: CrossValidation, tmp_path: Path) -> None:
    """SIGKILL while the second fold is made; what is whole stays, the rest is made, the table is the same."""
    config, out = whole.out.parent / "tiny.yaml", tmp_path / "out"
    process = started(config, out, "--seeds", str(SEEDS))
    until(lambda: len(finished(out)) > 0, process)
    process.send_signal(signal.SIGKILL)
    err = process.communicate()[1]
    assert process.returncode == -signal.SIGKILL, err
    before = {path: path.stat().st_mtime_ns for path in out.rglob("fold.json")}
    assert 0 < len(before) < SEEDS * N_FOLDS
    assert not (out / "result.json").exists()
    for path in finished(out):
        assert {"scores.h5", "fold.json", "metrics.csv"} <= {one.name for one in path.iterdir()}

    cross_validate(config, out, seeds=SEEDS)
    assert before.items() <= {path: path.stat().st_mtime_ns for path in out.rglob("fold.json")}.items()
    assert figures(out) == figures(whole.out)
    assert not (out / ".work").exists()
    for path in finished(whole.out):
        with h5py.File(path / "scores.h5") as one, h5py.File(out / path.relative_to(whole.out) / "scores.h5") as other:
            assert all((one[key]["scores"][()] == other[key]["scores"][()]).all() for key in one)


def test_killed_while_the_folder_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same command takes the folder for its own, after whichever of its first files."""
    folder, identity = CrossvalFolder(tmp_path / "out"), {"checkpoint_rule": "val"}
    for written in (1, 2):
        left = iter(range(written))

        def write(path: Path, text: str, left: Iterator[int] = left) -> None:
            next(left)  # raises after that many files
            write_text(path, text)

        with monkeypatch.context() as patch:
            patch.setattr("sspvs.crossval.folder.write_text", write)
            with suppress(StopIteration), folder.claimed():
                folder.identify(identity, {"task": "summarize"})
        with folder.claimed():
            assert folder.identify(identity, {"task": "summarize"}) == {"task": "summarize"}
        shutil.rmtree(folder.path)


def test_two_processes_make_the_same_table(
    whole: CrossValidation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what a fold raises in a process is raised here."""
    config = whole.out.parent / "tiny.yaml"
    found = cross_validate(config, tmp_path / "out", seeds=SEEDS, jobs=2, progress=True)
    assert figures(tmp_path / "out") == figures(whole.out)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("[")]
    assert [line.split("]")[0] for line in lines] == [f"[{n}/6" for n in range(1, 7)]
    assert {(record.seed, record.fold) for record in found.folds} == {(s, k) for s in range(SEEDS) for k in range(3)}


def test_devices_of_processes() -> None:
    """By number among the visible ones, whatever these are called."""
    assert visible_names([0, 2], None) == ["0", "2"]
    assert visible_names([1, 0], "GPU-a, GPU-b") == ["GPU-b", "GPU-a"]
    assert visible_names([], "3") == []
    with pytest.raises(ValueError, match="no device 1: CUDA_VISIBLE_DEVICES is 3, which leaves 0 to 0"):
        visible_names([1], "3")


@pytest.mark.slow
def test_errors_of_processes_are_raised(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = write_config(tmp_path)
    with h5py.File(tmp_path / "drawn.h5", "r+") as file:
        file["video_4"]["features"][0, 0] = float("nan")
    with pytest.raises(FeatureFileError, match="NaN or infinite"):
        cross_validate(config, tmp_path / "out", seeds=1, jobs=2)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.slow
def test_processes_end_with_the_one_that_started_them(whole: CrossValidation, tmp_path: Path) -> None:
    config, out = whole.out.parent / "tiny.yaml", tmp_path / "out"
    more = ("--seeds", "9", "--jobs", "2")
    process = started(config, out, *more)
    until(lambda: len(finished(out)) > 0, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) >= 2
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [child for child in children if Path(f"/proc/{child}").exists()]
    cross_validate(config, out, seeds=SEEDS, jobs=2)
    assert figures(out) == figures(whole.out)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_stopped_by_a_signal(whole: CrossValidation, tmp_path: Path, number: signal.Signals) -> None:
    config, out = whole.out.parent / "tiny.yaml", tmp_path / "out"
    process = started(config, out, "--seeds", "9")
    until(lambda: len(finished(out)) > 0, process)
    process.send_signal(number)
    err = process.communicate()[1]
    assert process.returncode == 128 + number, err
    assert err.splitlines()[-1].startswith(f"stopped by {number.name}; finished folds are kept")


@pytest.mark.slow
def test_two_processes_train_one_fold(tmp_path: Path) -> None:
    """DDP, three tested videos on two processes: whoever comes out short repeats one, and yet each counts once."""
    config = write_config(tmp_path)
    out, log = tmp_path / "out", tmp_path / "log"
    log.mkdir()
    more = ["--seeds", "1", "--trainer.devices", "2", "--trainer.strategy", "ddp", "--data.batch_size", "1"]
    more += ["--trainer.callbacks+=helpers.witness.Witness", f"--trainer.callbacks.folder={log}"]
    path = os.pathsep.join([environment()["PYTHONPATH"], str(Path(__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-m", "sspvs", "crossval", "--config", str(config), "--out", str(out), *more],
        env={**environment(), "PYTHONPATH": path}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Dataset drawn") == 1  # one of them tells
    seen = [json.loads(line) for file in log.iterdir() for line in file.read_text().splitlines()]
    assert {entry["rank"] for entry in seen} == {0, 1}
    for fold in range(N_FOLDS):
        record = json.loads((out / "seed_0" / f"fold_{fold}" / "fold.json").read_text())
        assert record["device"] == "2 x cpu"
        predicted = [name for entry in seen if entry["fold"] == fold for name in entry["ids"]]
        assert len(predicted) == 4
        assert set(predicted) == set(record["test"])
        scored = read_scores(out / "seed_0" / f"fold_{fold}" / "scores.h5")
        assert sorted(f"drawn/{key}" for key in scored) == sorted(record["test"])
        store = read_dataset(tmp_path / "drawn.h5")
        found = judge({key: store[key] for key in scored}, {key: one.scores for key, one in scored.items()})
        assert record["figures"]["kendall_tau"] == pytest.approx(found["kendall_tau"])
    content = figures(out)
    assert len(content["videos"]) == content["n_videos"] == N_VIDEOS


@pytest.mark.slow
def test_wandb_offline(tmp_path: Path) -> None:
    """A run a fold and one with the table, all in one group; their files lie in the folder."""
    pytest.importorskip("wandb")
    from wandb.proto import wandb_internal_pb2

    config, out = write_config(tmp_path), tmp_path / "mine"
    process = started(config, out, "--seeds", "1", "--wandb", "offline", "--wandb_project", "p")
    err = process.communicate(timeout=300)[1]
    assert process.returncode == 0, err
    logs = sorted(out.rglob("*.wandb"))
    assert len(logs) == N_FOLDS + 1
    names, keys = set(), set()
    for log in logs:
        for data in records(log.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            keys |= {item.key or item.nested_key[0] for item in record.history.item}
            if record.run.project:
                assert (record.run.project, record.run.run_group) == ("p", "mine")
                names.add(record.run.display_name)
    assert names == {"summary", *(f"seed_0/fold_{fold}" for fold in range(N_FOLDS))}
    assert {"val/kendall_tau", "crossval", "trainer/global_step"} <= keys
