"""Runs commands on damaged files in the server's forks, and says what a user should never have seen."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from helpers.fuzz.kinds import KINDS, Kind
from helpers.fuzz.mutators import mutate

ROOT = Path(__file__).parents[3]
SECONDS, MEMORY = 30.0, 2 << 30
"""What a run may take; memory beyond that of the imports."""
LONGEST = 1500
"""Characters of an error."""
NOTES = {".sspvs-survey.json", ".sspvs-records.npz"}
"""What is kept beside a user's files on purpose."""
INTERNAL = re.compile(
    r"Traceback|HDF5-DIAG|Exception ignored|core dumped|terminate called|<object at 0x|numpy\._core|"
    r"\.sspvs-\w+\.tmp|site-packages|File \".*\", line \d"
)
"""Words of the machinery."""
HIDDEN = re.compile(r"(^|/)\.|\.tmp|\.lock|\.partial")
UNFORESEEN = "this was not foreseen"
"""In the last resort's line: a user is served, and a reader of these tests has something to mend."""
CRASHED_IN_PYTHON = 70
LARGE = 1 << 26
"""Bytes of files that are not read to compare them: they are sparse."""


class Server:
    """The process that runs commands; started when first needed, and again when it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(self, command: str, folder: Path, streams: Path) -> dict[str, Any]:
        """Run `sspvs COMMAND` in a folder."""
        if self._process is None or self._process.poll() is not None:
            environment = {
                **os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "",
                "HF_HUB_OFFLINE": "1", "WANDB_MODE": "disabled",
            }  # fmt: skip
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("server.py"))],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
            )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {
            "words": shlex.split(command), "folder": str(folder), "streams": str(streams), "seconds": SECONDS,
            "memory": MEMORY,
        }  # fmt: skip
        print(json.dumps(request), file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


@dataclass(frozen=True)
class Finding:
    """Something wrong that a run did, or, with `wrong` "not foreseen", only ended by the last resort."""

    kind: str
    mutant: str
    command: str
    folder: Path
    wrong: str
    detail: str

    def __str__(self) -> str:
        again = f"cd {shlex.quote(str(self.folder))} && python -m sspvs {self.command}"
        return f"{self.wrong}: {self.kind}, {self.mutant}\n  {again}\n  {self.detail}"


def snapshot(folder: Path) -> dict[str, str]:
    """What lies in a folder: name -> what it is, and its digest; nothing is followed or waited for."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            if path.is_symlink():
                content = f"link to {path.readlink()}"
            elif path.is_file() and path.stat().st_size < LARGE:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                content = f"{path.lstat().st_mode:o} {path.lstat().st_size if path.is_file() else ''}"
            found[path.relative_to(folder).as_posix()] = content
    return found


def _changes(kind: Kind, before: dict[str, str], after: dict[str, str], status: int, verb: str) -> Iterator[str]:
    """What a run left or changed that it should not have."""
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) == after.get(name) or Path(name).name in NOTES:
            continue
        if HIDDEN.search(name):
            if name in after:  # else it was swept
                yield f"left {name}"
        elif name.startswith("out") or name.split("/")[0] in kind.outputs or name in kind.outputs:
            keeps = verb in ("fit", "summarize", "crossval", "validate") or kind.outputs
            if status == 2 and name.count("/") and not keeps:
                yield f"half-written {name}"
        else:
            yield f"{'changed' if name in before else 'left'} {name}"


def _wrong(answer: dict[str, Any], out: str, err: str) -> Iterator[tuple[str, str]]:
    """What is wrong about the way a run ended."""
    status, lines = answer["status"], err.strip().splitlines()
    errors = [line for line in lines if line.startswith("error:")]
    last = " | ".join(lines[-4:])[-600:]
    if answer["hung"]:
        yield "hang", ""
    elif status < 0:
        yield f"crash (signal {-status})", last
    elif status == CRASHED_IN_PYTHON or "Traceback (most recent" in err + out:
        yield "traceback", " | ".join(_frames(err + out))
    elif status not in (0, 1, 2):
        yield f"exit status {status}", last
    elif status == 2 and len(errors) != 1:
        yield f"{len(errors)} error lines", last
    elif len(max(errors, key=len, default="")) > LONGEST:
        yield f"an error of {len(errors[0])} characters", errors[0][:300]
    elif found := INTERNAL.search(err + out):
        yield f"says {found[0]!r}", last
    if answer["left"]:
        yield f"{answer['left']} processes left", ""


