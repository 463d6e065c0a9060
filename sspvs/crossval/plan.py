"""The config of a cross-validation, read once: its folds, its tested videos, and what identifies the experiment."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path
from typing import Annotated, Any, Literal

from jsonargparse import ArgumentParser, Namespace

from sspvs.benchmark.result_file import file_facts
from sspvs.benchmark.rows import refined_row
from sspvs.data.feature_files import feature_files
from sspvs.data.fold_data import FoldDataModule, as_paths
from sspvs.parsing import parse_yaml
from sspvs.schema import Range, Settings
from sspvs.sharing import each_text, file_name
from sspvs.training.command_line import ReadConfig
from sspvs.training.run import WandbMode
from sspvs.training.tasks import TASKS, TrainingTask, chosen_task, task_named

Rule = Literal["val", "last", "best-test"]
Keep = Literal["none", "chosen"]

FOLD = "{fold}"
"""In a word of the overrides: the number of the fold, from 0."""
VALIDATE_ON = {"val": "held-out", "last": "nothing", "best-test": "test"}
"""Rule -> `data.validate_on`: the videos that choose the weights."""
PACKAGES = ("torch", "pytorch-lightning", "transformers")
"""Packages that have a part in what is trained; their versions are kept."""
_OURS = {
    "--data.fold": "all folds are gone through",
    "--data.validate_on": "--checkpoint-rule sets it",
    "--data.seed": "--seeds sets it",
    "--seed_everything": "--seeds sets it",
    "--ckpt_path": "every fold starts from nothing, or from --model.pretrained",
    "--run.root": "--out sets it",
    "--wandb_group": "it is the name of --out",
    "--wandb_name": "it is the fold's",
    "--trainer.fast_dev_run": "nothing comes out of it that one could test",
    "--trainer.enable_checkpointing": "the chosen weights are needed",
}
"""Options of `sspvs fit` that a cross-validation sets itself -> why."""
_HOW = {
    "": (
        "seed_everything",
        "ckpt_path",
        "wandb",
        "wandb_project",
        "wandb_name",
        "wandb_group",
        "task",
        "published",
        "logger",
    ),
    "run": ("root", "name", "save_every", "samples", "epoch_scores"),
    "data": ("fold", "seed", "num_workers", "download", "memory_bytes"),
    "trainer": ("logger", "default_root_dir", "log_every_n_steps", "enable_progress_bar", "enable_model_summary"),
}
"""Settings that decide how it is done and not what comes out, by group; seeds and folds are gone through."""
_CAME_LATER: Mapping[str, Any] = {
    "data.padding_counts": False,
    "data.targets": "video",
    "data.keep_last": False,
    "data.text.padding_counts": False,
    "data.text.cut": "drawn",
    "data.text.whole": False,
    "model.text_dropout": False,
    "model.video.start": "own",
    "model.optim.decay_all": False,
    "model.losses.segment_means": "unit",
    "model.scored_as_given": False,
}
"""Settings that did not exist yet when folders were made that can be gone on with -> the value that changes nothing."""
_FILES = {"data": ("dataset", "others", "splits", "texts"), "model": ("pretrained", "cnn_weights")}
"""Settings that name files: what counts is what is in them."""
_ONE_OR_SEVERAL = ("others", "features")  # settings of `data` that name one file or a list of them
_UNLABELLED = "features"
"""A setting of `data` that names files, many and large ones: what counts are their names and sizes."""


@dataclass(frozen=True)
class CrossvalSettings(Settings):
    """All folds of a config's split, under several seeds, which draw weights, order, crops and dropout.

    The rule chooses the weights of a fold. `val`: the best epoch on videos held out of training. `last`: the last
    epoch, nothing is held out. `best-test`: the best epoch on the tested videos, to compare with published figures that
    were made so; they stand in a column of their own. Folds and held-out videos are drawn by `data.split_seed`.
    """

    group = ""

    configs: tuple[str, ...]  # files of `task: summarize` or `task: refine`; later ones come on top
    out: Path
    overrides: tuple[str, ...] = ()  # words as on the command line of `sspvs fit`
    seeds: tuple[int, ...] = (0, 1, 2)
    rule: Rule = "val"
    jobs: Annotated[int, Range(least=1)] = 1  # processes, each with folds of its own
    devices: tuple[Annotated[int, Range(least=0)], ...] = ()  # GPUs, in turn; empty: as `trainer.devices`
    keep: Keep = "chosen"  # `chosen`: the weights of the first seed, as checkpoint folders
    wandb: WandbMode = "off"
    wandb_project: str = "sspvs"
    with_ridge: bool = True  # a row of ridge regression on the same folds beside

    def conflicts(self) -> list[str]:
        """No config, seeds that are not one or more different ones, options that a cross-validation sets itself."""
        wrong = [] if self.configs else ["give a config: --config configs/finetune/NAME.yaml"]
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            wrong.append(f"seeds must be one or more different numbers, none negative, got {self.seeds}")
        options = [word.partition("=")[0] for word in self.overrides]
        wrong += [f"{one} cannot be given to a cross-validation: {_OURS[one]}" for one in options if one in _OURS]
        return wrong

    @property
    def by_fold(self) -> list[str]:
        """The overrides that differ from fold to fold, such as what was pretrained without the tested videos."""
        return [word for word in self.overrides if FOLD in word]

    def arguments(self, fold: int = 0) -> list[str]:
        """The command line of `sspvs fit` that all folds share, but for what is `by_fold`."""
        words = [word for config in self.configs for word in ("--config", config)]
        words += [word.replace(FOLD, str(fold)) for word in self.overrides]
        words += ["--data.validate_on", VALIDATE_ON[self.rule], "--trainer.enable_checkpointing", "true"]
        return [*words, "--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]

    def fold_arguments(self, seed: int, fold: int, root: Path) -> list[str]:
        """The command line of one fold, whose run is in the folder `root`."""
        words = [*self.arguments(fold), "--data.fold", str(fold)]
        words += ["--data.seed", str(seed), "--seed_everything", str(seed)]
        words += ["--run.root", str(root), "--wandb", self.wandb, "--wandb_project", self.wandb_project]
        words += ["--wandb_group", self.out.resolve().name, "--wandb_name", f"seed_{seed}/fold_{fold}"]
        return [*words, "--trainer.devices", "1"] if self.devices else words


@dataclass(frozen=True)
class Plan:
    """What all folds of a cross-validation share."""

    name: str  # of the method in tables: the config's `run.name`; of refined features the combination of terms
    config: Mapping[str, Any]  # plain types
    data: FoldDataModule[Any]  # the data of the first fold, of which only the split and the opened files are used
    identity: Mapping[str, Any]  # what makes the figures what they are: settings, the rule, and what is in the files

    @classmethod
    def read(cls, settings: CrossvalSettings) -> "Plan":
        """Read a config, and open its dataset and split."""
        task = chosen_task(settings.arguments())
        if not _has_folds(task):
            known = " or ".join(f"`task: {name}`" for name in TASKS if _has_folds(task_named(name)))
            raise ValueError(
                f"crossval needs a config of {known}, got task '{task.name}'; see configs/finetune and configs/refine"
            )
        cli = ReadConfig("fit", settings.arguments())
        devices = cli.settings.trainer.devices
        if settings.jobs > 1 and devices not in (1, "1", "auto", [0], "0,", "0"):
            raise ValueError(
                f"--jobs {settings.jobs} has each process train on one device, trainer.devices is {devices}; set "
                "--trainer.devices 1, or --jobs 1"
            )
        config = parse_yaml(cli.text)
        data = _data(cli.settings.data, task)
        combine = config["model"].get("combine")
        name = str(cli.run_settings.name) if combine is None else refined_row(combine)
        identity = _identity(config, settings.rule, data)
        if settings.by_fold:
            places = (word.partition("=")[2] or word for word in settings.by_fold)
            identity["by_fold"] = {
                Path(place).name: [_content(place.replace(FOLD, str(fold))) for fold in range(data.n_folds)]
                for place in places
            }
        return cls(name, config, data, identity)

    @property
    def is_refined(self) -> bool:
        """Whether the method is contrastive importance of refined features."""
        return "combine" in self.config["model"]

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

    @property
    def n_repeated(self) -> int:
        """Videos that more than one fold tests."""
        return sum(count > 1 for count in self.times_tested.values())


def _has_folds(task: TrainingTask) -> bool:
    return issubclass(task.data, FoldDataModule)


def _data(settings: Namespace, task: TrainingTask) -> FoldDataModule[Any]:
    """The data module alone: the rest of a run is made fold by fold."""
    parser = ArgumentParser()
    parser.add_class_arguments(task.data, "data")
    instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes  # its name since 4.49
    only = parser.parse_object({"data": settings})
    made: FoldDataModule[Any] = instantiate(only).data
    return made


def _identity(config: Mapping[str, Any], rule: str, data: FoldDataModule[Any]) -> dict[str, Any]:
    """See `Plan`."""
    kept: dict[str, Any] = json.loads(json.dumps(config))
    for group, names in _HOW.items():
        inside = kept.get(group) if group else kept
        for name in names:
            (inside or {}).pop(name, None)
    if kept["data"].get("world"):
        kept["data"]["world"].pop("folder", None)
    for name in _ONE_OR_SEVERAL:
        if kept["data"].get(name):
            kept["data"][name] = as_paths(kept["data"][name])
    for group, names in _FILES.items():
        kept[group] |= {name: each_text(kept[group][name], _content) for name in names if name in kept[group]}
    if kept["data"].get(_UNLABELLED):
        kept["data"][_UNLABELLED] = _names_and_sizes(kept["data"][_UNLABELLED])
    for place, default in _CAME_LATER.items():
        *groups, last = place.split(".")
        inside = reduce(lambda group, name: group.get(name) or {}, groups, kept)
        if inside.get(last) == default:
            del inside[last]
    config = _stated(each_text(kept, _without_place))
    return {"config": config, "checkpoint_rule": rule, "split": data.split.sha256, "folds": data.n_folds}


def _stated(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is null or empty: a setting that did not exist yet is no difference where it is not used."""
    inside = {name: _stated(value) if isinstance(value, Mapping) else value for name, value in values.items()}
    return {name: value for name, value in inside.items() if value is not None and value != {}}


def _without_place(text: str) -> Any:
    """What is in a file or a folder instead of its absolute path."""
    if not Path(text).is_absolute():
        return text
    return _content(text) if Path(text).exists() else file_name(text)


def _names_and_sizes(paths: Sequence[str]) -> dict[str, Any]:
    """Of feature files, and of all files in folders of shards."""
    sizes: dict[str, int] = {}
    for file in feature_files(paths):
        inside = [file.path] if file.path.is_file() else [one for one in file.path.rglob("*.tar") if one.is_file()]
        sizes |= {f"{file.label}/{one.name}": one.stat().st_size for one in inside}
    digest = hashlib.sha256(json.dumps(sizes, sort_keys=True).encode()).hexdigest()
    return {"files": len(sizes), "bytes": sum(sizes.values()), "names_and_sizes": digest}


def _content(path: str) -> Any:
    """What is in a file or a folder, or the name as it is where there is neither (a hub id)."""
    place = Path(path)
    if place.is_file():
        return {"file": place.name, **file_facts(place)}
    if place.is_dir():
        inside = [one for one in sorted(place.rglob("*")) if one.suffix in (".json", ".safetensors", ".h5")]
        return {str(one.relative_to(place)): file_facts(one) for one in inside}
    return path
