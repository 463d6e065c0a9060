"""One fold under one seed: train, choose the weights, score the tested videos; a bar meanwhile, a line when done."""

import math
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, Checkpoint, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger

from sspvs.benchmark.result_file import versions
from sspvs.crossval.chosen_epoch import ChosenEpoch
from sspvs.crossval.folder import METRICS, PRETRAINED, RECORD, SCORES, WANDB, Chosen, CrossvalFolder, FoldRecord
from sspvs.crossval.plan import PACKAGES, CrossvalSettings
from sspvs.data.fold_data import FoldDataModule
from sspvs.errors import CheckpointError, TrainingDivergedError
from sspvs.tasks.checkpoint import WEIGHTS
from sspvs.tasks.saved_task import JudgedTask
from sspvs.training.command_line import TrainingCLI
from sspvs.training.predictions import WriteScores
from sspvs.training.saving import DrawByStep
from sspvs.weights.digest import file_digest


class FoldProgress(Callback):
    """Counts validations, and shows a bar of epochs on a terminal, with the figure `monitor` beside it."""

    def __init__(self, title: str, monitor: str, *, shown: bool) -> None:
        self.title, self.monitor, self.shown = title, monitor, shown
        self.validations = 0
        self._bar: Any = None

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Open the bar; never where stderr is no terminal."""
        from tqdm import tqdm

        total = trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else None
        disabled = None if self.shown and trainer.is_global_zero else True
        self._bar = tqdm(total=total, desc=self.title, unit="epoch", disable=disabled, leave=False)

    def on_validation_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.sanity_checking:
            return
        self.validations += 1
        figure = trainer.callback_metrics.get(self.monitor)
        if self._bar is not None and figure is not None:
            self._bar.set_postfix_str(f"{self.monitor} {float(figure):.3f}", refresh=False)

    def on_train_epoch_end(self, *_: Any) -> None:
        if self._bar is not None:
            self._bar.update()

    def on_train_end(self, *_: Any) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def on_exception(self, *_: Any) -> None:
        self.on_train_end()


def report(record: FoldRecord, done: int, total: int) -> None:
    """One line on stderr for a fold that is finished, as one of `total`."""
    tau = record.figures.get("kendall_tau")
    figure = "tau undefined" if tau is None else f"tau {tau:.4f}"
    sys.stderr.write(
        f"[{done}/{total}] seed {record.seed}, fold {record.fold}: {figure} on {len(record.test)} videos; "
        f"epoch {record.chosen.epoch}: {record.chosen.why}; {record.seconds:.1f} s\n"
    )
    sys.stderr.flush()


@dataclass(frozen=True)
class FoldJob:
    """A fold to make."""

    settings: CrossvalSettings
    digest: str  # of the identity of the cross-validation
    seed: int
    fold: int
    keep: bool  # whether the chosen weights are kept
    shown: bool = False  # whether a bar may be shown


def run_fold(job: FoldJob, before: FoldDataModule[Any] | None = None) -> tuple[FoldRecord | None, FoldDataModule[Any]]:
    """Make a fold; returns its record (None but on the first process) and its data, the next fold's `before`."""
    folder = CrossvalFolder(job.settings.out)
    work = folder.work(job.seed, job.fold)
    (work / "made").mkdir(parents=True, exist_ok=True)
    try:
        run = _FoldRun(job, work, before)
    finally:
        if job.settings.wandb != "off":
            with suppress(ModuleNotFoundError):  # it is reported where it is first needed
                import wandb

                wandb.finish()
    record = run.record
    if record is not None:
        _leave(run, work / "made", keep=job.keep)
        if job.keep:
            record = replace(record, weights_sha256=file_digest(work / "made" / PRETRAINED / WEIGHTS))
        record.write(work / "made" / RECORD)
        folder.commit(job.seed, job.fold, work / "made")
    run.trainer.strategy.barrier("fold is in its place")
    run.datamodule.trainer = None  # holds the model
    return record, run.datamodule


