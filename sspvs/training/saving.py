"""Checkpoints that are whole or not there, and the newest one to restart from."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import yaml
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from pytorch_lightning.callbacks import Callback, Checkpoint, ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser, SaveConfigCallback

from sspvs.atomic import atomic_file, atomic_stream, made_folder, write_text
from sspvs.errors import CheckpointError, first_line
from sspvs.files import check_kind
from sspvs.sharing import shareable
from sspvs.tasks.saved_task import SavedTask
from sspvs.training.run import wandb_of

logger = logging.getLogger(__name__)

FOLDER, LAST, BEST = "checkpoints", "last.ckpt", "best.ckpt"


class WholeCheckpoints(TorchCheckpointIO):
    """Writes to a temporary file in the same folder, then renames; reads nothing but tensors and plain types."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Write a checkpoint; a run that is killed meanwhile leaves the one before it.

        Raises:
            OutputError: The folder cannot be written to, or the disk is full.
        """
        target = Path(path)
        with made_folder(target.parent), atomic_stream(target) as stream:
            torch.save(checkpoint, stream)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:  # noqa: ARG002
        """Read a checkpoint, on the CPU unless told otherwise.

        Raises:
            CheckpointError: It is no whole checkpoint, or holds more than tensors and plain types.
        """
        return read_checkpoint(Path(path), "cpu" if map_location is None else map_location)


def read_checkpoint(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """A Lightning checkpoint: tensors and plain types, nothing else.

    Raises:
        CheckpointError: It is none, or holds anything else.
    """
    try:
        check_kind(path, "zip", "pickle", "tar")
        checkpoint = torch.load(path, map_location=map_location, weights_only=True)
        if not isinstance(checkpoint, Mapping) or not {"state_dict", "hyper_parameters"} <= set(checkpoint):
            raise ValueError("it has no state_dict and hyper_parameters")
    except Exception as error:  # whatever a file of unknown origin makes the reader raise
        raise CheckpointError(f"{path}: no whole checkpoint of sspvs: {first_line(error)}") from error
    return dict(checkpoint)


class BestCheckpoint(ModelCheckpoint):
    """Keeps `best.ckpt`: the state with the best figure so far, also over restarts, which go on in another folder.

    A `best.ckpt` says itself what it scored, so that a restart takes the one beside the checkpoint that it goes on
    from, wherever both lie, and copies it into the folder of its own. Lightning's keeps paths instead, and forgets
    the figure when they change.

    Args:
        monitor: The figure.
        mode: Whether lower or higher is better.
    """

    def __init__(self, monitor: str, mode: str) -> None:
        super().__init__(filename=BEST.removesuffix(".ckpt"), monitor=monitor, mode=mode, enable_version_counter=False)
        self._kept: Path | None = None  # a best checkpoint from before a restart, until it is copied

    @property
    def state_key(self) -> str:
        """As Lightning's own, which older checkpoints have."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def state_dict(self) -> dict[str, Any]:
        """The best figure; no paths."""
        return {"best_model_score": self.best_model_score}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing: see `on_load_checkpoint`."""

    def on_load_checkpoint(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Take over the best checkpoint of the run that goes on."""
        states = checkpoint["callbacks"]
        if states.get(self.state_key, {}).get("best_model_score") is None:
            kind = ModelCheckpoint.__qualname__
            if any(key.startswith(kind) and key != self.state_key for key in states):
                logger.warning("the best checkpoint was chosen by another figure; %s chooses it anew", self.monitor)
            return
        found = Path(str(trainer.ckpt_path)).with_name(BEST)
        try:
            score = read_checkpoint(found)["callbacks"][self.state_key]["best_model_score"]
        except (CheckpointError, KeyError) as error:
            reason = error if found.is_file() else f"{found} is missing"
            logger.warning("%s: the best checkpoint so far is lost, it is chosen anew among what follows", reason)
            return
        self._kept = found
        self.best_model_score = self.kth_value = score
        self.best_model_path = self.kth_best_model_path = self.format_checkpoint_name({})
        self.best_k_models = {self.best_model_path: score}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Copy what was taken over, before anything of this run lies beside it."""
        super().on_train_start(trainer, pl_module)
        self._copy(trainer)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """The same where nothing was left to train."""
        self._copy(trainer)

    def _copy(self, trainer: pl.Trainer) -> None:
        source, self._kept = self._kept, None
        target = checkpoint_folder(trainer) / BEST
        if source is not None and trainer.is_global_zero:
            copy_checkpoint(source, target)


class LastCheckpoint(Checkpoint):
    """Keeps `last.ckpt` in the run's folder: the newest state, complete, to restart from.

    Args:
        every: Steps between two; one more is written at the end of every epoch, and at the end.

    Attributes:
        saved_step: The newest step that was saved in this process; -1 before the first.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self.saved_step = -1
        self._seen = -1
        self._due = False
        self._source: Path | None = None  # what a restart goes on from
        self._figures: dict[str, float] = {}

    def save(self, trainer: pl.Trainer) -> None:
        """Write it now; every process must call this."""
        path = checkpoint_folder(trainer) / LAST
        trainer.save_checkpoint(path)
        self.saved_step, self._due = trainer.global_step, False
        logger.info("step %d saved in %s", trainer.global_step, path)

    def saved(self, trainer: pl.Trainer) -> str:
        """What a run that ends now leaves, in words; every process must call this."""
        path = checkpoint_folder(trainer) / LAST
        if self.saved_step < 0:
            return "before there was anything to save"
        return f"after step {self.saved_step}; saved {path}; --ckpt_path last goes on from there"

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Save where it is time, unless a validation or the end of the epoch comes first."""
        step = trainer.global_step
        self._due |= step != self._seen and step % self.every == 0
        self._seen = step
        if self._due and can_go_on_from_here(trainer):
            self.save(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Save what waited for it."""
        if self._due and is_within_epoch(trainer):
            self.save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Save."""
        self.save(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Save what `max_steps` left within an epoch."""
        if trainer.global_step != self.saved_step:
            self.save(trainer)

    def on_save_checkpoint(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Add what Lightning leaves out: whether training was stopped early, and the figures of the last validation."""
        figures = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        checkpoint[_PROGRESS] = {"stopped_early": bool(trainer.should_stop), "figures": figures}

    def on_load_checkpoint(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Take that over."""
        self._source = Path(str(trainer.ckpt_path))
        known = checkpoint.get(_PROGRESS, {})
        self._figures = dict(known.get("figures", {}))
        if known.get("stopped_early") and trainer.early_stopping_callbacks:
            trainer.should_stop = True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Count from here; give callbacks the figures that they ask for before the next validation."""
        self._seen = trainer.global_step
        trainer.callback_metrics.update({name: torch.tensor(value) for name, value in self._figures.items()})

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Keep what a restart went on from where nothing was left to train."""
        target = checkpoint_folder(trainer) / LAST
        if self.nothing_left and self._source is not None and trainer.is_global_zero:
            copy_checkpoint(self._source, target)

    @property
    def nothing_left(self) -> bool:
        """Whether this run went on from a checkpoint after which there was nothing to train."""
        return self._source is not None and self.saved_step < 0


_PROGRESS = "sspvs_progress"


def can_go_on_from_here(trainer: pl.Trainer) -> bool:
    """Whether a restart goes on exactly from a checkpoint that is made now, at the end of a training batch.

    A validation, or the end of the epoch, that comes after the batch and before the next one would be left out then
    (seen in Lightning 2.6), and with it the choice of the best checkpoint. Accumulated gradients are in no checkpoint.
    """
    loop = trainer.fit_loop
    assert loop._data_fetcher is not None
    validates = loop.epoch_loop._should_check_val_fx(loop._data_fetcher)
    return not (trainer.is_last_batch or validates or loop._should_accumulate())


def is_within_epoch(trainer: pl.Trainer) -> bool:
    """Whether a validation was one between two steps of a training epoch, with more of its batches to come."""
    training = trainer.state.fn == "fit" and not trainer.sanity_checking
    return training and not (trainer.is_last_batch or trainer.fit_loop._should_accumulate())


def copy_checkpoint(source: Path, target: Path) -> None:
    """Copy a checkpoint, whole or not at all.

    Raises:
        OutputError: The folder cannot be written to, or the disk is full.
    """
    with made_folder(target.parent), atomic_file(target) as temporary:
        shutil.copyfile(source, temporary)


def checkpoint_folder(trainer: pl.Trainer) -> Path:
    """Where a run's checkpoints are; the same in every process, all of which must ask."""
    folder = trainer.log_dir or trainer.default_root_dir
    return Path(folder) / FOLDER


_KEY = "train_dataloader"


class KeepPlace(Callback):
    """Keeps the state of the training loader.

    Lightning keeps it too, but gives it back only to a loader that is made after the loops were restored. A learning
    rate schedule that asks how many steps there will be makes the loader earlier (seen in Lightning 2.6), and the epoch
    would start again.
    """

    def __init__(self) -> None:
        self._state: dict[str, Any] | None = None

    def on_save_checkpoint(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Put it into the checkpoint."""
        loader: Any = trainer.train_dataloader
        if hasattr(loader, "state_dict"):
            checkpoint[_KEY] = loader.state_dict()

    def on_load_checkpoint(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Keep it until there is a loader."""
        self._state = checkpoint.get(_KEY) if trainer.state.fn == "fit" else None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Give it back, once; after a finished epoch, go on with the next one."""
        _begin_next_epoch(trainer.fit_loop)
        state, self._state = self._state, None
        loader: Any = trainer.train_dataloader
        if state is not None and hasattr(loader, "load_state_dict"):
            loader.load_state_dict(state)


def _begin_next_epoch(loop: Any) -> None:
    """End an epoch that was finished when its checkpoint was written.

    Lightning does so itself, unless `max_steps` is set: then (seen in Lightning 2.6) it ends the epoch a second time,
    which counts for early stopping, and numbers the next one wrongly, on which its order and its dropout depend.
    """
    if not getattr(loop, "restarted_on_epoch_end", False):
        return
    loop.epoch_progress.increment_completed()
    inner = loop.epoch_loop
    for one in (loop, inner):
        one.reset_restart_stage()
    for one in (loop, inner, inner.val_loop, inner.automatic_optimization, inner.manual_optimization):
        one._restarting = False


PRETRAINED = "pretrained"
"""Folder of a run with `best` and `last`, checkpoint folders for `from_pretrained` of the task."""


_CONFIG = "config.yaml"
_ABOUT = {_CONFIG, "hparams.yaml"}  # the second is the CSV logger's


class RunConfig(SaveConfigCallback):
    """Writes the whole config, every default included, to `config.yaml` in the run's own folder, and to W&B."""

    def __init__(self, parser: LightningArgumentParser, config: Any, **how: Any) -> None:
        super().__init__(parser, config, save_to_log_dir=False, **how)

    def save_config(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:  # noqa: ARG002
        """Called by Lightning on one process."""
        config = yaml.safe_load(self.parser.dump(self.config, skip_link_targets=True))
        folder = getattr(trainer.loggers[0], "log_dir", None) if trainer.loggers else None
        config = shareable(config, Path(folder or trainer.default_root_dir))
        if folder is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
            write_text(Path(folder) / _CONFIG, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
        wandb = wandb_of(trainer.loggers)
        if wandb is not None:
            wandb.log_hyperparams({"config": config})


def remove_unstarted(trainer: pl.Trainer) -> None:
    """Remove a run's folder that has its config and nothing else: no step was taken, or none was kept.

    Args:
        trainer: Of the run, after it ended with an error.
    """
    place = getattr(trainer.loggers[0], "log_dir", None) if trainer.loggers else None
    folder = None if place is None else Path(place)
    if folder is None or not trainer.is_global_zero or not folder.is_dir():
        return
    if {path.name for path in folder.iterdir()} <= _ABOUT:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            folder.parent.rmdir()  # of all versions, where this was the first


class ExportWeights(Checkpoint):
    """After training: the best and the last checkpoint as folders under `pretrained`.

    A `Checkpoint`, as what writes the two is, because Lightning calls those last, in the order in which they are given.

    Args:
        module: The task's class, which reads the one and writes the other.
    """

    def __init__(self, module: type[SavedTask]) -> None:
        self.module = module

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Read them again and write them, on one process."""
        folder = checkpoint_folder(trainer)  # every process must ask
        if trainer.is_global_zero and not trainer.interrupted:
            _export(folder, self.module)


def _export(folder: Path, module: type[SavedTask]) -> None:
    for name in (BEST, LAST):
        if (folder / name).is_file():
            target = folder.parent / PRETRAINED / name.removesuffix(".ckpt")
            module.from_pretrained(folder / name).save_pretrained(target)
            logger.info("exported %s", target)
