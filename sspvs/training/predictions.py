"""Predictions into h5 files: embeddings, or scores."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from sspvs.atomic import atomic_h5, together
from sspvs.overwriting import EMBEDDINGS, SCORES, check_output
from sspvs.sharing import checkpoint_name
from sspvs.table import VideoScores, write_scores
from sspvs.tasks.saved_task import JudgedTask
from sspvs.tasks.validation import joined
from sspvs.training.run import folder_of
from sspvs.types import FloatArray

if TYPE_CHECKING:
    from sspvs.tasks.pretrain import Embeddings

Row = tuple[FloatArray, ...]
EPOCH_SCORES = "epoch_scores"
"""Folder of a run with the scores of each epoch."""


class WritePredictions(Callback):
    """Gathers the predictions of a checkpoint, `source`, over batches and processes, and writes them once."""

    def __init__(self, path: Path, source: str) -> None:
        self.path, self.source = path, source
        self._rows: dict[str, Row] = {}

    @abstractmethod
    def rows(self, outputs: Any) -> dict[str, Row]:
        """Video -> its arrays, of the outputs of a batch."""

    @abstractmethod
    def write(self, trainer: pl.Trainer, rows: dict[str, Row]) -> None:
        """Write everything, on one process."""

    def setup(self, *_: Any, **__: Any) -> None:
        """Refuse at once what could not be written in the end, or what is not ours."""
        check_output(self.path, EMBEDDINGS, SCORES, inputs=[Path(self.source)])

    def on_predict_start(self, *_: Any) -> None:
        """Forget what was predicted before."""
        self._rows = {}

    def on_predict_batch_end(self, _trainer: pl.Trainer, _module: pl.LightningModule, outputs: Any, *_: Any) -> None:
        """Keep them; a video that several processes have counts once."""
        for name, row in self.rows(outputs).items():
            self._rows.setdefault(name, row)

    def on_predict_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Join what the processes have, and write it on one."""
        rows = joined(self._rows)
        if trainer.is_global_zero:
            self.write(trainer, rows)


class WriteEmbeddings(WritePredictions):
    """Writes one group a video, with `video` (D,) and `text` (W,), both float32."""

    def rows(self, outputs: Embeddings) -> dict[str, Row]:
        video, text = (tensor.float().cpu().numpy() for tensor in (outputs.video, outputs.text))
        return {name: (video[row].copy(), text[row].copy()) for row, name in enumerate(outputs.ids)}

    def write(self, trainer: pl.Trainer, rows: dict[str, Row]) -> None:  # noqa: ARG002
        with atomic_h5(self.path) as file:
            file.attrs["made_by"] = "sspvs predict"
            file.attrs["checkpoint"] = checkpoint_name(self.source)
            for name in sorted(rows):
                group = file.create_group(name.replace("/", "\\"))
                group.attrs["id"] = name
                group["video"], group["text"] = rows[name]


class WriteScores(WritePredictions):
    """Writes importance at the picks by key; with `beside` other combinations too, such as `scores_ag.h5`."""

    def __init__(self, path: Path, source: str, scorer: str = "summarize", *, beside: bool = False) -> None:
        super().__init__(path, source)
        self.scorer, self.beside = scorer, beside
        self.variants: tuple[str, ...] = ()  # names of the other combinations
        self.scores: dict[str, FloatArray] = {}  # (T,) by id, once written; empty on all processes but the first

    def rows(self, outputs: Any) -> dict[str, Row]:
        """(T,) scores of each video, its own and under each combination."""
        others: Mapping[str, Any] = outputs.variants if self.beside else {}
        self.variants = tuple(others)
        columns = zip(outputs.scores, *others.values(), strict=True)
        return {name: tuple(map(np.asarray, row)) for name, row in zip(outputs.ids, columns, strict=True)}

    def write(self, trainer: pl.Trainer, rows: dict[str, Row]) -> None:
        """One score file of all videos, and one for each combination."""
        self.scores = {name: row[0] for name, row in sorted(rows.items())}
        with together():
            self.write_file(trainer, self.path, self.scores)
            for place, variant in enumerate(self.variants, start=1):
                scores = {name: row[place] for name, row in sorted(rows.items())}
                self.write_file(trainer, variant_path(self.path, variant), scores, combine=variant)

    def write_file(self, trainer: pl.Trainer, path: Path, scores: Mapping[str, FloatArray], **settings: Any) -> None:
        """Write one score file: (T,) scores of each video by id, and other settings of the scorer as attributes."""
        settings = {"checkpoint": checkpoint_name(self.source), **settings}
        write_score_file(trainer, path, scores, scorer=self.scorer, **settings)


class EpochScores(Callback):
    """Keeps the scores of the validated videos of each epoch of training, one score file an epoch."""

    def __init__(self, scorer: str) -> None:
        self.scorer = scorer

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write, on one process; all have the scores of all."""
        folder = folder_of(trainer)
        assert isinstance(pl_module, JudgedTask)
        scores = pl_module.judged()
        training = trainer.state.fn == "fit" and not trainer.sanity_checking
        if folder is None or not scores or not training or not trainer.is_global_zero:
            return
        epoch, target = trainer.current_epoch, folder / EPOCH_SCORES
        target.mkdir(parents=True, exist_ok=True)
        how = {"run": f"{folder.parent.name}/{folder.name}", "epoch": epoch}
        write_score_file(trainer, target / f"epoch_{epoch:03d}.h5", scores, scorer=self.scorer, **how)


def write_score_file(
    trainer: pl.Trainer, path: Path, scores: Mapping[str, FloatArray], *, scorer: str, **settings: Any
) -> None:
    """Write (T,) scores of videos of the trainer's data by id, with the fold, its split and other settings."""
    check_output(path, SCORES)
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    videos = [(data.annotations[name], values) for name, values in scores.items()]
    write_scores(
        path,
        [VideoScores(v.key, values, v.picks, v.n_frames, v.video_name) for v, values in videos],
        scorer=scorer,
        settings={**settings, "fold": data.fold, "split": data.split.as_dict()},
        fingerprint=data.feature_fingerprint,
    )


def variant_path(path: Path, variant: str) -> Path:
    """Path of the scores under another combination of terms: `scores_ag.h5` beside `scores.h5`."""
    return path.with_stem(f"{path.stem}_{variant}")
