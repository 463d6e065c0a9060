"""Loggers: CSV files in the run's folder always, Weights & Biases when asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger, Logger, WandbLogger

from sspvs.atomic import sweep
from sspvs.errors import MissingExtraError
from sspvs.training.run import RunSettings, WandbSettings


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
