"""Runs commands, each in a fork of one process that has imported everything: a request a line, an answer a line.

A run has a time limit, a limit of memory beyond what the imports take, a session of its own, so that processes it
leaves behind are found, and its output in files.
"""

from __future__ import annotations

import atexit
import faulthandler
import importlib
import json
import os
import pkgutil
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

GRACE_SECONDS = 1.0
"""How long processes of a run may outlive it, and how long a stack takes to be written."""
CRASHED_IN_PYTHON = 70
LAZY = (
    "av", "decord", "imageio", "matplotlib.pyplot", "matplotlib.backends.backend_agg", "onnx", "scipy.io", "tqdm",
    "transformers", "torch.utils.tensorboard", "yaml", "pytorch_lightning.callbacks", "jsonargparse", "timm",
)  # fmt: skip


def preload() -> None:
    """Import the package and what it imports late."""
    import sspvs

    for module in pkgutil.walk_packages(sspvs.__path__, "sspvs."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in LAZY:
        try:
            importlib.import_module(name)
        except ImportError:
            continue


def memory_taken() -> int:
    """Bytes of address space of this process."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def command(
    words: list[str], folder: str, streams: str, memory: int, main: Callable[[list[str]], int] | None = None
) -> int:
    """Run a command as the only thing this process does."""
    if main is None:
        import sspvs.cli

        sys.argv[1:] = words

    os.setsid()
    os.chdir(folder)
    os.environ["TMPDIR"] = tempfile.tempdir = f"{streams}/tmp"
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(f"{streams}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
    stack = Path(f"{streams}/stack").open("w")  # noqa: SIM115
    faulthandler.enable(stack)
    faulthandler.register(signal.SIGUSR1, stack)
    limit = memory_taken() + memory
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        return sspvs.cli.main() if main is None else main(words)
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return CRASHED_IN_PYTHON
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()


def processes_of(session: int) -> list[int]:
    """Living processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, _, its = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if int(its) == session and state != "Z":
                found.append(int(entry.name))
    return found


def run(
    words: list[str],
    folder: str,
    streams: str,
    seconds: float,
    memory: int,
    main: Callable[[list[str]], int] | None = None,
) -> dict[str, Any]:
    """Fork, run a command there, wait, and see what is left.

    Args:
        words: The command's.
        folder: Where it runs.
        streams: Folder for what it prints.
        seconds: How long it may take.
        memory: Bytes that it may take beyond what this process has.
        main: What is run, the package's own commands when None.

    Returns:
        `status` (below 0: minus the signal that ended it), `hung`, `left` (how many processes) and `seconds`.
    """
    sys.stdout.flush()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        status = CRASHED_IN_PYTHON
        try:
            status = command(words, folder, streams, memory, main)
        finally:
            os._exit(status & 255)
    handle = os.pidfd_open(child)
    hung = not select.select([handle], [], [], seconds)[0]
    os.close(handle)
    if hung:
        os.kill(child, signal.SIGUSR1)
        time.sleep(GRACE_SECONDS)
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    took, until = time.monotonic() - started, time.monotonic() + GRACE_SECONDS
    while (left := processes_of(child)) and time.monotonic() < until:
        time.sleep(0.02)
    for process in left:
        os.kill(process, signal.SIGKILL)
    return {"status": status, "hung": hung, "left": len(left), "seconds": took}


def main() -> None:
    """Answer until the requests end."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what is printed while importing is no answer
    preload()
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
