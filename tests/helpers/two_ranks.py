"""Run by `test_pretrain_data_module.py`: two processes of Lightning's DDP write down which videos they are given."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytorch_lightning as pl
import torch

from sspvs.data.batch import PretrainBatch
from sspvs.data.pretrain import PretrainDataModule


class Witness(pl.LightningModule):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.train_ids: list[tuple[str, ...]] = []
        self.val_ids: list[tuple[str, ...]] = []

    def training_step(self, batch: PretrainBatch, batch_idx: int) -> torch.Tensor:
        self.train_ids.append(batch.ids)
        return (self.weight * batch.frames.mean()).sum()

    def validation_step(self, batch: PretrainBatch, batch_idx: int) -> None:
        self.val_ids.append(batch.ids)

    def on_fit_end(self) -> None:
        text = json.dumps({"train": self.train_ids, "val": self.val_ids})
        (self.folder / f"rank{self.global_rank}.json").write_text(text)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 1e-3)


if __name__ == "__main__":
    manifest = Path(sys.argv[1])
    data = PretrainDataModule(str(manifest), encoder="small", batch_size=4, num_workers=1, bucket_batches=2)
    pl.Trainer(
        accelerator="cpu", devices=2, strategy="ddp", max_epochs=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, num_sanity_val_steps=0, default_root_dir=manifest.parent,
    ).fit(Witness(manifest.parent), datamodule=data)  # fmt: skip
