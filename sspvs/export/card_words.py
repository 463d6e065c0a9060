"""Words of a model card that cannot break its Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

UNKNOWN = "unknown"
OPTIMISER = ("name", "lr", "encoder_lr", "layer_decay", "text_lr", "weight_decay", "schedule")
"""What a card says of the optimiser."""


def plain(value: object) -> str:
    """A value on one line, without what Markdown takes for a column or code; `unknown` for None."""
    text = UNKNOWN if value is None else " ".join(str(value).split())
    return text.replace("|", "\\|").replace("`", "'").replace("<", "&lt;")


def code(value: object) -> str:
    """A value as code on one line; `unknown`, as a word, for None."""
    return (
        UNKNOWN
        if value is None
        else f"`{' '.join(str(value).split()).replace('`', chr(39)).replace('|', chr(92) + '|')}`"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table; cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def sizes(settings: Mapping[str, Any], names: Sequence[str]) -> str:
    """Settings by name on one line; without those that are not there, or None."""
    return ", ".join(f"{name} {plain(settings[name])}" for name in names if settings.get(name) is not None)
