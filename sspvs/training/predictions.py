"""What prediction gives, into an h5 file: embeddings, or scores."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch import distributed

from sspvs.atomic import atomic_file
from sspvs.errors import OutputError
from sspvs.features.store import VideoScores, write_scores
from sspvs.types import FloatArray

if TYPE_CHECKING:
    from sspvs.tasks.pretrain import Embeddings
    from sspvs.tasks.summarize import ScoredVideos

Row = tuple[FloatArray, ...]


class WritePredictions(Callback):
    """Gathers what each video was given, over batches and processes, and writes it once.

    Args:
        path: The file.
        source: The checkpoint that the predictions come from, for the file's attributes.
    """

    def __init__(self, path: Path, source: str) -> None:
        self.path, self.source = path, source
        self._rows: dict[str, Row] = {}

    @abstractmethod
    def rows(self, outputs: Any) -> dict[str, Row]:
        """Video -> its arrays, of what a batch gave."""

    @abstractmethod
    def write(self, trainer: pl.Trainer, rows: dict[str, Row]) -> None:
        """Write everything, on one process."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:  # noqa: ARG002
        """Refuse at once what could not be written in the end."""
        if not self.path.resolve().parent.is_dir():
            raise OutputError(f"cannot write {self.path}: its folder does not exist; make it, or choose another")
        if self.path.is_dir():
            raise OutputError(f"cannot write {self.path}: it is a folder; give the name of an .h5 file")

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Forget what was predicted before."""
        self._rows = {}

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,  # noqa: ARG002
        pl_module: pl.LightningModule,  # noqa: ARG002
        outputs: Any,
        *_: Any,
    ) -> None:
        """Keep them; a video that several processes were given counts once."""
        for name, row in self.rows(outputs).items():
            self._rows.setdefault(name, row)

    def on_predict_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Join what the processes have, and write it on one."""
        everyone: list[dict[str, Row]] = [self._rows]
        if trainer.world_size > 1:
            everyone = [{} for _ in range(trainer.world_size)]
            distributed.all_gather_object(everyone, self._rows)
        if trainer.is_global_zero:
            self.write(trainer, {name: row for part in reversed(everyone) for name, row in part.items()})


class WriteEmbeddings(WritePredictions):
    """Writes one group a video, with `video` (D,) and `text` (W,), both float32."""

    def rows(self, outputs: Embeddings) -> dict[str, Row]:
        """Both embeddings of each video."""
        video, text = (tensor.float().cpu().numpy() for tensor in (outputs.video, outputs.text))
        return {name: (video[row].copy(), text[row].copy()) for row, name in enumerate(outputs.ids)}

    def write(self, trainer: pl.Trainer, rows: dict[str, Row]) -> None:  # noqa: ARG002
        """The whole file."""
        import h5py

        with atomic_file(self.path) as temporary, h5py.File(temporary, "w") as file:
            file.attrs["made_by"] = "sspvs predict"
            file.attrs["checkpoint"] = self.source
            for name in sorted(rows):
                group = file.create_group(name.replace("/", "\\"))
                group.attrs["id"] = name
                group["video"], group["text"] = rows[name]


class WriteScores(WritePredictions):
    """Writes a score file: importance at the picks of each video, under its key in its dataset.

    Attributes:
        scores: (T,) of each video by id, when they are written; empty on all processes but the first.
    """

    def __init__(self, path: Path, source: str) -> None:
        super().__init__(path, source)
        self.scores: dict[str, FloatArray] = {}

    def rows(self, outputs: ScoredVideos) -> dict[str, Row]:
        """(T,) scores of each video."""
        return {name: (np.asarray(scores),) for name, scores in zip(outputs.ids, outputs.scores, strict=True)}

    def write(self, trainer: pl.Trainer, rows: dict[str, Row]) -> None:
        """The whole file."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        self.scores = {name: scores for name, (scores,) in sorted(rows.items())}
        videos = [(data.annotations[name], scores) for name, scores in self.scores.items()]
        write_scores(
            self.path,
            [VideoScores(v.key, scores, v.picks, v.n_frames, v.video_name) for v, scores in videos],
            scorer="summarize",
            settings={"checkpoint": self.source, "fold": data.fold, "split": data.split.as_dict()},
            fingerprint=data.feature_fingerprint,
        )
