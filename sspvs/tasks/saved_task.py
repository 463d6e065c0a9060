"""What the tasks share: they save and load themselves, train, and judge each video of a pass once."""

import logging
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

import sspvs
from sspvs.errors import CheckpointError, TrainingDivergedError
from sspvs.losses.gather import alone
from sspvs.losses.score import Reduction
from sspvs.models.fast_linear import use_fast_linears
from sspvs.tasks.checkpoint import Checkpoint, save_folder
from sspvs.tasks.data_facts import agreed_fingerprint
from sspvs.tasks.objectives import LossSettings
from sspvs.tasks.optim import configured, parameter_groups
from sspvs.tasks.settings import OptimSettings, RefineLossSettings, ScoreLossSettings
from sspvs.tasks.tensors import LoadReport
from sspvs.tasks.validation import ScoreRecords, ValidationRecords
from sspvs.types import FloatArray

STAGES = {"val": "validation", "test": "test"}  # how figures of a pass are logged -> what messages call it
_NEVER = 1 << 62
_log = logging.getLogger(__name__)
Task = TypeVar("Task", bound="SavedTask")


class LossWatch:
    """Records the step at which each figure was first not finite: on the device, so that no step waits for it."""

    def __init__(self) -> None:
        self.steps = 0
        self._names: tuple[str, ...] = ()
        self._first: Tensor | None = None  # (figures,) int64

    def see(self, figures: Mapping[str, Tensor], step: int) -> None:
        """Look at the figures (scalars by name) of a step, the first of which is 1."""
        bad = ~torch.stack([figure.detach().float().reshape(()) for figure in figures.values()]).isfinite()
        first = torch.where(bad, step, _NEVER)
        again = self._first is not None and self._names == tuple(figures)
        self._first = torch.minimum(self._first, first) if self._first is not None and again else first
        self._names = tuple(figures)
        self.steps += 1

    def report(self) -> str:
        """Which figures were the first that were not finite, and when."""
        first = [] if self._first is None else self._first.tolist()
        step = min(first, default=_NEVER)
        if step == _NEVER:
            return "the losses of all steps were finite"
        names = [name for name, found in zip(self._names, first, strict=True) if found == step]
        return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} not finite since step {step}"


