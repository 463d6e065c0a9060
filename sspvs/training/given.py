"""What config files and the command line set, before there is a parser, or where it matters which of them said so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from sspvs.files import WrongFileError, read_text

Given = Sequence[Mapping[str, Any]]
"""What each config file sets, in order, then all flags together: values by dotted name."""


def options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Options that are followed by a value, whichever way they are written.

    Args:
        arguments: What follows the verb.

    Yields:
        The option, `--config` for its short form, and the value.
    """
    for place, word in enumerate(arguments):
        option, equals, value = word.partition("=")
        if not option.startswith("-"):
            continue
        option = "--config" if option == "-c" else option
        if equals:
            yield option, value
        elif place + 1 < len(arguments):
            yield option, arguments[place + 1]


def config_of(path: str) -> dict[str, Any]:
    """The content of a config file; empty where it cannot be read, which the parser says later.

    Raises:
        ValueError: It is evidently something else, such as a web page.
    """
    try:
        content = yaml.safe_load(read_text(path))
    except WrongFileError as error:
        raise ValueError(f"{path}: expected a config (YAML), but {error}") from error
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def given(arguments: Sequence[str]) -> Given:
    """What is set where; see `Given`."""
    files: list[dict[str, Any]] = []
    flags: dict[str, Any] = {}
    for option, value in options(arguments):
        if option == "--config":
            files.append(dict(_leaves(config_of(value))))
        else:
            flags |= _leaves({option.removeprefix("--"): _parsed(value)})
    return [*files, flags]


def last_set(sources: Given, name: str) -> int:
    """The number of the last source that sets something; -1 where none does."""
    return max((number for number, source in enumerate(sources) if name in source), default=-1)


def _leaves(content: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _parsed(value: str) -> Any:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        return value
