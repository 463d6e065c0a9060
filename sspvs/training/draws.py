"""Random numbers of a training step that depend on the step alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback


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
