"""Where the SSPVS pretraining release keeps what, and which ids it has."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sspvs.errors import DatasetError
from sspvs.files import read_json

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
