"""Run by `test_summarization_data_module.py`: two processes of Lightning's DDP write down which videos they get."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytorch_lightning as pl
import torch

from sspvs.data.batch import SummarizeBatch
from sspvs.data.summarize import SummarizeDataModule


class Witness(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: dict[str, list[list[str]]] = {"train": [], "val": [], "test": []}

    def training_step(self, batch: SummarizeBatch, batch_idx: int) -> torch.Tensor:
        self.seen["train"].append(list(batch.ids))
        return (self.weight * batch.frames.mean()).sum()

    def validation_step(self, batch: SummarizeBatch, batch_idx: int) -> None:
        self.seen["val"].append(list(batch.ids))

    def test_step(self, batch: SummarizeBatch, batch_idx: int) -> None:
        self.seen["test"].append(list(batch.ids))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 1e-3)


if __name__ == "__main__":
    dataset, out = sys.argv[1], Path(sys.argv[2])
    data, witness = SummarizeDataModule(dataset, batch_size=3, val_batch_size=2), Witness()
    trainer = pl.Trainer(
        accelerator="cpu", devices=2, strategy="ddp", max_epochs=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, num_sanity_val_steps=0, default_root_dir=out,
    )  # fmt: skip
    trainer.fit(witness, datamodule=data)
    trainer.test(witness, datamodule=data, verbose=False)
    (out / f"rank{trainer.global_rank}.json").write_text(json.dumps({**witness.seen, "fold": data.fold_videos}))