class _LastWeights(Checkpoint):
    """Saves the weights that training ends with."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_end(self, trainer: pl.Trainer, *_: Any) -> None:
        trainer.save_checkpoint(self.path, weights_only=True)


class _FoldRun(TrainingCLI):
    """A training for its tested videos' scores alone, in the folder `work`; `made` in it is what is kept."""

    datamodule: FoldDataModule[Any]
    model: JudgedTask
    record: FoldRecord | None = None

    def __init__(self, job: FoldJob, work: Path, before: FoldDataModule[Any] | None = None) -> None:
        self.job, self.work, self.before = job, work, before
        self.started = time.perf_counter()
        super().__init__("fit", job.settings.fold_arguments(job.seed, job.fold, work))

    def instantiate_classes(self) -> None:
        super().instantiate_classes()
        if self.before is not None:
            self.datamodule.share_reading(self.before)

    def _callbacks(self, trained: bool, saved: bool, *, has_logger: bool) -> list[Callback]:  # noqa: ARG002
        run, job = self.run_settings, self.job
        self.progress = FoldProgress(f"seed {job.seed}, fold {job.fold}", run.monitor, shown=job.shown)
        make = self.task.fold_writer or self.task.writer
        writer = make(self.work / "made" / SCORES, f"seed {job.seed}, fold {job.fold}")
        assert isinstance(writer, WriteScores)
        self.writer = writer
        weights = self.work / "weights"
        self.best: ModelCheckpoint | ChosenEpoch | None = None
        if job.settings.rule == "best-test" and run.best_test is not None:
            self.best = ChosenEpoch(weights, run.best_test, run.best_by or ())
        elif job.settings.rule != "last":
            self.best = ModelCheckpoint(
                dirpath=weights,
                filename="best",
                monitor=run.monitor,
                mode=run.mode,
                save_weights_only=True,
                enable_version_counter=False,
            )
        return [DrawByStep(job.seed), self.progress, self.writer, self.best or _LastWeights(weights / "last.ckpt")]

    def _run_subcommand(self, subcommand: str) -> None:  # noqa: ARG002
        try:
            self._train_and_score()
        except TrainingDivergedError as error:
            raise TrainingDivergedError(f"seed {self.job.seed}, fold {self.job.fold}: {error}") from error

    def _train_and_score(self) -> None:
        self.trainer.fit(self.model, datamodule=self.datamodule)
        self.log_dir = self.trainer.log_dir  # a collective, which every process must call
        path = str(self.work / "weights" / "last.ckpt") if self.best is None else self.best.best_model_path
        if not path:
            raise ValueError(
                "no validation took place, so that nothing chose the weights: lower trainer.check_val_every_n_epoch, "
                "raise trainer.max_epochs, or take --checkpoint-rule last"
            )
        self.trainer.predict(self.model, datamodule=self.datamodule, ckpt_path=path, return_predictions=False)
        if self.trainer.is_global_zero:
            self.record = self._recorded(Path(path))

    def _recorded(self, weights: Path) -> FoldRecord:
        """The record of the fold, after prediction."""
        videos = self.datamodule.fold_videos
        scores = self.writer.scores
        if set(scores) != set(videos.test):
            raise CheckpointError(
                f"fold {self.job.fold}: expected scores of {len(videos.test)} tested videos, got {len(scores)}"
            )
        figures = self.datamodule.judge(scores)
        return FoldRecord(
            seed=self.job.seed,
            fold=self.job.fold,
            digest=self.job.digest,
            figures={name: value if value == value else None for name, value in figures.items()},
            chosen=self._chosen(weights),
            train=len(videos.train),
            val=videos.val,
            test=videos.test,
            seconds=round(time.perf_counter() - self.started, 3),
            device=_device(self.trainer),
            initialised_from=getattr(self.model, "initialised_from", None),
            feature_fingerprint=self.model.feature_fingerprint,
            versions=versions(*PACKAGES),
            variants=self.writer.variants,
        )

    def _chosen(self, weights: Path) -> Chosen:
        facts = torch.load(weights, map_location="cpu", weights_only=True, mmap=True)
        epoch, step, rule = int(facts["epoch"]), int(facts["global_step"]), self.job.settings.rule
        if self.best is None:
            return Chosen(rule, epoch - 1, step, "the last one")  # after training Lightning counts one more
        which = "held-out" if rule == "val" else "tested"
        where = f"{len(self.datamodule.fold_videos.val)} {which} videos"
        if isinstance(self.best, ChosenEpoch):
            value = self.best.figures[self.best.chosen][0]
            why = f"{self.best.why} {self.progress.validations} validations on {where}"
            return Chosen(rule, epoch, step, why, self.best.names[0], value if math.isfinite(value) else None)
        monitor, score = self.run_settings.monitor, self.best.best_model_score
        known = None if score is None or not torch.isfinite(score) else float(score)
        word = "highest" if self.run_settings.mode == "max" else "lowest"
        why = f"{word} {monitor} of {self.progress.validations} validations on {where}"
        if known is None:
            why = f"{monitor} is undefined on {where}: the first of {self.progress.validations} validations"
        return Chosen(rule, epoch, step, why, monitor, known)


def _leave(run: _FoldRun, made: Path, *, keep: bool) -> None:
    """Put what is kept beside the scores."""
    if keep:
        run.model.save_pretrained(made / PRETRAINED)
    logs = None if run.log_dir is None else Path(run.log_dir)
    if logs is None:
        return
    for logger in run.trainer.loggers:
        if isinstance(logger, CSVLogger):
            logger.save()
    if (logs / WANDB).is_dir():
        shutil.move(logs / WANDB, made / WANDB)
    if (logs / METRICS).is_file():
        shutil.copyfile(logs / METRICS, made / METRICS)


def _device(trainer: pl.Trainer) -> str:
    device = trainer.strategy.root_device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return f"{trainer.world_size} x {name}" if trainer.world_size > 1 else str(name)
