"""Concordant less discordant pairs, the numerator of Kendall's tau, for many predictions and users at once.

Two ways, both exact in float64: tables of levels, for users who give few of them, and signs of all differences, for
users who give many.
"""

from __future__ import annotations

import numpy as np

from sspvs.types import BoolArray, FloatArray, IntArray

_BLOCK_ENTRIES = 2_000_000  # of the largest temporary, 16 MB


class LevelTables:
    """Users as tables: how much weight each cell of the prediction has at each of the user's levels.

    Cells are visited in the order of the prediction's scores. The pairs of a cell with all cells below it follow from
    what those have summed up to: T U L steps for a prediction, and no loop over users.

    Args:
        cell: (M,) the cell of each point.
        codes: (U, M) the level of each point for each user, from 0.
        weights: (M,) how often each point counts.
        shape: T cells, U users, L levels.
    """

    def __init__(self, cell: IntArray, codes: IntArray, weights: IntArray, shape: tuple[int, int, int]) -> None:
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
        """Concordant less discordant pairs.

        Args:
            order: (D, T) cells of each prediction, lowest score first.
            first: (D, T) True where a score in that order differs from the one before.

        Returns:
            (D, U) whole numbers.
        """
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
    """Concordant less discordant pairs from the signs of all differences: M^2 (D + U) steps and a matrix product.

    Args:
        predictions: (D, M) scores at M points.
        users: (U, M) likewise.
        weights: (M,) how often each point counts.

    Returns:
        (D, U) whole numbers.
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
