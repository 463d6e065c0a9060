"""Names for the kinds of array."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ImageArray = npt.NDArray[np.uint8]  # (..., H, W, 3) RGB

LARGEST = float(np.finfo(np.float32).max)
"""Larger values are refused where they come from a file: single precision has none, and sums of them overflow."""
