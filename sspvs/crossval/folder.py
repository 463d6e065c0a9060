"""What lies where in the folder of a cross-validation.

    settings.json                 what identifies the experiment; another one is refused
    config.yaml                   the whole config, defaults included: `--config` takes it
    seed_S/fold_K/scores.h5       scores of the tested videos
                  scores_ag.h5    the same under another combination of terms, of refined features
                  fold.json       figures, chosen weights, what made them
                  metrics.csv     the training's curves
                  pretrained/     the chosen weights as a checkpoint folder, where they are kept
                  wandb/          W&B's files of the fold, with `--wandb offline`
    result.json                   all figures
    .work/                        folds that are being made; what is left of those that were interrupted

A fold's folder gets its name when it is whole: it is finished, or it is not there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from sspvs.atomic import made_folder, take_lock, write_text, writing
from sspvs.crossval.records import FoldRecord
from sspvs.errors import OutputError
from sspvs.files import read_json, read_yaml
from sspvs.parsing import parse_yaml
from sspvs.sharing import shareable
from sspvs.training.predictions import variant_path

SETTINGS, CONFIG, RESULT = "settings.json", "config.yaml", "result.json"
SCORES, RECORD, METRICS, PRETRAINED, WANDB = "scores.h5", "fold.json", "metrics.csv", "pretrained", "wandb"
_WORK, _LOCK = ".work", ".lock"
_SHOWN = 6


class CrossvalFolder:
    """The folder of one experiment.

    Args:
        path: Where it is, or shall be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def fold(self, seed: int, fold: int) -> Path:
        """Where a finished fold lies."""
        return self.path / f"seed_{seed}" / f"fold_{fold}"

    def work(self, seed: int, fold: int) -> Path:
        """Where a fold is being made."""
        return self.path / _WORK / f"seed_{seed}_fold_{fold}"

    def is_finished(self, seed: int, fold: int) -> bool:
        """Whether a fold is there, whole.

        Raises:
            DatasetError: Its record cannot be read.
        """
        place = self.fold(seed, fold)
        if not all((place / name).is_file() for name in (RECORD, SCORES)):
            return False
        variants = self.record(seed, fold).variants
        return all(variant_path(place / SCORES, variant).is_file() for variant in variants)

    def record(self, seed: int, fold: int) -> FoldRecord:
        """What is kept of a finished fold.

        Raises:
            DatasetError: It cannot be read.
        """
        return FoldRecord.read(self.fold(seed, fold) / RECORD)

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Nobody else works in the folder meanwhile; the claim ends with the process, however that ends.

        Raises:
            OutputError: Somebody does, it cannot be written to, or has files of these names that are not of an
                experiment.
        """
        self._refuse_foreign()
        with made_folder(self.path):
            with writing(self.path):
                lock = take_lock(self.path / _LOCK)
            if lock is None:
                raise OutputError(
                    f"{self.path}: another `sspvs crossval` is at work there; wait for its end, or choose another --out"
                )
            try:
                yield
            finally:
                self.clear_work()
                with suppress(OSError):
                    (self.path / _LOCK).unlink()
                lock.close()

    def _refuse_foreign(self) -> None:
        """Leave a folder alone whose files only have the names of ours: without `settings.json` they are not ours."""
        try:
            identity = read_json(self.path / SETTINGS)
        except FileNotFoundError:
            identity = None
        except (OSError, ValueError):
            identity = {}
        if isinstance(identity, dict) and "checkpoint_rule" in identity:
            return
        names = (CONFIG, RESULT, "seed_*") if identity is None else (SETTINGS,)
        if found := [path for name in names for path in self.path.glob(name)]:
            raise OutputError(
                f"cannot write to {self.path}: {found[0].name} exists and was not written by `sspvs crossval`; "
                "choose another --out"
            )

    def identify(self, identity: Mapping[str, Any], config: str) -> dict[str, Any]:
        """Say of which experiment the folder is, or see that it is of this one; without finished folds it is of none.

        Args:
            identity: What makes the figures what they are, plain types.
            config: The whole config, as YAML.

        Returns:
            The config that the folder was started with, as it is kept (`sspvs.sharing.shareable`): it may differ in
            what does not change the figures.

        Raises:
            ValueError: It is of another one.
            OutputError: It cannot be written to.
        """
        path, wanted = self.path / SETTINGS, json.dumps(identity, indent=2, sort_keys=True) + "\n"
        if path.is_file() and any(self.path.glob("seed_*/fold_*")):
            if differing := _differing(path, identity):
                raise ValueError(f"{self.path} was made with other settings: {differing}; {_WAYS}")
        else:
            write_text(path, wanted)  # first: it says that the rest is ours, should the process be killed in between
            kept = shareable(parse_yaml(config), self.path)
            write_text(self.path / CONFIG, yaml.safe_dump(kept, sort_keys=False, allow_unicode=True))
        started = self.path / CONFIG
        content = read_yaml(started) if started.is_file() else parse_yaml(config)
        known: dict[str, Any] = shareable(content, self.path)
        return known

    def clear_work(self) -> None:
        """Remove what interrupted folds left."""
        shutil.rmtree(self.path / _WORK, ignore_errors=True)

    def commit(self, seed: int, fold: int, made: Path) -> None:
        """Give a whole fold its place.

        Args:
            seed: Which seed.
            fold: Which fold.
            made: The folder with all its files, on the same file system.

        Raises:
            OutputError: It cannot be moved there.
        """
        target = self.fold(seed, fold)
        try:
            target.parent.mkdir(exist_ok=True)
            if target.exists():  # somebody deleted a file of it
                shutil.rmtree(target)
            made.rename(target)
        except OSError as error:
            raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
        shutil.rmtree(self.work(seed, fold), ignore_errors=True)


_WAYS = "choose another --out, or repeat the command with the settings it was started with"


def _differing(found: Path, identity: Mapping[str, Any]) -> str:
    """Which settings differ, and how; empty where none does."""
    try:
        before = _flat(read_json(found))
    except (OSError, ValueError):
        return "its settings.json cannot be read"
    now = _flat(identity)
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    told = [f"{name} {before.get(name)} (now {now.get(name)})" for name in names[:_SHOWN]]
    return ", ".join(told) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name."""
    if not isinstance(values, Mapping):
        return {prefix: values}
    out: dict[str, Any] = {}
    for name, value in values.items():
        out |= _flat(value, f"{prefix}.{name}" if prefix else str(name))
    return out
