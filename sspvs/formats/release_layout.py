"""Where the SSPVS pretraining release keeps what, and which ids it has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import h5py
import numpy as np

from sspvs.atomic import atomic_h5
from sspvs.errors import DatasetError, MissingExtraError, first_line
from sspvs.files import read_json
from sspvs.models.tokenizers import BertTokenizer
from sspvs.table import layout
from sspvs.table.h5_file import open_h5
from sspvs.table.h5_survey import TOKEN_KEYS
from sspvs.types import FloatArray, IntArray
from sspvs.weights.minilm import REMEDY, model_folder

FEATURES, TEXTS = "features", "info_embed"
LISTS = {"train": "train_list.json", "val": "val_list.json"}
RATE_HZ = 2.0
"""GoogLeNet features of two frames a second."""


@dataclass(frozen=True)
class Release:
    """A release folder.

    Attributes:
        folder: It.
    """

    folder: Path

    @classmethod
    def looks_like_one(cls, folder: Path) -> bool:
        """Whether a folder has at least one of its parts with something in it."""
        parts = any((folder / part).is_dir() and any((folder / part).glob("*.h5")) for part in (FEATURES, TEXTS))
        return parts or any((folder / name).is_file() for name in LISTS.values())

    @cached_property
    def features(self) -> dict[str, Path]:
        """Id -> its feature file."""
        return {path.stem: path for path in sorted((self.folder / FEATURES).glob("*.h5"))}

    @cached_property
    def texts(self) -> dict[str, Path]:
        """Id -> its token file."""
        return {path.stem: path for path in sorted((self.folder / TEXTS).glob("*.h5"))}

    @cached_property
    def lists(self) -> dict[str, list[str]]:
        """Subset -> its ids, for the lists that are there.

        Raises:
            DatasetError: When a list is no JSON list of ids.
        """
        return {part: read_list(self.folder / name) for part, name in LISTS.items() if (self.folder / name).is_file()}

    @cached_property
    def subsets(self) -> dict[str, str]:
        """Id -> `train` or `val`."""
        return {key: part for part, keys in self.lists.items() for key in keys}

    @cached_property
    def ids(self) -> list[str]:
        """Every id that has features or texts, sorted."""
        return sorted(self.features.keys() | self.texts.keys())


def read_list(path: Path) -> list[str]:
    """The ids of a `train_list.json` or `val_list.json`.

    Raises:
        DatasetError: When it is no JSON list of ids.
    """
    try:
        ids = read_json(path)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot read the list: {error}; expected a JSON list of video ids") from error
    if not isinstance(ids, list) or not all(isinstance(name, str) for name in ids):
        raise DatasetError(f"{path}: expected a JSON list of video ids, found {type(ids).__name__}")
    return ids


NEEDED = f"reading and writing BERT token ids needs the word pieces: {REMEDY}"
_PURPOSE = "reading and writing BERT token ids"


def available() -> bool:
    """Whether the word pieces are on this machine."""
    try:
        model_folder(_PURPOSE)
    except MissingExtraError:
        return False
    return True


def encode(text: str) -> IntArray:
    """(L,) token ids of a text, without [CLS] and [SEP].

    Raises:
        MissingExtraError: When the word pieces are not here.
    """
    return np.asarray(_tokenizer().encode(text), dtype=np.int64)


def decode(ids: IntArray) -> str:
    """The text of token ids: lower case, as BERT reads it; [PAD], [CLS] and [SEP] are dropped.

    Raises:
        MissingExtraError: When the word pieces are not here.
    """
    return _tokenizer().decode(ids.tolist())


def decode_fields(tokens: Mapping[str, IntArray]) -> dict[str, str]:
    """Text of each field; nothing when the word pieces are not here."""
    return {field: decode(ids) for field, ids in tokens.items()} if available() else {}


@lru_cache(maxsize=1)
def _tokenizer() -> BertTokenizer:
    return BertTokenizer("bert-base-uncased", _PURPOSE)


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
