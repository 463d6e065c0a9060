"""Modules that a config or the command line names under `import`: what they register is known by name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from helpers.crossval_material import write_config

from sspvs.cli import main
from sspvs.errors import CheckpointError
from sspvs.tasks.summarize import SummarizeTask
from sspvs.training.command_line import ReadConfig
from sspvs.training.given import import_named
from sspvs.training.run import RunSettings
from sspvs.training.starting_point import find_starting_point
from sspvs.training.tasks import TASKS, task_named

MODULE = """
from sspvs.training.run import RunSettings
from sspvs.training.tasks import TASKS, Summarization


@TASKS.register("echo")
class Echo(Summarization):
    name = "echo"
    kind = "sspvs.echo"
    run = RunSettings(name="echo", monitor="val/loss")
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder with the module `echo_task` in it."""
    (tmp_path / "echo_task.py").write_text(MODULE)
    (tmp_path / "broken_task.py").write_text("raise OSError('no licence found\\nthe rest')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("echo_task", None)
    TASKS._found.pop("echo", None)


def test_a_config_names_a_module_whose_task_is_chosen(here: Path) -> None:
    config = write_config(here, task="echo", **{"import": ["echo_task"]})
    cli = ReadConfig("fit", ["--config", str(config)])
    assert cli.task.name == "echo"
    assert cli.task.module is SummarizeTask
    assert cli.run_settings.monitor == "val/loss"
    assert "echo" in TASKS
    assert list(TASKS)[:3] == ["pretrain", "summarize", "refine"]


def test_the_command_line_names_a_module_too_and_both_are_kept(here: Path) -> None:
    """The config of a run has all of them, so that it can be run again."""
    config = write_config(here, **{"import": "json.tool"})
    cli = ReadConfig("fit", ["--config", str(config), "--import", "echo_task", "--task", "echo"])
    assert cli.settings["import"] == ["json.tool", "echo_task"]
    assert yaml.safe_load(cli.text)["import"] == ["json.tool", "echo_task"]
    assert ReadConfig("fit", ["--config", str(write_config(here))]).settings["import"] is None


def test_without_it_nothing_is_imported(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_config(here, task="echo")
    assert main(["fit", "--config", str(config)]) == 2
    assert "error: task must be one of pretrain, summarize, refine, got 'echo'" in capsys.readouterr().err
    assert "echo_task" not in sys.modules


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("not_there_at_all", "import not_there_at_all: ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("broken_task", "import broken_task: OSError: no licence found"),
        ([3], "import must be names of modules, got [3]"),
        ({"a": 1}, "import must be names of modules, got {'a': 1}"),
    ],
    ids=str,
)
def test_mistakes_are_one_line(here: Path, value: object, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_config(here, **{"import": value})
    for verb in ("fit", "crossval"):
        words = ["--out", str(here / "out")] if verb == "crossval" else []
        assert main([verb, "--config", str(config), *words]) == 2
        assert capsys.readouterr().err.splitlines() == [f"error: {expected}"]


def test_a_file_of_the_current_folder_hides_no_installed_package(here: Path) -> None:
    (here / "yaml.py").write_text("raise AssertionError")
    assert import_named(["--import", "yaml", "--import=echo_task"]) == ("yaml", "echo_task")
    assert sys.path[-1] == str(here)


def test_a_checkpoint_names_no_module(here: Path) -> None:
    state = {"state_dict": {}, "hyper_parameters": {"import": ["echo_task"]}, "import": ["echo_task"]}
    torch.save(state, here / "sent.ckpt")
    with pytest.raises(CheckpointError):
        find_starting_point(str(here / "sent.ckpt"), RunSettings(), task_named("summarize"), required=True)
    assert "echo_task" not in sys.modules
