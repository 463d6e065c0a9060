"""Within-segment scatter of a sequence, computed once and only where a partition search looks.

`scatter(s, t)` is the sum of squared distances of the picks s..t-1 to their mean. All T (T + 1) / 2 of them are
affordable (415 MB of float32 at T = 14,400) but rarely needed: a segment that reaches back over several changes
never wins. Blocks of rows are therefore filled from the diagonal outwards, as far as the search asks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sspvs.types import FloatArray, IntArray

DOUBLE_PRECISION_PICKS = 4096
"""Sequences up to this length are computed and stored in float64, longer ones in float32 (sums in float64)."""

_BLOCK_ROWS = 256
_PIECE_COLUMNS = 2048
_RESERVE_COLUMNS = 512


@dataclass
class _Block:
    """Rows t = first + 1 .. last of the cost matrix, columns s = low .. last - 1.

    Attributes:
        low: First column that is filled.
        costs: (last - first, last - low) scatter(s, t); infinite where t - s is not a permitted length.
        end_sums: (last - low,) float64 squared norm of the sum of picks s .. last - 1.
        row_dots: (last - first,) float64 dot product of pick t - 1 with the sum of picks low .. t - 2.
    """

    low: int
    costs: FloatArray
    end_sums: FloatArray
    row_dots: FloatArray


class SegmentCosts:
    """Scatter of every segment of a sequence that a partition search asks for.

    With K the Gram matrix and S(s, t) the squared norm of the sum of picks s .. t-1,
    `scatter(s, t) = sum K_ii - S(s, t) / (t - s)` and `S(s, t + 1) = S(s, t) + 2 sum_{i=s}^{t-1} K_it + K_tt`.
    The sequence is centred first: scatter does not change and rounding gets smaller.

    Args:
        features: (T, D) finite values.
        min_picks: Shortest permitted segment, in picks.
    """

    def __init__(self, features: FloatArray, min_picks: int = 1) -> None:
        self.length = len(features)
        self.min_picks = min_picks
        dtype = np.float64 if self.length <= DOUBLE_PRECISION_PICKS else np.float32
        mean = features.mean(axis=0, dtype=np.float64)
        self._features = np.subtract(features, mean, dtype=dtype, casting="same_kind")
        self._squares = np.einsum("td,td->t", self._features, self._features, dtype=np.float64)
        self._square_sums = np.concatenate([[0.0], np.cumsum(self._squares)])
        self.edges = [*range(0, self.length, _BLOCK_ROWS), self.length]
        self._blocks: list[_Block | None] = [None] * (len(self.edges) - 1)

    @property
    def rounding(self) -> float:
        """How far a stored cost may be from the exact one."""
        return 8 * float(np.finfo(self._features.dtype).eps) * max(float(self._square_sums[-1]), 1e-3)

    def rows(self, index: int, low: int) -> FloatArray:
        """Costs of block `index`: rows t = edges[index] + 1 .. edges[index + 1], columns s = low .. t - 1.

        The blocks before must have been asked for with the same or a smaller `low`.
        """
        block = self._blocks[index]
        if block is None or low < block.low:
            # Further than asked, where the block before allows it: few large products, not many small ones.
            before = self._blocks[index - 1] if index else None
            reserve = min(low, self.edges[index] - _RESERVE_COLUMNS) // _RESERVE_COLUMNS * _RESERVE_COLUMNS
            lowest = min(low, max(reserve, before.low if before else 0))
            block = self._blocks[index] = self._grow(index, block, lowest)
        return block.costs[:, low - block.low :]

    def scatter(self, starts: IntArray) -> float:
        """Scatter sum of the partition whose segments start at `starts`, from the features themselves."""
        sums = np.add.reduceat(self._features, starts, axis=0, dtype=np.float64)  # (S, D)
        lengths = np.diff(np.append(starts, self.length))
        between = float((np.einsum("sd,sd->s", sums, sums) / lengths).sum())
        return max(float(self._square_sums[-1]) - between, 0.0)

    def _grow(self, index: int, block: _Block | None, low: int) -> _Block:
        """A block filled down to column `low`, leftwards in pieces that fit the processor's cache."""
        first, last = self.edges[index], self.edges[index + 1]
        start = block.low if block else last  # first column that is there already
        costs = np.empty((last - first, last - low), dtype=self._features.dtype)
        end_sums = np.empty(last - low)
        row_dots = np.zeros(last - first)
        if block:
            costs[:, start - low :] = block.costs
            end_sums[start - low :] = block.end_sums
            row_dots = block.row_dots
        while start > low:
            end, start = start, max(start - _PIECE_COLUMNS, low)
            sums, row_dots = self._sums(index, start, end, row_dots)
            end_sums[start - low : end - low] = sums[-1]
            costs[:, start - low : end - low] = self._scatters(index, start, end, sums)
        return _Block(low, costs, end_sums, row_dots)

    def _sums(self, index: int, start: int, end: int, row_dots: FloatArray) -> tuple[FloatArray, FloatArray]:
        """S(s, t) for columns s = start .. end - 1 of a block, and the row dots from `start` on."""
        first, last = self.edges[index], self.edges[index + 1]
        rows, columns = last - first, end - start
        sums = np.empty((rows, columns))
        gram = (self._features[first:last] @ self._features[start:end].T).astype(np.float64, copy=False)
        if end > first:
            gram *= np.tri(rows, columns, first - start - 1)  # only pairs i < t - 1
        np.cumsum(gram[:, ::-1], axis=1, out=sums[:, ::-1])
        sums += row_dots[:, None]
        row_dots = sums[:, 0].copy()
        sums *= 2
        squares = self._squares[first:last, None]
        sums += squares * np.tri(rows, columns, first - start) if end > first else squares
        if start < first:
            before = self._blocks[index - 1]
            assert before is not None
            assert before.low <= start
            known = before.end_sums[start - before.low : end - before.low]
            sums[0, : len(known)] += known
        for row in range(1, rows):  # ten times faster than np.cumsum(axis=0)
            np.add(sums[row], sums[row - 1], out=sums[row])
        return sums, row_dots

    def _scatters(self, index: int, start: int, end: int, sums: FloatArray) -> FloatArray:
        """Scatter of columns start .. end - 1 of a block from S; overwrites `sums`."""
        first, last = self.edges[index], self.edges[index + 1]
        lengths = np.arange(first + 1.0, last + 1.0)[:, None] - np.arange(start, end)
        too_short = lengths < self.min_picks if end > first + 1 - self.min_picks else None
        costs = np.divide(sums, np.maximum(lengths, 1, out=lengths), out=sums)
        np.subtract(self._square_sums[first + 1 : last + 1, None], costs, out=costs)
        costs -= self._square_sums[start:end]
        np.maximum(costs, 0, out=costs)
        if too_short is not None:
            costs[too_short] = np.inf
        return costs
