"""Plots of a few videos after each validation: attention and alignment, or scores beside people's importance.

Axis letters: B batch, T picks, L tokens, D width, H heads, K stages.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor
from torch.nn import functional

from sspvs.atomic import atomic_stream, write_text
from sspvs.data.batch import PretrainBatch, RefineBatch, SummarizeBatch
from sspvs.data.fold_data import importance_target
from sspvs.evaluation.requirements import consensus_scores
from sspvs.models.layers import SelfAttention
from sspvs.tasks.pretrain import PretrainTask
from sspvs.tasks.refine import RefineTask
from sspvs.tasks.summarize import ScoredVideos
from sspvs.training.run import folder_of, tensorboard_of, wandb_of
from sspvs.types import Annotations, FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER, TABLE = "samples", "retrieval.csv"
_ROWS = 1000  # of the retrieval table, at most, as W&B gets it


@dataclass(frozen=True)
class SampleFacts:
    """One video with its own text."""

    id: str  # of the video
    attention: FloatArray  # (H, T) what each head's [CLS] gives to the frames in the last layer
    similarity: FloatArray  # (T, L) cosine of frames and words in the space of the fine objective


@dataclass(frozen=True)
class ScoreSample:
    """One scored video."""

    id: str  # as `dataset/key`
    scores: FloatArray  # (T,) the model's importance
    stage_scores: FloatArray  # (K, T) what it is the product of
    target: FloatArray | None  # (T,) people's importance, 0 to 1; None without annotators
    labels: tuple[str, ...] = ()  # what the K rows are called; numbered stages when empty


class _Plots(Callback):
    """Writes figures of the first validation videos into the run's folder, to W&B and TensorBoard; one process does."""

    def __init__(self, count: int) -> None:
        self.count = count

    def shows(self, trainer: pl.Trainer) -> bool:
        """Whether this process has something to show; under FSDP no process has all weights."""
        sharded = "fsdp" in type(trainer.strategy).__name__.lower()
        return trainer.is_global_zero and not trainer.sanity_checking and not sharded and self.count > 0

    def draw(self, trainer: pl.Trainer, figures: Iterable[tuple[str, Figure]]) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        folder, drawn = _made_folder(trainer, FOLDER), dict(figures)
        for number, figure in enumerate(drawn.values()):
            FigureCanvasAgg(figure)
            # Overwritten by the next validation: W&B and TensorBoard have all of them.
            with atomic_stream(folder / f"{number}.png") as stream:
                figure.savefig(stream, format="png", dpi=80)
        wandb = wandb_of(trainer.loggers)
        if wandb is not None:
            wandb.log_image("val/samples", list(drawn.values()), caption=list(drawn))
        tensorboard = tensorboard_of(trainer.loggers)
        if tensorboard is not None:
            for name, figure in drawn.items():
                tensorboard.experiment.add_figure(f"val/samples/{name}", figure, trainer.global_step, close=False)


class Samples(_Plots):
    """Writes the retrieval table, and plots of the first `count` validation videos."""

    _batch: PretrainBatch | None = None

    def on_validation_batch_end(
        self, trainer: pl.Trainer, _module: Any, _outputs: Any, batch: PretrainBatch, batch_idx: int, *_: Any
    ) -> None:
        """Keep the first batch."""
        if batch_idx == 0 and self.shows(trainer):
            self._batch = batch

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write, on one process; nothing here waits for the others."""
        batch, self._batch = self._batch, None
        if trainer.sanity_checking or not trainer.is_global_zero or not trainer.loggers:
            return
        assert isinstance(pl_module, PretrainTask)
        self._log_table(trainer, pl_module.retrieval_table())
        if batch is not None:
            facts = islice(sample_facts(pl_module, batch), self.count)
            self.draw(trainer, ((fact.id, plot_sample(fact)) for fact in facts))

    def _log_table(self, trainer: pl.Trainer, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        write_text(_made_folder(trainer) / TABLE, text.getvalue())
        wandb = wandb_of(trainer.loggers)
        if wandb is not None:
            wandb.log_table("val/retrieval", columns=list(rows[0]), data=[list(row.values()) for row in rows[:_ROWS]])


class ScoreSamples(_Plots):
    """Plots the scores of the first `count` validation videos, beside people's importance."""

    def on_validation_start(self, *_: Any) -> None:
        self._kept: list[ScoreSample] = []

    def on_validation_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, _outputs: Any, batch: Any, *_: Any
    ) -> None:
        """Score the first videos once more, on one process."""
        if self.shows(trainer) and len(self._kept) < self.count:
            self._kept += self.samples_of(trainer, module, batch)

    def samples_of(self, trainer: pl.Trainer, module: Any, batch: Any) -> Iterator[ScoreSample]:  # noqa: ARG002
        """What there is to plot of a batch."""
        return samples_of(module.scored(batch), batch)

    def on_validation_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Write, on one process; nothing here waits for the others."""
        kept, self._kept = self._kept[: self.count], []
        if kept and trainer.loggers:
            self.draw(trainer, ((sample.id, plot_scores(sample)) for sample in kept))


class RefinedSamples(ScoreSamples):
    """As `ScoreSamples`, of refined features; people's importance is shown where there are annotators."""

    def samples_of(self, trainer: pl.Trainer, module: RefineTask, batch: RefineBatch) -> Iterator[ScoreSample]:
        """Each video of a batch, without its padding."""
        known = getattr(getattr(trainer, "datamodule", None), "annotations", {})
        scored = module.scored(batch)
        for name, scores, curves in zip(scored.ids, scored.scores, scored.curves, strict=True):
            yield ScoreSample(
                name,
                np.asarray(scores),
                np.stack([np.asarray(curve) for curve in curves.values()]),
                _people(known[name], len(scores)) if name in known else None,
                tuple(curve.replace("_", " ") for curve in curves),
            )


