"""The terms of importance that are made of pairs of frames, in blocks of rows, on a CPU without torch or on a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from sspvs.types import BoolArray, FloatArray

if TYPE_CHECKING:
    import torch

DEFAULT_MEMORY_BYTES = 256 * 2**20  # size of a block of distances and its temporaries, the features themselves aside
GPU_FROM_FRAMES = 8192  # with `auto`, shorter videos stay on the CPU: the work is over before a GPU is awake
_CPU_BLOCK_ROWS = 256  # more does not make the matrix product faster
_GPU_BLOCK_ROWS = 8192


class Terms(NamedTuple):
    """Local dissimilarity A and global consistency G before normalisation.

    A(t) is the mean of |z_t - z_j|^2 over the frames j nearest to t, in [0, 4]. These are the floor(neighbour_fraction
    * T) frames, at least one, of the highest cosine similarity to t in the raw features, t itself included.
    G(t) is the logarithm of the mean of exp(-2 |z_t - z_j|^2) over all frames j, in [-8, 0].
    """

    dissimilarity: FloatArray  # (T,) float64; empty when not computed
    consistency: FloatArray  # (T,) float64; empty when not computed


class Points(NamedTuple):
    """Frames as points on the unit sphere, moved by their mean.

    Distances do not change by the move, and the less the frames differ the more digits it saves.
    """

    rows: FloatArray  # (T, D) float64
    squares: FloatArray  # (T,) squared norms of the rows
    absent: BoolArray  # (T,) frames of zeros, which have no direction and stay at the origin of the sphere


def pairwise_terms(
    features: npt.ArrayLike,
    *,
    raw: npt.ArrayLike | None = None,
    neighbour_fraction: float = 0.1,
    local: bool = True,
    consistency: bool = True,
    device: str = "cpu",
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    block_rows: int | None = None,
) -> Terms:
    """Local dissimilarity A and global consistency G in one pass over blocks of the T x T squared distances.

    Everything is float64, on a GPU too. Frames of zeros have cosine 0 with all others and distance 0 to each other.

    Args:
        features: (T, D) what distances are taken from.
        raw: (T, E) what neighbours are chosen by; `features` when None.
        neighbour_fraction: As in `contrastive_importance`, like the last three.
        local: Whether to compute A.
        consistency: Whether to compute G.
        device: Where.
        memory_bytes: Size of a block with its temporaries; one row is the least.
        block_rows: Rows in a block, instead.

    Raises:
        ValueError: If a shape or a number is out of its range, or a feature is not finite.
    """
    if not 0 < neighbour_fraction <= 1:
        raise ValueError(f"neighbour_fraction must be more than 0 and at most 1, got {neighbour_fraction}")
    if memory_bytes < 1 or (block_rows is not None and block_rows < 1):
        raise ValueError(f"memory_bytes and block_rows must be positive, got {memory_bytes} and {block_rows}")
    points = _points("features", features)
    anchors = None if raw is None or not local else _points("raw", raw)
    count = len(points.rows)
    if anchors is not None and len(anchors.rows) != count:
        raise ValueError(f"raw must have as many rows as features, {count}, got {len(anchors.rows)}")
    if not (local or consistency):
        return Terms(np.empty(0), np.empty(0))
    neighbours = max(int(neighbour_fraction * count + 1e-9), 1) if local else 0
    on_gpu = _on_gpu(device, count)
    if block_rows is None:
        matrices = 2 if anchors is None else 3  # distances, a sorted copy or ranks, indices
        block_rows = max(memory_bytes // (8 * count * matrices), 1)
        block_rows = min(block_rows, _GPU_BLOCK_ROWS if on_gpu else _CPU_BLOCK_ROWS, count)
    if on_gpu:
        return terms_on_gpu(points, anchors, neighbours, consistency, block_rows, device)
    return _terms(points, anchors, neighbours, consistency, block_rows)


def _terms(points: Points, anchors: Points | None, neighbours: int, consistency: bool, block_rows: int) -> Terms:
    """The terms on the CPU, in numpy: its partial sort is many times faster than torch's."""
    count = len(points.rows)
    dissimilarity = np.empty(count if neighbours else 0)
    density = np.empty(count if consistency else 0)
    buffer, sorting = np.empty((block_rows, count)), np.empty((block_rows if neighbours else 0, count))
    by_rank = anchors is not None or bool(points.absent.any())
    for start in range(0, count, block_rows):
        end = min(start + block_rows, count)
        distances = _distances(points, start, end, buffer)  # (rows, T)
        if neighbours and by_rank:
            ranks = _distances(anchors or points, start, end, sorting)
            ranks += (anchors or points).absent  # |z_t - 0|^2 = 1, but 2 - 2 cos = 2
            np.einsum("tt->t", ranks[:, start:end])[:] = -1  # a frame is its own neighbour, also among its equals
            dissimilarity[start:end] = _mean_where_least(distances, ranks, neighbours)
        elif neighbours:
            nearest = sorting[: end - start]
            nearest[:] = distances
            nearest.partition(neighbours - 1, axis=1)
            dissimilarity[start:end] = nearest[:, :neighbours].mean(axis=1)
        if consistency:
            distances *= -2
            density[start:end] = np.exp(distances, out=distances).mean(axis=1)
    return Terms(dissimilarity, np.log(density))


