"""Checkpoints of a run: whole or not there, the best, the newest to restart from, and what makes a restart exact."""

import logging
import shutil
import signal
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from pytorch_lightning.callbacks import Callback, Checkpoint, ModelCheckpoint

from sspvs.atomic import atomic_file, atomic_stream, made_folder
from sspvs.errors import CheckpointError, first_line
from sspvs.files import check_kind
from sspvs.tasks.saved_task import SavedTask
from sspvs.training.signals import STOPPING, StoppedBySignalError, listening, raise_arrived

logger = logging.getLogger(__name__)

FOLDER, LAST, BEST = "checkpoints", "last.ckpt", "best.ckpt"
PRETRAINED = "pretrained"
"""Folder of a run with `best` and `last`, checkpoint folders for `from_pretrained` of the task."""

_PROGRESS, _LOADER = "sspvs_progress", "train_dataloader"  # entries of a checkpoint


class WholeCheckpoints(TorchCheckpointIO):
    """Writes to a temporary file in the same folder, then renames; reads nothing but tensors and plain types."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Write a checkpoint; a run that is killed meanwhile leaves the one before it."""
        target = Path(path)
        with made_folder(target.parent), atomic_stream(target) as stream:
            torch.save(checkpoint, stream)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:  # noqa: ARG002
        """Read a checkpoint, by default to the CPU."""
        return read_checkpoint(Path(path), "cpu" if map_location is None else map_location)


