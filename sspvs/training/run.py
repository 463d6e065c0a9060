"""Random numbers of a training step that depend on the step alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import CSVLogger, Logger, WandbLogger

from sspvs.atomic import sweep
from sspvs.errors import MissingExtraError


class DrawByStep(Callback):
    """Seeds torch before every training step from the run's seed, the epoch, the batch and the process.

    Dropout is the only thing a step draws (the data has generators of its own). A run that goes on from a checkpoint
    thus draws what the uninterrupted one would have drawn, whatever else happened in between, and no state has to be
    kept for every process.

    Args:
        seed: Of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        """Seed the CPU's and the accelerators' generators."""
        place = (self.seed % 2**32, trainer.current_epoch, batch_idx, trainer.global_rank)
        state = np.random.SeedSequence(place).generate_state(1, np.uint64)
        torch.manual_seed(int(state[0]))


WandbMode = Literal["off", "offline", "online"]


@dataclass(frozen=True)
class RunSettings:
    """A run's folder is `root/name/version_0`, `version_1` and so on: nothing is overwritten."""

    root: str = "runs"
    """Folder of all runs."""
    name: str = "pretrain"
    """Of this experiment; `--ckpt_path last` looks through its versions."""
    monitor: str = "val/loss"
    """Figure by which the best checkpoint is chosen."""
    mode: Literal["min", "max"] = "min"
    """Whether lower or higher is better."""
    save_every: int = 1000
    """Steps between checkpoints to restart from; one more is written at the end of every epoch."""
    samples: int = 4
    """Validation videos that are plotted after each validation; 0 for none."""

    def __post_init__(self) -> None:
        if self.save_every < 1 or self.samples < 0:
            raise ValueError(
                f"run: save_every must be at least 1 and samples not negative, got {self.save_every}, {self.samples}"
            )
        if not self.name or "/" in self.name:
            raise ValueError(f"run: name must be a folder's name, got {self.name!r}")


@dataclass(frozen=True)
class WandbSettings:
    """Weights & Biases, beside the CSV files."""

    mode: WandbMode = "off"
    """`off`, `offline` (files to be synchronised later with `wandb sync`) or `online`."""
    project: str = "sspvs"
    """Its project."""
    name: str | None = None
    """Of the run there; null: the run's name and version."""
    group: str | None = None
    """Runs that belong together, such as the parts of a restarted one; null: the run's name."""


def build_loggers(given: Any, run: RunSettings, wandb: WandbSettings) -> list[Logger] | bool:
    """The loggers of a run; the first says where its folder is.

    Args:
        given: `trainer.logger` of the config: false for none at all, or more of them.
        run: Where the run lies.
        wandb: Whether and how W&B is wanted.
    """
    if given is False:
        return False
    more = [] if given in (None, True) else list(given) if isinstance(given, (list, tuple)) else [given]
    for folder in Path(run.root, run.name).glob("**/"):  # of earlier versions, one of which may go on in this one
        sweep(folder)
    csv = CSVLogger(run.root, name=run.name, flush_logs_every_n_steps=20)
    loggers: list[Logger] = [csv, *more]
    if wandb.mode != "off":
        loggers.append(_wandb(csv, run, wandb))
    return loggers


def _wandb(csv: CSVLogger, run: RunSettings, settings: WandbSettings) -> WandbLogger:
    """Never given a step: `trainer/global_step` is an axis of its own, so that nothing is dropped as out of order."""
    folder = Path(csv.log_dir)
    try:
        return WandbLogger(
            save_dir=folder,
            project=settings.project,
            name=settings.name or f"{run.name}/{folder.name}",
            group=settings.group or run.name,
            offline=settings.mode == "offline",
            log_model=False,
            reinit="finish_previous",
            settings=wandb_settings(),
        )
    except ModuleNotFoundError as error:
        raise MissingExtraError("W&B is not installed: pip install wandb, or leave --wandb off") from error


def wandb_settings() -> Any:
    """What W&B does not record: the machine, its user, the command, its screen, and the places of files.

    Raises:
        ModuleNotFoundError: W&B is not installed.
    """
    import wandb

    return wandb.Settings(x_disable_meta=True, disable_git=True, console="off", host="", username="")


def wandb_of(loggers: list[Logger]) -> WandbLogger | None:
    """The W&B logger among them."""
    return next((one for one in loggers if isinstance(one, WandbLogger)), None)
