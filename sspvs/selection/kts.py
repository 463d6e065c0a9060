"""KTS: the exact partition of a sequence of features into segments, and the costs of segments.

The cost `scatter(s, t)` is the sum of squared distances of the picks s..t-1 to their mean. All T (T + 1) / 2 are
affordable (415 MB of float32 at T = 14,400) but rarely needed: a segment that reaches back over several changes
never wins. Blocks of rows are therefore filled from the diagonal outwards, as far as the search looks.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sspvs.types import BoolArray, FloatArray, IntArray

DOUBLE_PRECISION_PICKS = 4096
"""Sequences up to this length are computed and stored in float64, longer ones in float32 (sums in float64)."""

_BLOCK_ROWS = 256
_PIECE_COLUMNS = 2048
_RESERVE_COLUMNS = 512
DEFAULT_PENALTY = 1.25
CUT_SECONDS, CUT_PICKS = 0.75, 1.5
"""A change of `kts_about` saves at least the scatter that the video has in so many seconds, and in so many picks."""
WINDOW_PICKS = 16_384
"""Longer videos (over two and a quarter hours at 2 Hz) are cut into equal windows of at most this many picks."""


@dataclass
class _Block:
    """Rows t = first + 1 .. last of the cost matrix, columns s = low .. last - 1."""

    low: int  # first column that is filled
    costs: FloatArray  # (last - first, last - low) scatter(s, t); infinite where t - s is not a permitted length
    end_sums: FloatArray  # (last - low,) float64 squared norm of the sum of picks s .. last - 1
    row_dots: FloatArray  # (last - first,) float64 dot product of pick t - 1 with the sum of picks low .. t - 2


class SegmentCosts:
    """Scatter of every segment of a sequence that a partition search needs.

    With K the Gram matrix and S(s, t) the squared norm of the sum of picks s .. t-1,
    `scatter(s, t) = sum K_ii - S(s, t) / (t - s)` and `S(s, t + 1) = S(s, t) + 2 sum_{i=s}^{t-1} K_it + K_tt`.
    The sequence is centred first: scatter does not change and rounding gets smaller.
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

        The blocks before must have been taken with the same or a smaller `low`.
        """
        block = self._blocks[index]
        if block is None or low < block.low:
            # Further than needed, where the block before allows it: few large products, not many small ones.
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


def kts(features: FloatArray, *, penalty: float = 1.25, min_shot_picks: int = 1) -> IntArray:
    """Cut a video where its frame features change (Potapov et al., Category-Specific Video Summarization, ECCV 2014).

    With a linear kernel on L2-normalised features, minimises exactly, over the number m of changes and their places,

        scatter within the shots / T + penalty * m / (2 T) * (log(T / m) + 1).

    A small penalty gives many shots, a large one few. The penalty is absolute, which is why the features
    are normalised: the same value means the same for every backbone of like spread and for every length.

    A video of more than `WINDOW_PICKS` picks is cut into equal windows that are segmented one by one, so that
    memory stays below 1 GB; window borders are then shot starts.

    Args:
        features: (T, D) one row a pick, any scale. Rows of zeros stay zero.
        penalty: Weight of the penalty, > 0 (`vmax` in the authors' code).
        min_shot_picks: Fewest picks in a shot, >= 1; a video shorter than that is one shot.

    Returns:
        (S,) int64 strictly increasing, the pick that starts each shot, the first one 0.

    Raises:
        ValueError: If an argument is outside its range or a feature is not finite.

    Example:
        >>> features = np.repeat(np.eye(2), 10, axis=0)  # two takes of ten picks
        >>> sspvs.kts(features).tolist()
        [0, 10]
    """
    features = np.asarray(features)
    if features.ndim != 2 or len(features) == 0:
        raise ValueError(f"features must be (T, D) with T >= 1, got shape {features.shape}")
    if not np.isfinite(penalty) or penalty <= 0:
        raise ValueError(f"penalty must be a positive number, got {penalty}")
    if min_shot_picks < 1:
        raise ValueError(f"min_shot_picks must be at least 1, got {min_shot_picks}")
    parts = []
    for start, end in _windows(len(features)):
        costs = SegmentCosts(_normalised(features[start:end]), min_shot_picks)
        parts.append(start + _best_partition(costs, penalty))
    return np.concatenate(parts)


def kts_about(
    features: FloatArray, n_shots: int, *, rate_hz: float, min_shot_picks: int = 1, earliest: IntArray | None = None
) -> IntArray:
    """Cut a video into about so many shots, or more where it has more cuts, whatever made its features.

    `kts` has an absolute penalty, which gives another number of shots for every backbone and rate. Here the price of a
    change is relative to the video's own scatter: the scatter about the video's mean of `CUT_SECONDS` of video, or of
    `CUT_PICKS` picks where these are further apart. A shot of another scene that lasts a second saves more than that,
    a change within noise saves about the scatter of one pick. Where this price gives fewer than `n_shots`, it is
    lowered until there are about so many. At each price the partition is exactly the cheapest.

    Args:
        features: (T, D) one row a pick, any scale. Rows of zeros stay zero.
        n_shots: Wanted number of shots, >= 1. There are fewer when the rest of the video does not change at all.
        rate_hz: Picks in a second, > 0.
        min_shot_picks: Fewest picks in a shot.
        earliest: (T + 1,) rising; the first pick that a shot which ends before pick t may start with. Needs room for
            two shots of `min_shot_picks`.

    Returns:
        (S,) int64 strictly increasing, the pick that starts each shot, the first one 0.
    """
    parts = []
    for start, end in _windows(len(features)):
        costs = SegmentCosts(_normalised(features[start:end]), min_shot_picks)
        share = max(1, round(n_shots * (end - start) / len(features)))
        first = None if earliest is None else np.maximum(earliest[start : end + 1] - start, 0)
        parts.append(start + _partition_about(costs, share, rate_hz, first))
    return np.concatenate(parts)


def _partition_about(costs: SegmentCosts, n_shots: int, rate_hz: float, earliest: IntArray | None) -> IntArray:
    """The cheapest partition at the highest permitted price that has about `n_shots` segments (5 % fewer, or more)."""
    whole = np.zeros(1, dtype=np.int64)
    scatter, lowest = costs.scatter(whole), costs.rounding
    if scatter <= lowest:
        return whole  # nothing changes
    high = max(CUT_SECONDS * rate_hz, CUT_PICKS) * scatter / costs.length
    _, starts = cheapest_partition(costs, high, earliest)
    low = lowest
    while len(starts) < 0.95 * n_shots and high > 1.002 * low:
        price = max(np.sqrt(low * high), high / 8)
        _, found = cheapest_partition(costs, price, earliest)
        if len(found) <= n_shots:
            high, starts = price, found
        else:
            low = price
    return starts


def _windows(count: int) -> list[tuple[int, int]]:
    """Equal parts of at most `WINDOW_PICKS` picks."""
    edges = np.linspace(0, count, -(-count // WINDOW_PICKS) + 1).round().astype(np.int64).tolist()
    return list(pairwise(edges))


def _normalised(features: FloatArray) -> FloatArray:
    """Rows scaled to length 1; rows of zeros stay zero."""
    largest = np.abs(features).max(axis=1, keepdims=True).astype(np.float64)  # squares must not overflow
    if not np.isfinite(largest).all():
        row = int(np.argmin(np.isfinite(largest[:, 0])))
        raise ValueError(f"features must be finite, got NaN or infinity in row {row}")
    dtype = np.float64 if features.dtype == np.float64 else np.float32
    scaled = np.divide(features, np.where(largest > 0, largest, 1), dtype=dtype, casting="same_kind")
    norms = np.sqrt(np.einsum("td,td->t", scaled, scaled, dtype=np.float64))[:, None]
    scaled /= np.where(norms > 0, norms, 1).astype(dtype)
    return scaled


def _penalties(count: int, most_changes: int, penalty: float) -> FloatArray:
    """(most_changes + 1,) T times the penalty term for m = 0 .. most_changes changes."""
    changes = np.arange(1, most_changes + 1)
    return np.append(0.0, penalty / 2 * changes * (np.log(count / changes) + 1))


def _best_partition(costs: SegmentCosts, penalty: float) -> IntArray:
    """The partition that minimises scatter + penalty term, its number of changes free.

    The penalty term g(m) is concave, so the best m* also minimises scatter(m) + beta m for beta = g'(m*): it is a
    corner of the lower convex hull of scatter(m). Corners are found by solving for one beta after another; each
    solution bounds scatter(m) from below for all m by a line, and what these bounds rule out is not looked at.
    """
    count = costs.length
    most = count // costs.min_picks - 1
    whole = np.zeros(1, dtype=np.int64)
    if most < 1:
        return whole
    penalties = _penalties(count, most, penalty)
    tolerance = costs.rounding
    best_starts, best_total = whole, costs.scatter(whole)
    corners = {0: best_total}  # number of changes -> scatter
    bounds = np.zeros(most + 1)  # no scatter is below
    unknown = np.ones(most + 1, dtype=np.bool_)
    unknown[0] = False

    def solve(beta: float) -> bool:
        """Adds the solution for `beta`; True when it is a new corner."""
        nonlocal best_starts, best_total
        value, starts = cheapest_partition(costs, beta)
        changes = len(starts) - 1
        np.maximum(bounds, value - beta * np.arange(most + 1), out=bounds)
        new = bool(unknown[changes])
        unknown[changes] = False
        if new:
            corners[changes] = value - beta * changes
            total = corners[changes] + penalties[changes]
            if total < best_total - tolerance:
                best_starts, best_total = starts, total
        return new

    while True:
        promise = np.where(unknown, bounds + penalties, np.inf)
        candidate = int(promise.argmin())
        if promise[candidate] >= best_total - tolerance:
            return best_starts
        left = max(m for m in corners if m < candidate)
        right = min((m for m in corners if m > candidate), default=None)
        if right is None:
            # g' only falls, so g'(most) is the smallest beta, and its solution the largest m, that can be the best.
            solve(penalty / 2 * np.log(count / most))
            unknown[max(corners) + 1 :] = False
        elif not solve((corners[left] - corners[right]) / (right - left)):
            unknown[left + 1 : right] = False  # no corner between the two: all of it lies on their chord


def cheapest_partition(costs: SegmentCosts, beta: float, earliest: IntArray | None = None) -> tuple[float, IntArray]:
    """Minimise scatter + beta * (number of changes) exactly, by dynamic programming.

    F(t) = min over s of F(s) + scatter(s, t) + beta. A start s with F(s) + scatter(s, t) > F(t) never wins again
    after t (Killick et al., PELT, JASA 2012): the search looks back no further than to the first start that is left.
    """
    count, shortest = costs.length, costs.min_picks
    totals = np.full(count + 1, np.inf)  # F
    totals[0] = -beta
    back = np.zeros(count + 1, dtype=np.int64)
    low = 0
    pending: list[tuple[int, int]] = []  # (row from which it holds, first start that is left)
    for index, (first, last) in enumerate(pairwise(costs.edges)):
        while pending and pending[0][0] <= first + 1:
            low = max(low, pending.pop(0)[1])
        if earliest is not None:
            low = max(low, int(earliest[first + 1]))
        block = costs.rows(index, low)  # (last - first, last - low)
        if earliest is not None:
            block = np.where(np.arange(low, last) < earliest[first + 1 : last + 1, None], np.inf, block)
        _advance(totals, back, block, (low, first, last), beta)
        if np.isfinite(totals[last]):
            alive: BoolArray = totals[low:last] + block[-1] <= totals[last] + costs.rounding
            # The first one is never too near: the best start of a segment that ends in `last` is alive.
            pending.append((last + shortest, low + int(alive.argmax())))
    starts = [int(back[count])]
    while starts[-1] > 0:
        starts.append(int(back[starts[-1]]))
    return float(totals[count]), np.array(starts[::-1], dtype=np.int64)


def _advance(totals: FloatArray, back: IntArray, block: FloatArray, span: tuple[int, int, int], beta: float) -> None:
    """Fill F and its back pointers for one block of rows, in place."""
    low, first, last = span
    known = first - low + 1  # columns low .. first, whose F is known for the whole block
    sums = block[:, :known] + totals[low : first + 1]
    places = sums.argmin(axis=1)
    values = sums[np.arange(last - first), places] + beta
    for row, end in enumerate(range(first + 1, last + 1)):
        value, place = values[row], low + places[row]
        if row:
            inner = block[row, known : known + row] + totals[first + 1 : end]
            nearest = int(inner.argmin())
            if inner[nearest] + beta < value:
                value, place = inner[nearest] + beta, first + 1 + nearest
        totals[end] = value
        back[end] = place
