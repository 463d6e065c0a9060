"""YouTube-8M's quantisation of features to bytes, and back (Abu-El-Haija et al., 2016; the set's own reader).

A byte b stands for `b * 4/255 + 4/512 - 2`: 256 levels over [-2, 2].
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sspvs.types import FloatArray

ByteArray = npt.NDArray[np.uint8]
STEP, BIAS = 4 / 255, 4 / 512 - 2
_LARGEST = 255 * STEP + BIAS
_UNIT_LENGTH = 1e-3


def dequantise(values: ByteArray, *, unit_length: bool = True) -> FloatArray:
    """Bytes as features.

    Args:
        values: (T, D) uint8.
        unit_length: L2-normalise each row afterwards, as the contrastive summarizers do (CTVSUM).

    Returns:
        (T, D) float32.
    """
    features: FloatArray = (values.astype(np.float64) * STEP + BIAS).astype(np.float32)
    if unit_length:
        features = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return features


def quantise(features: FloatArray) -> tuple[ByteArray, bool]:
    """Features as bytes.

    Features within [-2, 2] go to the nearest level. Rows of unit length, which would fall on a handful of levels, and
    features beyond the range are first stretched or shrunk, each row by one factor, so that the row's largest value
    is the last level: their direction is kept, their length is not. (Readers L2-normalise.)

    Args:
        features: (T, D) finite.

    Returns:
        (T, D) uint8, and whether rows were stretched or shrunk.
    """
    rows = np.asarray(features, dtype=np.float64)
    largest = np.abs(rows).max(axis=1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1)
    known = lengths[lengths > 0]
    rescaled = bool(largest.max() > 2) or bool(len(known) and (np.abs(known - 1) < _UNIT_LENGTH).all())
    if rescaled:
        rows = rows * (_LARGEST / np.maximum(largest, 1e-12))
    levels = np.clip(np.rint((rows - BIAS) / STEP), 0, 255)
    return levels.astype(np.uint8), rescaled
