"""Clips, world, pretraining, fine-tuning: each is made unless it is there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from pytorch_lightning.callbacks import Callback

from sspvs.atomic import atomic_folder
from sspvs.crossval import CrossValidation, cross_validate
from sspvs.crossval.fold_run import FoldProgress
from sspvs.crossval.folder import PRETRAINED
from sspvs.demo.folder import BACKBONE, FINETUNE, PRETRAIN, ROWS, DemoFolder, DemoSettings, Row
from sspvs.features.backbones import load_backbone
from sspvs.models.fast_linear import CPU_KERNELS
from sspvs.training.command_line import TrainingCLI
from sspvs.training.run import DrawByStep
from sspvs.training.signals import quieten
from sspvs.world import write_world
from sspvs.world.painted_clips import write_painted_clips
from sspvs.world.writing import DATASET, DATASET_TEXTS, SPLITS
from sspvs.world.writing import PRETRAIN as PAIRS


class DemoPretraining(TrainingCLI):
    """A pretraining of which the last weights are kept, and nothing else.

    Args:
        arguments: What follows `sspvs fit`.
        shown: Show a bar.
    """

    def __init__(self, arguments: Sequence[str], *, shown: bool) -> None:
        self.progress = FoldProgress("pretraining", "val/loss", shown=shown)
        super().__init__("fit", arguments)

    def _callbacks(self, trained: bool, saved: bool, *, has_logger: bool) -> list[Callback]:  # noqa: ARG002
        return [DrawByStep(int(self.settings.seed_everything)), self.progress]


def make_clips(settings: DemoSettings, folder: DemoFolder, *, progress: bool) -> None:
    """Paint the clips and look at them with the backbone."""
    if not folder.has_clips:
        folder.forget_from(folder.clips)
        backbone = load_backbone(BACKBONE, device="cpu")
        write_painted_clips(folder.clips, backbone, settings.painted, progress=progress)


def make_world(settings: DemoSettings, folder: DemoFolder, *, progress: bool) -> None:
    """Compose videos of the clips, with texts and annotators."""
    if not folder.has_world:
        folder.forget_from(folder.world)
        world = replace(settings.world, clips=str(folder.clips))
        write_world(folder.world, world, settings.world_seed, progress=progress)


def pretrain(settings: DemoSettings, folder: DemoFolder, *, progress: bool) -> None:
    """Pretrain both towers."""
    if folder.has_pretrained:
        return
    folder.forget_from(folder.pretrained)
    quieten()
    pairs = folder.world / PAIRS
    words = ["--config", str(PRETRAIN), *settings.pretraining]
    words += ["--data.train", str(pairs / "train.jsonl"), "--data.val", str(pairs / "val.jsonl")]
    words += ["--run.root", str(folder.training), "--trainer.enable_progress_bar", "false"]
    words += ["--trainer.enable_checkpointing", "false", "--trainer.logger", "false"]
    with one_thread():
        run = DemoPretraining(words, shown=progress)
    with atomic_folder(folder.pretrained) as made:
        run.model.save_pretrained(made)


def fine_tune(row: Row, settings: DemoSettings, folder: DemoFolder, *, progress: bool) -> CrossValidation:
    """Train and test all folds of one way; what is finished is not made again."""
    words = list(settings.fine_tuning)
    words += ["--data.dataset", str(folder.world / DATASET), "--data.splits", str(folder.world / SPLITS)]
    words += ["--data.texts", str(folder.world / DATASET_TEXTS), "--model.summarizer.text_guidance", row.guidance]
    if row.pretrained:
        words += ["--model.pretrained", str(folder.pretrained)]
    else:  # nothing is there to be careful with
        words += ["--model.optim.encoder_lr", "null", "--model.optim.text_lr", "null"]
    with one_thread():
        return cross_validate(
            FINETUNE,
            folder.crossval / row.folder,
            overrides=words,
            seeds=1,
            checkpoint_rule="last",
            keep="chosen" if row == ROWS[0] else "none",
            name=row.name,
            progress=progress,
        )


def trained_model(folder: DemoFolder) -> str:
    """The checkpoint folder of the first row's first fold."""
    return str(folder.crossval / ROWS[0].folder / "seed_0" / "fold_0" / PRETRAINED)


@contextmanager
def one_thread() -> Iterator[None]:
    """Train with one thread and torch's own kernels, which are faster for models as small as these."""
    import torch

    before, kernels = torch.get_num_threads(), os.environ.get(CPU_KERNELS)
    torch.set_num_threads(1)
    os.environ[CPU_KERNELS] = kernels or "torch"
    try:
        yield
    finally:
        torch.set_num_threads(before)
        if kernels is None:
            del os.environ[CPU_KERNELS]
