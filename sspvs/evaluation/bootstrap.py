"""Intervals and differences over videos by the bootstrap."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sspvs.types import FloatArray

RESAMPLES = 10_000
_SEED = 0
_MOST_DRAWN = 4_000_000  # videos drawn at a time, 32 MB


class PairedBootstrap(NamedTuple):
    """What two methods differ by on the same videos.

    Attributes:
        difference: Mean of first - second over the videos where both are defined; NaN when there is none.
        ci95: Bootstrap 95 % interval of it.
        p_value: Two-sided: the share of resampled differences on the other side of 0, doubled; NaN below two videos.
        n_videos: Videos where both are defined.
    """

    difference: float
    ci95: tuple[float, float]
    p_value: float
    n_videos: int


def bootstrap_ci95(values: FloatArray, *, resamples: int = RESAMPLES, seed: int = _SEED) -> tuple[float, float]:
    """The percentile bootstrap's 95 % interval of a mean (Efron, 1979).

    Args:
        values: (V,) finite, V >= 1.
        resamples: Draws with replacement.
        seed: Of the draws: the same values give the same interval.

    Returns:
        Lower and upper end; both the value itself for V = 1.
    """
    return _interval(_resampled_means(np.asarray(values, dtype=np.float64), resamples, seed))


def paired_bootstrap(
    first: npt.ArrayLike, second: npt.ArrayLike, *, resamples: int = RESAMPLES, seed: int = _SEED
) -> PairedBootstrap:
    """The difference of two methods' means, by drawing videos with replacement, both methods' figures together.

    A video that is hard for both then moves the difference little, which is why it finds what the two intervals by
    themselves do not (Efron and Tibshirani, 1993). One is added to the count and to the number of draws, so that no
    p-value is 0 (Davison and Hinkley, 1997, section 4.2).

    Args:
        first: (V,) a metric of each video; NaN where undefined.
        second: (V,) the same metric of another method, the same videos in the same order.
        resamples: Draws with replacement.
        seed: Of the draws: the same values give the same result.

    Raises:
        ValueError: When they are not two (V,) series.
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.ndim != 1 or one.shape != other.shape:
        raise ValueError(f"first and second must both be (V,), got shapes {one.shape} and {other.shape}")
    differences = one - other
    differences = differences[np.isfinite(differences)]
    if len(differences) == 0:
        return PairedBootstrap(np.nan, (np.nan, np.nan), np.nan, 0)
    means = _resampled_means(differences, resamples, seed)
    below, above = np.count_nonzero(means <= 0), np.count_nonzero(means >= 0)
    p_value = min(1.0, 2 * (min(below, above) + 1) / (resamples + 1)) if len(differences) > 1 else np.nan
    return PairedBootstrap(float(differences.mean()), _interval(means), p_value, len(differences))


def _resampled_means(values: FloatArray, resamples: int, seed: int) -> FloatArray:
    """(R,) means of V values drawn with replacement, R times."""
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    rows = max(1, _MOST_DRAWN // len(values))
    for start in range(0, resamples, rows):
        drawn = generator.integers(0, len(values), size=(min(rows, resamples - start), len(values)))
        means[start : start + rows] = values[drawn].mean(axis=1)
    return means


def _interval(means: FloatArray) -> tuple[float, float]:
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
