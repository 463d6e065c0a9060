"""Which checkpoint somebody means, and what it is for: a folder says so, of a Lightning file its settings tell."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from inspect import signature
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from sspvs.errors import CheckpointError, SspvsError, one_line
from sspvs.schema import Settings, group_mistakes, parameters
from sspvs.tasks.checkpoint import (
    PRETRAIN,
    REFINE,
    SUMMARIZE,
    WEIGHTS,
    LoadReport,
    find_folder,
    read_folder,
    read_kind,
    read_lightning_checkpoint,
)
from sspvs.tasks.settings import settings_from
from sspvs.types import Fingerprint

if TYPE_CHECKING:
    from sspvs.tasks.saved_task import SavedTask


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


_TASKS = {
    PRETRAIN: ("sspvs.tasks.pretrain", "PretrainTask"),
    SUMMARIZE: ("sspvs.tasks.summarize", "SummarizeTask"),
    REFINE: ("sspvs.tasks.refine", "RefineTask"),
}
_MAY_BE_MISSING = frozenset(
    (
        *("pretrained", "initialised_from", "feature_fingerprint"),  # null
        *("title_as_query", "unit_length", "fast_linears", "summarizer.fit_frames", "losses.fine_frames"),  # came later
    )
)
_LISTED = 5
_SPARE_BYTES = 512 * 2**20
"""What a task may have beside its checkpoint's tensors: tables that are computed, a tower that is not loaded."""


@dataclass(frozen=True)
class Origin:
    """What `initialised_from` says of the checkpoint that a summarizer started from."""

    source: str
    kind: str
    sha256: str
    loaded: int
    missing: list[str]
    unexpected: list[str]
    initialised_from: dict[str, Any] | None = None


@dataclass(frozen=True)
class SavedCheckpoint:
    """A checkpoint that was read, and whose settings and tensors are what they must be.

    Attributes:
        path: The folder or file.
        kind: What it is for, such as `sspvs.summarize`.
        settings: Of its task, plain types, every one of them; `pretrained` null, `text.download` as the caller said.
        state: Tensors by name, dense and finite.
        version: Of the sspvs that wrote it; None where it does not say.
    """

    path: Path
    kind: str
    settings: dict[str, Any]
    state: dict[str, Tensor]
    version: str | None


def load_checkpoint(
    source: str | Path,
    kinds: Collection[str],
    *,
    download: bool = False,
    strict: bool = False,
    task: type[SavedTask] | None = None,
) -> SavedCheckpoint:
    """Read a checkpoint.

    Args:
        source: A checkpoint folder, a Lightning `.ckpt` file, or a Hugging Face hub id.
        kinds: What it may be for.
        download: Fetch a hub id, or the sizes of a text encoder that the settings name alone.
        strict: Refuse a checkpoint that lacks tensors, or has ones that fit nowhere.
        task: The class that is made of it, where it is not the one of its kind.

    Raises:
        WeightsNotFoundError: Nothing is there.
        CheckpointError: What is there is no such checkpoint, or is damaged.
    """
    path = Path(source)
    if path.is_file():
        (given, state), version = read_lightning_checkpoint(path), None
        kind = kind_of_file(given, kinds, path)
    else:
        path = find_folder(source, kinds, download=download)
        kind = read_kind(path)
        given, state, version = read_folder(path)
    task = task_class(kind) if task is None else task
    settings = _checked(task, given, path, download)
    _refuse_other_sizes(task, settings, state, path, strict)
    return SavedCheckpoint(path, kind, settings, state, version)


def task_class(kind: str) -> type[SavedTask]:
    """The task whose checkpoints are of a kind."""
    module, name = _TASKS[kind]
    found: type[SavedTask] = getattr(import_module(module), name)
    return found


def _checked(task: type[SavedTask], given: Mapping[str, Any], path: Path, download: bool) -> dict[str, Any]:
    """The settings, whole and in plain form."""
    hints = parameters(task)
    settings = dict(given)
    if "pretrained" in hints:
        settings["pretrained"] = None
    if isinstance(settings.get("text"), Mapping):
        settings["text"] = {**settings["text"], "download": download}
    wrong = [*group_mistakes(hints, settings, "", _MAY_BE_MISSING), *_mistakes_of_facts(settings)]
    if wrong:
        more = f"; and {len(wrong) - _LISTED} more" if len(wrong) > _LISTED else ""
        raise CheckpointError(f"{path}: its settings are damaged: {'; '.join(wrong[:_LISTED])}{more}")
    plain = {name: parameter.default for name, parameter in signature(task).parameters.items()} | settings
    try:
        for name, hint in hints.items():
            if isinstance(hint, type) and issubclass(hint, Settings):
                plain[name] = asdict(settings_from(hint, settings[name]))
    except ValueError as error:
        raise CheckpointError(f"{path}: its settings are damaged: {one_line(error)}") from error
    text = plain.get("text")
    needed = plain.get("summarizer", {}).get("text_guidance") != "none"
    if text is not None and needed and text["encoder"] != "small" and text["config"] is None and not download:
        raise CheckpointError(
            f"{path}: it names the text encoder '{text['encoder']}' without its sizes (settings.text.config), and "
            "nothing is looked for that a checkpoint names; write them into its config.json, or allow the download "
            "(--download)"
        )
    return plain


def _mistakes_of_facts(settings: Mapping[str, Any]) -> Iterable[str]:
    """Of what a checkpoint says about its features and where it came from."""
    for name, kind in (("feature_fingerprint", Fingerprint), ("initialised_from", Origin)):
        known, depth = settings.get(name), 0
        while isinstance(known, Mapping) and depth < _LISTED:
            optional = {"initialised_from"} if kind is Origin else ()
            yield from group_mistakes(parameters(kind), known, name, {f"{name}.{one}" for one in optional})
            known, depth = known.get(name), depth + 1


def _refuse_other_sizes(
    task: type[SavedTask], settings: dict[str, Any], state: dict[str, Tensor], path: Path, strict: bool
) -> None:
    """Build the task without memory, and hold its sizes against those of the tensors."""
    if (settings.get("text") or {}).get("download"):
        return  # sizes that are fetched
    try:
        with torch.device("meta"):
            built = task(**settings)
    except SspvsError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except Exception as error:  # whatever libraries of towers raise for settings that they do not know
        raise CheckpointError(f"{path}: nothing can be built of its settings: {one_line(error)}") from error
    report = LoadReport.of(built.state_dict(), state)
    if report.misshapen or (strict and (report.missing or report.unexpected)):
        raise CheckpointError(f"{path}: does not fit the model: {report.summary()}")
    needed, held = (
        sum(one.numel() * one.element_size() for one in tensors)
        for tensors in (
            chain(built.parameters(), built.buffers()),
            state.values(),
        )
    )
    if needed > 4 * held + _SPARE_BYTES:
        raise CheckpointError(
            f"{path}: its settings need {needed / 1e9:.3g} GB of weights, and it has {held / 1e9:.3g}"
        )
