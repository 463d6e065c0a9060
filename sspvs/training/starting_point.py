"""`--ckpt_path`: which checkpoint, and what of it a run starts from."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from sspvs.errors import CheckpointError, WeightsNotFoundError
from sspvs.tasks.checkpoint import CONFIG, find_folder, load_folder, read_kind
from sspvs.training.run import RunSettings
from sspvs.training.saving import BEST, FOLDER, LAST, read_checkpoint
from sspvs.training.tasks import TASKS, TrainingTask, task_named, task_of_kind

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StartingPoint:
    """What a run starts from.

    Attributes:
        source: The checkpoint file or folder.
        settings: What the task was made with, plain types.
        state: The weights of a checkpoint folder; None of a file, which Lightning reads itself, with the optimiser.
    """

    source: Path
    settings: dict[str, Any]
    state: dict[str, Tensor] | None


def find_starting_point(given: str, run: RunSettings, task: TrainingTask, *, required: bool) -> StartingPoint | None:
    """What `--ckpt_path` means.

    Args:
        given: `last` or `best` of the newest version of the run that has one, a `.ckpt` file, or a checkpoint folder.
        run: Whose versions are looked through.
        task: What the checkpoint must be of.
        required: Refuse `last` where there is none; otherwise that is a start from nothing.

    Raises:
        WeightsNotFoundError: There is none.
        CheckpointError: It cannot be read, or is of another task.
    """
    if given in ("last", "best"):
        found = _newest(given, run, required)
    else:
        found = _at(Path(given), task)
    if found is not None and not task.has(found.settings):
        other = next((name for name in TASKS if task_named(name).has(found.settings)), None)
        raise CheckpointError(f"{found.source}: {_not_of(task, other)}")
    return found


def _at(path: Path, task: TrainingTask) -> StartingPoint:
    """A folder or a file."""
    if path.is_dir():
        other = task_of_kind(read_kind(path))
        try:
            folder = find_folder(path, task.kind)
        except CheckpointError as error:
            if other is None or other is task:
                raise
            raise CheckpointError(f"{path}: {_not_of(task, other.name)}") from error
        settings, state = load_folder(folder, task.kind)
        return StartingPoint(folder, settings, state)
    if not path.is_file():
        raise WeightsNotFoundError(
            f"no checkpoint at {path}; give last, best, a .ckpt file, or a folder with {CONFIG} in it"
        )
    return StartingPoint(path, settings_of(path), None)


def _not_of(task: TrainingTask, other: str | None) -> str:
    """Why a checkpoint is refused, and the way out."""
    found = "none of this sspvs" if other is None else f"one of task '{other}'"
    ways = "give the config that it was trained with"
    if (task.name, other) == ("summarize", "pretrain"):
        ways = "what pretraining learned is given as --model.pretrained, or " + ways
    return f"expected a checkpoint of task '{task.name}', got {found}; {ways}"


def settings_of(path: Path) -> dict[str, Any]:
    """What the task of a Lightning checkpoint was made with.

    Raises:
        CheckpointError: It cannot be read.
    """
    settings = read_checkpoint(path)["hyper_parameters"]
    return {str(name): value for name, value in dict(settings).items() if not str(name).startswith("_")}


def _newest(word: str, run: RunSettings, required: bool) -> StartingPoint | None:
    folder = Path(run.root) / run.name
    found = list(folder.glob(f"*/{FOLDER}/{LAST if word == 'last' else BEST}"))
    for path in sorted(found, key=lambda one: (one.stat().st_mtime_ns, str(one)), reverse=True):
        try:
            return StartingPoint(path, settings_of(path), None)
        except CheckpointError as error:
            logger.warning("%s; looking for an older one", error)
    if required:
        raise WeightsNotFoundError(f"no whole {word} checkpoint under {folder}; give --run.name, --run.root or a path")
    logger.warning("no checkpoint under %s yet: starting from nothing", folder)
    return None


def differences(known: Mapping[str, Any], asked: Mapping[str, Any], prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """Settings that are in both and differ, by dotted name: (known, asked). Sequences count as equal to tuples."""
    out: dict[str, tuple[Any, Any]] = {}
    for name in known.keys() & asked.keys():
        one, other = known[name], asked[name]
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            out |= differences(one, other, f"{prefix}{name}.")
        elif _plain(one) != _plain(other):
            out[prefix + name] = (one, other)
    return out


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value
