"""Where in its epoch the training data is: kept in checkpoints, and gone back to."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

_KEY = "train_dataloader"


class KeepPlace(Callback):
    """Keeps the state of the training loader.

    Lightning keeps it too, but gives it back only to a loader that is made after the loops were restored. A learning
    rate schedule that asks how many steps there will be makes the loader earlier (seen in Lightning 2.6), and the epoch
    would start again.
    """

    def __init__(self) -> None:
        self._state: dict[str, Any] | None = None

    def on_save_checkpoint(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Put it into the checkpoint."""
        loader: Any = trainer.train_dataloader
        if hasattr(loader, "state_dict"):
            checkpoint[_KEY] = loader.state_dict()

    def on_load_checkpoint(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Keep it until there is a loader."""
        self._state = checkpoint.get(_KEY) if trainer.state.fn == "fit" else None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Give it back, once; after a finished epoch, go on with the next one."""
        _begin_next_epoch(trainer.fit_loop)
        state, self._state = self._state, None
        loader: Any = trainer.train_dataloader
        if state is not None and hasattr(loader, "load_state_dict"):
            loader.load_state_dict(state)


def _begin_next_epoch(loop: Any) -> None:
    """End an epoch that was finished when its checkpoint was written.

    Lightning does so itself, unless `max_steps` is set: then (seen in Lightning 2.6) it ends the epoch a second time,
    which counts for early stopping, and numbers the next one wrongly, on which its order and its dropout depend.
    """
    if not getattr(loop, "restarted_on_epoch_end", False):
        return
    loop.epoch_progress.increment_completed()
    inner = loop.epoch_loop
    for one in (loop, inner):
        one.reset_restart_stage()
    for one in (loop, inner, inner.val_loop, inner.automatic_optimization, inner.manual_optimization):
        one._restarting = False
