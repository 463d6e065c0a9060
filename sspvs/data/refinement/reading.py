"""Reads unlabelled features from wherever they lie: h5, .npy, .npz, tars of shards; numbers or YouTube-8M's bytes.

Axis letters: T picks, D feature width.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sspvs.data.formats.damage import DAMAGE
from sspvs.data.formats.feature_bytes import dequantise
from sspvs.data.formats.numpy_file import array_headers, load_array
from sspvs.data.pretrain.items import FeatureRef
from sspvs.data.pretrain.reading import FeatureReader, single_precision
from sspvs.errors import FeatureFileError, SspvsError, first_line
from sspvs.features.store.byte_file import read_bytes
from sspvs.files import check_kind
from sspvs.types import Fingerprint, FloatArray

Stored = npt.NDArray[Any]
_NAMES = ("features", "rgb")  # what one video's array is called in an .npz


class ByteRef(FeatureRef):
    """Where a video's YouTube-8M bytes are in an h5 file."""


class ClipReader(FeatureReader):
    """As `FeatureReader`, and .npz files and bytes too. Of an .npz the array read last stays in memory."""

    def __init__(self, most_open: int = 16) -> None:
        super().__init__(most_open)
        self._last: tuple[FeatureRef, Stored] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": None}

    def shape(self, ref: FeatureRef) -> tuple[int, int]:
        """(T, D) of a video's features; see `FeatureReader`."""
        if not _is_own(ref):
            return super().shape(ref)
        length, width = self._array(ref).shape
        return int(length), int(width)

    def stored(self, ref: FeatureRef, start: int = 0, stop: int | None = None) -> Stored:
        """(stop - start, D) as it is stored: floats of any precision, or bytes.

        Raises:
            FeatureFileError: There are none, or they are no (T, D) array of float numbers or bytes.
        """
        if not _is_own(ref):
            return self.stored_floats(ref, start, stop)
        return np.array(self._array(ref)[start:stop])

    def read(self, ref: FeatureRef, start: int = 0, stop: int | None = None) -> FloatArray:
        """(stop - start, D) float32 features of the picks `start` to `stop`; see `as_features`.

        Raises:
            FeatureFileError: As in `stored`.
        """
        return as_features(self.stored(ref, start, stop))

    def fingerprint(self, ref: FeatureRef) -> Fingerprint | None:
        """What made the features; None when unknown."""
        return None if _is_own(ref) else super().fingerprint(ref)

    def close(self) -> None:
        """Close all files; a later read opens them again."""
        super().close()
        self._last = None

    def _array(self, ref: FeatureRef) -> Stored:
        if self._last is not None and self._last[0] == ref:
            return self._last[1]
        try:
            array = _load(ref)
        except SspvsError as error:
            raise FeatureFileError(str(error)) from error
        except DAMAGE as error:
            raise FeatureFileError(f"{ref.name}: cannot be read: {first_line(error)}") from error
        is_numbers = array.dtype.kind == "f" or array.dtype == np.uint8
        if array.ndim != 2 or 0 in array.shape or not is_numbers:
            raise FeatureFileError(
                f"{ref.name}: expected (T, D) float numbers or bytes, found {array.shape} of {array.dtype}"
            )
        if not isinstance(array, np.memmap):
            self._last = ref, array
        return array


def as_features(stored: Stored) -> FloatArray:
    """Stored rows as float32 features; bytes are dequantised and L2-normalised, as the refiner is published."""
    if stored.dtype == np.uint8:
        return dequantise(stored)
    return single_precision(stored)


def has_bytes(refs: Iterable[FeatureRef]) -> bool:
    """Whether there are YouTube-8M bytes; of .npy and of .npz files the first one is looked into."""
    first: dict[str, FeatureRef] = {}
    for ref in refs:
        if isinstance(ref, ByteRef):
            return True
        if _is_own(ref):
            first.setdefault(ref.path.suffix.lower(), ref)
    return any(_load(ref).dtype == np.uint8 for ref in first.values())


def array_names(path: Path) -> list[str]:
    """The videos in an .npz by their arrays' names: `features` or `rgb` where there is one, else all that are (T, D).

    Raises:
        FeatureFileError: It cannot be read, or has none.
    """
    try:
        headers = array_headers(path)
    except DAMAGE as error:
        raise FeatureFileError(f"{path}: cannot be read: {first_line(error)}") from error
    known = [name for name in _NAMES if any(header.name == name for header in headers)]
    names = known[:1] or [header.name for header in headers if len(header.shape) == 2]
    if not names:
        found = ", ".join(f"{header.name} {header.shape}" for header in headers[:8]) or "nothing"
        raise FeatureFileError(f"{path}: expected an array 'features' (T, D), found {found}")
    return names


def _is_own(ref: FeatureRef) -> bool:
    return isinstance(ref, ByteRef) or ref.path.suffix.lower() in (".npy", ".npz")


def _load(ref: FeatureRef) -> Stored:
    if isinstance(ref, ByteRef):
        return read_bytes(ref.path, ref.group)[0]
    if ref.path.suffix.lower() == ".npz":
        return load_array(ref.path, ref.group)
    check_kind(ref.path, "npy", "zip")
    try:
        array = np.load(ref.path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        if "mmap" in str(error):
            array_headers(ref.path)  # says how much of it is there
        raise
    if not isinstance(array, np.ndarray):
        raise ValueError("it is a zip archive, not an .npy")
    return array
