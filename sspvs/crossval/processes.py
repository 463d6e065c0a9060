"""Folds in several processes, each on a device of its own; whoever is free takes the next one."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sspvs.crossval.fold_run import FoldJob
    from sspvs.crossval.records import FoldRecord
    from sspvs.data.summarization.fold_data import FoldDataModule

_VISIBLE = "CUDA_VISIBLE_DEVICES"


def run_in_processes(jobs: Sequence[FoldJob], count: int, devices: Sequence[int]) -> Iterator[FoldRecord]:
    """Make folds; each process starts once and makes one after the other.

    Args:
        jobs: The folds.
        count: Processes.
        devices: GPUs that the processes are given in turn; empty: whatever there is.

    Yields:
        Records, as folds are finished.

    Raises:
        ValueError: There are no such devices.
        Exception: What a fold raised; the others are stopped.
        RuntimeError: A process ended without saying why (killed, out of memory).
    """
    context = multiprocessing.get_context("spawn")
    names, threads = visible_names(devices, os.environ.get(_VISIBLE)), max(1, _threads() // count)
    left = list(jobs)
    workers: dict[Connection, SpawnProcess] = {}
    busy: set[Connection] = set()
    try:
        for number in range(min(count, len(left))):
            ours, theirs = context.Pipe()
            device = names[number % len(names)] if names else None
            process = context.Process(target=_work, args=(theirs, device, threads, logging.getLogger().level))
            process.start()
            theirs.close()
            workers[ours] = process
            busy.add(ours)
            ours.send(replace(left.pop(0), shown=False))
        while busy:
            for pipe in wait(list(busy)):
                assert isinstance(pipe, Connection)
                yield _answer(pipe, workers[pipe])
                if left:
                    pipe.send(replace(left.pop(0), shown=False))
                else:
                    busy.remove(pipe)
    finally:
        for pipe, process in workers.items():
            pipe.close()  # whoever waits for a fold ends
            if pipe in busy:  # something went wrong
                process.terminate()
            process.join(timeout=10)
            if process.is_alive():
                process.kill()
                process.join()


def visible_names(devices: Sequence[int], visible: str | None) -> list[str]:
    """What to make visible so that a process sees one device alone.

    Args:
        devices: By number, among those that this process sees.
        visible: `CUDA_VISIBLE_DEVICES` of this process; None or empty: all.

    Raises:
        ValueError: There are no such devices.
    """
    if not visible:
        return [str(device) for device in devices]
    known = [name.strip() for name in visible.split(",")]
    unknown = [device for device in devices if device >= len(known)]
    if unknown:
        raise ValueError(f"no device {unknown[0]}: {_VISIBLE} is {visible}, which leaves 0 to {len(known) - 1}")
    return [known[device] for device in devices]


def _answer(pipe: Connection, process: SpawnProcess) -> FoldRecord:
    """A finished fold's record; raises what it raised."""
    try:
        answer = pipe.recv()
    except (EOFError, OSError) as error:
        process.join()
        raise RuntimeError(
            f"a process ended while it made a fold (exit code {process.exitcode}; out of memory?); finished folds are "
            "kept: the same command again makes the rest"
        ) from error
    if isinstance(answer, BaseException):
        raise answer
    record: FoldRecord = answer
    return record


def _work(pipe: Connection, device: str | None, threads: int, level: int) -> None:
    """What a process does: one fold after the other, until there are none or nobody is there any more."""
    if device is not None:
        os.environ[_VISIBLE] = device
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    from sspvs.crossval.fold_run import run_fold
    from sspvs.training.quiet import quieten

    logging.basicConfig(level=level, format="%(levelname)s: %(message)s")
    if level > logging.DEBUG:
        quieten()
    torch.set_num_threads(threads)
    before: FoldDataModule[Any] | None = None
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):  # nobody waits for it any more
        while True:
            job: FoldJob = pipe.recv()
            try:
                answer: Any
                answer, before = run_fold(job, before)
            except BaseException as error:
                answer = _sendable(error)
            pipe.send(answer)


def _sendable(error: BaseException) -> BaseException:
    """The same, or what can be pickled of it."""
    import pickle

    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever an exception of some library raises then
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _end_with_parent() -> None:
    """A process whose parent was killed ends at once, so that the same command can start again."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _threads() -> int:
    import torch

    return torch.get_num_threads()
