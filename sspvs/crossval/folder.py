"""The folder of a cross-validation: finished folds, whole or not there, each with its record; one process at a time."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from sspvs.atomic import made_folder, write_text, writing
from sspvs.errors import DatasetError, OutputError, first_line, listed
from sspvs.files import read_json, read_yaml
from sspvs.schema import mistakes
from sspvs.sharing import named, shareable
from sspvs.tasks.checkpoint import Origin
from sspvs.temporaries import take_lock
from sspvs.training.given import leaves
from sspvs.training.predictions import variant_path

SETTINGS, CONFIG, RESULT = "settings.json", "config.yaml", "result.json"
SCORES, RECORD, METRICS, PRETRAINED, WANDB = "scores.h5", "fold.json", "metrics.csv", "pretrained", "wandb"
_WORK, _LOCK = ".work", ".lock"


@dataclass(frozen=True)
class Chosen:
    """The weights that were tested, and why these."""

    rule: str  # `val`, `last` or `best-test`
    epoch: int  # whose weights they are, from 0
    step: int  # optimiser steps until then
    why: str  # in a sentence
    monitor: str | None = None  # None under `last`
    value: float | None = None  # None when undefined


@dataclass(frozen=True)
class FoldRecord:
    """One fold under one seed."""

    seed: int
    fold: int
    digest: str  # of the settings that made it
    figures: Mapping[str, float | None]  # means over the tested videos; undefined is None
    chosen: Chosen
    train: int  # number of videos
    val: tuple[str, ...]  # that chose the weights
    test: tuple[str, ...]
    seconds: float
    device: str
    initialised_from: Mapping[str, Any] | None = None
    feature_fingerprint: Mapping[str, Any] | None = None
    versions: Mapping[str, str] = field(default_factory=dict)  # package -> version
    variants: tuple[str, ...] = ()  # names of other scores of the same videos
    weights_sha256: str | None = None  # where they are kept

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        write_text(path, json.dumps(asdict(self), indent=2, allow_nan=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> "FoldRecord":
        """Read what `write` wrote."""
        try:
            content = read_json(path)
            content = {"variants": (), "weights_sha256": None, **content}  # records of older versions have none
            origin = content["initialised_from"]
            if wrong := [*mistakes(cls, content), *(mistakes(Origin, origin) if origin else ())]:
                raise ValueError("; ".join(wrong[:3]))
            known = {one.name: content[one.name] for one in fields(cls)}
            known |= {name: tuple(known[name]) for name in ("val", "test", "variants")}
            known["initialised_from"] = named(known["initialised_from"])  # earlier versions kept the absolute path
            known["chosen"] = Chosen(**content["chosen"])
            return cls(**known)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(
                f"{path}: no record of a fold: {first_line(error)}; delete its folder, and the fold is made again"
            ) from error


class CrossvalFolder:
    """The folder of one experiment; it need not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fold(self, seed: int, fold: int) -> Path:
        """Where a finished fold is."""
        return self.path / f"seed_{seed}" / f"fold_{fold}"

    def work(self, seed: int, fold: int) -> Path:
        """Where a fold is being made."""
        return self.path / _WORK / f"seed_{seed}_fold_{fold}"

    def is_finished(self, seed: int, fold: int) -> bool:
        """Whether a fold is there, whole."""
        place = self.fold(seed, fold)
        if not all((place / name).is_file() for name in (RECORD, SCORES)):
            return False
        variants = self.record(seed, fold).variants
        return all(variant_path(place / SCORES, variant).is_file() for variant in variants)

    def record(self, seed: int, fold: int) -> FoldRecord:
        """What is kept of a finished fold."""
        return FoldRecord.read(self.fold(seed, fold) / RECORD)

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Lock the folder for this process; the claim ends with the process, however that ends."""
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

    def identify(self, identity: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
        """Mark or check the folder as of this experiment; returns the shareable config it was started with."""
        path, wanted = self.path / SETTINGS, json.dumps(identity, indent=2, sort_keys=True) + "\n"
        if path.is_file() and any(self.path.glob("seed_*/fold_*")):
            if differing := _differing(path, identity):
                raise ValueError(
                    f"{self.path} was made with other settings: {differing}; choose another --out, or repeat the "
                    "command with the settings it was started with"
                )
        else:
            write_text(path, wanted)  # first: it marks the rest as ours, should the process be killed in between
            kept = shareable(config, self.path)
            write_text(self.path / CONFIG, yaml.safe_dump(kept, sort_keys=False, allow_unicode=True))
        started = self.path / CONFIG
        known: dict[str, Any] = shareable(read_yaml(started) if started.is_file() else config, self.path)
        return known

    def clear_work(self) -> None:
        """Remove what interrupted folds left."""
        shutil.rmtree(self.path / _WORK, ignore_errors=True)

    def commit(self, seed: int, fold: int, made: Path) -> None:
        """Move a whole fold, the folder `made` on the same file system, to its place."""
        target = self.fold(seed, fold)
        try:
            target.parent.mkdir(exist_ok=True)
            if target.exists():  # a file of it was deleted
                shutil.rmtree(target)
            made.rename(target)
        except OSError as error:
            raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
        shutil.rmtree(self.work(seed, fold), ignore_errors=True)


def _differing(found: Path, identity: Mapping[str, Any]) -> str:
    """Which settings differ, and how; empty where none does."""
    try:
        before = dict(leaves(read_json(found)))
    except (OSError, ValueError):
        return "its settings.json cannot be read"
    now = dict(leaves(identity))
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    return listed((f"{name} {before.get(name)} (now {now.get(name)})" for name in names), most=6)
