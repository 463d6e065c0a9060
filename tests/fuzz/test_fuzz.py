"""Damaged files through the real commands: no traceback, hang or crash, one line of error, nothing left behind.

pytest -m slow tests/fuzz/test_fuzz.py --fuzz-seed 7 --fuzz-mutants 30
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

if not sys.platform.startswith("linux"):
    pytest.skip("needs /proc, fork and pidfd_open", allow_module_level=True)

from helpers.fuzz import server
from helpers.fuzz.kinds import KINDS
from helpers.fuzz.mutators import mutate
from helpers.fuzz.runner import SECONDS, Finding, Server, check, fuzz, snapshot

from sspvs.machine import available_cores

pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name")  # of members of archives, on purpose
FEW = tuple(name for number, name in enumerate(KINDS) if number % 4 == 0 and KINDS[name].runs > 1)
"""Kinds that are tried each time, with a mutant each."""


@pytest.fixture(scope="module")
def servers() -> Iterator[list[Server]]:
    made = [Server() for _ in range(min(2, available_cores()))]
    yield made
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes the undamaged files of a kind once; returns the folder of all kinds."""
    folder = tmp_path_factory.mktemp("sources")

    def of(name: str) -> Path:
        if not (folder / name).exists():
            (folder / name).mkdir()
            KINDS[name].make(folder / name)
        return folder

    return of


def findings(
    name: str, sources: Callable[[str], Path], work: Path, servers: list[Server], seed: int, count: int
) -> str:
    found = fuzz(name, sources(name), work, servers, seed, range(count))
    return "\n".join(map(str, found))


def report(found: list[Finding]) -> None:
    """Fail where something is wrong; what only the last resort ended is a warning."""
    for finding in found:
        if finding.wrong == "not foreseen":
            warnings.warn(str(finding), stacklevel=2)
    wrong = [str(finding) for finding in found if finding.wrong != "not foreseen"]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", FEW)
def test_a_few_damaged_files(name: str, sources: Callable[[str], Path], servers: list[Server], tmp_path: Path) -> None:
    report(fuzz(name, sources(name), tmp_path, servers[:1], 0, range(1)))


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_damaged_files(
    name: str, sources: Callable[[str], Path], servers: list[Server], tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    seed, count = pytestconfig.getoption("fuzz_seed"), pytestconfig.getoption("fuzz_mutants")
    report(fuzz(name, sources(name), tmp_path, servers, seed, range(count)))


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_undamaged_files(name: str, sources: Callable[[str], Path], servers: list[Server], tmp_path: Path) -> None:
    """They are used: what damage does is not hidden by a command that never reads so far."""
    for number, command in enumerate(KINDS[name].commands):
        folder = tmp_path / str(number)
        shutil.copytree(sources(name) / name, folder)
        streams = tmp_path / f"streams {number}"
        assert check(KINDS[name], command, folder, streams, servers[0]) == []
        said = (streams / "stderr").read_text() + (streams / "stdout").read_text()
        assert int((streams / "status").read_text()) in KINDS[name].statuses, (command, said)


@pytest.mark.parametrize("name", ["dataset", "scores npz", "TVSum mat", "checkpoint file", "splits yaml", "own csv"])
def test_a_seed_gives_the_same_damage(name: str, sources: Callable[[str], Path], tmp_path: Path) -> None:
    source, found = sources(name) / name / KINDS[name].target, []
    for folder in (tmp_path / "one", tmp_path / "other"):
        said = []
        for seed in range(20):
            (folder / str(seed)).mkdir(parents=True)
            mutant = Path(shutil.copy(source, folder / str(seed) / "mutant"))
            said.append(mutate(mutant, KINDS[name].form, [source], Random(seed)))
        found.append((said, snapshot(folder)))
    assert found[0] == found[1]
    assert len(set(found[0][0])) > 8


def raises(words: list[str]) -> int:
    raise KeyError("picks")


def sleeps(words: list[str]) -> int:
    time.sleep(60)
    return 0


def crashes(words: list[str]) -> int:
    os.abort()


def takes_memory(words: list[str]) -> int:
    return len(bytearray(1 << 30)) & 1


def leaves_a_process(words: list[str]) -> int:
    subprocess.Popen(["sleep", "60"])
    return 0


def leaves_files(words: list[str]) -> int:
    Path("out/.D.h5.tmp").touch()
    return 0


def changes_its_input(words: list[str]) -> int:
    Path("input").write_text("changed")
    return 0


def says_nothing(words: list[str]) -> int:
    return 2


def says_it_once(words: list[str]) -> int:
    sys.stderr.write("error: no picks\n")
    return 2


@pytest.mark.parametrize(
    ("main", "wrong"),
    [
        (raises, "traceback"),
        (sleeps, "hang"),
        (crashes, "crash (signal 6)"),
        (takes_memory, "traceback"),
        (leaves_a_process, "1 processes left"),
        (leaves_files, "left out/.D.h5.tmp"),
        (changes_its_input, "changed input"),
        (says_nothing, "0 error lines"),
        (says_it_once, ""),
    ],
)
def test_what_is_wrong_is_found(main: Callable[[list[str]], int], wrong: str, tmp_path: Path) -> None:
    class Here(Server):
        def run(self, command: str, folder: Path, streams: Path) -> dict[str, object]:
            seconds = 1.0 if main is sleeps else SECONDS
            return server.run(command.split(), str(folder), str(streams), seconds, 1 << 28, main)

    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "input").write_text("as it was")
    found = check(KINDS["own csv"], "data inspect input", folder, tmp_path / "streams", Here())
    assert [what for what, _ in found] == ([wrong] if wrong else [])
