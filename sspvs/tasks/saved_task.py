"""What all tasks have in common: how they are saved and made again, set up and optimised.

A task's arguments are its config; in plain form they are its hyperparameters, which every checkpoint holds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from sspvs.errors import CheckpointError, TrainingDivergedError
from sspvs.losses.gather import alone
from sspvs.models.fast_linear import use_fast_linears
from sspvs.tasks.checkpoint import LoadReport, save_folder
from sspvs.tasks.fingerprint import agreed_fingerprint
from sspvs.tasks.loading import load_checkpoint
from sspvs.tasks.loss_watch import LossWatch
from sspvs.tasks.optim import build_optimizer, learning_rate_factor, parameter_groups
from sspvs.tasks.precision import may_be_fused, refuse_what_cannot_go_together
from sspvs.tasks.settings import OptimSettings
from sspvs.tasks.unused import freeze_unused

_log = logging.getLogger(__name__)
Task = TypeVar("Task", bound="SavedTask")

STAGES = {"val": "validation", "test": "test"}
"""How figures of a pass are logged -> what messages call it."""


class SavedTask(pl.LightningModule):
    """A task whose hyperparameters, in plain form, make it again.

    Attributes:
        kind: What a checkpoint folder of the task says it is.
        model: What is trained.
        optim: The optimiser and its learning rate.
        compile_model: Whether the model is compiled when training starts.
        load_report: What `from_pretrained` loaded.
        loss_watch: Since when the losses of the last training are not finite.
    """

    kind: ClassVar[str]
    model: nn.Module
    optim: OptimSettings
    compile_model: bool
    load_report: LoadReport | None = None

    def __init__(self) -> None:
        super().__init__()
        self.loss_watch = LossWatch()

    @property
    def feature_fingerprint(self) -> dict[str, Any] | None:
        """What made the features this was trained on, when known."""
        known: dict[str, Any] | None = self.hparams["feature_fingerprint"]
        return known

    def setup(self, stage: str) -> None:
        """Take over what the data knows about its features; compile, or choose kernels."""
        known = getattr(getattr(self.trainer, "datamodule", None), "feature_fingerprint", None)
        self.hparams["feature_fingerprint"] = agreed_fingerprint(self.feature_fingerprint, known)
        if stage == "fit":
            self.loss_watch = LossWatch()
        if self.compile_model and stage == "fit":
            self.model.compile()
        elif self.trainer.strategy.root_device.type == "cpu":
            use_fast_linears(self.model, where=self.hparams["fast_linears"])

    def optimizer_groups(self) -> list[dict[str, Any]]:
        """The trained parameters, each with its learning rate."""
        return parameter_groups(self, self.optim)

    def configure_optimizers(self) -> Any:
        """The optimiser and, for each step, its learning rate."""
        refuse_what_cannot_go_together(self.optim, self.trainer)
        fused = None if may_be_fused(self.trainer) else False
        optimizer = build_optimizer(self.optimizer_groups(), self.optim, fused=fused)
        total = None
        if self.optim.schedule == "cosine":
            steps = self.trainer.estimated_stepping_batches
            if steps == float("inf"):
                raise ValueError("a cosine schedule needs an end: set trainer.max_steps or trainer.max_epochs")
            total = int(steps)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(step, self.optim, total)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write `config.json` and `model.safetensors`; see `sspvs.tasks.checkpoint`.

        Returns:
            The folder.
        """
        return save_folder(
            Path(folder), self.kind, dict(self.hparams), self.state_dict(), fingerprint=self.feature_fingerprint
        )

    @classmethod
    def from_pretrained(cls: type[Task], source: str | Path, *, download: bool = False, strict: bool = True) -> Task:
        """A task from a checkpoint, in evaluation mode; `load_report` says what was loaded.

        Args:
            source: A folder that `save_pretrained` wrote, a Lightning `.ckpt` file, or a Hugging Face hub id.
            download: Fetch a hub id that is not on this machine. The checkpoint has no say in it.
            strict: Refuse a checkpoint that lacks tensors or has ones that fit nowhere. A checkpoint that has nothing
                of what is needed is refused either way.

        Raises:
            CheckpointError: What is there is none, or does not fit.
            WeightsNotFoundError: Nothing is there.
        """
        saved = load_checkpoint(source, (cls.kind,), download=download, strict=strict, task=cls)
        task = cls(**saved.settings)
        task.load_report = LoadReport.load(task, saved.state, where=str(source), strict=strict)
        return task.eval()

    def refuse_not_finite(self, what: str, *values: Any, ids: Sequence[str] = ()) -> None:
        """Refuse weights, or what they give, where they are NaN or infinite.

        Args:
            what: Which ones, in the plural.
            values: Tensors; None is passed over. With `ids` each is a batch.
            ids: The batch's videos, to name the first that is concerned.

        Raises:
            TrainingDivergedError: Something is not finite, after steps of training.
            CheckpointError: Likewise, without any.
        """
        bad = [one.detach() for one in values if one is not None and not bool(one.detach().isfinite().all())]
        if not bad:
            return
        if ids:
            row = min(int((~one.isfinite()).reshape(len(ids), -1).any(dim=1).nonzero()[0]) for one in bad)
            what = f"{what} of {ids[row]}"
        if not self.loss_watch.steps:
            raise CheckpointError(
                f"{what} are not finite (NaN or infinite), and nothing was trained here: are the weights intact, and "
                "the features of a sensible size?"
            )
        rates = {name: getattr(self.optim, name, None) for name in ("lr", "text_lr", "encoder_lr")}
        told = ", ".join(f"--model.optim.{name}, here {rate:g}" for name, rate in rates.items() if rate is not None)
        half = "" if self._trainer is None else str(self.trainer.precision)
        raise TrainingDivergedError(
            f"the training diverged: {what} are not finite (NaN or infinite) after step {self.global_step} "
            f"({self.loss_watch.told()}); lower the learning rate ({told}), "
            + ("try --trainer.precision bf16-mixed, whose numbers reach further, " if half.startswith("16") else "")
            + "and see whether the features are of a sensible size"
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the checkpoint before this one where the training has diverged since.

        Raises:
            TrainingDivergedError: Some of the weights are not finite.
        """
        self.refuse_not_finite("the weights", *checkpoint["state_dict"].values())

    def freeze_unreached(self, smallest_terms: Callable[[], Mapping[str, Tensor]]) -> None:
        """Freeze the parameters that no term of the losses depends on; see `sspvs.tasks.unused`.

        Args:
            smallest_terms: The terms of the smallest batch there is. In evaluation mode: no random numbers are drawn.
        """
        if any(parameter.is_meta for parameter in self.parameters()):
            return  # built for its sizes alone
        training = self.training
        self.eval()
        with alone(), torch.enable_grad():
            terms = smallest_terms()
        self.train(training)
        frozen = freeze_unused(self, terms.values())
        if frozen:
            _log.info("%d parameters are reached by no objective and stay as they are: %s", len(frozen), frozen)

    def log_terms(
        self, stage: Literal["train", "val", "test"], terms: Mapping[str, Tensor], total: Tensor, batch: int
    ) -> None:
        """Log a batch's terms and their total: each step of training, the means of an epoch otherwise.

        Args:
            stage: Which of the three.
            terms: Scalars by name.
            total: Scalar, as `loss`.
            batch: How many videos they are the mean of.
        """
        values = {f"{stage}/{name}": term.detach() for name, term in terms.items()}
        training = stage == "train"
        if training:
            self.loss_watch.see({**values, "train/loss": total}, self.global_step + 1)
        how: dict[str, Any] = {
            "on_step": training, "on_epoch": not training, "sync_dist": not training, "batch_size": batch,
        }  # fmt: skip
        self.log_dict(values, **how)
        self.log(f"{stage}/loss", total.detach(), prog_bar=True, **how)
