"""After each validation: the retrieval table, and what the model looks at in a few videos."""

from __future__ import annotations

import csv
import io
import logging
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from sspvs.atomic import atomic_stream, write_text
from sspvs.data.batch import PretrainBatch
from sspvs.tasks.pretrain import PretrainTask
from sspvs.training.loggers import wandb_of
from sspvs.training.sample_plots import plot_sample, sample_facts

logger = logging.getLogger(__name__)

FOLDER, TABLE = "samples", "retrieval.csv"
_ROWS = 1000  # of the retrieval table, at most, as W&B gets it


class Samples(Callback):
    """Writes the retrieval table and plots of the first validation videos into the run's folder, and to W&B.

    Args:
        count: Videos that are plotted; 0 for none.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._batch: PretrainBatch | None = None

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: PretrainBatch,
        batch_idx: int,
        dataloader_idx: int = 0,  # noqa: ARG002
    ) -> None:
        """Keep the first batch."""
        if batch_idx == 0 and trainer.is_global_zero and self.count:
            self._batch = batch

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write, on one process; nothing here waits for the others."""
        batch, self._batch = self._batch, None
        if trainer.sanity_checking or not trainer.is_global_zero or not trainer.loggers:
            return
        assert isinstance(pl_module, PretrainTask)
        folder = Path(getattr(trainer.loggers[0], "log_dir", None) or trainer.default_root_dir)
        self._log_table(trainer, pl_module.retrieval_table(), folder)
        sharded = "fsdp" in type(trainer.strategy).__name__.lower()  # weights that no process has alone
        if batch is not None and not sharded:
            self._log_plots(trainer, pl_module, batch, folder)

    def _log_table(self, trainer: pl.Trainer, rows: list[dict[str, Any]], folder: Path) -> None:
        if not rows:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / TABLE, text.getvalue())
        wandb = wandb_of(trainer.loggers)
        if wandb is not None:
            wandb.log_table("val/retrieval", columns=list(rows[0]), data=[list(row.values()) for row in rows[:_ROWS]])

    def _log_plots(self, trainer: pl.Trainer, task: PretrainTask, batch: PretrainBatch, folder: Path) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        (folder / FOLDER).mkdir(parents=True, exist_ok=True)
        figures: list[Any] = []
        names: list[str] = []
        for fact in sample_facts(task, _first(batch, self.count)):
            figure = plot_sample(fact)
            FigureCanvasAgg(figure)
            # Overwritten by the next validation: W&B has all of them.
            with atomic_stream(folder / FOLDER / f"{len(names)}.png") as stream:
                figure.savefig(stream, format="png", dpi=80)
            figures.append(figure)
            names.append(fact.id)
        wandb = wandb_of(trainer.loggers)
        if wandb is not None:
            wandb.log_image("val/samples", figures, caption=names)


def _first(batch: PretrainBatch, count: int) -> PretrainBatch:
    cut: dict[str, Any] = {
        name: one[:count] if isinstance(one, (Tensor, tuple)) else one for name, one in batch._asdict().items()
    }
    return PretrainBatch(**cut)
