"""What config files and the command line set, before there is a parser: which task, which modules, which values."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from sspvs.errors import first_line
from sspvs.files import WrongFileError, check_regular, read_text
from sspvs.parsing import MOST_YAML_BYTES, check_yaml, parse_yaml
from sspvs.schema import shown

_GROUPS = ("run", "trainer", "model", "data")
_CONFIGS = (".yaml", ".yml", ".json")

Given = Sequence[Mapping[str, Any]]
"""What each config file sets, in order, then all flags together: values by dotted name."""


def options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Options that are followed by a value, whichever way they are written, with it; `-c` is yielded as `--config`."""
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
    """The content of a config file; empty where it cannot be read, refused where it is evidently no config."""
    try:
        if check_regular(path) > MOST_YAML_BYTES:
            raise WrongFileError(f"it has more than {MOST_YAML_BYTES >> 20} MiB")
        text = read_text(path)
    except WrongFileError as error:
        raise ValueError(f"{path}: expected a config (YAML), but {error}") from error
    except (OSError, UnicodeDecodeError):
        return {}
    try:
        check_yaml(text)
    except ValueError as error:
        raise ValueError(f"{path}: expected a config (YAML), found {error}") from error
    content = _parsed(text)
    return content if isinstance(content, dict) else {}


def given(arguments: Sequence[str]) -> Given:
    """What is set where; see `Given`."""
    files: list[dict[str, Any]] = []
    flags: dict[str, Any] = {}
    for option, value in options(arguments):
        if option == "--config":
            files.append(dict(leaves(config_of(value))))
        else:
            flags |= leaves({option.removeprefix("--"): _parsed(value)})
    return [*files, flags]


def last_set(sources: Given, name: str) -> int:
    """The number of the last source that sets something; -1 where none does."""
    return max((number for number, source in enumerate(sources) if name in source), default=-1)


def import_named(arguments: Sequence[str]) -> tuple[str, ...]:
    """Import the modules that `import` and `--import` name, also from the current folder; returns their names."""
    found: dict[str, None] = {}
    for option, value in options(arguments):
        if option in ("--config", "--import"):
            named = config_of(value).get("import") if option == "--config" else _parsed(value)
            for name in named if isinstance(named, list) else [] if named is None else [named]:
                if not isinstance(name, str):
                    raise ValueError(f"import must be names of modules, got {shown(named)}")
                found[name] = None
    if found and (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)  # last: a file here hides no installed package
    for name in found:
        try:
            import_module(name)
        except Exception as error:  # whatever the code of others raises
            raise ValueError(f"import {name}: {type(error).__name__}: {first_line(error)}") from error
    return tuple(found)


def refuse_unbounded(sources: Given) -> None:
    """Refuse values that the parser of settings must not meet: it reads texts as YAML, and opens what names a file.

    The parser also accepts one value in the place of a group of settings, which is refused here.
    """
    for name, value in (pair for source in sources for pair in source.items()):
        if name in _GROUPS and not isinstance(value, (str, Mapping)):  # a text names another config
            raise ValueError(f"{name} must be a mapping of settings, got {shown(value)}")
        for text in texts(value):
            try:
                check_yaml(text)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
            try:
                check_regular(text)
            except WrongFileError as error:
                raise ValueError(f"{name}: {text}: {error}") from error
            except (OSError, ValueError):
                continue  # no file, a folder, or no name of any file
            if Path(text).suffix.lower() in _CONFIGS:
                config_of(text)


def leaves(content: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings as pairs of a dotted name and a value."""
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _parsed(value: str) -> Any:
    try:
        return parse_yaml(value)
    except ValueError:
        return value


def texts(value: Any) -> Iterator[str]:
    """Every text within a setting or a group of them."""
    if isinstance(value, str):
        yield value
        return
    inner = vars(value) if isinstance(value, Namespace) else value
    for part in inner.values() if isinstance(inner, Mapping) else inner if isinstance(inner, (list, tuple)) else ():
        yield from texts(part)
