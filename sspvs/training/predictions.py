"""Embeddings that prediction gives, into an h5 file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch import distributed

from sspvs.atomic import atomic_file
from sspvs.errors import OutputError
from sspvs.tasks.pretrain import Embeddings
from sspvs.types import FloatArray

Rows = dict[str, tuple[FloatArray, FloatArray]]


class WriteEmbeddings(Callback):
    """Writes one group a video, with `video` (D,) and `text` (W,), both float32.

    Args:
        path: The file.
        source: The checkpoint the embeddings come from, for the file's attributes.
    """

    def __init__(self, path: Path, source: str) -> None:
        self.path, self.source = path, source
        self._rows: Rows = {}

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:  # noqa: ARG002
        """Refuse at once what could not be written in the end."""
        if not self.path.resolve().parent.is_dir():
            raise OutputError(f"cannot write {self.path}: its folder does not exist; make it, or choose another")
        if self.path.is_dir():
            raise OutputError(f"cannot write {self.path}: it is a folder; give the name of an .h5 file")

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,  # noqa: ARG002
        pl_module: pl.LightningModule,  # noqa: ARG002
        outputs: Embeddings,
        *_: Any,
    ) -> None:
        """Keep them; a video that several processes were given counts once."""
        video, text = (tensor.float().cpu().numpy() for tensor in (outputs.video, outputs.text))
        for row, name in enumerate(outputs.ids):
            self._rows.setdefault(name, (video[row].copy(), text[row].copy()))

    def on_predict_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Join what the processes have, and write it on one."""
        everyone: list[Rows] = [self._rows]
        if trainer.world_size > 1:
            everyone = [{} for _ in range(trainer.world_size)]
            distributed.all_gather_object(everyone, self._rows)
        if trainer.is_global_zero:
            rows = {name: row for part in reversed(everyone) for name, row in part.items()}
            _write(self.path, rows, self.source)


def _write(path: Path, rows: Rows, source: str) -> None:
    import h5py

    with atomic_file(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["made_by"] = "sspvs predict"
        file.attrs["checkpoint"] = source
        for name in sorted(rows):
            group = file.create_group(name.replace("/", "\\"))
            group.attrs["id"] = name
            group["video"], group["text"] = rows[name]