def _frames(text: str) -> list[str]:
    """Places in the package of a traceback, the innermost last, and what it ends with."""
    frames = re.findall(r'File "(?:\S*/)?((?:sspvs|site-packages)/[^"]+)", line (\d+), in (\S+)', text)
    ours = [f"{path}:{line} {name}" for path, line, name in frames if path.startswith("sspvs")][-4:]
    ends = [line for line in text.splitlines() if re.match(r"[\w.]+(Error|Exception|Interrupt|Warning)?(:|$)", line)]
    return [*ours, *(line[:200] for line in ends[-1:])]


def fuzz(name: str, sources: Path, work: Path, servers: Sequence[Server], seed: int, numbers: range) -> list[Finding]:
    """Damage the files of a kind and run its commands on them.

    Args:
        name: The kind.
        sources: Folder of the undamaged files, a folder a kind.
        work: Where the damaged ones go; those of findings stay there.
        servers: What runs the commands, each its part of the mutants at the same time as the others.
        seed: Of all damage.
        numbers: Which mutants.

    Returns:
        What is wrong.
    """

    def part(server: Server, first: int) -> list[Finding]:
        mine = numbers[first :: len(servers)]
        return [finding for number in mine for finding in _fuzz_one(name, sources, work, server, seed, number)]

    with ThreadPoolExecutor(len(servers)) as pool:
        return [finding for found in pool.map(part, servers, range(len(servers))) for finding in found]


def _fuzz_one(name: str, sources: Path, work: Path, server: Server, seed: int, number: int) -> list[Finding]:
    kind, commands = KINDS[name], KINDS[name].commands
    others = sorted(sources / other / known.target for other, known in KINDS.items() if (sources / other).is_dir())
    home = work / f"{name.replace(' ', '_')}-{seed}-{number}"
    random = Random(zlib.crc32(f"{name} {seed} {number}".encode()))
    first = random.randrange(len(commands))
    mutant = home / "mutant"
    shutil.copytree(sources / name, mutant)
    said = f"mutant {number} of seed {seed} ({mutate(mutant / kind.target, kind.form, others, random)})"
    found = []
    for turn in range(min(kind.runs, len(commands))):
        command = commands[(first + turn) % len(commands)]
        for attempt in "ab":
            here, streams = home / f"run{turn}{attempt}", home / f"streams{turn}{attempt}"
            shutil.copytree(mutant, here, symlinks=True, copy_function=_copy)
            wrong = check(kind, command, here, streams, server)
            if not any(what == "hang" for what, _ in wrong):
                break  # else it is tried once more: the machine may have been busy
        if not wrong and UNFORESEEN in (streams / "stderr").read_text(errors="replace"):
            again, streams = home / f"run{turn}d", home / f"streams{turn}d"
            shutil.copytree(mutant, again, symlinks=True, copy_function=_copy)
            wrong = [
                ("not foreseen", detail) for _, detail in check(kind, f"{command} --debug", again, streams, server)
            ]
        found += [Finding(name, said, command, here, *one) for one in wrong]
    if not found:
        shutil.rmtree(home)
    return found


def _copy(source: str, target: str) -> None:
    """A file, a link, a pipe, or a file of nothing as large."""
    path = Path(source)
    if not path.is_symlink() and path.is_fifo():
        os.mkfifo(target)
    elif not path.is_symlink() and path.stat().st_size >= LARGE:
        Path(target).touch()
        os.truncate(target, path.stat().st_size)
    else:
        shutil.copy2(source, target, follow_symlinks=False)


def check(kind: Kind, command: str, folder: Path, streams: Path, server: Server) -> list[tuple[str, str]]:
    """Run a command; what is wrong, and details."""
    (folder / "out").mkdir(exist_ok=True)
    (streams / "tmp").mkdir(parents=True)
    before = snapshot(folder)
    answer = server.run(command, folder, streams)
    out, err = ((streams / name).read_text(errors="replace") for name in ("stdout", "stderr"))
    found = [(wrong, detail or _stack(streams)) for wrong, detail in _wrong(answer, out, err)]
    changes = [*_changes(kind, before, snapshot(folder), answer["status"], command.split()[0])]
    changes += [f"left {path.name} in the folder for temporary files" for path in (streams / "tmp").iterdir()]
    if changes and not answer["hung"] and answer["status"] >= 0:
        found.append((changes[0], f"{len(changes)} changes; status {answer['status']}; {err.strip()[-300:]}"))
    (streams / "status").write_text(str(answer["status"]))
    return found


def _stack(streams: Path) -> str:
    text = (streams / "stack").read_text(errors="replace") if (streams / "stack").exists() else ""
    return " | ".join(
        f"{p}:{n} {f}" for p, n, f in re.findall(r'File "\S*?(sspvs/[^"]+)", line (\d+) in (\S+)', text)[:4]
    )
