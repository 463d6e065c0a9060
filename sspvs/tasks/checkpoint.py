"""Checkpoint folders: `config.json` (plain settings) and `model.safetensors`; nothing in them can run code.

    config.json = {"kind": ..., "version": 1, "sspvs": version, "settings": {...}, "feature_fingerprint": {...} or null,
                   "tied": {name: name of the same tensor}}

A folder may hold another one, `pretraining`: of the model that its own was fine-tuned from. It is found by what asks
for that kind. The config is written last, and an old one is removed first: a folder with a config is whole.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from inspect import signature
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

import sspvs
from sspvs.atomic import made_folder, together, write_bytes, write_text
from sspvs.errors import CheckpointError, SspvsError, WeightsNotFoundError, first_line, one_line
from sspvs.files import TEXT, check_kind, check_regular, kind_of, read_json, why_not
from sspvs.schema import Settings, group_mistakes, parameters, shown
from sspvs.tasks.settings import settings_from
from sspvs.types import Fingerprint
from sspvs.weights.digest import hub_offline

if TYPE_CHECKING:
    from sspvs.tasks.saved_task import SavedTask


CONFIG, WEIGHTS, PRETRAINING = "config.json", "model.safetensors", "pretraining"
VERSION = 1

PRETRAIN, SUMMARIZE, REFINE = "sspvs.pretrain", "sspvs.summarize", "sspvs.refine"
"""Kinds of checkpoints."""

_DTYPES = {
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool),
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Config:
    """What `config.json` holds."""

    kind: str
    version: int
    sspvs: str
    settings: dict[str, Any]
    feature_fingerprint: dict[str, Any] | None = None
    tied: dict[str, str] | None = None


_OPTIONAL = frozenset(("feature_fingerprint", "tied"))


@dataclass(frozen=True)
class LoadReport:
    """What became of a checkpoint's tensors.

    Attributes:
        loaded: Names that were loaded.
        missing: Names the model has and the checkpoint does not.
        unexpected: Names the checkpoint has and the model does not.
        misshapen: Names whose shapes differ, with both shapes; likewise whole numbers for floating-point ones.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]

    @classmethod
    def load(
        cls,
        model: nn.Module,
        state: Mapping[str, Tensor],
        *,
        where: str,
        strict: bool = True,
        level: int = logging.WARNING,
    ) -> LoadReport:
        """Load what fits, and say what became of everything.

        Args:
            model: Takes the tensors; unchanged when this raises.
            state: Tensors by name.
            where: For messages.
            strict: Refuse missing and unexpected tensors. Shapes that differ, and loading nothing, are always refused.
            level: At which missing and unexpected tensors are logged.

        Raises:
            CheckpointError: See `strict`.
        """
        report = cls.of(model.state_dict(), state)
        if report.misshapen or not report.loaded or (strict and (report.missing or report.unexpected)):
            raise CheckpointError(f"{where}: does not fit the model: {report.summary()}")
        model.load_state_dict({name: state[name] for name in report.loaded}, strict=False)
        if report.missing or report.unexpected:
            _log.log(level, "%s: %s", where, report.summary())
        return report

    @classmethod
    def of(cls, wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> LoadReport:
        """What would become of the tensors of `state` in a model that has `wanted`."""
        both = sorted(wanted.keys() & state.keys())
        fits = {name: _form(state[name]) == _form(wanted[name]) for name in both}
        return cls(
            loaded=tuple(name for name in both if fits[name]),
            missing=tuple(sorted(set(wanted) - set(state))),
            unexpected=tuple(sorted(set(state) - set(wanted))),
            misshapen=tuple(_misfit(name, state[name], wanted[name]) for name in both if not fits[name]),
        )

    def summary(self, *, most: int = 5) -> str:
        """One line: how many were loaded, and which not."""
        parts = [f"{len(self.loaded)} tensors loaded"]
        for word in ("missing", "unexpected", "misshapen"):
            names = getattr(self, word)
            if names:
                more = f" and {len(names) - most} more" if len(names) > most else ""
                parts.append(f"{len(names)} {word} ({', '.join(names[:most])}{more})")
        return "; ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {name: list(names) for name, names in asdict(self).items()}


def save_folder(
    folder: Path,
    kind: str,
    settings: Mapping[str, Any],
    state: Mapping[str, Tensor],
    *,
    fingerprint: Mapping[str, Any] | None = None,
) -> Path:
    """Write a checkpoint folder.

    Args:
        folder: Made where it is missing; other files in it stay.
        kind: What the checkpoint is for, such as `sspvs.pretrain`.
        settings: What `__init__` of the task takes, as plain types.
        state: Tensors by name.
        fingerprint: Of the features it was trained on, when known.

    Raises:
        OutputError: The folder cannot be written to.
    """
    from safetensors.torch import save

    unique, tied = _untied(state)
    config = {
        "kind": kind,
        "version": VERSION,
        "sspvs": sspvs.__version__,
        "settings": settings,
        "feature_fingerprint": fingerprint,
        "tied": tied,
    }
    text = json.dumps(config, indent=2) + "\n"
    with made_folder(folder), together(seal=folder / CONFIG):
        write_bytes(folder / WEIGHTS, save(unique))  # its own writer puts a file of another mode in the place of ours
        write_text(folder / CONFIG, text)
    return folder


def read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor], str]:
    """The settings as they are written, the tensors by name, and the version of sspvs that wrote a checkpoint folder.

    Raises:
        CheckpointError: The folder is none of a checkpoint, of another version's, or damaged.
    """
    config = _read_config(folder)
    if config.get("version") != VERSION:
        raise CheckpointError(
            f"{folder}: version {shown(config.get('version'))} of a checkpoint; this sspvs reads version {VERSION}"
        )
    if wrong := list(group_mistakes(parameters(_Config), config, "", _OPTIONAL)):
        raise CheckpointError(f"{folder / CONFIG}: {'; '.join(wrong)}")
    whole = _Config(**config)
    settings = dict(whole.settings)
    if settings.get("feature_fingerprint") is None:
        settings["feature_fingerprint"] = whole.feature_fingerprint
    state = read_tensors(folder / WEIGHTS)
    for name, same in (whole.tied or {}).items():
        if same in state:
            state[name] = state[same]
    return settings, state, whole.sspvs


