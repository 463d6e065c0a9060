"""Names for the kinds of array."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ImageArray = npt.NDArray[np.uint8]  # (..., H, W, 3) RGB

MOST_FRAMES = 2**26
"""A longer video (25 days at 30 Hz) is a slip of the pen, or damage: arrays of that length are made."""
LARGEST = float(np.finfo(np.float32).max)
"""Larger values are refused where they come from a file: single precision has none, and sums of them overflow."""