@torch.no_grad()
def sample_facts(task: PretrainTask, batch: PretrainBatch) -> Iterator[SampleFacts]:
    """Facts of each video of a batch on the task's device, with nothing masked; the task is left in its mode."""
    model, training = task.model, task.training
    task.eval()
    last = model.video_encoder.transformer.layers[-1].attention
    assert isinstance(last, SelfAttention)
    seen: list[tuple[Any, ...]] = []
    hook = last.register_forward_pre_hook(lambda _, given: seen.append(given))
    own = batch.own_tokens is not None and batch.own_token_mask is not None
    tokens = batch.own_tokens if own else batch.tokens
    token_mask = batch.own_token_mask if own else batch.token_mask
    assert tokens is not None
    assert token_mask is not None
    try:
        video = model.video_encoder(model.video_encoder.embed(batch.frames, batch.frame_mask), batch.frame_mask)
        words = model.text_projection(model.text_encoder(tokens, token_mask).states)  # (B, L, D)
    finally:
        hook.remove()
        task.train(training)
    attention = cls_attention(last, *seen[0])[..., 1:]  # (B, H, T)
    frames = model.fine_frames(batch.frames, batch.frame_mask, video)[0][:, -batch.frames.shape[1] :]  # no [CLS]
    frames, words = (functional.normalize(vectors.float(), dim=-1) for vectors in (frames, words))
    similarity = frames @ words.transpose(1, 2)  # (B, T, L)
    for row, name in enumerate(batch.ids):
        shown, words_shown = batch.frame_mask[row], token_mask[row]
        yield SampleFacts(
            name, attention[row][:, shown].cpu().numpy(), similarity[row][shown][:, words_shown].cpu().numpy()
        )


def cls_attention(attention: SelfAttention, states: Tensor, mask: Tensor) -> Tensor:
    """(B, H, 1 + T) weights with which the first position attends to all, which the fused kernel does not give."""
    q, k, _ = attention.in_projection(states).float().chunk(3, dim=-1)  # (B, 1 + T, D) each
    q = q[:, 0].unflatten(-1, (attention.num_heads, -1))  # (B, H, D / H)
    k = k.unflatten(-1, (attention.num_heads, -1))  # (B, 1 + T, H, D / H)
    logits = torch.einsum("bhd,bthd->bht", q, k) / q.shape[-1] ** 0.5
    out: Tensor = logits.masked_fill(~mask[:, None], float("-inf")).softmax(dim=-1)
    return out


def samples_of(scored: ScoredVideos, batch: SummarizeBatch) -> Iterator[ScoreSample]:
    """Each video of a batch, without its padding."""
    for row, name in enumerate(scored.ids):
        target = batch.target[row][batch.frame_mask[row]].float().cpu().numpy()
        yield ScoreSample(name, np.asarray(scored.scores[row]), np.asarray(scored.stage_scores[row]), target)


def plot_sample(facts: SampleFacts) -> Figure:
    """Attention, the best word of each frame, and all words against all frames, over the picks."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5.5), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=(1, 1, 2))
    for head in facts.attention:
        top.plot(head, linewidth=0.5, alpha=0.5)
    top.plot(facts.attention.mean(axis=0), color="black", linewidth=1.2)
    top.set_ylabel("attention")
    top.set_title(facts.id, fontsize=9)
    middle.plot(facts.similarity.max(axis=1), color="black", linewidth=1.2)
    middle.set_ylabel("best word")
    strongest = float(np.abs(facts.similarity).max(initial=1e-6))
    image = bottom.imshow(
        facts.similarity.T, aspect="auto", cmap="RdBu_r", vmin=-strongest, vmax=strongest, interpolation="nearest"
    )
    bottom.set_ylabel("token")
    bottom.set_xlabel("pick")
    figure.colorbar(image, ax=bottom, label="cosine")
    return figure


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


def _made_folder(trainer: pl.Trainer, name: str = "") -> Path:
    folder = (folder_of(trainer) or Path(trainer.default_root_dir)) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _people(video: Annotations, count: int) -> FloatArray | None:
    """(T,) people's importance, 0 to 1; None where there is none, or only for the whole video."""
    scores = consensus_scores(video)
    return None if scores is None or len(scores) != count else importance_target(video)
