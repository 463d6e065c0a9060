"""LightningCLI with this package's defaults: runs in their own folders, whole checkpoints, one-line errors."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import pytorch_lightning as pl
from jsonargparse import Namespace, set_parsing_settings
from pytorch_lightning.callbacks import Callback, LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.cli import ArgsType, LightningArgumentParser, LightningCLI

from sspvs.data.pretrain import PretrainDataModule
from sspvs.errors import CheckpointError
from sspvs.tasks.checkpoint import LoadReport
from sspvs.tasks.pretrain import PretrainTask
from sspvs.training.draws import DrawByStep
from sspvs.training.loggers import build_loggers
from sspvs.training.place import KeepPlace
from sspvs.training.predictions import WriteEmbeddings
from sspvs.training.records import ExportWeights, RunConfig
from sspvs.training.run import RunSettings, WandbMode, WandbSettings
from sspvs.training.samples import Samples
from sspvs.training.saving import BEST, LastCheckpoint, WholeCheckpoints
from sspvs.training.starting_point import StartingPoint, differences, find_starting_point
from sspvs.training.stopping import StopOnSignal

logger = logging.getLogger(__name__)

SKIPPED = {
    "fit": {"model", "train_dataloaders", "val_dataloaders", "datamodule", "weights_only"},
    "validate": {"model", "dataloaders", "datamodule", "weights_only", "verbose"},
    "test": {"model", "dataloaders", "datamodule", "weights_only", "verbose"},
    "predict": {"model", "dataloaders", "datamodule", "weights_only", "return_predictions"},
}
"""Verb -> arguments of the trainer's method that are no business of the command line."""
_NEW_IN_FIT = ("optim", "compile_model", "retrieval_candidates")  # what training from weights takes from its config
_DATA_FACTS = {"video": ("feature_dim", "trained_length")}  # settings that come from the data


class OneLineParser(LightningArgumentParser):
    """Complains by raising, so that all mistakes end alike."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise instead of printing the usage and exiting."""
        raise ValueError(message) from ex


