"""The config of a cross-validation, read once: folds, tested videos, and what identifies the experiment."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser, Namespace

from sspvs.benchmark.provenance import file_facts
from sspvs.crossval.settings import CrossvalSettings
from sspvs.data.summarization import SummarizeDataModule
from sspvs.training.command_line import TrainingCLI
from sspvs.training.tasks import task_asked_for

_TASK = "summarize"
_HOW = {
    "": ("seed_everything", "ckpt_path", "wandb", "wandb_project", "wandb_name", "wandb_group", "task"),
    "run": ("root", "name", "save_every", "samples"),
    "data": ("fold", "seed", "num_workers", "download"),
    "trainer": ("logger", "default_root_dir", "log_every_n_steps", "enable_progress_bar", "enable_model_summary"),
}
"""Settings that decide how it is done and not what comes out, by group; seeds and folds are gone through."""
_FILES = {"data": ("dataset", "others", "splits", "texts"), "model": ("pretrained",)}
"""Settings that name files: what counts is what is in them."""


class ReadConfig(TrainingCLI):
    """A run of which the settings are read and settled, and nothing is made."""

    def _set_seed(self) -> None:
        pass

    def instantiate_classes(self) -> None:
        """Nothing."""

    def _run_subcommand(self, subcommand: str) -> None:
        pass

    @property
    def text(self) -> str:
        """The whole config as YAML, every default included."""
        parser = self._parser(self.subcommand)
        return str(parser.dump(self.settings, skip_link_targets=True, skip_validation=True))


@dataclass(frozen=True)
class Plan:
    """What all folds of a cross-validation share.

    Attributes:
        name: Of the method in tables: the config's `run.name`.
        config: The whole config, plain types.
        text: The same as YAML.
        data: The data of the first fold, of which only the split and the opened files are used.
        identity: What makes the figures what they are: settings, the rule, and what is in the files.
    """

    name: str
    config: Mapping[str, Any]
    text: str
    data: SummarizeDataModule
    identity: Mapping[str, Any]

    @classmethod
    def read(cls, settings: CrossvalSettings) -> Plan:
        """Read a config, and open its dataset and split.

        Raises:
            ValueError: It is of another task, or its settings do not go together.
            DatasetError: The data is not what it should be.
        """
        asked = task_asked_for(settings.arguments()).name
        if asked != _TASK:
            raise ValueError(f"crossval needs a config of `task: {_TASK}`, got task '{asked}'; see configs/finetune")
        cli = ReadConfig("fit", settings.arguments())
        _refuse_processes(settings, cli.settings.trainer.devices)
        config = yaml.safe_load(cli.text)
        data = _data(cli.settings.data)
        return cls(str(cli.run_settings.name), config, cli.text, data, _identity(config, settings.rule, data))

    @cached_property
    def digest(self) -> str:
        """Stands for the identity: SHA-256, hexadecimal."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()

    @property
    def n_folds(self) -> int:
        """Folds of the split."""
        return self.data.n_folds

    @cached_property
    def tested(self) -> tuple[tuple[str, ...], ...]:
        """Keys that each fold tests."""
        return tuple(tuple(ref.key for ref in fold.test) for fold in self.data.split.folds)

    @cached_property
    def times_tested(self) -> Mapping[str, int]:
        """How many folds test each video, by key, in the dataset's order; only those that are tested."""
        counts = Counter(key for keys in self.tested for key in keys)
        return {key: counts[key] for key in self.data.stores.tested if key in counts}


def _data(settings: Namespace) -> SummarizeDataModule:
    """The data module alone: the rest of a run is made fold by fold."""
    parser = ArgumentParser()
    parser.add_class_arguments(SummarizeDataModule, "data")
    instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes  # its name since 4.49
    only = parser.parse_object({"data": settings})
    made: SummarizeDataModule = instantiate(only).data
    return made


def _refuse_processes(settings: CrossvalSettings, devices: Any) -> None:
    """Several processes that each want several devices would be in each other's way."""
    several = devices not in (1, "1", "auto", [0], "0,", "0")
    if settings.jobs > 1 and several:
        raise ValueError(
            f"--jobs {settings.jobs} has each process train on one device, trainer.devices is {devices}; set "
            "--trainer.devices 1, or --jobs 1"
        )


def _identity(config: Mapping[str, Any], rule: str, data: SummarizeDataModule) -> dict[str, Any]:
    """See `Plan`."""
    kept: dict[str, Any] = json.loads(json.dumps(config))
    for group, names in _HOW.items():
        inside = kept.get(group) if group else kept
        for name in names:
            (inside or {}).pop(name, None)
    if kept["data"].get("world"):
        kept["data"]["world"].pop("folder", None)
    for group, names in _FILES.items():
        for name in names:
            kept[group][name] = _content(kept[group].get(name))
    return {"config": kept, "checkpoint_rule": rule, "split": data.split.sha256, "folds": data.n_folds}


def _content(path: str | Sequence[str] | None) -> Any:
    """What is in a file or a folder, or the name as it is where there is neither (a hub id)."""
    if path is None:
        return None
    if not isinstance(path, str):
        return [_content(one) for one in path]
    place = Path(path)
    if place.is_file():
        return {"file": place.name, **file_facts(place)}
    if place.is_dir():
        inside = [one for one in sorted(place.rglob("*")) if one.suffix in (".json", ".safetensors")]
        return {str(one.relative_to(place)): file_facts(one) for one in inside}
    return path