def _mean_where_least(values: FloatArray, ranks: FloatArray, number: int) -> FloatArray:
    """(rows,) mean of the values in the `number` columns of the smallest ranks."""
    columns = np.argpartition(ranks, number - 1, axis=1)[:, :number]
    means: FloatArray = np.take_along_axis(values, columns, axis=1).mean(axis=1)
    return means


def _distances(points: Points, start: int, end: int, buffer: FloatArray) -> FloatArray:
    """(end - start, T) squared distances, in the buffer; that of a frame to itself is exactly 0."""
    block = np.matmul(points.rows[start:end], points.rows.T, out=buffer[: end - start])
    block *= -2
    block += points.squares[start:end, None]
    block += points.squares
    np.maximum(block, 0, out=block)
    np.einsum("tt->t", block[:, start:end])[:] = 0
    return block


def _points(name: str, features: npt.ArrayLike) -> Points:
    given = np.asarray(features)
    if given.ndim != 2 or 0 in given.shape:
        raise ValueError(f"{name} must be (T, D) with at least one row and one column, got shape {given.shape}")
    rows = given.astype(np.float64)
    largest = np.maximum(rows.max(axis=1), -rows.min(axis=1))  # (T,) NaN where there is one
    if not np.isfinite(largest).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity in row {np.isfinite(largest).argmin()}")
    absent = largest == 0
    rows /= np.where(absent, 1, largest)[:, None]  # squares must not overflow
    rows /= np.where(absent, 1, np.sqrt(np.einsum("td,td->t", rows, rows)))[:, None]
    rows -= rows.mean(axis=0)
    return Points(rows, np.einsum("td,td->t", rows, rows), absent)


def _on_gpu(device: str, count: int) -> bool:
    if device == "cpu" or (device == "auto" and count < GPU_FROM_FRAMES):
        return False
    import torch

    if device != "auto" and torch.device(device).type == "cpu":
        return False
    available = torch.cuda.is_available()
    if device != "auto" and not available:
        raise ValueError(f"there is no GPU here for device {device}; use cpu")
    return available


def terms_on_gpu(
    points: Points, anchors: Points | None, neighbours: int, consistency: bool, block_rows: int, device: str
) -> Terms:
    """As `_terms`; `device` is a torch device, or `auto` for the current GPU."""
    import torch

    place = torch.device("cuda" if device == "auto" else device)
    spread = _Resident(points, place)
    order = spread if anchors is None else _Resident(anchors, place)
    by_rank = anchors is not None or bool(points.absent.any())
    count = len(points.rows)
    dissimilarity = torch.empty(count if neighbours else 0, dtype=torch.float64, device=place)
    density = torch.empty(count if consistency else 0, dtype=torch.float64, device=place)
    for start in range(0, count, block_rows):
        end = min(start + block_rows, count)
        distances = spread.distances(start, end)  # (rows, T)
        if neighbours and not by_rank:
            nearest = distances.topk(neighbours, dim=1, largest=False, sorted=False).values
            dissimilarity[start:end] = nearest.mean(dim=1)
        elif neighbours:
            ranks = order.distances(start, end)
            ranks += order.absent
            ranks[:, start:end].fill_diagonal_(-1)
            columns = ranks.topk(neighbours, dim=1, largest=False, sorted=False).indices
            dissimilarity[start:end] = distances.gather(1, columns).mean(dim=1)
        if consistency:
            density[start:end] = distances.mul_(-2).exp_().mean(dim=1)
    return Terms(dissimilarity.cpu().numpy(), density.log().cpu().numpy())


class _Resident:
    """Points in the GPU's memory."""

    def __init__(self, points: Points, place: torch.device) -> None:
        import torch

        self.rows = torch.from_numpy(points.rows).to(place)
        self.squares = torch.from_numpy(points.squares).to(place)
        self.absent = torch.from_numpy(points.absent).to(place)

    def distances(self, start: int, end: int) -> torch.Tensor:
        """(end - start, T) squared distances; that of a frame to itself is exactly 0."""
        block = self.squares.addmm(self.rows[start:end], self.rows.T, alpha=-2)
        block += self.squares[start:end, None]
        block.clamp_(min=0)
        block[:, start:end].fill_diagonal_(0)
        return block
