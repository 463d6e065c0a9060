"""LightningCLI with this package's defaults: runs in their own folders, whole checkpoints, one-line errors."""

import logging
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import is_dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn, get_args, get_type_hints

import pytorch_lightning as pl
import yaml
from jsonargparse import Namespace, get_loader, set_loader, set_parsing_settings
from pytorch_lightning.callbacks import Callback, LearningRateMonitor
from pytorch_lightning.cli import ArgsType, LightningArgumentParser, LightningCLI

from sspvs.atomic import writing
from sspvs.errors import UnknownOptionError, local_only
from sspvs.parsing import check_yaml, parse_yaml
from sspvs.sharing import HERE, located, named
from sspvs.table import FeatureKind, check_features
from sspvs.tasks.checkpoint import Checkpoint
from sspvs.tasks.data_facts import OTHER_WIDTH
from sspvs.tasks.tensors import LoadReport
from sspvs.training.given import given, import_named, options, refuse_unbounded, texts
from sspvs.training.published import recipe_words
from sspvs.training.run import RunConfig, RunSettings, WandbMode, build_loggers, remove_unstarted
from sspvs.training.saving import (
    BestCheckpoint,
    DrawByStep,
    KeepPlace,
    LastCheckpoint,
    WholeCheckpoints,
    export_weights,
)
from sspvs.training.signals import StoppedBySignalError, raise_arrived
from sspvs.training.starting_point import differences, find_starting_point, restoring
from sspvs.training.tasks import TASKS, chosen_task

logger = logging.getLogger(__name__)

_SKIPPED = {"model", "train_dataloaders", "val_dataloaders", "dataloaders", "datamodule", "weights_only", "verbose"}
"""Arguments of the trainer's methods that the command line does not have."""

_UNKNOWN = re.compile(
    r"""(?:Parser key "([\w.]+)".*?)?"""
    r"""(?:unrecognized arguments: |(?:Subcommand '\w+'|Group '([\w.]+)') does not accept option '|Option ')"""
    r"""(-{0,2}[A-Za-z][\w.-]*)""",
    re.DOTALL,
)


_load_yaml = get_loader("yaml")


def _load_bounded(text: str) -> Any:
    check_yaml(text)
    return _load_yaml(text)


set_loader("yaml", _load_bounded, exceptions=(yaml.YAMLError,))  # also of configs that a config names


class _Parser(LightningArgumentParser):
    """Raises on mistakes, so that all of them end alike; configs may name files relative to themselves (`located`)."""

    _folder = Path()

    def parse_path(self, path: Any, *args: Any, **kwargs: Any) -> Namespace:
        self._folder = Path(path).parent
        found: Namespace = super().parse_path(path, *args, **kwargs)
        return found

    def parse_string(self, content: str, *args: Any, **kwargs: Any) -> Namespace:
        if HERE in content or "~/" in content:
            content = yaml.safe_dump(located(parse_yaml(content), self._folder), sort_keys=False)
        found: Namespace = super().parse_string(content, *args, **kwargs)
        return found

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise ValueError(message) from ex


