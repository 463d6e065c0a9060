"""The terms of importance by name, and expressions over the names, such as `a*g` or `a*u + g`.

A term is a function from `Frames` to a curve in [0, 1] over the frames of one video. To add one, register it:

    @TERMS.register("motion")
    def motion(frames: Frames) -> FloatArray:
        return normalised(np.linalg.norm(np.diff(frames.features, axis=0, prepend=frames.features[:1]), axis=1))

`combine: a*motion` then uses it.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sspvs.importance.pairwise import DEFAULT_MEMORY_BYTES, Terms, pairwise_terms
from sspvs.registry import Registry
from sspvs.schema import shown
from sspvs.types import FloatArray

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
