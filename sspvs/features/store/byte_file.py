"""YouTube-8M frame features in h5: uint8 (T, D), a group or a dataset a video."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from sspvs.atomic import atomic_h5
from sspvs.errors import DatasetError
from sspvs.features.store import layout
from sspvs.features.store.h5_file import open_h5
from sspvs.features.store.key_guide import AUDIO_BYTES, FRAME_BYTES

ByteArray = npt.NDArray[np.uint8]


def byte_videos(path: str | os.PathLike[str]) -> list[str]:
    """The videos of such a file.

    Raises:
        OSError: When h5py cannot read it.
    """
    with open_h5(path) as file:
        return [key for key in file if not key.startswith("#") and _dataset(file, key) is not None]


def read_bytes(path: str | os.PathLike[str], key: str) -> tuple[ByteArray, tuple[str, ...]]:
    """One video's (T, D) bytes, and what else the group has, in words.

    Raises:
        KeyError: When there is no such video.
        DatasetError: When it holds something else.
    """
    with open_h5(path) as file:
        data = _dataset(file, key)
        if data is None:
            raise KeyError(key)
        if data.dtype != np.uint8 or data.ndim != 2 or 0 in data.shape:
            raise DatasetError(f"{path}, video '{key}': expected (T, D) uint8, found {data.shape} of {data.dtype}")
        others = (
            [name for name in file[key] if name != Path(data.name).name] if isinstance(file[key], h5py.Group) else []
        )
        unread = [f"dataset '{name}'" + (" (sound)" if name == AUDIO_BYTES else "") for name in others]
        values: ByteArray = np.asarray(data[()])
        return values, tuple(unread)


def write_bytes(path: Path, videos: Iterable[tuple[str, ByteArray]]) -> None:
    """Write a dataset a video."""
    with atomic_h5(path) as file:
        for key, values in videos:
            file.create_dataset(layout.group_name(key), data=values, compression="gzip", shuffle=True)


def _dataset(file: h5py.File, key: str) -> Any:
    entry = file.get(key)
    if isinstance(entry, h5py.Dataset):
        return entry
    if not isinstance(entry, h5py.Group):
        return None
    found: Iterator[Any] = (entry[name] for name in (FRAME_BYTES, layout.FEATURES) if name in entry)
    return next(found, None)