class SavedTask(pl.LightningModule):
    """A task whose hyperparameters, in plain form, make it again."""

    kind: ClassVar[str]
    model: nn.Module
    losses: LossSettings | RefineLossSettings | ScoreLossSettings
    optim: OptimSettings
    records: ScoreRecords | ValidationRecords  # of the last pass; of all processes once it has ended
    compile_model: bool
    load_report: LoadReport | None = None  # of `from_pretrained`

    def __init__(self) -> None:
        super().__init__()
        self.loss_watch = LossWatch()

    @property
    def feature_fingerprint(self) -> dict[str, Any] | None:
        """What made the features this was trained on, when known."""
        known: dict[str, Any] | None = self.hparams["feature_fingerprint"]
        return known

    @property
    def data(self) -> Any:
        """The trainer's data module; None without one."""
        return getattr(self.trainer, "datamodule", None)

    def setup(self, stage: str) -> None:
        """Take over what is known about the data's features; compile, or choose kernels."""
        known = getattr(self.data, "feature_fingerprint", None)
        self.hparams["feature_fingerprint"] = agreed_fingerprint(self.feature_fingerprint, known)
        if stage == "fit":
            self.loss_watch = LossWatch()
        if self.compile_model and stage == "fit":
            self.model.compile()
        elif self.trainer.strategy.root_device.type == "cpu":
            use_fast_linears(self.model)

    def optimizer_groups(self) -> list[dict[str, Any]]:
        """The trained parameters, each with its learning rate."""
        return parameter_groups(self, self.optim)

    def configure_optimizers(self) -> Any:
        return configured(self.optimizer_groups(), self.optim, self.trainer)

    @abstractmethod
    def batch_terms(self, batch: Any) -> dict[str, Tensor]:
        """The terms of a batch's loss by name (`mse_loss`, ...), unweighted."""

    @abstractmethod
    def smallest_batch(self) -> Any:
        """A batch as small as can be, in whose terms every parameter that is trained takes part."""

    @abstractmethod
    def keep(self, batch: Any, stage: Literal["val", "test"]) -> None:
        """Put what a pass finds out about a batch into the records."""

    @abstractmethod
    def log_figures(self, stage: Literal["val", "test"]) -> None:
        """Log what the records of a whole pass say."""

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """The weighted sum of the terms, at least one: what is trained on."""
        weights = self.losses.weights
        parts = [weights[name] * term for name, term in terms.items()]
        return sum(parts[1:], start=parts[0])

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        terms = self.batch_terms(batch)
        total = self.total(terms)
        self.log_terms("train", terms, total, len(batch.frames))
        return total

    def validation_step(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        self.keep(batch, "val")

    def test_step(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        self.keep(batch, "test")

    def on_validation_epoch_start(self) -> None:
        self.records = type(self.records)()

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_epoch_end(self) -> None:
        """Log the figures of all videos, each counted once, as `val/...`."""
        self.records = self.records.joined()
        self.log_figures("val")

    def on_test_epoch_end(self) -> None:
        """As `on_validation_epoch_end`, as `test/...`."""
        self.records = self.records.joined()
        self.log_figures("test")

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write `config.json` and `model.safetensors`, see `sspvs.tasks.checkpoint`; returns the folder."""
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
        opened = Checkpoint.open(source, (cls.kind,), download=download)
        saved = opened.checked(download=download, strict=strict, task=cls)
        task = cls(**saved.settings)
        task.load_report = LoadReport.load(task, saved.state, where=str(source), strict=strict)
        return task.eval()

    def refuse_not_finite(self, what: str, *values: Any, ids: Sequence[str] = ()) -> None:
        """Raise TrainingDivergedError (CheckpointError before any step) where `values`, of `ids`, are not finite."""
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
        options = ", ".join(f"--model.optim.{name}, here {rate:g}" for name, rate in rates.items() if rate is not None)
        half = "" if self._trainer is None else str(self.trainer.precision)
        raise TrainingDivergedError(
            f"the training diverged: {what} are not finite (NaN or infinite) after step {self.global_step} "
            f"({self.loss_watch.report()}); lower the learning rate ({options}), "
            + ("try --trainer.precision bf16-mixed, whose numbers reach further, " if half.startswith("16") else "")
            + "and see whether the features are of a sensible size"
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the kind; refuse weights that are not finite, which keeps the checkpoint before this one."""
        self.refuse_not_finite("the weights", *checkpoint["state_dict"].values())
        checkpoint["sspvs"] = {"kind": self.kind, "version": sspvs.__version__}

    def freeze_unreached(self) -> None:
        """Freeze the parameters that no term depends on; of the smallest batch, and without drawing random numbers."""
        if any(parameter.is_meta for parameter in self.parameters()):
            return  # built for its sizes alone
        training = self.training
        self.eval()
        with alone(), torch.enable_grad():
            terms = self.batch_terms(self.smallest_batch())
        self.train(training)
        frozen = freeze_unused(self, terms.values())
        if frozen:
            _log.info("%d parameters are reached by no objective and stay as they are: %s", len(frozen), frozen)

    def log_terms(
        self, stage: Literal["train", "val", "test"], terms: Mapping[str, Tensor], total: Tensor, batch: int
    ) -> None:
        """Log the terms of `batch` videos and their total: each step of training, the means of an epoch otherwise."""
        values = {f"{stage}/{name}": term.detach() for name, term in terms.items()}
        training = stage == "train"
        if training:
            self.loss_watch.see({**values, "train/loss": total}, self.global_step + 1)
        how: Any = dict(on_step=training, on_epoch=not training, sync_dist=not training, batch_size=batch)  # noqa: C408
        self.log_dict(values, **how)
        self.log(f"{stage}/loss", total.detach(), prog_bar=True, **how)


class JudgedTask(SavedTask):
    """A task that scores videos; the scores of a pass of validation or test are held against people's."""

    records: ScoreRecords

    @abstractmethod
    def outputs(self, batch: Any) -> Any:
        """What the model gives for a batch."""

    @abstractmethod
    def terms(self, batch: Any, out: Any, reduction: Reduction = "mean") -> dict[str, Tensor]:
        """The terms of the loss, unweighted, of outputs; with `none` (B,) values, one for each video."""

    @abstractmethod
    def scores_of(self, batch: Any, out: Any) -> Any:
        """The scores of the videos of a batch, and what they are made of; `scores` are B tensors (T,)."""

    def batch_terms(self, batch: Any) -> dict[str, Tensor]:
        return self.terms(batch, self.outputs(batch))

    def scored(self, batch: Any) -> Any:
        """Score the whole videos of a batch, in whatever mode the task is."""
        return self.scores_of(batch, self.outputs(batch))

    def predict_step(self, batch: Any, batch_idx: int) -> Any:  # noqa: ARG002
        return self.scored(batch)

    def keep(self, batch: Any, stage: Literal["val", "test"]) -> None:  # noqa: ARG002
        out = self.outputs(batch)
        terms = self.terms(batch, out, "none")
        self.records.add(batch.ids, {"scores": self.scores_of(batch, out).scores, **terms})

    @property
    def scores(self) -> dict[str, FloatArray]:
        """(T,) float32 scores by video of the last pass of validation or test; of all processes once it has ended."""
        return self.records.scores

    def judged(self) -> Mapping[str, FloatArray]:
        """The scores that are held against people's; all, unless a task says otherwise."""
        return self.records.scores

    def log_figures(self, stage: Literal["val", "test"]) -> None:
        terms = {name: torch.tensor(value) for name, value in self.records.means().items()}
        values: dict[str, Any] = dict(terms)
        if terms:
            total = self.total(terms)
            self.refuse_not_finite(f"the {STAGES[stage]} losses", total)
            self.log(f"{stage}/loss", total, prog_bar=True, sync_dist=True)
        judge = getattr(self.data, "judge", None)
        scores = self.judged()
        if judge is not None and scores:
            values |= judge(scores)
        # Every process has the same values: the mean over them is the value.
        self.log_dict({f"{stage}/{name}": value for name, value in values.items()}, sync_dist=True)


def freeze_unused(module: nn.Module, losses: Iterable[Tensor]) -> list[str]:
    """Freeze and name the parameters that no loss depends on: DDP would wait for their gradients for ever."""
    reached: set[int] = set()
    seen: set[object] = set()
    waiting: list[object] = [loss.grad_fn for loss in losses if loss.grad_fn is not None]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)  # of the nodes that accumulate into a leaf
        if variable is not None:
            reached.add(id(variable))
        waiting.extend(following for following, _ in getattr(node, "next_functions", ()) if following is not None)
    frozen = []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad and id(parameter) not in reached:
            parameter.requires_grad_(False)
            frozen.append(name)
    return frozen
