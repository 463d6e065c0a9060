"""Tensors by name: reading files of unknown origin, refusing what is no weight, and loading what fits into a model."""

import argparse
import logging
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sspvs.errors import CheckpointError, first_line, listed
from sspvs.files import TEXT, check_kind, check_regular, kind_of, why_not

_DTYPES = {
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool),
}
_REFUSED_CLASS = re.compile(r"GLOBAL (\S+) (?:was not an allowed|whose module)")
_AUXILIARY = re.compile(r"(.*\.)?aux[12]\.")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadReport:
    """The fate of each of a checkpoint's tensors, by name."""

    loaded: tuple[str, ...]
    missing: tuple[str, ...]  # of the model, not of the checkpoint
    unexpected: tuple[str, ...]  # of the checkpoint, not of the model
    misshapen: tuple[str, ...]  # with both shapes; likewise whole numbers for floating-point ones

    @classmethod
    def load(
        cls,
        model: nn.Module,
        state: Mapping[str, Tensor],
        *,
        where: str,
        strict: bool = True,
        level: int = logging.WARNING,
    ) -> "LoadReport":
        """Load what fits into a model, unchanged when this raises CheckpointError.

        Shapes that differ, and loading nothing, are always refused; missing and unexpected tensors with `strict`, and
        else logged.
        """
        report = cls.of(model.state_dict(), state)
        if report.misshapen or not report.loaded or (strict and (report.missing or report.unexpected)):
            raise CheckpointError(f"{where}: does not fit the model: {report.summary()}")
        model.load_state_dict({name: state[name] for name in report.loaded}, strict=False)
        if report.missing or report.unexpected:
            _log.log(level, "%s: %s", where, report.summary())
        return report

    @classmethod
    def of(cls, wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> "LoadReport":
        """What loading `state` into a model that has `wanted` would do."""
        both = sorted(wanted.keys() & state.keys())
        wrong = {name: why for name in both if (why := _misfit(state[name], wanted[name]))}
        return cls(
            loaded=tuple(name for name in both if name not in wrong),
            missing=tuple(sorted(set(wanted) - set(state))),
            unexpected=tuple(sorted(set(state) - set(wanted))),
            misshapen=tuple(f"{name} {why}" for name, why in wrong.items()),
        )

    def summary(self, *, most: int = 5) -> str:
        """One line: how many were loaded, and which not."""
        parts = [f"{len(self.loaded)} tensors loaded"]
        for word in ("missing", "unexpected", "misshapen"):
            names = getattr(self, word)
            if names:
                parts.append(f"{len(names)} {word} ({listed(names, most)})")
        return "; ".join(parts)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file; CheckpointError where it is damaged or has NaN or infinite numbers."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise CheckpointError(f"{path.parent}: no {path.name} in it")
    try:
        check_kind(path)
        state = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"{path}: no whole safetensors file: {first_line(error)}") from error
    refuse_what_is_no_weight(state, path)
    return state


def read_torch_file(path: Path, *, official: bool) -> Any:
    """The content of a torch file: tensors, plain types and `argparse.Namespace`, or else CheckpointError."""
    try:
        check_kind(path, "zip", "pickle", "tar") if official else check_regular(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals([argparse.Namespace]):
            warnings.simplefilter("ignore")  # of sparse and quantised tensors, which are refused later
            # Mapped, not read: the optimiser's state stays on the disk, and no size that is claimed is allocated.
            mapped = not official or zipfile.is_zipfile(path)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # whatever a file of unknown origin makes the reader raise
        why = _why_not_official(error) if official else _why_unread(path)
        raise CheckpointError(f"{path}: {why}") from error


def cnn_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a torch file, or of the `state_dict` in it, without GoogLeNet's heads for ImageNet's training."""
    content = read_torch_file(path, official=True)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not all(isinstance(name, str) for name in content):
        raise CheckpointError(f"{path}: expected tensors by name, found {type(content).__name__}")
    kept = {name: tensor for name, tensor in content.items() if not _AUXILIARY.match(name)}
    refuse_what_is_no_weight(kept, path)
    return kept


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


def _why_not_official(error: Exception) -> str:
    text = " ".join(str(error).split())
    if refused := _REFUSED_CLASS.search(text):
        return (
            f"holds an object of class {refused[1]}; only tensors, plain types and argparse.Namespace are read, "
            "anything else could run code; do not load this file with other tools unless you trust its maker"
        )
    why = "it is damaged" if "weights_only" in text else first_line(error)  # torch's advice is to read it unsafely
    return f"no whole checkpoint file that can be read safely: {why}"


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


def refuse_what_is_no_weight(state: Mapping[Any, Any], path: Path) -> None:
    """Raise CheckpointError with the first tensor that is no dense tensor of finite numbers."""
    for name, value in state.items():
        if reason := no_weight(value):
            raise CheckpointError(f"{path}: the checkpoint is damaged: its tensor {name} {reason}")


def _misfit(found: Tensor, wanted: Tensor) -> str:
    """Why a tensor cannot be loaded into another; empty where it can."""
    if found.shape != wanted.shape:
        return f"{tuple(found.shape)} for {tuple(wanted.shape)}"
    same = found.is_floating_point() == wanted.is_floating_point()
    return "" if same else f"{found.dtype} for {wanted.dtype}"


def untied(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
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
