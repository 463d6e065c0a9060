"""The command line as a whole: the table of verbs, and how mistakes end."""

from __future__ import annotations

import argparse
import io
import json
import logging
import subprocess
import sys
import traceback
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from tqdm import tqdm

from sspvs.cli import VERBS, completion_script, main
from sspvs.commands import data
from sspvs.errors import DatasetError, one_line

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


@pytest.mark.parametrize("kind", [KeyError, TypeError, RecursionError, MemoryError, RuntimeError])
def test_what_was_not_foreseen_is_one_line_with_the_file(
    kind: type[Exception], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, *_: object, **__: object) -> None:
        raise kind

    path = tmp_path / "a.json"
    path.write_text("{}")
    monkeypatch.setattr(import_module("sspvs.formats.conversion"), "PathHead", fail)
    assert main(["data", "inspect", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"error: {path}: {kind.__name__}; this was not foreseen: please report it, with what --debug shows\n"
    )
    with pytest.raises(kind):
        main(["data", "inspect", str(path), "--debug"])


def test_the_traceback_of_another_process_is_no_part_of_the_line() -> None:
    """As a DataLoader's worker hands its error on."""
    try:
        raise DatasetError("/d.h5: no videos")
    except DatasetError:
        message = f"Caught DatasetError in DataLoader worker process 0.\nOriginal {traceback.format_exc()}"
    assert one_line(DatasetError(message)) == "/d.h5: no videos"
    assert len(one_line(ValueError("x" * 100_000 + "end"))) < 1100
    assert one_line(ValueError("x" * 100_000 + "end")).endswith("xend")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a system without /dev/full")
def test_closed_and_full_streams_lose_no_file(tmp_path: Path) -> None:
    source = tmp_path / "mine.csv"
    source.write_text("video,annotator,start,end,n_frames,fps\na,x,1,3,100,25\na,y,2,4,100,25\n")
    written = []
    for number, (how, status) in enumerate(
        {">&-": 0, "<&- >&- 2>&-": 0, ">/dev/full": 2, ">/dev/full 2>&1": 2}.items()
    ):
        out = tmp_path / f"{number}.json"
        command = f"'{sys.executable}' -m sspvs data convert '{source}' --to custom --out '{out}' {how}"
        done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, done.stdout) == (status, "")
        message = "error: cannot write to standard output: No space left on device; files, if any, are complete\n"
        assert done.stderr == (message if how == ">/dev/full" else "")
        written.append(json.loads(out.read_text()))
    assert written == written[:1] * 4
    assert list(written[0]) == ["a"]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("sspvs ")


