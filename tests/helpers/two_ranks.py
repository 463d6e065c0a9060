"""Two processes of Lightning's DDP write down which videos a data module gives them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from sspvs.data.pretrain import PretrainDataModule
from sspvs.data.summarize import SummarizeDataModule


def run_two_ranks(kind: str, path: Path, out: Path) -> list[dict[str, Any]]:
    """What both are given of a manifest (`pretrain`) or a dataset (`summarize`): batches of ids by part."""
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "tests")])}
    command = [sys.executable, __file__, kind, str(path), str(out)]
    subprocess.run(command, check=True, cwd=root, env=environment, timeout=300)
    return [json.loads((out / f"rank{rank}.json").read_text()) for rank in (0, 1)]


class Witness(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: dict[str, list[list[str]]] = {"train": [], "val": [], "test": []}

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        self.seen["train"].append(list(batch.ids))
        return (self.weight * batch.frames.mean()).sum()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.seen["val"].append(list(batch.ids))

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.seen["test"].append(list(batch.ids))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 1e-3)


if __name__ == "__main__":
    data: Any
    if sys.argv[1] == "pretrain":
        data = PretrainDataModule(sys.argv[2], encoder="small", batch_size=4, num_workers=1, bucket_batches=2)
    else:
        data = SummarizeDataModule(sys.argv[2], batch_size=3, val_batch_size=2)
    witness, folder = Witness(), Path(sys.argv[3])
    trainer = pl.Trainer(
        accelerator="cpu", devices=2, strategy="ddp", max_epochs=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, num_sanity_val_steps=0, default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(witness, datamodule=data)
    if sys.argv[1] == "summarize":
        trainer.test(witness, datamodule=data, verbose=False)
    seen = {**witness.seen, "fold": getattr(data, "fold_videos", None)}
    (folder / f"rank{trainer.global_rank}.json").write_text(json.dumps(seen))
