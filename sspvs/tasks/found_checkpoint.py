"""Which checkpoint somebody means, and what it is for: a folder says so, of a Lightning file its settings tell."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sspvs.errors import CheckpointError
from sspvs.tasks.checkpoint import (
    PRETRAIN,
    REFINE,
    SUMMARIZE,
    WEIGHTS,
    find_folder,
    read_kind,
    read_lightning_checkpoint,
)

_TELLS = {SUMMARIZE: "summarizer", REFINE: "refiner", PRETRAIN: "local_radius"}


class FoundCheckpoint(NamedTuple):
    """A checkpoint that is there.

    Attributes:
        source: What was asked for.
        path: The folder or file.
        kind: What it is for, such as `sspvs.summarize`.
    """

    source: str
    path: Path
    kind: str

    @property
    def weights(self) -> Path:
        """The file with the weights."""
        return self.path / WEIGHTS if self.path.is_dir() else self.path


def find_checkpoint(source: str | Path, kinds: Collection[str], *, download: bool = False) -> FoundCheckpoint:
    """Where a checkpoint lies, and which of some kinds it is of.

    Args:
        source: A checkpoint folder, a Lightning `.ckpt` file, or a Hugging Face hub id.
        kinds: What it may be for.
        download: Fetch a hub id that is not on this machine.

    Raises:
        WeightsNotFoundError: Nothing is there.
        CheckpointError: What is there is no such checkpoint.
    """
    path = Path(source)
    if not path.is_file():
        folder = find_folder(source, kinds, download=download)
        return FoundCheckpoint(str(source), folder, read_kind(folder))
    return FoundCheckpoint(str(source), path, kind_of_file(read_lightning_checkpoint(path)[0], kinds, path))


def kind_of_file(settings: Mapping[str, Any], kinds: Collection[str], path: Path) -> str:
    """What a Lightning checkpoint is for, by what its task was made with.

    Args:
        settings: Its hyperparameters.
        kinds: What it may be for.
        path: The file.

    Raises:
        CheckpointError: It is for none of these.
    """
    kind = next((kind for kind, tells in _TELLS.items() if tells in settings), None)
    if kind is None or kind not in kinds:
        what = "of no task of sspvs" if kind is None else f"of kind '{kind}'"
        raise CheckpointError(f"{path}: a Lightning checkpoint, but {what}; expected {' or '.join(kinds)}")
    return kind