def test_a_closed_pipe_is_no_error() -> None:
    done = subprocess.run(f"{sys.executable} -m sspvs doctor | head -1", shell=True, capture_output=True, text=True)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "error" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["sumarize"], "unknown verb 'sumarize'; did you mean summarize?"),
        (["summaries", "a.mp4"], "unknown verb 'summaries'; did you mean summarize?"),
        (["data", "bild"], "unknown verb 'bild'; did you mean build?"),
        (["frobnicate"], "unknown verb 'frobnicate'; expected one of: summarize, "),
        (["summarize", "a.mp4", "--ratoi", "0.3"], "unknown option --ratoi; did you mean --ratio?"),
        (["data", "splits", "--seeed", "3"], "unknown option --seeed; did you mean --seed?"),
        (["evaluate", "--dataset", "d.h5", "--scors", "s.h5"], "unknown option --scors; did you mean --scores?"),
        (["crossval", "--config", "c.yaml", "--outt", "x"], "unknown option --outt; did you mean --out?"),
    ],
)
def test_a_mistyped_word_is_named_with_what_was_meant(
    arguments: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(f"error: {meant}")


def test_summarise_is_summarize(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["summarise", "--help"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("usage: sspvs summarize")


ADDRESS = "https://host.org/a//b.mp4?x=1"


@pytest.mark.parametrize(
    "arguments",
    [
        ["summarize", ADDRESS],
        ["summarize", "a.mp4", "--out", ADDRESS],
        ["summarize", "a.mp4", "--scorer", ADDRESS],
        ["extract", ADDRESS, "--out", "f.h5"],
        ["score", ADDRESS, "--out", "s.h5"],
        ["evaluate", "--dataset", ADDRESS, "--baseline", "human"],
        ["evaluate", "--dataset", "d.h5", "--scores", f"mine={ADDRESS}"],
        ["export", ADDRESS, "--card"],
        ["crossval", "--config", ADDRESS, "--out", "x"],
        ["data", "build", "custom", "--annotations", ADDRESS, "--out", "d.h5"],
        ["data", "build", "custom", "--annotations", "a.csv", "--videos", ADDRESS, "--out", "d.h5"],
        ["data", "inspect", ADDRESS],
        ["data", "shard", ADDRESS, "--out", "shards"],
        ["data", "world", "--clips", ADDRESS, "--out", "w"],
    ],
    ids=lambda arguments: " ".join(arguments).replace(ADDRESS, "ADDRESS"),
)
def test_an_address_in_the_place_of_a_file_is_refused_whole(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err == (
        f"error: addresses are not read: {ADDRESS}; download the file first (yt-dlp gets videos from web sites) and "
        "give its path\n"
    )


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("verb", ["doctor", "demo"], ids=["prints its result", "writes files"])
def test_quiet_leaves_results_and_warnings_and_verbose_adds_the_log(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(args: argparse.Namespace) -> int:
        for _ in tqdm(range(2), desc="bar", disable=None):
            pass
        sys.stdout.write("line\n")
        sys.stderr.write("warning: w\n")
        if logging.getLogger("sspvs.verb").isEnabledFor(logging.INFO):
            sys.stderr.write("INFO: logged\n")
        return 1

    module = ModuleType("verb")
    module.run, module.add_arguments = run, lambda parser: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "verb", module)
    monkeypatch.setitem(VERBS, verb, ("verb", "a verb"))

    def streams(*flags: str, before: bool = False) -> tuple[str, str]:
        terminal = _Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        assert main([*flags, verb] if before else [verb, *flags]) == 1  # the exit status stays
        return capsys.readouterr().out, terminal.getvalue()

    out, err = streams()
    assert out == "line\n"
    assert "bar" in err
    assert streams("--quiet") == ("line\n" if verb == "doctor" else "", "warning: w\n")
    assert streams("--verbose")[1].endswith("warning: w\nINFO: logged\n")
    assert streams("--quiet", before=True) == streams("--quiet")
    assert main([verb, "--quiet", "--verbose"]) == 2


def _completed(script: Path, *words: str) -> list[str]:
    """What bash offers when TAB is pressed at the end of the words."""
    quoted = " ".join(f"'{word}'" for word in words)
    drive = (
        f"source '{script}'; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; "
        f"_shtab_sspvs '{words[0]}' '{words[-1]}' '{words[-2]}'; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(["bash", "-c", drive], capture_output=True, text=True, timeout=30, cwd=script.parent)
    assert done.returncode == 0, done.stderr
    return sorted(done.stdout.split())


def test_bash_completes_verbs_options_choices_and_files(tmp_path: Path) -> None:
    pytest.importorskip("shtab")
    script = tmp_path / "completion.bash"
    script.write_text(completion_script({verb: VERBS[verb] for verb in ("summarize", "score", "data")}, "bash"))
    assert _completed(script, "sspvs", "su") == ["summarize"]
    assert _completed(script, "sspvs", "data", "") == sorted(data.VERBS)
    assert _completed(script, "sspvs", "summarize", "--max") == ["--max-damaged", "--max-shots"]
    assert _completed(script, "sspvs", "summarize", "--q") == ["--query", "--quiet"]
    assert _completed(script, "sspvs", "summarize", "--decoder", "p") == ["pyav"]
    assert _completed(script, "sspvs", "summarize", "comp") == [script.name]
    assert _completed(script, "sspvs", "score", "--out", "comp") == [script.name]


@pytest.mark.slow  # every setting of fit is looked up
def test_bash_completes_nested_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab")
    assert main(["--print-completion", "bash"]) == 0
    script = tmp_path / "completion.bash"
    script.write_text(capsys.readouterr().out)
    assert set(_completed(script, "sspvs", "fit", "--model.optim.l")) == {
        "--model.optim.lr",
        "--model.optim.layer_decay",
    }
    assert _completed(script, "sspvs", "fit", "--model.losses.coarse", "in") == ["infonce"]
    assert _completed(script, "sspvs", "crossval", "--model.summarizer.he") == ["--model.summarizer.head"]
    assert _completed(script, "sspvs", "crossval", "--see") == ["--seed_everything", "--seeds"]
    assert _completed(script, "sspvs", "test", "--config", "comp") == [script.name]


def test_completion_of_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--print-completion", "fish"]) == 2
    assert "bash, zsh, tcsh" in capsys.readouterr().err
