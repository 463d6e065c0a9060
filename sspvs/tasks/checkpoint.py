"""Checkpoint folders: `config.json` (plain settings) and `model.safetensors`; nothing in them can run code.

    config.json = {"kind": ..., "version": 1, "sspvs": version, "settings": {...}, "feature_fingerprint": {...} or null,
                   "tied": {name: name of the same tensor}}

A folder may hold another one, `pretraining`: of the model that its own was fine-tuned from. It is found by what asks
for that kind. The config is written last, and an old one is removed first: a folder with a config is whole.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import sspvs
from sspvs.atomic import made_folder, together, write_bytes, write_text
from sspvs.errors import CheckpointError, WeightsNotFoundError, first_line
from sspvs.files import TEXT, check_kind, check_regular, kind_of, read_json, why_not

CONFIG, WEIGHTS, PRETRAINING = "config.json", "model.safetensors", "pretraining"
VERSION = 1

PRETRAIN, SUMMARIZE, REFINE = "sspvs.pretrain", "sspvs.summarize", "sspvs.refine"
"""Kinds of checkpoints."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadReport:
    """What became of a checkpoint's tensors.

    Attributes:
        loaded: Names that were loaded.
        missing: Names the model has and the checkpoint does not.
        unexpected: Names the checkpoint has and the model does not.
        misshapen: Names whose shapes differ, with both shapes.
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
        wanted = model.state_dict()
        report = cls(
            loaded=tuple(sorted(n for n in wanted if n in state and state[n].shape == wanted[n].shape)),
            missing=tuple(sorted(set(wanted) - set(state))),
            unexpected=tuple(sorted(set(state) - set(wanted))),
            misshapen=tuple(
                f"{n} {tuple(state[n].shape)} for {tuple(wanted[n].shape)}"
                for n in sorted(wanted)
                if n in state and state[n].shape != wanted[n].shape
            ),
        )
        if report.misshapen or not report.loaded or (strict and (report.missing or report.unexpected)):
            raise CheckpointError(f"{where}: does not fit the model: {report.summary()}")
        model.load_state_dict({name: state[name] for name in report.loaded}, strict=False)
        if report.missing or report.unexpected:
            _log.log(level, "%s: %s", where, report.summary())
        return report

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


def load_folder(
    source: str | Path, kind: str | Collection[str], *, download: bool = False
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a checkpoint folder.

    Args:
        source: The folder, or a Hugging Face hub id.
        kind: What it must be for, or several such.
        download: Fetch a hub id that is not on this machine.

    Returns:
        The settings and the tensors by name.

    Raises:
        WeightsNotFoundError: Nothing is there.
        CheckpointError: What is there is no such checkpoint.
    """
    folder = find_folder(source, kind, download=download)
    settings = read_settings(folder)
    state = read_tensors(folder / WEIGHTS)
    for name, same in (_read_config(folder).get("tied") or {}).items():
        if same in state:
            state[name] = state[same]
    return settings, state


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
    raise CheckpointError(f"{folder}: expected a checkpoint of kind {expected}, got '{found}'")


def read_settings(folder: Path) -> dict[str, Any]:
    """What `__init__` of the task took.

    Raises:
        CheckpointError: The folder is none of a checkpoint, or of another version's.
    """
    config = _read_config(folder)
    settings: Any = config.get("settings")
    if config.get("version") != VERSION or not isinstance(settings, dict):
        raise CheckpointError(
            f"{folder}: version {config.get('version')} of a checkpoint; this sspvs reads version {VERSION}"
        )
    if settings.get("feature_fingerprint") is None and config.get("feature_fingerprint") is not None:
        settings["feature_fingerprint"] = config["feature_fingerprint"]
    return settings


def read_kind(folder: Path) -> str:
    """What a checkpoint folder says it is for.

    Raises:
        CheckpointError: It is none.
    """
    return str(_read_config(folder).get("kind"))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """A safetensors file.

    Raises:
        CheckpointError: It is missing, cut short or no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise CheckpointError(f"{path.parent}: no {path.name} in it")
    try:
        check_kind(path)
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: no whole safetensors file: {first_line(error)}") from error


def read_lightning_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The hyperparameters and weights of a Lightning checkpoint that this package's tasks wrote.

    Raises:
        CheckpointError: It is none, or holds more than tensors and plain types.
    """
    try:
        check_regular(path)
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a file of unknown origin makes the reader raise
        raise CheckpointError(f"{path}: {_why_unread(path)}") from error
    parts = checkpoint if isinstance(checkpoint, dict) else {}
    settings, state = parts.get("hyper_parameters"), parts.get("state_dict")
    if not isinstance(settings, Mapping) or not isinstance(state, Mapping):
        raise CheckpointError(
            f"{path}: a torch file, but no Lightning checkpoint of sspvs: hyper_parameters or state_dict are not in it"
        )
    return dict(settings), dict(state)


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
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors"], local_files_only=not download))
    except Exception as error:  # its own errors, those of its network library, and ValueError for what is no id
        hint = "" if download else "; allow the download if it is a hub id"
        raise WeightsNotFoundError(
            f"'{name}' is neither a checkpoint folder nor a hub model on this machine{hint}: {first_line(error)}"
        ) from error
