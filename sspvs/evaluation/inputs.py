"""Series of numbers as callers hand them over: checked, and where they change."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sspvs.types import BoolArray, FloatArray
from sspvs.types.video import LARGEST


def run_starts(rows: npt.NDArray[np.generic]) -> BoolArray:
    """(n,) True at each point of (R, n) rows where any row differs from the point before, and at the first."""
    starts = np.ones(rows.shape[1], dtype=np.bool_)
    starts[1:] = (rows[:, 1:] != rows[:, :-1]).any(axis=0)
    return starts


def finite(name: str, values: npt.ArrayLike, dimensions: int) -> FloatArray:
    """The values as an array of that many dimensions, with at least one value, none NaN, infinite or beyond float32."""
    array: FloatArray = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be numbers, got {array.dtype}")
    if array.ndim != dimensions or 0 in array.shape:
        raise ValueError(f"{name} must have {dimensions} dimensions and at least one value, got shape {array.shape}")
    if array.dtype.kind == "f" and not (np.abs(array) <= LARGEST).all():
        where = np.argwhere(~(np.abs(array) <= LARGEST))[0]
        found, place = array[tuple(where)], ", ".join(map(str, where))
        limit = f" and at most {LARGEST:.3g}" if np.isfinite(found) else ""
        raise ValueError(f"{name} must be finite{limit}, got {found} at [{place}]")
    return array


def as_binary(name: str, values: npt.ArrayLike) -> BoolArray:
    """Bool from bool, or from 0 and 1 of any type; other values are refused."""
    array = np.asarray(values)
    if array.dtype == np.bool_:
        return array
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} must be 0 and 1, got {array.dtype}")
    chosen: BoolArray = array == 1
    odd = array[~chosen & (array != 0)]
    if odd.size:
        raise ValueError(f"{name} must be 0 and 1, found {odd.flat[0]}; (x > 0) makes a summary of other numbers")
    return chosen
