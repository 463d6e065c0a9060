"""SIGTERM, as a cluster sends it before it takes a machine away, and SIGHUP of a closed terminal: save, then stop."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from sspvs.training.saving import LastCheckpoint, can_go_on_from_here, is_within_epoch
from sspvs.training.signals import STOPPING, StoppedBySignalError, listen, raise_arrived, restore


class StopOnSignal(Checkpoint):
    """Saves and stops at the end of the step in which SIGTERM or SIGHUP came, and of the validation after that step.

    Of several processes one may receive the signal and the others not, or later: they agree every few steps. A signal
    during validation waits for its end. One that comes when all steps are taken changes nothing: what is left takes
    seconds.

    Args:
        saving: What saves; it comes before this callback.
        agree_every: Steps between two agreements of several processes.
    """

    def __init__(self, saving: LastCheckpoint, agree_every: int = 10) -> None:
        self.saving = saving
        self.agree_every = agree_every
        self._received: int | None = None
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Listen."""
        raise_arrived()
        self._before = listen(STOPPING, self._note)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        """Save and stop, unless a validation or the end of the epoch comes first."""
        if trainer.world_size > 1 and (batch_idx + 1) % self.agree_every:
            return
        if can_go_on_from_here(trainer):
            self._stop_if_received(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Save and stop after a validation within an epoch."""
        if is_within_epoch(trainer):
            self._stop_if_received(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Stop where the end of the epoch before was saved."""
        if self.saving.saved_step == trainer.global_step:
            self._stop_if_received(trainer)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """A signal to all processes also ends those that read the data; what was trained is saved all the same."""
        self._forget()
        if self._received is not None and "DataLoader worker" in str(exception) and trainer.world_size == 1:
            raise self._stopped(trainer, save=trainer.training) from exception

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Listen no more."""
        self._forget()

    def _stop_if_received(self, trainer: pl.Trainer) -> None:
        stop = self._received is not None
        if trainer.world_size > 1:
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
        if stop:
            raise self._stopped(trainer, save=True)

    def _stopped(self, trainer: pl.Trainer, *, save: bool) -> StoppedBySignalError:
        if save and self.saving.saved_step != trainer.global_step:
            self.saving.save(trainer)
        return StoppedBySignalError(self._received or signal.SIGTERM, self.saving.saved(trainer))

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._received = self._received or number

    def _forget(self) -> None:
        restore(self._before)
        self._before = {}