class TrainingCLI(LightningCLI):
    """`sspvs fit|validate|test|predict`."""

    def __init__(self, verb: str, arguments: Sequence[str]) -> None:
        # Attributes' docstrings are the help of settings; reading them takes as long as all the rest of the parser.
        explained = bool({"-h", "--help"} & set(arguments))
        set_parsing_settings(docstring_parse_attribute_docstrings=explained)
        self.task = chosen_task(arguments)
        self.verb, self.arguments = verb, [*recipe_words(given(arguments), self.task.name), *arguments]
        self.start: Checkpoint | None = None
        self.report: LoadReport | None = None
        self.last_checkpoint: LastCheckpoint | None = None
        super().__init__(
            self.task.module,
            self.task.data,
            save_config_callback=RunConfig if verb == "fit" else None,
            seed_everything_default=0,
            parser_kwargs={"prog": "sspvs"},
            parser_class=_Parser,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            args=[verb, *self.arguments],
        )

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        """The verb alone: a parser for each takes its time."""
        return {self.verb: {*_SKIPPED, "return_predictions"}}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Arguments beside Lightning's, and the task's links between data and model."""
        parser.add_argument("--task", choices=list(TASKS), default=self.task.name, help="what is trained")
        parser.add_argument(
            "--published",
            type=str | None,
            default=None,
            help="recipe of published rows, whose settings come before those of all configs",
        )
        parser.add_argument(
            "--import",
            type=str | list[str] | None,
            default=None,
            help="modules to import first: heads, backbones, tasks and the like that they register go by their names",
        )
        parser.add_argument("--run", type=RunSettings, default=self.task.run, help="where the run is")
        parser.add_argument("--wandb", type=WandbMode, default="off", help="W&B: off, offline or online")
        parser.add_argument("--wandb_project", type=str, default="sspvs", help="its project")
        parser.add_argument("--wandb_name", type=str | None, default=None, help="default: the run's name and version")
        parser.add_argument("--wandb_group", type=str | None, default=None, help="default: the run's name")
        if self.verb == "predict":
            parser.add_argument("--out", type=str, required=True, help=self.task.written)
        self.task.link(parser)

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, without Lightning's warning that the process has arguments too: they are the same."""
        configs = [value for option, value in options(self.arguments) if option == "--config"]
        _refuse_addresses(configs)
        refuse_unbounded(given(self.arguments))
        try:
            self.config = parser.parse_args(args)  # type: ignore[arg-type]
        except ValueError as error:
            known = _settings_of(self._parser(self.verb))
            if name := _unknown_name(str(error), known):
                raise UnknownOptionError(name, known, f"sspvs {self.verb}") from error
            if "parsing config" in str(error):
                raise ValueError(f"{', '.join(configs)}: {error}") from error
            raise
        settings = self.settings
        _refuse_addresses((settings.get("ckpt_path"), settings.get("out"), settings.data, settings.model))
        settings["import"] = list(import_named(self.arguments)) or None

    def _parse_ckpt_path(self) -> None:
        """Instead of Lightning's: see `before_instantiate_classes`."""

    @property
    def settings(self) -> Namespace:
        """The settings of the verb."""
        found: Namespace = self.config[self.verb]
        return found

    def before_instantiate_classes(self) -> None:
        """Take the model's settings from the checkpoint, where one is given."""
        start = self.settings.get("ckpt_path")
        self.run_settings = RunSettings(**self.settings.run.as_dict())
        self.task.settle(self.settings, given(self.arguments))
        if self.verb == "fit":
            self.task.check(self.settings)
        if self.verb == "validate" and not self.task.chooses(self.settings):
            raise ValueError(
                "data.validate_on is nothing: there is nothing to validate on; set it to held-out, or take `sspvs test`"
            )
        if start is None and self.verb != "fit":
            raise ValueError(
                f"{self.verb} needs --ckpt_path (last, best, a .ckpt file or a checkpoint folder): without it the "
                "weights would be random"
            )
        if start is not None:
            required = self.verb != "fit"
            text = self.settings.model.get("text")
            self.start = find_starting_point(
                str(start),
                self.run_settings,
                self.task,
                required=required,
                download=text is not None and bool(text.download),
            )
            self.settings.ckpt_path = None
        if self.start is None:
            self.task.prepare(self.settings)
            return
        self._take_over(self.start)
        self.settings.ckpt_path = None if self.start.path.is_dir() else str(self.start.path)

    def instantiate_classes(self) -> None:
        """Make everything; load the weights of a checkpoint folder."""
        super().instantiate_classes()
        if self.start is None:
            return
        known, found = (self.task.feature_dim(one) for one in (self.start.settings, self.model.hparams))
        like = f"those of {self.start.path}"
        check_features(FeatureKind(found), FeatureKind(known), "the data", like=like, remedy=OTHER_WIDTH)
        for name in self.task.own_facts:
            if name in self.start.settings:
                self.model.hparams[name] = named(self.start.settings[name])
        if self.start.path.is_dir():
            self.report = LoadReport.load(self.model, self.start.state, where=str(self.start.path))
            self.model.load_report = self.report

    def _run_subcommand(self, subcommand: str) -> None:
        """Run; a training that was refused or interrupted before it began leaves no folder."""
        raise_arrived()
        place = Path(self.trainer.log_dir or self.run_settings.root)
        try:
            with writing(place), restoring(self.start):  # Lightning's and W&B's files
                super()._run_subcommand(subcommand)
        except BaseException as error:
            if self.verb == "fit":
                remove_unstarted(self.trainer)
            if self.last_checkpoint is not None and isinstance(error, StoppedBySignalError) and not error.outcome:
                raise StoppedBySignalError(error.number, self.last_checkpoint.outcome(self.trainer)) from error
            raise

    def after_fit(self) -> None:
        """Export the weights; validate what was trained already, where a restart found nothing left to train."""
        if self.last_checkpoint is None:
            return
        export_weights(self.trainer, self.task.module)
        if self.last_checkpoint.nothing_left and self.trainer.enable_validation:
            self.trainer.validate(self.model, datamodule=self.datamodule, verbose=False)

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """The trainer with this package's loggers, checkpoints and callbacks."""
        given = self._get(self.config_init, "trainer")
        developing = bool(given.get("fast_dev_run"))
        wandb = (self.settings[f"wandb{name}"] for name in ("", "_project", "_name", "_group"))
        trained = self.verb == "fit" and not developing
        kwargs["logger"] = build_loggers(given.logger, self.run_settings, *wandb) if trained else given.logger or False
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
            out.append(self.task.samples(run.samples))
        if saved:
            self.last_checkpoint = LastCheckpoint(run.save_every)
            chosen = [BestCheckpoint(run.monitor, run.mode)] if self.task.chooses(self.settings) else []
            out += [*chosen, self.last_checkpoint]
        if self.verb == "predict":
            source = "none" if self.start is None else str(self.start.path)
            out.append(self.task.writer(Path(self.settings.out), source))
        return out

    def _take_over(self, start: Checkpoint) -> None:
        """Put a checkpoint's settings in the place of the config's, and report where they differ."""
        model = self.settings.model
        # Facts of its own do not go through the parser, which takes strings that look like numbers for numbers.
        own = self.task.own_facts
        known = {name: value for name, value in start.settings.items() if name in model and name not in own}
        if start.path.is_dir() and self.verb == "fit":
            known = {name: value for name, value in known.items() if name not in self.task.new_in_fit}
        for group, names in self.task.data_facts.items():
            known[group] = {name: value for name, value in known[group].items() if name not in names}
        found = differences(known, model.as_dict())
        if "text" in known and (model.text.config is None or known["text"].get("config") is None):
            found.pop("text.config", None)
        self._refuse_flags(start, found)
        if found:
            listed = ", ".join(f"{name} {one} (config: {other})" for name, (one, other) in sorted(found.items()))
            logger.warning("%s: its settings are used where the config has others: %s", start.path, listed)
        for name, value in known.items():
            if isinstance(value, dict) and isinstance(model[name], Namespace):
                for inner, part in value.items():
                    model[name][inner] = part
            else:
                model[name] = value
        self.task.take_over(self.settings, start.settings)

    def _refuse_flags(self, start: Checkpoint, found: dict[str, tuple[Any, Any]]) -> None:
        """A flag that contradicts the checkpoint is a mistake; a config file may be meant for something else."""
        words = [word.split("=")[0] for word in self.arguments]
        flags = {word.removeprefix("--model.") for word in words if word.startswith("--model.")}
        for name, (one, other) in sorted(found.items()):
            if any(name == flag or name.startswith(f"{flag}.") or flag.startswith(f"{name}.") for flag in flags):
                raise ValueError(
                    f"--model.{name} {other} contradicts the checkpoint {start.path}, which has {one}; leave the "
                    "flag out, or start without --ckpt_path"
                )


