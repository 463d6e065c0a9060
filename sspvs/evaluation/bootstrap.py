"""Intervals over videos by the bootstrap."""

from __future__ import annotations

import numpy as np

from sspvs.types import FloatArray

RESAMPLES = 10_000
_SEED = 0


def bootstrap_ci95(values: FloatArray, *, resamples: int = RESAMPLES, seed: int = _SEED) -> tuple[float, float]:
    """The percentile bootstrap's 95 % interval of a mean (Efron, 1979).

    Args:
        values: (V,) finite, V >= 1.
        resamples: Draws with replacement.
        seed: Of the draws: the same values give the same interval.

    Returns:
        Lower and upper end; both the value itself for V = 1.
    """
    values = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng(seed).integers(0, len(values), size=(resamples, len(values)))
    means = values[drawn].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
