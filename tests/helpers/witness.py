"""A callback that writes down which videos each process is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytorch_lightning as pl


class Witness(pl.Callback):
    """Appends a line a batch of prediction to a file of its process.

    Args:
        folder: For the files.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_predict_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, *_: Any) -> None:
        entry = {
            "rank": trainer.global_rank,
            "fold": trainer.datamodule.fold,  # type: ignore[attr-defined]
            "ids": list(batch.ids),
        }
        with (self.folder / f"rank_{trainer.global_rank}").open("a") as file:
            file.write(json.dumps(entry) + "\n")
