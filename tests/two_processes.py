"""Runs a function in two gloo processes, as data-parallel training would."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import distributed, multiprocessing


def run_in_two(work: Callable[..., None], folder: Path, *args: Any) -> None:
    """Call `work(rank, *args)` in both processes of a gloo group that meets in `folder`; raise what either raises."""
    multiprocessing.spawn(_member, args=(work, str(folder / "meeting"), *args), nprocs=2)


def _member(rank: int, work: Callable[..., None], meeting: str, *args: Any) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    work(rank, *args)
    distributed.barrier()  # none leaves while the other still talks
    distributed.destroy_process_group()
    # gloo's threads outlive the group. One that wants the interpreter's lock while the interpreter is being taken down
    # aborts the process (pytorch issue 38228), so it is not taken down.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
