"""Settings are checked by their type hints, ranges included, whether a config or a checkpoint has the values.

A setting is `name: Annotated[int, Range(least=1)] = 8`; a group of them is a dataclass of `Settings`, which is checked
when it is made. All mistakes of a group are in one message.
"""

import ast
import math
import reprlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import lru_cache
from inspect import signature
from numbers import Integral, Real
from pathlib import Path, PurePath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from sspvs.errors import listed
from sspvs.registry import Registry

T = TypeVar("T")

IT_HAS = "; it has "  # between the unknown names and the known ones, in the clause about settings that do not exist
_SHOWN, _DEEPEST = 60, 16
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = _SHOWN
_TYPES: Mapping[Any, tuple[str, type | tuple[type, ...]]] = {
    bool: ("true or false", bool),
    int: ("a whole number", Integral),
    float: ("a number", Real),
    str: ("a text", str),
    Path: ("a path", PurePath),
    NoneType: ("null", NoneType),
}
"""A hint -> what a message calls it, and the types of its values. True and False are no numbers."""


@dataclass(frozen=True)
class Range:
    """Which numbers a setting may be."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None

    def __repr__(self) -> str:
        words = {"least": "at least", "above": "above", "most": "at most", "below": "below"}
        limits = {word: getattr(self, name) for name, word in words.items()}
        return " and ".join(f"{word} {limit:.12g}" for word, limit in limits.items() if limit is not None)

    def __contains__(self, value: float) -> bool:
        return (
            (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
        )


class Choice:
    """Which names a setting may be: of a registry, as far as attributes are as in `having`, and `more`."""

    def __init__(self, registry: Registry[Any], *more: str, **having: Any) -> None:
        self.registry, self.more, self.having = registry, more, having

    def __repr__(self) -> str:
        return f"one of {', '.join([*filter(self._fits, self.registry), *self.more])}"

    def __contains__(self, value: str) -> bool:
        try:
            name = chosen(value)[0]
        except ValueError:
            return False
        return value in self.more or (name in self.registry and self._fits(name))

    def _fits(self, name: str) -> bool:
        thing = self.registry[name]
        return all(getattr(thing, one, None) == value for one, value in self.having.items())


def chosen(value: str) -> tuple[str, dict[str, Any]]:
    """The name and settings that a value of a `Choice` says: `wave(pitch=2)` is `("wave", {"pitch": 2})`."""
    name, bracket, _ = value.partition("(")
    if not bracket:
        return value, {}
    try:
        call = ast.parse(f"_{value[len(name) :]}", mode="eval").body
        if isinstance(call, ast.Call) and not call.args and all(one.arg for one in call.keywords):
            return name.strip(), {str(one.arg): ast.literal_eval(one.value) for one in call.keywords}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    raise ValueError(f"expected a name, or a name with settings such as name(setting=1), got {shown(value)}")


def build(registry: Mapping[str, Callable[..., T]], value: str, where: str, /, **facts: Any) -> T:
    """Make what a setting named `where` chooses; `facts` are passed on where there is a parameter of that name."""
    name, options = chosen(value)
    function = registry[name]
    hints = parameters(function)
    own = {one: hint for one, hint in hints.items() if one not in facts}
    refuse("", list(group_mistakes(own, options, where, {f"{where}.{one}" for one in own})))
    return function(**{one: fact for one, fact in facts.items() if one in hints}, **options)


Width = Annotated[int, Range(least=1, most=65_536)]  # of a layer, a feature or a space
Layers = Annotated[int, Range(least=0, most=1024)]  # how many follow each other
Heads = Annotated[int, Range(least=1, most=1024)]  # of an attention
VocabularySize = Annotated[int, Range(above=4, most=2**22)]  # ids of a tokenizer, those that frame a text included
FrameCount = Annotated[int, Range(least=1, most=10_000_000)]  # picks of a video: at 2 a second almost two months
Probability = Annotated[float, Range(least=0, below=1)]  # of dropout
NotNegative = Annotated[float, Range(least=0)]  # a weight or a margin; 0 turns it off
Positive = Annotated[float, Range(above=0)]  # a rate or a temperature


@dataclass(frozen=True)
class Settings:
    """Base of a group of settings: frozen dataclasses checked by their hints; messages call them by `group`."""

    group = "settings"

    def __post_init__(self) -> None:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        refuse(self.group, mistakes(type(self), values) or self.conflicts())

    def conflicts(self) -> Collection[str]:
        """Clauses about settings that are right one by one and do not go together."""
        return ()


def refuse(where: str, wrong: Collection[str]) -> None:
    """Raise a `ValueError` with everything that is wrong, where anything is, after `where`."""
    if wrong:
        raise ValueError((f"{where}: " if where else "") + "; ".join(wrong))


def check_arguments(function: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Check arguments by a function's hints; those that it has no parameter for are ignored."""
    hints = parameters(function)
    refuse("", [one for name, hint in hints.items() if name in given for one in mistakes(hint, given[name], name)])