def read_checkpoint(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """A Lightning checkpoint: tensors and plain types; with anything else it is a `CheckpointError`."""
    try:
        check_kind(path, "zip", "pickle", "tar")
        checkpoint = torch.load(path, map_location=map_location, weights_only=True)
        if not isinstance(checkpoint, Mapping) or not {"state_dict", "hyper_parameters"} <= set(checkpoint):
            raise ValueError("it has no state_dict and hyper_parameters")
    except Exception as error:  # whatever a file of unknown origin makes the reader raise
        raise CheckpointError(f"{path}: no whole checkpoint of sspvs: {first_line(error)}") from error
    return dict(checkpoint)


def checkpoint_folder(trainer: pl.Trainer) -> Path:
    """Where a run's checkpoints are; a collective, which every process must call."""
    return Path(trainer.log_dir or trainer.default_root_dir) / FOLDER


def copy_checkpoint(source: Path, target: Path) -> None:
    """Copy a checkpoint, whole or not at all."""
    with made_folder(target.parent), atomic_file(target) as temporary:
        shutil.copyfile(source, temporary)


class BestCheckpoint(ModelCheckpoint):
    """Keeps `best.ckpt`, also over restarts in another folder, where Lightning's own loses the best figure."""

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

    def on_load_checkpoint(self, trainer: pl.Trainer, _module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
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
        """Copy what was taken over, before anything of this run is beside it."""
        super().on_train_start(trainer, pl_module)
        self._copy(trainer)

    def on_fit_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """The same where nothing was left to train."""
        self._copy(trainer)

    def _copy(self, trainer: pl.Trainer) -> None:
        source, self._kept = self._kept, None
        target = checkpoint_folder(trainer) / BEST
        if source is not None and trainer.is_global_zero:
            copy_checkpoint(source, target)


class LastCheckpoint(Checkpoint):
    """Keeps `last.ckpt`, the newest complete state: every `every` steps, after every epoch, at the end, at a signal.

    SIGTERM or SIGHUP stops the run at the end of the step in which it came, and of a validation that follows that step.
    Of several processes one may receive it and the others not, or later: they agree every `agree_every` steps.
    """

    def __init__(self, every: int, agree_every: int = 10) -> None:
        self.every, self.agree_every = every, agree_every
        self.saved_step = -1
        self._seen = -1
        self._due = False
        self._source: Path | None = None  # what a restart goes on from
        self._figures: dict[str, float] = {}
        self._received: int | None = None  # the first signal
        self._listening = ExitStack()

    @property
    def nothing_left(self) -> bool:
        """Whether this run went on from a checkpoint after which there was nothing to train."""
        return self._source is not None and self.saved_step < 0

    def save(self, trainer: pl.Trainer) -> None:
        """Write it now; every process must call this."""
        path = checkpoint_folder(trainer) / LAST
        trainer.save_checkpoint(path)
        self.saved_step, self._due = trainer.global_step, False
        logger.info("step %d saved in %s", trainer.global_step, path)

    def outcome(self, trainer: pl.Trainer) -> str:
        """What a run that ends now leaves, in words; every process must call this."""
        path = checkpoint_folder(trainer) / LAST
        if self.saved_step < 0:
            return "before there was anything to save"
        return f"after step {self.saved_step}; saved {path}; --ckpt_path last goes on from there"

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Count from here, give callbacks the figures that they need before the next validation, and listen."""
        self._seen = trainer.global_step
        trainer.callback_metrics.update({name: torch.tensor(value) for name, value in self._figures.items()})
        raise_arrived()
        self._listening.enter_context(listening(STOPPING, self._note))

    def on_train_epoch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Stop where the end of the epoch before was saved."""
        if self.saved_step == trainer.global_step:
            self._stop_if_received(trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, _module: pl.LightningModule, _outputs: Any, _batch: Any, batch_idx: int
    ) -> None:
        """Save where it is time, or stop, unless a validation or the end of the epoch comes first."""
        step = trainer.global_step
        self._due |= step != self._seen and step % self.every == 0
        self._seen = step
        if _is_exact_after_batch(trainer):
            self._save_if_due(trainer)
            if trainer.world_size == 1 or (batch_idx + 1) % self.agree_every == 0:
                self._stop_if_received(trainer)

    def on_validation_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Save or stop where that waited for it."""
        if _is_within_epoch(trainer):
            self._save_if_due(trainer)
            self._stop_if_received(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.save(trainer)

    def on_train_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Save what `max_steps` left within an epoch; a signal changes nothing from here on."""
        if trainer.global_step != self.saved_step:
            self.save(trainer)
        self._listening.close()

    def on_exception(self, trainer: pl.Trainer, _module: pl.LightningModule, exception: BaseException) -> None:
        """A signal to all processes also ends those that read the data; what was trained is saved all the same."""
        self._listening.close()
        if self._received is not None and "DataLoader worker" in str(exception) and trainer.world_size == 1:
            raise self._stopped(trainer, save=trainer.training) from exception

    def on_save_checkpoint(self, trainer: pl.Trainer, _module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add what Lightning leaves out: whether training was stopped early, and the figures of the last validation."""
        figures = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        checkpoint[_PROGRESS] = {"stopped_early": bool(trainer.should_stop), "figures": figures}

    def on_load_checkpoint(self, trainer: pl.Trainer, _module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        self._source = Path(str(trainer.ckpt_path))
        known = checkpoint.get(_PROGRESS, {})
        self._figures = dict(known.get("figures", {}))
        if known.get("stopped_early") and trainer.early_stopping_callbacks:
            trainer.should_stop = True

    def on_fit_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Keep what a restart went on from where nothing was left to train."""
        target = checkpoint_folder(trainer) / LAST
        if self.nothing_left and self._source is not None and trainer.is_global_zero:
            copy_checkpoint(self._source, target)

    def _save_if_due(self, trainer: pl.Trainer) -> None:
        if self._due:
            self.save(trainer)

    def _stop_if_received(self, trainer: pl.Trainer) -> None:
        stop = self._received is not None
        if trainer.world_size > 1:
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
        if stop:
            raise self._stopped(trainer, save=True)

    def _stopped(self, trainer: pl.Trainer, *, save: bool) -> StoppedBySignalError:
        if save and self.saved_step != trainer.global_step:
            self.save(trainer)
        return StoppedBySignalError(self._received or signal.SIGTERM, self.outcome(trainer))

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._received = self._received or number


def export_weights(trainer: pl.Trainer, module: type[SavedTask]) -> None:
    """Write the best and the last checkpoint as folders under `pretrained`; every process must call this."""
    folder = checkpoint_folder(trainer)
    for name in (BEST, LAST) if trainer.is_global_zero else ():
        if (folder / name).is_file():
            target = folder.parent / PRETRAINED / name.removesuffix(".ckpt")
            module.from_pretrained(folder / name).save_pretrained(target)
            logger.info("exported %s", target)


class DrawByStep(Callback):
    """Seeds torch before every step from seed, epoch, batch and process, so that restarts draw the same dropout."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: pl.Trainer, _module: pl.LightningModule, _batch: Any, batch_idx: int
    ) -> None:
        """Seed the CPU's and the accelerators' generators."""
        place = (self.seed % 2**32, trainer.current_epoch, batch_idx, trainer.global_rank)
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0]))


class KeepPlace(Callback):
    """Keeps the state of the training loader: where in its epoch the data is.

    Lightning gives it back only to a loader that is made after the loops were restored. A learning rate schedule that
    needs the number of steps makes the loader earlier (seen in Lightning 2.6), and the epoch would start again.
    """

    _state: dict[str, Any] | None = None

    def on_save_checkpoint(self, trainer: pl.Trainer, _module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Put it into the checkpoint."""
        loader: Any = trainer.train_dataloader
        if hasattr(loader, "state_dict"):
            checkpoint[_LOADER] = loader.state_dict()

    def on_load_checkpoint(self, trainer: pl.Trainer, _module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep it until there is a loader."""
        self._state = checkpoint.get(_LOADER) if trainer.state.fn == "fit" else None

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Give it back, once; after a finished epoch, go on with the next one."""
        _begin_next_epoch(trainer.fit_loop)
        state, self._state = self._state, None
        loader: Any = trainer.train_dataloader
        if state is not None and hasattr(loader, "load_state_dict"):
            loader.load_state_dict(state)


def _is_exact_after_batch(trainer: pl.Trainer) -> bool:
    """Whether a restart from here loses no validation, epoch end (seen in Lightning 2.6) or accumulated gradient."""
    loop = trainer.fit_loop
    assert loop._data_fetcher is not None
    validates = loop.epoch_loop._should_check_val_fx(loop._data_fetcher)
    return not (trainer.is_last_batch or validates or loop._should_accumulate())


def _is_within_epoch(trainer: pl.Trainer) -> bool:
    """Whether a validation was one between two steps of a training epoch, with more of its batches to come."""
    training = trainer.state.fn == "fit" and not trainer.sanity_checking
    return training and not (trainer.is_last_batch or trainer.fit_loop._should_accumulate())


def _begin_next_epoch(loop: Any) -> None:
    """End an epoch that its checkpoint finished: with `max_steps` Lightning 2.6 would end it a second time."""
    if not getattr(loop, "restarted_on_epoch_end", False):
        return
    loop.epoch_progress.increment_completed()
    inner = loop.epoch_loop
    for one in (loop, inner):
        one.reset_restart_stage()
    for one in (loop, inner, inner.val_loop, inner.automatic_optimization, inner.manual_optimization):
        one._restarting = False
