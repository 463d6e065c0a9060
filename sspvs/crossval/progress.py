"""How far a fold is: a bar where somebody watches, a line where it is done."""

from __future__ import annotations

import sys
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from sspvs.crossval.records import FoldRecord


class FoldProgress(Callback):
    """Counts validations, and shows a bar of epochs on a terminal.

    Args:
        title: Which fold it is.
        monitor: A figure that stands beside the bar.
        shown: Whether to show a bar at all.

    Attributes:
        validations: How many there were.
    """

    def __init__(self, title: str, monitor: str, *, shown: bool) -> None:
        self.title, self.monitor, self.shown = title, monitor, shown
        self.validations = 0
        self._bar: Any = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Open the bar; never where stderr is no terminal."""
        from tqdm import tqdm

        total = trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else None
        disabled = None if self.shown and trainer.is_global_zero else True
        self._bar = tqdm(total=total, desc=self.title, unit="epoch", disable=disabled, leave=False)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Show the newest figure."""
        if trainer.sanity_checking:
            return
        self.validations += 1
        figure = trainer.callback_metrics.get(self.monitor)
        if self._bar is not None and figure is not None:
            self._bar.set_postfix_str(f"{self.monitor} {float(figure):.3f}", refresh=False)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """One more."""
        if self._bar is not None:
            self._bar.update()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Close the bar."""
        self._close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Close the bar."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def tell(record: FoldRecord, done: int, total: int) -> None:
    """One line on stderr for a fold that is finished.

    Args:
        record: Of the fold.
        done: Finished folds of all seeds, this one included.
        total: All of them.
    """
    tau = record.figures.get("kendall_tau")
    figure = "tau undefined" if tau is None else f"tau {tau:.4f}"
    sys.stderr.write(
        f"[{done}/{total}] seed {record.seed}, fold {record.fold}: {figure} on {len(record.test)} videos; "
        f"epoch {record.chosen.epoch}: {record.chosen.why}; {record.seconds:.1f} s\n"
    )
    sys.stderr.flush()
