"""The terms of importance by name, and expressions over the names, such as `a*g` or `a*u + g`.

The terms made of pairs of frames are computed in blocks of rows, on a CPU without torch or on a GPU. A term is a
function from `Frames` to a curve in [0, 1] over the frames of one video. To add one, register it:

    @TERMS.register("motion")
    def motion(frames: Frames) -> FloatArray:
        return normalised(np.linalg.norm(np.diff(frames.features, axis=0, prepend=frames.features[:1]), axis=1))

`combine: a*motion` then uses it.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from sspvs.registry import Registry
from sspvs.schema import shown
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


LETTERS: Mapping[str, str] = {
    "a": "local_dissimilarity",
    "g": "global_consistency",
    "h": "uniqueness",
    "u": "uniqueness",
    "t": "text_similarity",
}
"""Short names of terms in expressions."""
_OLD = re.compile(r"a?g?h?")  # the spelling of products before there were expressions: `ag` is `a*g`
_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {ast.Add: operator.add, ast.Mult: operator.mul}
_LONGEST = 200

_CONSTANT_SPREAD = 1e-10
"""A term that varies less is constant: float32 features of equal frames differ by that much in squared distance."""
_CONSTANT_UNIQUENESS = 1e-5  # of its largest value: the float32 outputs of a network for equal frames differ by less


@dataclass(frozen=True)
class Frames:
    """The frames of one video, as terms see them.

    Attributes:
        features: (T, D) features that distances are taken from, any scale. This and the other attributes are the
            arguments of `contrastive_importance`.
        names: The terms that are computed, by their full names.
    """

    features: npt.ArrayLike
    names: tuple[str, ...]
    raw: npt.ArrayLike | None = None
    neighbour_fraction: float = 0.1
    uniqueness: npt.ArrayLike | None = None
    text_similarity: npt.ArrayLike | None = None
    device: str = "cpu"
    memory_bytes: int = DEFAULT_MEMORY_BYTES
    block_rows: int | None = None

    @cached_property
    def pairwise(self) -> Terms:
        """The terms that are made of pairs of frames, those that are needed, in one pass."""
        return pairwise_terms(
            self.features,
            raw=self.raw,
            neighbour_fraction=self.neighbour_fraction,
            local=LETTERS["a"] in self.names,
            consistency=LETTERS["g"] in self.names,
            device=self.device,
            memory_bytes=self.memory_bytes,
            block_rows=self.block_rows,
        )

    def column(self, name: str) -> FloatArray:
        """(T,) float64 values that the caller gives under a name; ValueError where they have another shape."""
        values, count = np.asarray(getattr(self, name), dtype=np.float64), np.shape(self.features)[0]
        if values.shape != (count,) or not np.isfinite(values).all():
            raise ValueError(f"{name} must be {count} finite numbers, got shape {values.shape}")
        return values


Term: TypeAlias = Callable[[Frames], FloatArray]
TERMS: Registry[Term] = Registry("importance term", "sspvs.importance.terms", "importance_terms")
"""Name -> function. A name is what expressions use, and what the term's curve is called."""


def normalised(term: FloatArray, constant: float = _CONSTANT_SPREAD) -> FloatArray:
    """A term scaled to [0, 1]; ones when it varies by no more than `constant`."""
    low, high = term.min(), term.max()
    if high - low <= constant:
        return np.ones_like(term)
    scaled: FloatArray = (term - low) / (high - low)
    return scaled


@TERMS.register("local_dissimilarity")
def _local_dissimilarity(frames: Frames) -> FloatArray:
    return normalised(frames.pairwise.dissimilarity)


@TERMS.register("global_consistency")
def _global_consistency(frames: Frames) -> FloatArray:
    return normalised(frames.pairwise.consistency)


@TERMS.register("uniqueness")
def _uniqueness(frames: Frames) -> FloatArray:
    values = frames.column("uniqueness")
    return normalised(values, _CONSTANT_UNIQUENESS * np.abs(values).max())


@TERMS.register("text_similarity")
def _text_similarity(frames: Frames) -> FloatArray:
    return normalised(frames.column("text_similarity"))


class _Formula:
    """What a `combine` may be, for `Annotated`."""

    def __contains__(self, value: str) -> bool:
        try:
            term_names(value)
        except ValueError:
            return False
        return True

    def __repr__(self) -> str:
        return _expected()


Combine: TypeAlias = Annotated[str, _Formula()]
"""An expression over names of terms with `+`, `*`, numbers and parentheses; `ag` is short for `a*g`."""


def term_names(combine: str) -> tuple[str, ...]:
    """The terms of an expression, each once, by full names in order of appearance.

    Args:
        combine: Such as `ag`, `a*g`, `0.5*a*u + g`, `local_dissimilarity`.

    Raises:
        ValueError: It is no such expression, or has a name that is no term's.

    Example:
        >>> term_names("a*u + g")
        ('local_dissimilarity', 'uniqueness', 'global_consistency')
    """
    names = [node.id for node in _walk(_parsed(combine)) if isinstance(node, ast.Name)]
    full = tuple(dict.fromkeys(LETTERS.get(name, name) for name in names))
    if not full or not all(name in TERMS for name in full):
        raise _refusal(combine)
    return full


def formula(combine: str) -> str:
    """An expression in one spelling: `ag` and `a * g` are `a*g`."""
    return ast.unparse(_parsed(combine)).replace(" * ", "*")


def evaluated(combine: str, curves: Mapping[str, FloatArray]) -> FloatArray:
    """(T,) value of an expression, of the (T,) curves of its terms by full name."""

    def value(node: ast.expr) -> Any:
        if isinstance(node, ast.BinOp):
            return _OPERATORS[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.Name):
            return curves[LETTERS.get(node.id, node.id)]
        assert isinstance(node, ast.Constant)
        return node.value

    out: FloatArray = value(_parsed(combine))
    return out


@lru_cache(maxsize=256)
def _parsed(combine: str) -> ast.expr:
    if not isinstance(combine, str) or len(combine) > _LONGEST:
        raise _refusal(combine)
    old = bool(combine) and combine not in TERMS and _OLD.fullmatch(combine) is not None
    try:
        tree = ast.parse("*".join(combine) if old else combine.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _refusal(combine) from None
    if not all(map(_allowed, _walk(tree))):
        raise _refusal(combine)
    return tree


def _walk(tree: ast.expr) -> list[ast.expr]:
    """The operands and operations of an expression, from left to right."""
    if isinstance(tree, ast.BinOp):
        return [*_walk(tree.left), tree, *_walk(tree.right)]
    return [tree]


def _allowed(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        number = node.value
        return isinstance(number, (int, float)) and not isinstance(number, bool) and 0 <= number < 1e6
    return isinstance(node, ast.Name) or (isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS)


def _expected() -> str:
    short = [f"{letter} ({name})" for letter, name in LETTERS.items() if letter != "u"]
    own = [name for name in TERMS if name not in LETTERS.values()]
    return f"terms joined by * and +, such as a*g or a*h + g, of {', '.join([*short, *own])}"


def _refusal(combine: Any) -> ValueError:
    return ValueError(f"combine must be {_expected()}, got {shown(combine)}")
