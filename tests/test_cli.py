"""The command line as a whole: the table of verbs, and how mistakes end."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from sspvs.cli import VERBS, main
from sspvs.commands import data

PLAIN_VERBS = sorted(set(VERBS) - {"data"})


@pytest.mark.parametrize("verb", PLAIN_VERBS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main([verb, "--help"])
    except SystemExit as stop:  # argparse ends so; Lightning's parser is caught
        status = stop.code
    assert status == 0
    usage = capsys.readouterr().out.partition("\n")[0].split()
    assert usage[:2] == ["usage:", "sspvs"]
    assert verb in usage
    module = import_module(VERBS[verb][0])
    assert hasattr(module, "run_verb") or module.DESCRIPTION


@pytest.mark.parametrize("verb", sorted(data.VERBS))
def test_every_verb_of_data_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["data", verb, "--help"])
    assert stop.value.code == 0
    assert f"usage: sspvs data {verb}" in capsys.readouterr().out
    assert import_module(data.VERBS[verb][0]).DESCRIPTION


def test_data_alone_names_its_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "--help"]) == 0
    assert main(["data"]) == 2
    out = capsys.readouterr().out
    assert out.count("usage: sspvs data VERB") == 2
    assert all(f"  {verb} " in out for verb in data.VERBS)


def test_a_verb_of_data_imports_no_other() -> None:
    code = (
        "import sys; from sspvs.cli import main\ntry: main(['data', 'splits', '--help'])\nexcept SystemExit: pass\n"
        "loaded = {m for m in sys.modules if m.startswith('sspvs.commands.data_')}; "
        "assert loaded == {'sspvs.commands.data_splits'}, loaded; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True)


def test_overview_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(verb in out for verb in VERBS)
    assert main([]) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["data", "frobnicate"],
        ["data", "splits"],
        ["summarize"],
        ["summarize", "a.mp4", "--out", "x", "--nope"],
    ],
)
def test_wrong_usage_is_one_line_and_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_debug_shows_the_traceback() -> None:
    command = [sys.executable, "-m", "sspvs", "summarize", "/nowhere/a.mp4", "--out", "/tmp/never", "--debug"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "Traceback" in done.stderr


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("sspvs ")


def test_a_closed_pipe_is_no_error() -> None:
    done = subprocess.run(f"{sys.executable} -m sspvs doctor | head -1", shell=True, capture_output=True, text=True)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "error" not in done.stderr