def find_folder(source: str | Path, kind: str | Collection[str], *, download: bool = False) -> Path:
    """Where a checkpoint of some kind lies: in a folder, in the one within it, or in what the hub has.

    Args:
        source: The folder, or a Hugging Face hub id.
        kind: What it must be for, or several such.
        download: Fetch a hub id that is not on this machine.

    Raises:
        WeightsNotFoundError: Nothing is there.
        CheckpointError: What is there is no such checkpoint.
    """
    kinds = (kind,) if isinstance(kind, str) else tuple(kind)
    folder = Path(source) if Path(source).is_dir() else _from_hub(str(source), download)
    found = _read_config(folder).get("kind")
    if found in kinds:
        return folder
    inner = folder / PRETRAINING
    if (inner / CONFIG).is_file() and _read_config(inner).get("kind") in kinds:
        return inner
    expected = " or ".join(f"'{one}'" for one in kinds)
    raise CheckpointError(f"{folder}: expected a checkpoint of kind {expected}, got {shown(found)}")


def read_kind(folder: Path) -> str:
    """What a checkpoint folder says it is for.

    Raises:
        CheckpointError: It is none.
    """
    return str(_read_config(folder).get("kind"))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """A safetensors file.

    Raises:
        CheckpointError: It is missing, cut short or no safetensors file, or has NaN or infinite numbers in it.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise CheckpointError(f"{path.parent}: no {path.name} in it")
    try:
        check_kind(path)
        state = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"{path}: no whole safetensors file: {first_line(error)}") from error
    _refuse_what_is_no_weight(state, path)
    return state


def read_lightning_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The hyperparameters and weights of a Lightning checkpoint that this package's tasks wrote.

    Raises:
        CheckpointError: It is none, holds more than tensors and plain types, or weights that are none.
    """
    try:
        check_regular(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sparse and quantised tensors, which are refused below
            # Mapped, not read: the optimiser's state stays on the disk, and no size that is claimed is allocated.
            checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # whatever a file of unknown origin makes the reader raise
        raise CheckpointError(f"{path}: {_why_unread(path)}") from error
    parts = checkpoint if isinstance(checkpoint, dict) else {}
    settings, state = parts.get("hyper_parameters"), parts.get("state_dict")
    if not isinstance(settings, Mapping) or not isinstance(state, Mapping):
        raise CheckpointError(
            f"{path}: a torch file, but no Lightning checkpoint of sspvs: hyper_parameters or state_dict are not in it"
        )
    if not all(isinstance(name, str) for name in (*settings, *state)):
        raise CheckpointError(f"{path}: hyper_parameters or state_dict have names that are no text")
    _refuse_what_is_no_weight(state, path)
    settings = {name: value for name, value in settings.items() if not name.startswith("_")}  # Lightning's own
    return settings, dict(state)


def no_weight(value: object) -> str | None:
    """Why something is no dense tensor of finite numbers; None when it is one."""
    if not isinstance(value, Tensor):
        return f"is no tensor, but of type {type(value).__name__}"
    if value.layout is not torch.strided or value.is_quantized or value.is_nested or value.device.type != "cpu":
        return "is no dense tensor"
    if value.untyped_storage().nbytes() < value.numel() * value.element_size():
        return "claims a shape that it has no numbers for"
    if value.dtype not in _DTYPES:
        return f"is of {value.dtype}, which no weights are of"
    if value.is_floating_point() and value.numel() and not all(map(torch.isfinite, torch.aminmax(value.detach()))):
        return "has NaN or infinite numbers"
    return None


def _refuse_what_is_no_weight(state: Mapping[Any, Any], path: Path) -> None:
    for name, value in state.items():
        if reason := no_weight(value):
            raise CheckpointError(f"{path}: the checkpoint is damaged: its tensor {name} {reason}")


def _why_unread(path: Path) -> str:
    """Of a file that torch does not read: what it is not, or what it may have in it."""
    try:
        kind, reason = kind_of(path), why_not(path, "zip")
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    if reason is not None and kind is not None and kind.name not in TEXT:
        return f"no checkpoint: {reason}"
    if kind is not None and kind.name == "zip":  # as torch writes
        return "no checkpoint that can be read safely: it is cut short, or has more in it than tensors and plain types"
    return "no checkpoint: expected a folder with config.json and model.safetensors, or a Lightning .ckpt file of sspvs"


def _form(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.shape, tensor.is_floating_point()


def _misfit(name: str, found: Tensor, wanted: Tensor) -> str:
    if found.shape == wanted.shape:
        return f"{name} {found.dtype} for {wanted.dtype}"
    return f"{name} {tuple(found.shape)} for {tuple(wanted.shape)}"


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    if not path.is_file():
        raise CheckpointError(f"{folder}: no {CONFIG} in it; is it a checkpoint folder, and was it written to the end?")
    try:
        config = read_json(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: no JSON: {first_line(error)}") from error
    return config if isinstance(config, dict) else {}


def _untied(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Each tensor once and contiguous, and which names stand for the same."""
    unique: dict[str, Tensor] = {}
    tied: dict[str, str] = {}
    first: dict[tuple[Any, ...], str] = {}
    for name, tensor in state.items():
        key = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        if tensor.numel() and key in first:
            tied[name] = first[key]
            continue
        first[key] = name
        unique[name] = tensor.detach().cpu().contiguous()
    return unique, tied


def _from_hub(name: str, download: bool) -> Path:
    from huggingface_hub import snapshot_download

    try:
        with hub_offline(not download):
            found = snapshot_download(name, allow_patterns=["*.json", "*.safetensors"], local_files_only=not download)
        return Path(found)
    except Exception as error:  # its own errors, those of its network library, and ValueError for what is no id
        hint = "" if download else "; allow the download if it is a hub id"
        raise WeightsNotFoundError(
            f"'{name}' is neither a checkpoint folder nor a hub model on this machine{hint}: {first_line(error)}"
        ) from error


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
