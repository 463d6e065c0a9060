"""The world's settings as a list, and from words such as `rules.title=2`."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields, is_dataclass
from typing import Any, NamedTuple

from sspvs.data.synthetic.settings import WorldSettings
from sspvs.parsing import parse_json


class Knob(NamedTuple):
    """One setting.

    Attributes:
        name: With its group, such as `rules.title`.
        default: As JSON writes it.
        doc: What it does.
    """

    name: str
    default: str
    doc: str


def knobs() -> list[Knob]:
    """Every setting of the world, with what the settings' own docstrings say about it."""
    return list(_knobs(WorldSettings(), ""))


def settings_values(changes: Sequence[str]) -> dict[str, Any]:
    """Plain values for `WorldSettings.from_dict`.

    Args:
        changes: Words such as `rules.title=2`, `composition.segments=[4,6]` or `annotators.kind=summaries`.

    Raises:
        ValueError: When one is not of that form.
    """
    values: dict[str, Any] = {}
    for change in changes:
        path, equals, text = change.partition("=")
        *groups, name = path.strip().split(".")
        if not equals or not name or not all(groups):
            raise ValueError(f"expected KNOB=VALUE such as rules.title=2, got {change!r} (`--knobs` lists them)")
        place = values
        for group in groups:
            place = place.setdefault(group, {})
            if not isinstance(place, dict):
                raise ValueError(f"'{group}' in {change!r} is not a group of settings (`--knobs` lists them)")
        place[name] = _value(text.strip())
    return values


def _value(text: str) -> Any:
    """A number, pair, true or false, as JSON has it; else the word itself."""
    try:
        return parse_json(text)
    except ValueError:
        return text


def _knobs(settings: Any, prefix: str) -> Iterator[Knob]:
    docs = _attribute_docs(type(settings))
    plain = asdict(settings)
    for item in fields(settings):
        value = getattr(settings, item.name)
        if is_dataclass(value):
            yield from _knobs(value, f"{prefix}{item.name}.")
        else:
            yield Knob(f"{prefix}{item.name}", json.dumps(plain[item.name]), docs[item.name])


def _attribute_docs(owner: type) -> dict[str, str]:
    """Field -> the docstring under it."""
    body = ast.parse(inspect.getsource(owner)).body[0]
    assert isinstance(body, ast.ClassDef)
    docs: dict[str, str] = {}
    for statement, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            assert isinstance(after, ast.Expr)
            assert isinstance(after.value, ast.Constant)
            docs[statement.target.id] = " ".join(str(after.value.value).split())
    return docs
