"""What a run leaves in its folder beside checkpoints: its config, and weights as checkpoint folders."""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import yaml
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.cli import LightningArgumentParser, SaveConfigCallback

from sspvs.atomic import write_text
from sspvs.sharing import shareable
from sspvs.tasks.saved_task import SavedTask
from sspvs.training.loggers import wandb_of
from sspvs.training.saving import BEST, LAST, checkpoint_folder

logger = logging.getLogger(__name__)

PRETRAINED = "pretrained"
"""Folder of a run with `best` and `last`, checkpoint folders for `from_pretrained` of the task."""


_CONFIG = "config.yaml"
_ABOUT = {_CONFIG, "hparams.yaml"}  # the second is the CSV logger's


class RunConfig(SaveConfigCallback):
    """Writes the whole config, every default included, to `config.yaml` in the run's own folder, and to W&B."""

    def __init__(self, parser: LightningArgumentParser, config: Any, **how: Any) -> None:
        super().__init__(parser, config, save_to_log_dir=False, **how)

    def save_config(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:  # noqa: ARG002
        """Called by Lightning on one process."""
        config = yaml.safe_load(self.parser.dump(self.config, skip_link_targets=True))
        folder = getattr(trainer.loggers[0], "log_dir", None) if trainer.loggers else None
        config = shareable(config, Path(folder or trainer.default_root_dir))
        if folder is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
            write_text(Path(folder) / _CONFIG, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
        wandb = wandb_of(trainer.loggers)
        if wandb is not None:
            wandb.log_hyperparams({"config": config})


def remove_unstarted(trainer: pl.Trainer) -> None:
    """Remove a run's folder that has its config and nothing else: no step was taken, or none was kept.

    Args:
        trainer: Of the run, after it ended with an error.
    """
    place = getattr(trainer.loggers[0], "log_dir", None) if trainer.loggers else None
    folder = None if place is None else Path(place)
    if folder is None or not trainer.is_global_zero or not folder.is_dir():
        return
    if {path.name for path in folder.iterdir()} <= _ABOUT:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            folder.parent.rmdir()  # of all versions, where this was the first


class ExportWeights(Checkpoint):
    """After training: the best and the last checkpoint as folders under `pretrained`.

    A `Checkpoint`, as what writes the two is, because Lightning calls those last, in the order in which they are given.

    Args:
        module: The task's class, which reads the one and writes the other.
    """

    def __init__(self, module: type[SavedTask]) -> None:
        self.module = module

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Read them again and write them, on one process."""
        folder = checkpoint_folder(trainer)  # every process must ask
        if trainer.is_global_zero and not trainer.interrupted:
            _export(folder, self.module)


def _export(folder: Path, module: type[SavedTask]) -> None:
    for name in (BEST, LAST):
        if (folder / name).is_file():
            target = folder.parent / PRETRAINED / name.removesuffix(".ckpt")
            module.from_pretrained(folder / name).save_pretrained(target)
            logger.info("exported %s", target)
