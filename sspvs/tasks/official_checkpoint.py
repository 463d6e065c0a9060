"""Reads the official SSPVS checkpoint (a Lightning 1.6 file) without trusting it.

Nothing is unpickled beyond tensors, plain types and `argparse.Namespace`, which such files hold their options in.
"""

from __future__ import annotations

import argparse
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sspvs.errors import CheckpointError, first_line
from sspvs.files import check_kind
from sspvs.tasks.official_names import PREFIX

_REFUSED_CLASS = re.compile(r"GLOBAL (\S+) (?:was not an allowed|whose module)")
_REASON = re.compile(r"WeightsUnpickler error: *(.*)$")


@dataclass(frozen=True)
class OfficialCheckpoint:
    """What such a file holds.

    Attributes:
        state: Tensors by their official names, prefix included.
        options: `hyper_parameters` as plain types, whatever could be read of them.
    """

    state: dict[str, Tensor]
    options: dict[str, Any]


def read_official(path: Path) -> OfficialCheckpoint:
    """Read the file.

    Raises:
        CheckpointError: It is missing or cut short, holds objects of other classes (the message names the class), or is
            no checkpoint of SSPVS.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; expected the official checkpoint (pretrained_model.ckpt)")
    checkpoint = _load(path)
    state = checkpoint.get("state_dict") if isinstance(checkpoint, Mapping) else None
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{path}: expected a Lightning checkpoint with a 'state_dict', found none")
    tensors = {name: tensor for name, tensor in state.items() if isinstance(name, str) and isinstance(tensor, Tensor)}
    ours = {name: tensor for name, tensor in tensors.items() if name.startswith(PREFIX)}
    if not ours:
        example = ", ".join(sorted(tensors)[:3]) or "nothing"
        raise CheckpointError(
            f"{path}: no tensor's name starts with '{PREFIX}' (found {len(tensors)}: {example}); this is no official "
            "SSPVS checkpoint"
        )
    bad = sorted(name for name, tensor in ours.items() if not _is_plain(tensor))
    if bad:
        raise CheckpointError(f"{path}: tensors that are no dense, finite numbers: {', '.join(bad[:5])}")
    options = checkpoint.get("hyper_parameters")
    return OfficialCheckpoint(
        {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in ours.items()},
        _plain(vars(options) if isinstance(options, argparse.Namespace) else options),
    )


def _load(path: Path) -> Any:
    """The unpickled file; mapped, not read, where its form allows: optimiser states are never needed."""
    try:
        check_kind(path, "zip", "pickle", "tar")
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # whatever a file of unknown origin makes the reader raise
        text = " ".join(str(error).split())
        found = _REFUSED_CLASS.search(text)
        if found:
            raise CheckpointError(
                f"{path}: holds an object of class {found[1]}; only tensors, plain types and argparse.Namespace are "
                "read, anything else could run code; do not load this file with other tools unless you trust its maker"
            ) from error
        why = "it is damaged" if "weights_only" in text else first_line(error)  # torch's advice is to read it unsafely
        raise CheckpointError(f"{path}: no whole checkpoint file that can be read safely: {why}") from error


def _is_plain(tensor: Tensor) -> bool:
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_complex():
        return False
    if tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
        return False  # a large shape over little memory
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())


def _plain(value: Any) -> dict[str, Any]:
    """What of a mapping is JSON."""
    if not isinstance(value, Mapping):
        return {}
    keep = (str, int, float, bool, type(None))
    out: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, argparse.Namespace):
            item = vars(item)
        if isinstance(item, keep):
            out[str(name)] = item
        elif isinstance(item, Mapping):
            out[str(name)] = _plain(item)
        elif isinstance(item, (list, tuple)):
            out[str(name)] = [part if isinstance(part, keep) else str(part) for part in item]
        else:
            out[str(name)] = str(item)
    return out