class ReadConfig(TrainingCLI):
    """A run whose settings are read and settled; nothing is made."""

    def _set_seed(self) -> None: ...

    def instantiate_classes(self) -> None:
        """Nothing."""

    def _run_subcommand(self, subcommand: str) -> None: ...

    @property
    def text(self) -> str:
        """The whole config as YAML, every default included."""
        parser = self._parser(self.subcommand)
        return str(parser.dump(self.settings, skip_link_targets=True, skip_validation=True))


def settings_parser(verb: str, task: str) -> LightningArgumentParser:
    """The parser of a verb's settings, for one task; it has parsed nothing."""

    class OnlyParser(ReadConfig):
        def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:  # noqa: ARG002
            self.config = Namespace(subcommand=self.verb)  # type: ignore[no-untyped-call]

        def before_instantiate_classes(self) -> None: ...

    return OnlyParser(verb, ["--task", task])._parser(verb)


def _refuse_addresses(value: Any) -> None:
    for text in texts(value):
        local_only(text)


def _unknown_name(message: str, known: set[str]) -> str:
    """The option, or the key of a config, that jsonargparse reports as unknown; empty for any other message."""
    found = _UNKNOWN.search(message)
    if found is None:
        return ""
    key, group, option = found.groups(default="")
    if key and not any(name.startswith(f"--{key}.") for name in known):
        return ""  # an argument of a class of others, of which not even the name is sure
    dashes = "--" if option.startswith("-") else ""
    return dashes + ".".join(part for part in (key, group, option.lstrip("-")) if part)


def _settings_of(parser: LightningArgumentParser) -> set[str]:
    """Names of all settings, with those inside a dataclass that may be None, which are no options of the parser."""
    actions = {name: action for name, action in parser._option_string_actions.items() if not name.endswith(".help")}
    inside = (_fields_inside(name, getattr(action, "_typehint", None)) for name, action in actions.items())
    return {*actions, *chain.from_iterable(inside)}


def _fields_inside(name: str, type_: Any) -> Iterator[str]:
    for one in (type_, *get_args(type_)):
        if is_dataclass(one):
            for field, inner in get_type_hints(one).items():
                yield f"{name}.{field}"
                yield from _fields_inside(f"{name}.{field}", inner)
