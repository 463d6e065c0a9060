"""After each validation: what the model scores in a few videos, against what people said.

Axis letters: B batch, T picks, K stages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from sspvs.atomic import atomic_stream
from sspvs.data.batch import RefineBatch, SummarizeBatch
from sspvs.evaluation.requirements import consensus_scores
from sspvs.tasks.refine import RefineTask
from sspvs.tasks.summarize import ScoredVideos
from sspvs.training.run import wandb_of
from sspvs.training.samples import FOLDER
from sspvs.types import Annotations, FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class ScoreSample:
    """One video.

    Attributes:
        id: As `dataset/key`.
        scores: (T,) importance as the model has it.
        stage_scores: (K, T) what it is the product of.
        target: (T,) people's importance, 0 to 1; None where nobody said.
        labels: What the K rows are called; numbered stages when empty.
    """

    id: str
    scores: FloatArray
    stage_scores: FloatArray
    target: FloatArray | None
    labels: tuple[str, ...] = ()


class ScoreSamples(Callback):
    """Plots the first validation videos into the run's folder, and to W&B.

    Args:
        count: Videos that are plotted; 0 for none.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._kept: list[ScoreSample] = []

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Forget the last validation."""
        self._kept = []

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ARG002
        batch: Any,
        batch_idx: int,  # noqa: ARG002
        dataloader_idx: int = 0,  # noqa: ARG002
    ) -> None:
        """Score the first videos once more, on one process."""
        sharded = "fsdp" in type(trainer.strategy).__name__.lower()  # weights that no process has alone
        if trainer.is_global_zero and not trainer.sanity_checking and not sharded and len(self._kept) < self.count:
            self._kept += self.samples_of(trainer, pl_module, batch)

    def samples_of(self, trainer: pl.Trainer, pl_module: Any, batch: Any) -> Iterator[ScoreSample]:  # noqa: ARG002
        """What there is to plot of a batch."""
        return samples_of(pl_module.scored(batch), batch)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Write, on one process; nothing here waits for the others."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        kept, self._kept = self._kept[: self.count], []
        if not kept or not trainer.loggers:
            return
        folder = Path(getattr(trainer.loggers[0], "log_dir", None) or trainer.default_root_dir) / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        figures = [plot_scores(sample) for sample in kept]
        for number, figure in enumerate(figures):
            FigureCanvasAgg(figure)
            # Overwritten by the next validation: W&B has all of them.
            with atomic_stream(folder / f"{number}.png") as stream:
                figure.savefig(stream, format="png", dpi=80)
        wandb = wandb_of(trainer.loggers)
        if wandb is not None:
            wandb.log_image("val/samples", list(figures), caption=[sample.id for sample in kept])


def samples_of(scored: ScoredVideos, batch: SummarizeBatch) -> Iterator[ScoreSample]:
    """Each video of a batch, without its padding.

    Args:
        scored: What the model gave for the batch.
        batch: What it was given.
    """
    target, mask = batch.target.float().cpu().numpy(), batch.frame_mask.cpu().numpy()
    for row, name in enumerate(scored.ids):
        scores, stages = np.asarray(scored.scores[row]), np.asarray(scored.stage_scores[row])
        yield ScoreSample(name, scores, stages, target[row][mask[row]])


def plot_scores(sample: ScoreSample) -> Figure:
    """People and model over the picks; below, what the score is the product of, where there are several."""
    from matplotlib.figure import Figure

    several = len(sample.stage_scores) > 1
    figure = Figure(figsize=(7, 4.5 if several else 2.6), layout="constrained")
    axes = figure.subplots(1 + several, 1, sharex=True, squeeze=False)[:, 0]
    if sample.target is not None:
        picks = range(len(sample.target))
        axes[0].fill_between(picks, sample.target, step="mid", alpha=0.3, color="gray", label="people")
    axes[0].plot(sample.scores, color="black", linewidth=1.2, label="score")
    axes[0].set_title(sample.id, fontsize=9)
    axes[0].legend(fontsize=7, loc="upper right")
    if several:
        labels = sample.labels or [f"stage {number + 1}" for number in range(len(sample.stage_scores))]
        for label, stage in zip(labels, sample.stage_scores, strict=True):
            axes[1].plot(stage, linewidth=0.9, label=label)
        axes[1].set_ylabel("terms" if sample.labels else "stages")
        axes[1].legend(fontsize=7, loc="upper right")
    axes[-1].set_xlabel("pick")
    return figure


class RefinedSamples(ScoreSamples):
    """As `ScoreSamples`; people's importance is shown where somebody annotated the video."""

    def samples_of(self, trainer: pl.Trainer, pl_module: RefineTask, batch: RefineBatch) -> Iterator[ScoreSample]:
        """Each video of a batch, without its padding."""
        known = getattr(getattr(trainer, "datamodule", None), "annotations", {})
        scored = pl_module.scored(batch)
        for name, scores, curves in zip(scored.ids, scored.scores, scored.curves, strict=True):
            yield ScoreSample(
                name,
                np.asarray(scores),
                np.stack([np.asarray(curve) for curve in curves.values()]),
                _people(known[name], len(scores)) if name in known else None,
                tuple(curve.replace("_", " ") for curve in curves),
            )


def _people(video: Annotations, count: int) -> FloatArray | None:
    """(T,) people's importance, 0 to 1; None where nothing is known of a video, or only of a whole one."""
    mean: Any = consensus_scores(video)
    if mean is None or len(mean) != count:
        return None
    low, high = float(np.min(mean)), float(np.max(mean))
    out: FloatArray = (np.asarray(mean) - low) / max(high - low, 1e-12)
    return out