class TrainingCLI(LightningCLI):
    """`sspvs fit|validate|test|predict`.

    Args:
        verb: Which of them.
        arguments: What follows it on the command line.
    """

    def __init__(self, verb: str, arguments: Sequence[str]) -> None:
        set_parsing_settings(docstring_parse_attribute_docstrings=True)
        self.verb, self.arguments = verb, list(arguments)
        self.start: StartingPoint | None = None
        self.report: LoadReport | None = None
        super().__init__(
            PretrainTask,
            PretrainDataModule,
            save_config_callback=RunConfig if verb == "fit" else None,
            seed_everything_default=0,
            parser_kwargs={"prog": "sspvs"},
            parser_class=OneLineParser,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            args=[verb, *self.arguments],
        )

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        """The verb alone: a parser for each takes its time."""
        return {self.verb: set(SKIPPED[self.verb])}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Arguments of our own, and what the data and the model tell each other."""
        parser.add_argument("--run", type=RunSettings, default=RunSettings(), help="where the run lies")
        parser.add_argument("--wandb", type=WandbMode, default="off", help="W&B: off, offline or online")
        parser.add_argument("--wandb_project", type=str, default="sspvs", help="its project")
        parser.add_argument("--wandb_name", type=str | None, default=None, help="default: the run's name and version")
        parser.add_argument("--wandb_group", type=str | None, default=None, help="default: the run's name")
        if self.verb == "predict":
            parser.add_argument("--out", type=str, required=True, help="h5 file for the embeddings")
        parser.link_arguments("data.feature_dim", "model.video.feature_dim", apply_on="instantiate")
        parser.link_arguments("data.max_frames", "model.video.trained_length")
        parser.link_arguments("model.text.encoder", "data.encoder")
        parser.link_arguments("model.text.small", "data.vocab_size", compute_fn=_vocab_size)

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, without Lightning's warning that the process has arguments too: they are these."""
        self.config = parser.parse_args(args)  # type: ignore[arg-type]

    def _parse_ckpt_path(self) -> None:
        """Instead of Lightning's: see `before_instantiate_classes`."""

    @property
    def settings(self) -> Namespace:
        """Of the verb."""
        found: Namespace = self.config[self.verb]
        return found

    def before_instantiate_classes(self) -> None:
        """Take the model's settings from the checkpoint, where one is given."""
        given = self.settings.get("ckpt_path")
        self.run_settings = RunSettings(**self.settings.run.as_dict())
        if self.verb == "fit":
            _refuse_without_negatives(self.settings.model.losses, self.settings.data.negative_probability)
        if given is None:
            return
        self.start = find_starting_point(str(given), self.run_settings, required=self.verb != "fit")
        self.settings.ckpt_path = None
        if self.start is not None:
            self._take_over(self.start)
            self.settings.ckpt_path = None if self.start.state is not None else str(self.start.source)

    def instantiate_classes(self) -> None:
        """Make everything; load the weights of a checkpoint folder."""
        super().instantiate_classes()
        if self.start is None:
            return
        known, found = self.start.settings["video"]["feature_dim"], self.model.hparams["video"]["feature_dim"]
        if known != found:
            raise CheckpointError(
                f"{self.start.source}: made for features of width {known}, the data has {found}; extract the features "
                "with the backbone it was trained on"
            )
        if self.start.state is not None:
            self.report = LoadReport.load(self.model, self.start.state, where=str(self.start.source))
            self.model.load_report = self.report

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """The trainer with this package's loggers, checkpoints and callbacks."""
        given = self._get(self.config_init, "trainer")
        developing = bool(given.get("fast_dev_run"))
        wandb = WandbSettings(*(self.settings[name] for name in ("wandb", *_WANDB)))
        trained = self.verb == "fit" and not developing
        kwargs["logger"] = build_loggers(given.logger, self.run_settings, wandb) if trained else given.logger or False
        if given.enable_progress_bar is None:
            kwargs["enable_progress_bar"] = sys.stderr.isatty()
        if given.default_root_dir is None:
            kwargs["default_root_dir"] = self.run_settings.root
        saved = trained and given.enable_checkpointing is not False
        if not saved:
            kwargs["enable_checkpointing"] = False
        plugins = given.plugins or []
        kwargs["plugins"] = [*(plugins if isinstance(plugins, list) else [plugins]), WholeCheckpoints()]
        callbacks = given.callbacks or []
        callbacks = callbacks if isinstance(callbacks, list) else [callbacks]
        kwargs["callbacks"] = [*callbacks, *self._callbacks(trained, saved, has_logger=kwargs["logger"] is not False)]
        return super().instantiate_trainer(**kwargs)

    def _callbacks(self, trained: bool, saved: bool, *, has_logger: bool) -> list[Callback]:
        run = self.run_settings
        out: list[Callback] = []
        if self.verb == "fit":
            out += [DrawByStep(int(self.settings.seed_everything)), KeepPlace()]
        if trained and has_logger:
            out.append(LearningRateMonitor("step"))
            out.append(Samples(run.samples))
        if saved:
            last = LastCheckpoint(run.save_every)
            best = ModelCheckpoint(
                filename=BEST.removesuffix(".ckpt"),
                monitor=run.monitor,
                mode=run.mode,
                save_top_k=1,
                enable_version_counter=False,
            )
            out += [StopOnSignal(last), best, last, ExportWeights()]
        if self.verb == "predict":
            source = "none" if self.start is None else str(self.start.source)
            out.append(WriteEmbeddings(Path(self.settings.out), source))
        return out

    def _take_over(self, start: StartingPoint) -> None:
        """Put a checkpoint's settings in the place of the config's, and say where they differ."""
        model, data = self.settings.model, self.settings.data
        known = {name: value for name, value in start.settings.items() if name in model}
        if start.state is not None and self.verb == "fit":
            known = {name: value for name, value in known.items() if name not in _NEW_IN_FIT}
        for group, names in _DATA_FACTS.items():
            known[group] = {name: value for name, value in known[group].items() if name not in names}
        found = differences(known, _as_dict(model))
        if model.text.config is None or known["text"].get("config") is None:
            found.pop("text.config", None)
        found.pop("feature_fingerprint", None)
        self._refuse_flags(start, found)
        if found:
            listed = ", ".join(f"{name} {one} (config: {other})" for name, (one, other) in sorted(found.items()))
            logger.warning("%s: its settings are used where the config has others: %s", start.source, listed)
        for name, value in known.items():
            if isinstance(value, dict) and isinstance(model[name], Namespace):
                for inner, part in value.items():
                    model[name][inner] = part
            else:
                model[name] = value
        model.video.trained_length = start.settings["video"]["trained_length"]
        data.encoder = start.settings["text"]["encoder"]
        data.vocab_size = _vocab_size(start.settings["text"].get("small"))

    def _refuse_flags(self, start: StartingPoint, found: dict[str, tuple[Any, Any]]) -> None:
        """A flag that contradicts the checkpoint is a mistake; a config file may be meant for something else."""
        words = [word.split("=")[0] for word in self.arguments]
        flags = {word.removeprefix("--model.") for word in words if word.startswith("--model.")}
        for name, (one, other) in sorted(found.items()):
            if any(name == flag or name.startswith(f"{flag}.") or flag.startswith(f"{name}.") for flag in flags):
                raise ValueError(
                    f"--model.{name} {other} contradicts the checkpoint {start.source}, which has {one}; leave the "
                    "flag out, or start without --ckpt_path"
                )


_WANDB = ("wandb_project", "wandb_name", "wandb_group")


def _refuse_without_negatives(losses: Any, probability: float) -> None:
    """What tells matched from mismatched pairs learns nothing where all are matched."""
    batch_negatives = losses.coarse in ("infonce", "sigmoid")
    drawn = [name for name in ("matching", "hausdorff") if name in (losses.coarse, losses.fine)]
    if drawn and not batch_negatives and probability == 0:
        raise ValueError(
            f"data.negative_probability is 0: {' and '.join(drawn)} would see matching texts only and learn nothing; "
            "set it to 0.5, or model.losses.coarse to infonce or sigmoid, which take the batch's other texts"
        )


def _vocab_size(small: Any) -> int | None:
    """Ids of the text tower `small`, where its sizes say how many."""
    with suppress(AttributeError):
        found = small.get("vocab_size")
        return None if found is None else int(found)
    return None


def _as_dict(settings: Any) -> dict[str, Any]:
    out: dict[str, Any] = settings.as_dict()
    return out
