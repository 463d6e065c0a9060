"""Kendall's tau-b and Spearman's rho as scipy has them, of many predictions and users at once.

The numerator of tau, concordant less discordant pairs, comes in two ways that are both exact in float64: from tables of
levels, for users who give few of them, and from the signs of all differences, for users who give many. Where sorting
is faster than either, scipy does it.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sspvs.evaluation.prediction import finite, run_starts
from sspvs.types import BoolArray, FloatArray, IntArray

MOST_LEVELS = 160  # with more levels than that, tables of them are slow
_MOST_TABLE_ENTRIES = 4_000_000  # 32 MB
_BLOCK_ENTRIES = 2_000_000  # of the largest temporary, 16 MB
_SIGN_SECONDS = 3e-9  # for a pair of points, measured
_SORT_SECONDS, _SORT_SECONDS_A_POINT = 150e-6, 60e-9  # scipy, for a prediction and a user, measured


class Correlations(NamedTuple):
    """Tau-b and rho of the same pairs; NaN where one side is constant.

    Attributes:
        kendall_tau: Kendall's tau-b.
        spearman_rho: Spearman's rho, of the same shape.
    """

    kendall_tau: FloatArray
    spearman_rho: FloatArray


def rank_correlations(
    prediction: npt.ArrayLike, references: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Correlations:
    """Tau-b and rho of predictions with each of U references.

    Args:
        prediction: (n,) finite scores, or (D, n) for D of them.
        references: (U, n) finite scores of each user.
        weights: (n,) whole numbers >= 1: a point of weight w counts as w equal points.

    Returns:
        Two arrays (U,), or (D, U); NaN where one side is constant.

    Raises:
        ValueError: When shapes do not fit, or a value is NaN or infinite.

    Example:
        >>> tau, rho = rank_correlations([0.1, 0.4, 0.2], [[1, 3, 2], [3, 1, 2], [5, 5, 5]])
        >>> tau
        array([ 1., -1., nan])
    """
    given = np.asarray(prediction)
    scores = finite("prediction", given if given.ndim == 2 else given[None], 2)
    rows = finite("references", references, 2)
    if scores.shape[1] != rows.shape[1]:
        raise ValueError(f"prediction {scores.shape[1:]} and references {rows.shape} must be as long")
    cells = np.flatnonzero(run_starts(scores))
    both = RankReference(rows, cells, weights).correlate(scores[:, cells])
    return both if given.ndim == 2 else Correlations(both.kendall_tau[0], both.spearman_rho[0])


def kendall_tau(prediction: npt.ArrayLike, reference: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """Kendall's tau-b of two (n,) series; NaN when one is constant.

    Args:
        prediction: (n,) finite scores.
        reference: (n,) finite scores.
        weights: (n,) whole numbers >= 1: a point of weight w counts as w equal points.

    Returns:
        tau-b, in [-1, 1]; NaN when a series is constant.

    Raises:
        ValueError: When shapes do not fit, or a value is NaN or infinite.

    Example:
        >>> sspvs.kendall_tau([0.1, 0.4, 0.2], [1, 3, 2])
        1.0
    """
    return float(_one_pair(prediction, reference, weights).kendall_tau[0])


def spearman_rho(prediction: npt.ArrayLike, reference: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """Spearman's rho of two (n,) series, ties at their average rank; NaN when one is constant.

    Args:
        prediction: (n,) finite scores.
        reference: (n,) finite scores.
        weights: (n,) whole numbers >= 1: a point of weight w counts as w equal points.

    Returns:
        rho, in [-1, 1]; NaN when a series is constant.

    Raises:
        ValueError: When shapes do not fit, or a value is NaN or infinite.

    Example:
        >>> sspvs.spearman_rho([0.1, 0.4, 0.2], [1, 3, 2])
        1.0
    """
    return float(_one_pair(prediction, reference, weights).spearman_rho[0])


def mean_of_defined(values: npt.ArrayLike) -> float:
    """The mean of the values that are not NaN; NaN when none is left."""
    array: FloatArray = np.asarray(values, dtype=np.float64)
    known = array[~np.isnan(array)]
    return float(known.mean()) if known.size else np.nan


def _one_pair(prediction: npt.ArrayLike, reference: npt.ArrayLike, weights: npt.ArrayLike | None) -> Correlations:
    finite("prediction", prediction, 1)
    return rank_correlations(prediction, finite("reference", reference, 1)[None], weights)


class RankReference:
    """Users' scores of one video, prepared once: every prediction is then correlated with all of them together.

    A prediction gives one score a *cell*: a stretch of points where it is constant, such as the 15 frames that a pick
    stands for, or a shot. The users' scores may change anywhere.

    Args:
        rows: (U, n) each user's finite scores, bool, integers or floats.
        cells: (T,) the first point of each cell, increasing, the first one 0; every point is a cell when None.
        weights: (n,) whole numbers >= 1, how many times each point counts; once when None.

    Raises:
        ValueError: When shapes do not fit, or a score is NaN or infinite.
    """

    def __init__(self, rows: npt.ArrayLike, cells: IntArray | None = None, weights: npt.ArrayLike | None = None):
        scores = finite("references", rows, 2)
        n_points = scores.shape[1]
        weight = _weights(weights, n_points)
        cells = np.arange(n_points) if cells is None else np.asarray(cells)
        if cells.ndim != 1 or len(cells) == 0 or cells[0] != 0 or cells[-1] >= n_points or (np.diff(cells) <= 0).any():
            raise ValueError(f"cells must be (T,), increase strictly from 0, and stay below {n_points}")
        points = np.flatnonzero(run_starts(scores) | np.isin(np.arange(n_points), cells))
        self._rows = scores[:, points]  # (U, M) one column a run
        self._weights = np.add.reduceat(weight, points)  # (M,)
        self._cell = np.searchsorted(cells, points, side="right") - 1  # (M,) the cell of each run
        self._cell_weights = np.add.reduceat(weight, cells).astype(np.float64)  # (T,)
        self._total = float(weight.sum())
        n_users, n_cells = len(self._rows), len(self._cell_weights)
        codes = _level_codes(self._rows)  # (U, M)
        n_levels = int(codes.max()) + 1
        user_level = codes + n_levels * np.arange(n_users)[:, None]
        weights = np.broadcast_to(self._weights, codes.shape).ravel()
        level_weights = np.bincount(user_level.ravel(), weights, minlength=n_users * n_levels)
        level_weights = level_weights.reshape(n_users, n_levels)
        self._untied = self._pairs(self._total) - self._pairs(level_weights).sum(axis=1)  # (U,) pairs
        rank = np.cumsum(level_weights, axis=1) - level_weights / 2 - self._total / 2  # (U, L) from the mean rank
        self._rank_squares = (level_weights * rank**2).sum(axis=1)  # (U,)
        at_points = np.take_along_axis(rank, codes, axis=1) * self._weights
        starts = np.searchsorted(self._cell, np.arange(n_cells))
        self._rank_sums = np.add.reduceat(at_points, starts, axis=1)  # (U, T)
        shape = (n_cells, n_users, n_levels)
        self._tables: _LevelTables | None = None
        if n_levels <= MOST_LEVELS and n_cells * n_users * n_levels <= _MOST_TABLE_ENTRIES:
            self._tables = _LevelTables(self._cell, codes, self._weights, shape)

    def correlate(self, predictions: npt.ArrayLike) -> Correlations:
        """Tau-b and rho, (D, U) each, of (D, T) finite scores, one a cell, with each user.

        Equal to what scipy gives when each score is repeated as often as it counts.
        """
        scores = finite("predictions", predictions, 2)
        n_cells = len(self._cell_weights)
        if scores.shape[1] != n_cells:
            raise ValueError(f"predictions must be (D, {n_cells}), one score a cell, got shape {scores.shape}")
        order = scores.argsort(axis=1, kind="stable")
        ranked = np.take_along_axis(scores, order, axis=1)
        first = np.ones(scores.shape, dtype=np.bool_)  # of each group of equal scores
        first[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
        ranks, untied = self._ranks(order, first)
        # einsum and not @: products this small lose more by waking BLAS threads than they gain, on a busy machine much
        spread = np.einsum("dt,dt,t->d", ranks, ranks, self._cell_weights)
        together = np.einsum("dt,ut->du", ranks, self._rank_sums)
        with np.errstate(invalid="ignore", divide="ignore"):
            rho = together / np.sqrt(spread[:, None] * self._rank_squares)
            if self._tables is None and self._sorting_is_faster(len(scores)):
                tau = self._tau_by_sorting(scores)
            else:
                if self._tables is not None:
                    balance = self._tables.balance(order, first)
                else:
                    balance = balance_by_signs(scores[:, self._cell], self._rows, self._weights)
                tau = balance / np.sqrt(untied)[:, None] / np.sqrt(self._untied)
        undefined = (untied == 0)[:, None] | (self._untied == 0)  # (U,) users who gave one value everywhere
        tau, rho = np.clip(tau, -1.0, 1.0), np.clip(rho, -1.0, 1.0)  # round-off
        return Correlations(np.where(undefined, np.nan, tau), np.where(undefined, np.nan, rho))

    def _ranks(self, order: IntArray, first: BoolArray) -> tuple[FloatArray, FloatArray]:
        """(D, T) average ranks of the cells, counted from the mean rank, and (D,) pairs of unequal scores."""
        n_draws, n_cells = order.shape
        group = (np.cumsum(first, axis=1) - 1) + n_cells * np.arange(n_draws)[:, None]
        sizes = np.bincount(group.ravel(), self._cell_weights[order].ravel(), minlength=n_draws * n_cells)
        sizes = sizes.reshape(n_draws, n_cells)  # zeros after a draw's last group
        middles = np.cumsum(sizes, axis=1) - sizes / 2 - self._total / 2
        ranks = np.empty(order.shape)
        np.put_along_axis(ranks, order, middles.ravel()[group], axis=1)
        return ranks, self._pairs(self._total) - self._pairs(sizes).sum(axis=1)

    def _sorting_is_faster(self, n_predictions: int) -> bool:
        signs = len(self._weights) ** 2 * (n_predictions + len(self._rows)) * _SIGN_SECONDS
        sorts = n_predictions * len(self._rows) * (_SORT_SECONDS + _SORT_SECONDS_A_POINT * self._total)
        return sorts < signs

    def _tau_by_sorting(self, scores: FloatArray) -> FloatArray:
        from scipy.stats import kendalltau

        if self._total < 2:
            return np.full((len(scores), len(self._rows)), np.nan)  # scipy warns
        users = np.repeat(self._rows, self._weights, axis=1)
        written_out = np.repeat(scores[:, self._cell], self._weights, axis=1)
        return np.array(
            [[kendalltau(one, user)[0] for user in users] for one in written_out],
            dtype=np.float64,
        ).reshape(len(scores), len(self._rows))

    @staticmethod
    def _pairs(weights: npt.ArrayLike) -> FloatArray:
        """How many pairs so many points make."""
        counts = np.asarray(weights, dtype=np.float64)
        pairs: FloatArray = counts * (counts - 1) / 2
        return pairs


def _weights(weights: npt.ArrayLike | None, n_points: int) -> IntArray:
    if weights is None:
        return np.ones(n_points, dtype=np.int64)
    given = np.asarray(weights)
    if given.shape != (n_points,) or given.dtype.kind not in "iu" or (given < 1).any():
        raise ValueError(f"weights must be ({n_points},) whole numbers of at least 1, got {given.dtype} {given.shape}")
    return given.astype(np.int64)


def _level_codes(rows: FloatArray) -> IntArray:
    """(U, M) the place of each value among its row's distinct values, from 0."""
    order = rows.argsort(axis=1, kind="stable")
    ranked = np.take_along_axis(rows, order, axis=1)
    steps = np.zeros(rows.shape, dtype=np.int64)
    steps[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    codes = np.empty_like(steps)
    np.put_along_axis(codes, order, np.cumsum(steps, axis=1), axis=1)
    return codes


class _LevelTables:
    """Users as tables: how much weight each cell of the prediction has at each of the user's levels.

    Cells are visited in the order of the prediction's scores. The pairs of a cell with all cells below it follow from
    what those have summed up to: T U L steps for a prediction, and no loop over users.
    """

    def __init__(self, cell: IntArray, codes: IntArray, weights: IntArray, shape: tuple[int, int, int]) -> None:
        """From the (M,) cell, (U, M) levels and (M,) weight of each point; T cells, U users, L levels."""
        n_cells, n_users, n_levels = shape
        place = (codes + n_levels * np.arange(n_users)[:, None]) * n_cells + cell
        counts = np.broadcast_to(weights, place.shape).ravel()
        size = n_users * n_levels * n_cells
        table = np.bincount(place.ravel(), counts, minlength=size).astype(np.int64).reshape(n_users, n_levels, n_cells)
        up_to = np.cumsum(table, axis=1)
        self._n_users = n_users
        self._table = table.reshape(-1, n_cells)  # whole numbers: their running sums are eight times as fast
        self._below_less_above = (2 * up_to - table - up_to[:, -1:]).reshape(-1, n_cells)

    def balance(self, order: IntArray, first: BoolArray) -> FloatArray:
        """(D, U) concordant less discordant pairs, from (D, T) cells by score and where a score is a new one."""
        return np.stack([self._of_one(row, starts) for row, starts in zip(order, first, strict=True)])

    def _of_one(self, order: IntArray, first: BoolArray) -> FloatArray:
        here, less = np.take(self._table, order, axis=1), np.take(self._below_less_above, order, axis=1)
        if not first.all():
            starts = np.flatnonzero(first)
            here, less = np.add.reduceat(here, starts, axis=1), np.add.reduceat(less, starts, axis=1)
        before = np.cumsum(less[:, :-1], axis=1)  # of all cells with a lower score
        by_level = np.einsum("ij,ij->i", here[:, 1:], before)
        balance: FloatArray = by_level.reshape(self._n_users, -1).sum(axis=1).astype(np.float64)
        return balance


def balance_by_signs(predictions: FloatArray, users: FloatArray, weights: IntArray) -> FloatArray:
    """(D, U) concordant less discordant pairs of (D, M) and (U, M) scores, from the signs of all differences.

    M^2 (D + U) steps and a matrix product.
    """
    n_points = len(weights)
    balance = np.zeros((len(predictions), len(users)))
    rows = max(1, _BLOCK_ENTRIES // (n_points * max(len(predictions), len(users))))
    for start in range(0, n_points, rows):
        part = slice(start, start + rows)
        pairs = np.outer(weights[part], weights).astype(np.float64)
        one = _signs(predictions, part) * pairs
        balance += one.reshape(len(predictions), -1) @ _signs(users, part).reshape(len(users), -1).T
    return balance / 2  # each pair was met twice


def _signs(scores: FloatArray, part: slice) -> FloatArray:
    """(R, b, M) whether the scores of a part are above (1), equal to (0) or below (-1) all scores."""
    mine, all_of_them = scores[:, part, None], scores[:, None, :]
    signs: FloatArray = (mine > all_of_them).astype(np.float64) - (mine < all_of_them)
    return signs
