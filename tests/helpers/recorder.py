"""A module that records what it is trained on, and runs of it that stop and go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytorch_lightning as pl
import torch


class Recorder(pl.LightningModule):
    """Keeps epoch, ids and the sum of some fields of each training batch; its one weight depends on all of it."""

    def __init__(self, *fields: str) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.fields = fields
        self.seen: list[tuple[int, tuple[str, ...], float]] = []

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        figure = float(sum(getattr(batch, field).sum() for field in self.fields))
        self.seen.append((self.current_epoch, batch.ids, figure))
        return (self.weight * figure).sum() * 1e-6

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        pass

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 1e-3)


Kind = TypeVar("Kind", bound=Recorder)
Module = Callable[[], pl.LightningDataModule]


def trainer(folder: Path, *callbacks: pl.Callback, **how: Any) -> pl.Trainer:
    return pl.Trainer(
        default_root_dir=folder, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0, callbacks=list(callbacks), **how,
    )  # fmt: skip


def restarted(
    folder: Path,
    recorder: Callable[[], Kind],
    module: Module,
    stop: int,
    *,
    interrupted: Module | None = None,
    callbacks: Sequence[type[pl.Callback]] = (),
) -> tuple[Kind, Kind, Kind]:
    """Recorders of three whole epochs, of a run that stops after `stop` steps, and of what goes on from there."""
    whole, first, second = recorder(), recorder(), recorder()
    trainer(folder, max_epochs=3, enable_checkpointing=False).fit(whole, datamodule=module())
    saving = pl.callbacks.ModelCheckpoint(folder, filename="last", every_n_train_steps=stop, save_top_k=-1)
    again = module if interrupted is None else interrupted
    both = [callback() for callback in callbacks]
    trainer(folder, saving, *both, max_epochs=3, max_steps=stop).fit(first, datamodule=again())
    both = [callback() for callback in callbacks]
    trainer(folder, *both, max_epochs=3, enable_checkpointing=False).fit(
        second, datamodule=again(), ckpt_path=folder / "last.ckpt"
    )
    return whole, first, second
