"""The two h5 files of each video in the SSPVS release: its features, and its texts as BERT token ids."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from sspvs.atomic import atomic_h5
from sspvs.errors import DatasetError, first_line
from sspvs.features.store import layout
from sspvs.features.store.h5_file import open_h5
from sspvs.features.store.key_guide import TOKEN_KEYS
from sspvs.types import FloatArray, IntArray

TOKEN_FIELDS = dict(zip(TOKEN_KEYS, ("category", "query", "title", "description"), strict=True))
"""Key in the file -> text field."""
VOCABULARY = 30522
"""Tokens of bert-base-uncased."""


def read_tokens(path: str | os.PathLike[str]) -> dict[str, IntArray]:
    """Token ids of one video, by text field.

    Returns:
        Field -> (L,) ids, for the fields that the file has.

    Raises:
        DatasetError: When the file cannot be read, has none of the fields, or something that is no token id.
    """
    try:
        with open_h5(path) as file:
            found = {
                TOKEN_FIELDS[key]: _read_ids(path, key, file[key])
                for key in TOKEN_KEYS
                if isinstance(file.get(key), h5py.Dataset)
            }
            others = ", ".join(sorted(file)) or "nothing"
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise DatasetError(f"{path}: cannot read token ids: {first_line(error)}; fetch the file again") from error
    if not found:
        raise DatasetError(f"{path}: expected token ids under {', '.join(TOKEN_KEYS)}, found {others}")
    return found


def _read_ids(path: str | os.PathLike[str], key: str, data: h5py.Dataset) -> IntArray:
    if data.size and data.dtype.kind not in "iuf":
        raise DatasetError(f"{path}: '{key}': expected token ids, found {data.dtype}")
    ids = np.asarray(data[()]).reshape(-1)
    whole = ids.astype(np.int64)
    if (whole != ids).any() or (whole < 0).any() or (whole >= VOCABULARY).any():
        raise DatasetError(
            f"{path}: '{key}': expected ids 0..{VOCABULARY - 1} of bert-base-uncased, found {ids.min()}..{ids.max()}"
        )
    return whole


def write_tokens(path: Path, tokens: Mapping[str, IntArray]) -> None:
    """Write one video's token ids; every field gets a dataset, empty where there is no text."""
    with atomic_h5(path) as file:
        for key, text_field in TOKEN_FIELDS.items():
            file[key] = np.asarray(tokens.get(text_field, ()), dtype=np.int64)


def write_release_features(path: Path, features: FloatArray) -> None:
    """Write one video's (T, D) features at the root of a file of its own."""
    with atomic_h5(path) as file:
        file[layout.FEATURES] = np.asarray(features, dtype=np.float32)
