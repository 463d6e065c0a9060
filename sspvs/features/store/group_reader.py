"""Reading single values out of a video's group of anybody's file, checked: kind, shape, finiteness."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from sspvs.errors import DatasetError
from sspvs.features.store import layout

Numbers = npt.NDArray[Any]
"""Finite booleans, integers or floats."""


class GroupReader:
    """One video's group, with the sentences about what had to be repaired.

    Attributes:
        where: File and video, for messages.
        repairs: Sentences, in the order in which things were repaired.

    Args:
        group: The open group.
        where: File and video, for messages.
    """

    def __init__(self, group: h5py.Group, where: str) -> None:
        self._group = group
        self.where = where
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

    def problem(self, key: str, expected: str, found: str, remedy: str = "") -> DatasetError:
        """The error of one key: what was expected, what was found, what to do."""
        return DatasetError(f"{self.where}: '{key}': expected {expected}, found {found}{remedy and '; ' + remedy}")

    def numbers(self, key: str) -> Numbers | None:
        """A dataset of finite numbers; None when it is not there or has no element.

        Raises:
            DatasetError: When it holds something else.
        """
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
        values: Numbers = np.asarray(data[()])
        bad = ~np.isfinite(values)
        if bad.any():
            first = tuple(int(i) for i in np.argwhere(bad)[0])
            place = f"index {first[0] if len(first) == 1 else first}" if first else "its one value"
            raise self.problem(
                key,
                "finite numbers",
                f"{int(bad.sum())} NaN or infinite values, the first at {place}",
                "make the file again, or take the video out",
            )
        return values

    def whole_numbers(self, key: str) -> npt.NDArray[np.int64] | None:
        """A dataset of whole numbers, stored as integers or as floats; None when it is not there.

        Raises:
            DatasetError: When it holds something else.
        """
        values = self.numbers(key)
        if values is None:
            return None
        whole = values.astype(np.int64)
        if (whole != values).any():
            raise self.problem(key, "whole numbers", f"{values[whole != values].ravel()[0]}")
        return whole

    def count(self, key: str) -> int | None:
        """A single whole number above 0, as a scalar or an array of one; None when it is not there.

        Raises:
            DatasetError: When it holds something else.
        """
        values = self.whole_numbers(key)
        if values is None:
            return None
        if values.size != 1 or values.ravel()[0] < 1:
            found = f"an array of shape {values.shape}" if values.size != 1 else str(values.ravel()[0])
            raise self.problem(key, "one whole number above 0", found)
        return int(values.ravel()[0])

    def shape(self, key: str) -> tuple[int, ...]:
        """The shape of a dataset; empty when it is not there, or is a single value, or no dataset."""
        data = self._group.get(key)
        return tuple(data.shape or ()) if isinstance(data, h5py.Dataset) else ()

    def text(self, key: str) -> str:
        """A string, however it is stored; empty when it is not there."""
        data = self._group.get(key)
        if not isinstance(data, h5py.Dataset) or data.shape is None:
            return ""
        return layout.as_text(data[()]).strip()


def _kind(data: h5py.Dataset) -> str:
    if h5py.check_string_dtype(data.dtype) is not None:
        return "text"
    return {"c": "complex numbers", "O": "objects"}.get(data.dtype.kind, str(data.dtype))
