"""Checkpoints that are whole or not there, and the newest one to restart from."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from pytorch_lightning.callbacks import Checkpoint

from sspvs.atomic import atomic_stream
from sspvs.errors import CheckpointError, OutputError, first_line
from sspvs.files import check_kind

logger = logging.getLogger(__name__)

FOLDER, LAST, BEST = "checkpoints", "last.ckpt", "best.ckpt"


class WholeCheckpoints(TorchCheckpointIO):
    """Writes to a temporary file in the same folder, then renames; reads nothing but tensors and plain types."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Write a checkpoint; a run that is killed meanwhile leaves the one before it.

        Raises:
            OutputError: The folder cannot be written to, or the disk is full.
        """
        target = Path(path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the folder {target.parent}: {error.strerror or error}") from error
        with atomic_stream(target) as stream:
            torch.save(checkpoint, stream)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:  # noqa: ARG002
        """Read a checkpoint, on the CPU unless told otherwise.

        Raises:
            CheckpointError: It is no whole checkpoint, or holds more than tensors and plain types.
        """
        return read_checkpoint(Path(path), "cpu" if map_location is None else map_location)


def read_checkpoint(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """A Lightning checkpoint: tensors and plain types, nothing else.

    Raises:
        CheckpointError: It is none, or holds anything else.
    """
    try:
        check_kind(path, "zip", "pickle", "tar")
        checkpoint = torch.load(path, map_location=map_location, weights_only=True)
        if not isinstance(checkpoint, Mapping) or not {"state_dict", "hyper_parameters"} <= set(checkpoint):
            raise ValueError("it has no state_dict and hyper_parameters")
    except Exception as error:  # whatever a file of unknown origin makes the reader raise
        raise CheckpointError(f"{path}: no whole checkpoint of sspvs: {first_line(error)}") from error
    return dict(checkpoint)


class LastCheckpoint(Checkpoint):
    """Keeps `last.ckpt` in the run's folder: the newest state, complete, to restart from.

    Args:
        every: Steps between two; one more is written at the end of every epoch, and at the end.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self._saved = -1
        self._seen = -1

    def save(self, trainer: pl.Trainer) -> Path:
        """Write it now; every process must call this."""
        folder = checkpoint_folder(trainer)
        trainer.save_checkpoint(folder / LAST)
        self._saved = trainer.global_step
        logger.info("step %d saved in %s", trainer.global_step, folder / LAST)
        return folder / LAST

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Save where it is time."""
        step = trainer.global_step
        if step != self._seen and step % self.every == 0:
            self.save(trainer)
        self._seen = step

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Save."""
        self.save(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Save what `max_steps` left within an epoch."""
        if trainer.global_step != self._saved:
            self.save(trainer)


def checkpoint_folder(trainer: pl.Trainer) -> Path:
    """Where a run's checkpoints are; the same in every process, all of which must ask."""
    folder = trainer.log_dir or trainer.default_root_dir
    return Path(folder) / FOLDER
