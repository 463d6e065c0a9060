"""Reading single values out of a video's group of anybody's file, checked: kind, shape, finiteness."""

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from sspvs.errors import DatasetError, SspvsError
from sspvs.types.video import LARGEST, MOST_FRAMES

LONGEST_TEXT = 2**20  # characters
Numbers = npt.NDArray[Any]  # booleans, integers or floats


class GroupReader:
    """One video's open group, and sentences about what had to be repaired; `where` is file and video, for messages."""

    def __init__(self, group: h5py.Group, where: str, error: type[SspvsError] = DatasetError) -> None:
        self._group = group
        self.where = where
        self._error = error
        self.repairs: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._group

    @property
    def contents(self) -> str:
        """The names in the group, for messages."""
        names = sorted(self._group)
        return ", ".join(names[:10]) + (" ..." if len(names) > 10 else "") if names else "nothing"

    @property
    def is_nested(self) -> bool:
        """Whether there are only groups inside: what a name with a `/` becomes."""
        return len(self._group) > 0 and all(self._group.get(k, getclass=True) is h5py.Group for k in self._group)

    def problem(self, key: str, expected: str, found: str, remedy: str = "") -> SspvsError:
        """The error of one key: what was expected, what was found, what to do."""
        return self._error(f"{self.where}: '{key}': expected {expected}, found {found}{remedy and '; ' + remedy}")

    def numbers(self, key: str, *, finite: bool = True, single: str = "") -> Numbers | None:
        """A dataset of numbers that single precision holds; None when it is not there or has no element."""
        if key not in self._group:
            return None
        data = self._group[key]
        if not isinstance(data, h5py.Dataset):
            raise self.problem(key, "a dataset of numbers", "a group")
        if data.shape is None or 0 in data.shape:
            self.repairs.append(f"'{key}' is empty and was left out")
            return None
        if data.dtype.kind not in "buif":
            raise self.problem(key, "numbers", _kind(data), "write it again as an array of numbers")
        if single and data.size != 1:
            raise self.problem(key, single, f"an array of shape {data.shape}")
        values: Numbers = np.asarray(data[()])
        bad = ~(np.abs(values) <= LARGEST) if finite and values.dtype.kind == "f" else np.zeros(0, dtype=np.bool_)
        if bad.any():
            first = tuple(int(i) for i in np.argwhere(bad)[0])
            place = f"index {first[0] if len(first) == 1 else first}" if first else "its one value"
            kind = "too large" if np.isfinite(values).all() else "NaN or infinite"
            raise self.problem(
                key,
                "finite numbers" if kind != "too large" else f"numbers of at most {LARGEST:.3g}",
                f"{int(bad.sum())} {kind} values, the first at {place}",
                "make the file again, or take the video out",
            )
        return values

    def column(self, key: str, *, finite: bool = True) -> Numbers | None:
        """(n,) numbers, stored as (n,), (n, 1) or (1, n); None when they are not there. Arguments as `numbers`."""
        values = self.numbers(key, finite=finite)
        if values is None:
            return None
        if values.ndim == 0 or values.size != max(values.shape):
            raise self.problem(key, "(n,) numbers, one after the other", f"shape {values.shape}")
        return values.reshape(-1)

    def whole_numbers(self, key: str) -> npt.NDArray[np.int64] | None:
        """A dataset of whole numbers, stored as integers or as floats. Otherwise as `numbers`."""
        return self._whole(self.numbers(key), key)

    def whole_column(self, key: str) -> npt.NDArray[np.int64] | None:
        """(n,) whole numbers, stored as in `column`. Otherwise as `numbers`."""
        return self._whole(self.column(key), key)

    def picks(self, key: str, n_frames: int, n_picks: int | None = None) -> npt.NDArray[np.int64] | None:
        """(T,) frame indices that increase; None when not there. A closing N (no frame) is left out as a repair."""
        picks = self.whole_column(key)
        if picks is None:
            return None
        if picks[-1] == n_frames and len(picks) == (n_picks + 1 if n_picks else max(len(picks), 2)):
            self.repairs.append(f"'{key}' ends in N = {n_frames}, which is no frame: it was left out")
            picks = picks[:-1]
        if n_picks is not None and len(picks) != n_picks:
            raise self._error(f"{self.where}: {len(picks)} '{key}' for {n_picks} features; they must be as many")
        falls = np.flatnonzero(np.diff(picks) <= 0)
        if len(falls):
            found = f"{picks[falls[0]]} before {picks[falls[0] + 1]} at index {falls[0]}"
            raise self.problem(key, "frame numbers that increase", found)
        if picks[0] < 0 or picks[-1] >= n_frames:
            outside = picks[0] if picks[0] < 0 else picks[-1]
            remedy = f"'n_frames' or '{key}' is of another video, or of another frame rate"
            raise self.problem(key, f"frames 0..{n_frames - 1}", f"{outside}", remedy)
        return picks

    def _whole(self, values: Numbers | None, key: str) -> npt.NDArray[np.int64] | None:
        if values is None:
            return None
        with np.errstate(invalid="ignore"):  # what int64 does not hold is refused on the next line
            whole = values.astype(np.int64)
        if (whole != values).any():
            raise self.problem(key, "whole numbers", f"{values[whole != values].ravel()[0]}")
        return whole

    def number(self, key: str) -> float | None:
        """A single number above 0, as a scalar or an array of one. Otherwise as `numbers`."""
        values = self._above_0(key, "one number above 0")
        return None if values is None else float(values.ravel()[0])

    def count(self, key: str) -> int | None:
        """A single whole number above 0, as a scalar or an array of one. Otherwise as `numbers`."""
        values = self._whole(self._above_0(key, "one whole number above 0"), key)
        if values is not None and values.ravel()[0] > MOST_FRAMES:
            raise self.problem(key, f"a number of frames, at most {MOST_FRAMES}", str(values.ravel()[0]))
        return None if values is None else int(values.ravel()[0])

    def _above_0(self, key: str, expected: str) -> Numbers | None:
        values = self.numbers(key, single=expected)
        if values is not None and values.ravel()[0] <= 0:
            raise self.problem(key, expected, str(values.ravel()[0]))
        return values

    def shape(self, key: str) -> tuple[int, ...]:
        """The shape of a dataset; empty when it is not there, or is a single value, or no dataset."""
        data = self._group.get(key)
        return tuple(data.shape or ()) if isinstance(data, h5py.Dataset) else ()

    def text(self, key: str) -> str:
        """A string, however it is stored; empty when it is not there."""
        data = self._group.get(key)
        if not isinstance(data, h5py.Dataset):
            return ""
        if max(data.size if data.dtype.kind == "u" else 0, data.dtype.itemsize) > LONGEST_TEXT:
            expected = f"text of at most {LONGEST_TEXT} characters"
            raise self.problem(key, expected, f"shape {data.shape} of {data.dtype}")
        return text_of(data).strip()


def text_of(data: h5py.Dataset) -> str:
    """A string of an h5 dataset, of several the first one; character codes (MATLAB) are one string."""
    return as_text(data[()] if data.dtype.kind == "u" or not data.size else data[(0,) * data.ndim])


def as_text(value: Any) -> str:
    """A string of an h5 dataset or attribute: text, bytes, character codes (MATLAB), or an array of one of them."""
    if isinstance(value, h5py.Empty):
        return ""
    if isinstance(value, np.ndarray):
        if value.size > 1 and value.dtype.kind == "u":
            return "".join(map(chr, value.ravel()))
        value = value.reshape(-1)[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def plain_attributes(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as plain types, so that they can be written as JSON: single values in arrays are taken out of them."""
    return {key: _plain(value) for key, value in attrs.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic) and value.size == 1:
        value = value.reshape(-1)[0] if isinstance(value, np.ndarray) else value
        value = value.item() if isinstance(value, np.generic) else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _kind(data: h5py.Dataset) -> str:
    if h5py.check_string_dtype(data.dtype) is not None:
        return "text"
    return {"c": "complex numbers", "O": "objects"}.get(data.dtype.kind, str(data.dtype))
