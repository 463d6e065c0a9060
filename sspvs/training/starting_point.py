"""`--ckpt_path`: which checkpoint a run starts from, and its settings and weights."""

import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sspvs.errors import CheckpointError, SspvsError, WeightsNotFoundError, reason
from sspvs.tasks.checkpoint import CONFIG, PRETRAINING, Checkpoint
from sspvs.training.run import RunSettings
from sspvs.training.saving import BEST, FOLDER, LAST
from sspvs.training.tasks import TASKS, TrainingTask, task_named, task_of_kind

logger = logging.getLogger(__name__)

_RESTORES = re.compile(r"restore|migrate_checkpoint|load_state_dict")
"""Functions of Lightning, and of what it restores, that read a checkpoint's parts."""


def find_starting_point(
    given: str, run: RunSettings, task: TrainingTask, *, required: bool, download: bool = False
) -> Checkpoint | None:
    """The checkpoint of `--ckpt_path`: `last`, `best`, a file or a folder; None for no `last`, unless `required`."""
    if given not in ("last", "best"):
        if not Path(given).exists():
            raise WeightsNotFoundError(
                f"no checkpoint at {given}; give last, best, a .ckpt file, or a folder with {CONFIG} in it"
            )
        return _at(Path(given), task, download)
    folder = Path(run.root) / run.name
    found = list(folder.glob(f"*/{FOLDER}/{LAST if given == 'last' else BEST}"))
    for path in sorted(found, key=lambda one: (one.stat().st_mtime_ns, str(one)), reverse=True):
        try:
            return _at(path, task, download)
        except _OtherTaskError:
            raise
        except CheckpointError as error:
            logger.warning("%s; looking for an older one", error)
    if required:
        raise WeightsNotFoundError(f"no whole {given} checkpoint under {folder}; give --run.name, --run.root or a path")
    logger.warning("no checkpoint under %s yet: starting from nothing", folder)
    return None


def _at(path: Path, task: TrainingTask, download: bool) -> Checkpoint:
    """A folder or a file."""
    if path.is_dir():
        kinds: tuple[str, ...] = (task.kind,)
        other = task_of_kind(Checkpoint.open(path).kind)
        if other is not None and other.name != task.name and not (path / PRETRAINING / CONFIG).is_file():
            raise _OtherTaskError(path, task, other)
    else:
        kinds = tuple(task_named(name).kind for name in TASKS)
    saved = Checkpoint.open(path, kinds).checked(download=download)
    found = task_of_kind(saved.kind)
    assert found is not None
    if found.name != task.name:
        raise _OtherTaskError(path, task, found)
    return saved


class _OtherTaskError(CheckpointError):
    """A checkpoint that is whole, of another task; the message has the way out."""

    def __init__(self, path: Path, task: TrainingTask, other: TrainingTask) -> None:
        ways = "give the config that it was trained with"
        if (task.name, other.name) == ("summarize", "pretrain"):
            ways = "what pretraining learned is given as --model.pretrained, or " + ways
        super().__init__(f"{path}: expected a checkpoint of task '{task.name}', got one of task '{other.name}'; {ways}")


@contextmanager
def restoring(start: Checkpoint | None) -> Iterator[None]:
    """Name the checkpoint where Lightning fails to restore its loops, callbacks or optimiser: a `CheckpointError`."""
    try:
        yield
    except SspvsError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        if start is None or not any(_RESTORES.search(frame.name) for frame in frames):
            raise
        raise CheckpointError(
            f"{start.path}: its state of the training is damaged, so that nothing can go on from it: {reason(error)}"
        ) from error


def differences(known: Mapping[str, Any], given: Mapping[str, Any], prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """Settings that are in both and differ, by dotted name: (known, given). Lists equal tuples."""
    out: dict[str, tuple[Any, Any]] = {}
    for name in known.keys() & given.keys():
        one, other = known[name], given[name]
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            out |= differences(one, other, f"{prefix}{name}.")
        elif _plain(one) != _plain(other):
            out[prefix + name] = (one, other)
    return out


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value
