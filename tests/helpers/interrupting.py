"""Callbacks that end a training from within, at a step that is known; and the command line of a tiny run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "configs" / "pretrain" / "smoke.yaml"


class KilledError(BaseException):
    """Stands for SIGKILL in this process: nothing is saved any more."""


class KillAt(pl.Callback):
    """Ends the run as SIGKILL does at the nth call of a hook, not counting the sanity check.

    Args:
        hook: Of a callback, such as `on_train_end`.
        call: Which, from 1.
    """

    def __init__(self, hook: str, call: int) -> None:
        self._left = call
        setattr(self, hook, self._count)

    def _count(self, trainer: pl.Trainer, *_: Any) -> None:
        self._left -= not trainer.sanity_checking
        if self._left == 0:
            raise KilledError


class SignalAt(pl.Callback):
    """Sends a signal to its own process when a step begins.

    Args:
        step: Which.
        number: The signal's.
    """

    def __init__(self, step: int, number: int = signal.SIGKILL) -> None:
        self.step, self.number = step, number

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, idx: int) -> None:
        if trainer.global_step == self.step:
            os.kill(os.getpid(), self.number)


class InterruptedInSanityCheck(pl.Callback):
    """Ctrl-C, in the validation before training."""

    def on_sanity_check_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        os.kill(os.getpid(), signal.SIGINT)


class NanAt(pl.Callback):
    """Makes the weights NaN when a step begins.

    Args:
        step: Which.
    """

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, idx: int) -> None:
        if trainer.global_step == self.step:
            for weight in pl_module.parameters():
                weight.data.fill_(float("nan"))


def arguments(folder: Path, *more: str) -> list[str]:
    """Of a run of the smoke config that lies in `folder`, its world too; 6 steps an epoch."""
    return [
        "--config", str(SMOKE), "--run.root", str(folder), "--data.world.folder", str(folder.parent / "worlds"),
        "--run.samples", "0", *more,
    ]  # fmt: skip


def killed_at(hook: str, call: int) -> list[str]:
    """Arguments that end the run at the nth call of a hook."""
    return [
        "--trainer.callbacks+=helpers.interrupting.KillAt",
        f"--trainer.callbacks.hook={hook}",
        f"--trainer.callbacks.call={call}",
    ]


def interrupted_at(step: int, number: int) -> list[str]:
    """Arguments that have the run signal itself."""
    return [
        "--trainer.callbacks+=helpers.interrupting.SignalAt",
        f"--trainer.callbacks.step={step}",
        f"--trainer.callbacks.number={number}",
    ]


def in_a_process(verb: str, words: list[str], folder: Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """`sspvs VERB ...` as a process of its own."""
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, "-m", "sspvs", verb, *words],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
