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


def interrupted_at(step: int, number: int) -> list[str]:
    """Arguments that have the run signal itself."""
    return [
        "--trainer.callbacks+=interrupting.SignalAt",
        f"--trainer.callbacks.step={step}",
        f"--trainer.callbacks.number={number}",
    ]


def in_a_process(verb: str, words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """`sspvs VERB ...` as a process of its own."""
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, "-m", "sspvs", verb, *words],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
