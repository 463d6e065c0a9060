"""SIGTERM, as a cluster sends it before it takes a machine away: save, then stop."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from sspvs.training.saving import LastCheckpoint

logger = logging.getLogger(__name__)

EXIT_STATUS = 128 + signal.SIGTERM.value
"""Of a training that SIGTERM stopped: 143, as shells count."""


class StoppedBySignalError(Exception):
    """The training was told to stop, and has saved where it is."""


class StopOnSignal(Callback):
    """Saves and stops at the end of the step in which SIGTERM came.

    Of several processes one may be told and the others not, or later: they agree every few steps. During validation
    the signal waits for its end.

    Args:
        saving: What saves.
        agree_every: Steps between two agreements of several processes.
    """

    def __init__(self, saving: LastCheckpoint, agree_every: int = 10) -> None:
        self.saving = saving
        self.agree_every = agree_every
        self._asked = False
        self._before: Any = None
        self._installed = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Listen; only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._note)
            self._installed = True

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        """Save and stop where anybody was told to."""
        stop = self._asked
        if trainer.world_size > 1:
            if (batch_idx + 1) % self.agree_every:
                return
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
        if stop:
            self._stop(trainer)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """A signal to all processes also ends those that read the data; what was trained is saved all the same."""
        self._forget()
        if self._asked and "DataLoader worker" in str(exception) and trainer.world_size == 1:
            path = self.saving.save(trainer)
            raise StoppedBySignalError(_message(trainer, path)) from exception

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Listen no more."""
        self._forget()

    def _stop(self, trainer: pl.Trainer) -> None:
        path = self.saving.save(trainer)
        raise StoppedBySignalError(_message(trainer, path))

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._asked = True

    def _forget(self) -> None:
        if self._installed:
            signal.signal(signal.SIGTERM, self._before or signal.SIG_DFL)
            self._installed = False


def _message(trainer: pl.Trainer, path: object) -> str:
    return f"stopped by SIGTERM after step {trainer.global_step}; saved {path}; --ckpt_path last goes on from there"