def parameters(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Hints of what a function takes, or of the fields of a dataclass, by name; ranges included."""
    hashed: Any = function
    return _parameters(hashed)


@lru_cache(maxsize=256)
def _parameters(function: Callable[..., Any]) -> Mapping[str, Any]:
    if isinstance(function, type) and is_dataclass(function):
        names = [field.name for field in fields(function)]
        hints = get_type_hints(function, include_extras=True)
    else:
        names = [name for name in signature(function).parameters if name != "self"]
        called = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
        hints = get_type_hints(called, include_extras=True)
    return {name: hints[name] for name in names if name in hints}


def mistakes(hint: Any, value: Any, name: str = "") -> list[str]:
    """What is wrong with a value of a type, as clauses; a dataclass may be its mapping, defaults left out."""
    return list(_mistakes(hint, value, name, None))


def group_mistakes(hints: Mapping[str, Any], value: Any, name: str, optional: Collection[str]) -> Iterator[str]:
    """What is wrong with a mapping of settings; `optional` are dotted names that may be missing, here and within."""
    if not isinstance(value, Mapping):
        yield f"{name or 'settings'} must be a mapping, got {shown(value)}"
        return
    yield from _unknown(hints, value, name)
    for one, hint in hints.items():
        full = f"{name}.{one}" if name else one
        if one in value:
            yield from _mistakes(hint, value[one], full, optional)
        elif full not in optional:
            yield f"{full} is missing"


def shown(value: Any) -> str:
    """A value of unknown origin for a message: short, on one line."""
    try:
        text = " ".join(_REPR.repr(value).split())
    except ValueError:  # a whole number of more digits than Python prints
        return "a number of very many digits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _mistakes(hint: Any, value: Any, name: str, optional: Collection[str] | None) -> Iterator[str]:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        wrong = list(_mistakes(inner[0], value, name, optional))
        yield from wrong or (
            f"{name} must be {limit!r}, got {shown(value)}" for limit in inner[1:] if value not in limit
        )
    elif origin in (Union, UnionType):
        tried = [list(_mistakes(one, value, name, optional)) for one in inner]
        if all(tried):
            yield from tried[0]
    elif origin is Literal:
        if not any(type(value) is type(one) and value == one for one in inner):
            yield f"{name} must be one of {', '.join(map(str, inner))}, got {shown(value)}"
    elif hint in _TYPES:
        yield from _plain_mistakes(hint, value, name)
    elif isinstance(hint, type) and is_dataclass(hint):
        if not isinstance(value, hint):
            defaults = {
                f"{name}.{field.name}" if name else field.name
                for field in fields(hint)
                if field.default is not MISSING or field.default_factory is not MISSING
            }
            yield from group_mistakes(parameters(hint), value, name, defaults if optional is None else optional)
    elif hint is Any or hint == dict[str, Any]:
        yield from _json_mistakes(value, name, mapping=hint is not Any)
    elif origin in (dict, Mapping):
        yield from _json_mistakes(value, name, mapping=True)
        for one, part in value.items() if isinstance(value, Mapping) else ():
            yield from _mistakes(inner[1], part, f"{name}.{one}", optional)
    elif origin in (tuple, list):
        of_any_length = origin is list or inner[-1] is ...
        kinds = inner[:1] * len(value if isinstance(value, (list, tuple)) else ()) if of_any_length else inner
        if not isinstance(value, (list, tuple)) or len(value) != len(kinds):
            yield f"{name} must be a list{'' if of_any_length else f' of {len(kinds)}'}, got {shown(value)}"
            return
        for number, (kind, one) in enumerate(zip(kinds, value, strict=True)):
            yield from _mistakes(kind, one, f"{name}[{number}]", optional)
    else:
        raise TypeError(f"{name}: settings cannot have the type {hint}")


def _plain_mistakes(hint: Any, value: Any, name: str) -> Iterator[str]:
    """Of one number, text, path, true or false, or null."""
    words, kinds = _TYPES[hint]
    if not isinstance(value, kinds) or (isinstance(value, bool) and hint is not bool):
        yield f"{name} must be {words}, got {shown(value)}"
    elif hint is float and not _finite(value):
        yield f"{name} must be a finite number, got {shown(value)}"


def _json_mistakes(value: Any, name: str, *, mapping: bool = False, depth: int = 0) -> Iterator[str]:
    """Of anything that JSON can say, with finite numbers."""
    if depth > _DEEPEST:
        yield f"{name} is nested deeper than {_DEEPEST} levels"
    elif isinstance(value, Mapping) and all(isinstance(one, str) for one in value):
        for one, part in value.items():
            yield from _json_mistakes(part, f"{name}.{one}", depth=depth + 1)
    elif mapping:
        yield f"{name} must be a mapping, got {shown(value)}"
    elif isinstance(value, (list, tuple)):
        for number, part in enumerate(value):
            yield from _json_mistakes(part, f"{name}[{number}]", depth=depth + 1)
    elif isinstance(value, float):
        yield from _plain_mistakes(float, value, name)
    elif not isinstance(value, (str, int, NoneType)):
        yield f"{name} must be text, numbers, lists or mappings, got {shown(value)}"


def _unknown(hints: Mapping[str, Any], value: Mapping[Any, Any], name: str) -> Iterator[str]:
    unknown = sorted(shown(one) if not isinstance(one, str) else one[:_SHOWN] for one in value if one not in hints)
    if unknown:
        yield f"{name or 'settings'} has no {listed(unknown, 5)}{IT_HAS}{', '.join(sorted(hints))}"


def _finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond what a float holds
        return False
