"""Runs a function in two gloo processes, as data-parallel training would."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel


def run_in_two(work: Callable[[int], Any], folder: Path) -> list[Any]:
    """What `work(rank)` returns in each process of a gloo group that meets in `folder`; raise what either raises.

    What it returns must be tensors and plain types.
    """
    multiprocessing.spawn(_member, args=(work, folder), nprocs=2)
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in (0, 1)]


def _member(rank: int, work: Callable[[int], Any], folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    torch.save(work(rank), folder / f"rank{rank}.pt")
    distributed.barrier()  # none leaves while the other still talks
    distributed.destroy_process_group()
    # gloo's threads outlive the group. One that wants the interpreter's lock while the interpreter is being taken down
    # aborts the process (pytorch issue 38228), so it is not taken down.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def averaged_step(training: nn.Module, *batch: Any) -> tuple[dict[str, torch.Tensor], float]:
    """Within `work`: the gradients that both processes get, and the mean of their losses.

    There is no search for unused parameters: those that no term reaches must have been frozen.
    """
    wrapped = DistributedDataParallel(training)  # averages as long as it is alive
    loss = wrapped(*batch)
    loss.backward()
    average = loss.detach().clone()
    distributed.all_reduce(average)
    return gradients(training), float(average / 2)


def assert_joined_step(
    training: nn.Module, joined: Any, found: tuple[dict[str, torch.Tensor], float], *, least: float, what: str
) -> None:
    """What `averaged_step` found is what `training` makes of the joined batch; some gradient is above `least`."""
    theirs, loss = found
    total = training(joined)
    total.backward()
    assert loss == pytest.approx(float(total.detach()), rel=1e-5)
    expected = gradients(training)
    assert set(theirs) == set(expected)
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    assert largest > least
    for name, gradient in expected.items():
        torch.testing.assert_close(theirs[name], gradient, atol=1e-5 * largest, rtol=1e-4, msg=f"{what}: {name}")


def gradients(module: nn.Module) -> dict[str, torch.Tensor]:
    """Of all trained parameters, by name."""
    return {name: p.grad for name, p in module.named_parameters() if p.requires_grad}
