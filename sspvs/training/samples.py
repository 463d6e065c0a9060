"""What the model looks at in a video: attention of [CLS], and how well words fit frames.

Axis letters: B batch, T picks, L tokens, D width, H heads.
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor
from torch.nn import functional

from sspvs.atomic import atomic_stream, write_text
from sspvs.data.batch import PretrainBatch
from sspvs.models.layers import SelfAttention
from sspvs.tasks.pretrain import PretrainTask
from sspvs.training.run import wandb_of
from sspvs.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class SampleFacts:
    """One video with its own text.

    Attributes:
        id: Of the video.
        attention: (H, T) what each head's [CLS] gives to the frames in the last layer.
        similarity: (T, L) cosine of frames and words in the space of the fine objective.
    """

    id: str
    attention: FloatArray
    similarity: FloatArray


@torch.no_grad()
def sample_facts(task: PretrainTask, batch: PretrainBatch) -> Iterator[SampleFacts]:
    """Facts of each video of a batch, with nothing masked.

    Args:
        task: In any mode; left in it.
        batch: On the task's device.
    """
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
        video = model.video_encoder(model.video_encoder.embed(batch.frames), batch.frame_mask)
        words = model.text_projection(model.text_encoder(tokens, token_mask).states)  # (B, L, D)
    finally:
        hook.remove()
        task.train(training)
    attention = cls_attention(last, *seen[0])[..., 1:]  # (B, H, T)
    frames = model.fine_frames(batch.frames, batch.frame_mask, video)[0][:, -batch.frames.shape[1] :]  # no [CLS]
    frames, words = (functional.normalize(vectors.float(), dim=-1) for vectors in (frames, words))
    similarity = frames @ words.transpose(1, 2)  # (B, T, L)
    for row, name in enumerate(batch.ids):
        kept, told = batch.frame_mask[row], token_mask[row]
        yield SampleFacts(name, attention[row][:, kept].cpu().numpy(), similarity[row][kept][:, told].cpu().numpy())


def cls_attention(attention: SelfAttention, states: Tensor, mask: Tensor) -> Tensor:
    """(B, H, 1 + T) weights with which the first position attends to all, which the fused kernel does not give.

    Args:
        attention: The layer's.
        states: (B, 1 + T, D) what it was given.
        mask: (B, 1 + T) bool, True = valid.
    """
    q, k, _ = attention.in_projection(states).float().chunk(3, dim=-1)  # (B, 1 + T, D) each
    q = q[:, 0].unflatten(-1, (attention.num_heads, -1))  # (B, H, D / H)
    k = k.unflatten(-1, (attention.num_heads, -1))  # (B, 1 + T, H, D / H)
    logits = torch.einsum("bhd,bthd->bht", q, k) / q.shape[-1] ** 0.5
    out: Tensor = logits.masked_fill(~mask[:, None], float("-inf")).softmax(dim=-1)
    return out


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


logger = logging.getLogger(__name__)

FOLDER, TABLE = "samples", "retrieval.csv"
_ROWS = 1000  # of the retrieval table, at most, as W&B gets it


class Samples(Callback):
    """Writes the retrieval table and plots of the first validation videos into the run's folder, and to W&B.

    Args:
        count: Videos that are plotted; 0 for none.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._batch: PretrainBatch | None = None

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: PretrainBatch,
        batch_idx: int,
        dataloader_idx: int = 0,  # noqa: ARG002
    ) -> None:
        """Keep the first batch."""
        if batch_idx == 0 and trainer.is_global_zero and self.count:
            self._batch = batch

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write, on one process; nothing here waits for the others."""
        batch, self._batch = self._batch, None
        if trainer.sanity_checking or not trainer.is_global_zero or not trainer.loggers:
            return
        assert isinstance(pl_module, PretrainTask)
        folder = Path(getattr(trainer.loggers[0], "log_dir", None) or trainer.default_root_dir)
        self._log_table(trainer, pl_module.retrieval_table(), folder)
        sharded = "fsdp" in type(trainer.strategy).__name__.lower()  # weights that no process has alone
        if batch is not None and not sharded:
            self._log_plots(trainer, pl_module, batch, folder)

    def _log_table(self, trainer: pl.Trainer, rows: list[dict[str, Any]], folder: Path) -> None:
        if not rows:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / TABLE, text.getvalue())
        wandb = wandb_of(trainer.loggers)
        if wandb is not None:
            wandb.log_table("val/retrieval", columns=list(rows[0]), data=[list(row.values()) for row in rows[:_ROWS]])

    def _log_plots(self, trainer: pl.Trainer, task: PretrainTask, batch: PretrainBatch, folder: Path) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        (folder / FOLDER).mkdir(parents=True, exist_ok=True)
        figures: list[Any] = []
        names: list[str] = []
        for fact in sample_facts(task, _first(batch, self.count)):
            figure = plot_sample(fact)
            FigureCanvasAgg(figure)
            # Overwritten by the next validation: W&B has all of them.
            with atomic_stream(folder / FOLDER / f"{len(names)}.png") as stream:
                figure.savefig(stream, format="png", dpi=80)
            figures.append(figure)
            names.append(fact.id)
        wandb = wandb_of(trainer.loggers)
        if wandb is not None:
            wandb.log_image("val/samples", figures, caption=names)


def _first(batch: PretrainBatch, count: int) -> PretrainBatch:
    cut: dict[str, Any] = {
        name: one[:count] if isinstance(one, (Tensor, tuple)) else one for name, one in batch._asdict().items()
    }
    return PretrainBatch(**cut)
