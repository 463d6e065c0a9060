"""JSON, YAML and tables out of text of unknown origin, within bounds.

A few bytes can make an unbounded parser overflow its stack, fill the memory or run for ever: brackets within brackets,
aliases of aliases, numbers of a million digits. Text beyond the bounds is refused like any other mistake in a file.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

MOST_BYTES = 1 << 30  # a text file may have this many bytes: annotations of large datasets take hundreds of MB
MOST_YAML_BYTES = 1 << 24
"""YAML may have this many: it is for settings and splits, and takes a hundred times as long to read as JSON."""
MOST_DEPTH = 100  # lists and objects may stand within one another this many times
MOST_NODES = 1 << 20  # YAML that has aliases may stand for this many values when each alias is written out
MOST_DIGITS = 308
"""A whole number may have this many digits: more than the largest floating-point number are no measurement."""

_YAML_INT = re.compile(r"[-+]?[0-9][0-9a-fA-Fx_:]*")
_DEEP = f"lists and objects within one another more than {MOST_DEPTH} times"


def parse_json(text: str, *, once: bool = False) -> Any:
    """The value of a JSON text, NaN and infinite numbers too; `once` refuses a name that occurs twice in one object."""
    try:
        value = json.loads(text, object_pairs_hook=_each_name_once if once else None, parse_int=_whole_number)
    except RecursionError:
        raise ValueError(_DEEP) from None
    level = [value]
    for _ in range(MOST_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return value
    raise ValueError(_DEEP)


def parse_yaml(text: str) -> Any:
    """The value of a YAML text."""
    import yaml

    check_yaml(text)
    try:
        return yaml.load(text, Loader=_yaml_loader())
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(" ".join(str(error).replace('in "<unicode string>", ', "at ").split())) from error
    except (TypeError, LookupError, AttributeError, OverflowError) as error:  # as PyYAML ends for `!!bool maybe`
        raise ValueError(f"a value that is not of the type of its tag ({error})") from error


def check_yaml(text: str) -> None:
    """Refuse YAML that is beyond the bounds, from its tokens alone; what is no YAML at all is left to its parser."""
    import yaml

    if len(text) > MOST_YAML_BYTES:
        raise ValueError(f"YAML of {len(text) >> 20} MiB, more than {MOST_YAML_BYTES >> 20}")
    sizes: dict[str, int] = {}  # anchor -> values that it stands for
    opened: list[tuple[str | None, int]] = [(None, 0)]  # anchor, values so far
    try:
        for event in yaml.parse(text, Loader=_yaml_loader()):
            where = f"line {event.start_mark.line + 1}"
            if isinstance(event, yaml.CollectionStartEvent):
                opened.append((event.anchor, 1))
                if len(opened) > MOST_DEPTH + 1:
                    raise ValueError(f"{where}: {_DEEP}")
                continue
            anchor, size = None, 0
            if isinstance(event, yaml.CollectionEndEvent):
                anchor, size = opened.pop()
            elif isinstance(event, yaml.AliasEvent):
                if any(anchor == event.anchor for anchor, _ in opened):
                    raise ValueError(f"{where}: the alias *{event.anchor} stands within what it stands for")
                size = sizes.get(event.anchor, 1)
            elif isinstance(event, yaml.ScalarEvent):
                anchor, size = event.anchor, 1
                if len(event.value) > MOST_DIGITS and _YAML_INT.fullmatch(event.value) and not event.style:
                    raise ValueError(f"{where}: {_long(event.value)}")
            if anchor is not None:
                sizes[anchor] = size
            outer, total = opened[-1]
            opened[-1] = outer, total + size
            if sizes and total + size > MOST_NODES:
                raise ValueError(f"{where}: aliases that stand for more than {MOST_NODES} values")
    except yaml.YAMLError as error:
        if "nesting depth" in str(error):  # libyaml's own bound, far above this one, met while it looks ahead
            raise ValueError(_DEEP) from None


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, numbered from 1; `str.splitlines` also cuts at U+2028, which texts may have."""
    for number, line in enumerate(io.StringIO(text, newline=""), start=1):
        if line.strip():
            yield number, line


def table_rows(text: str, delimiter: str = "") -> Iterator[tuple[int, list[str]]]:
    """Rows of a CSV table (by tabs where the first line has some), each with the number of its last line."""
    row_lines: list[str] = []
    if not delimiter:
        delimiter = "\t" if "\t" in io.StringIO(text, newline="").readline() else ","

    def watched() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            row_lines.append(line)
            yield line

    reader, first, last_first, last_row = csv.reader(watched(), delimiter=delimiter), 1, 1, ""
    try:
        for row in reader:
            yield reader.line_num, row
            first, last_first, last_row = reader.line_num + 1, first, "".join(row_lines)
            row_lines.clear()
    except csv.Error as error:
        message = str(error)
        if "field limit" in message or "field larger" in message:
            message = f"a cell of more than {csv.field_size_limit()} characters; is a quote never closed?"
        raise ValueError(f"line {first}: {message}") from error
    if '"' in last_row and _ends_within_quotes(last_row, delimiter):
        raise ValueError(f"line {last_first}: a quote is never closed")


def table_records(text: str, delimiter: str = "") -> tuple[list[str], Iterator[tuple[int, dict[str | None, Any]]]]:
    """A table's column names, and of each row its last line's number and name -> cell, None where it ends early."""
    rows = ((line, row) for line, row in table_rows(text, delimiter) if row)
    names = [name.strip() for name in next(rows, (0, list[str]()))[1]]

    def records() -> Iterator[tuple[int, dict[str | None, Any]]]:
        for line, row in rows:
            missing = [None] * (len(names) - len(row))
            record: dict[str | None, Any] = dict(zip(names, [*row, *missing], strict=False))
            if len(row) > len(names):
                record[None] = row[len(names) :]
            yield line, record

    return names, records()


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names: set[str] = set()
        twice = next(name for name, _ in pairs if name in names or names.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"the name '{twice:.80}' occurs twice in one object; keep one")
    return found


def _whole_number(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(_long(digits))
    return int(digits)


def _long(digits: str) -> str:
    return f"a whole number of {len(digits)} digits, more than {MOST_DIGITS}"


def _ends_within_quotes(row: str, delimiter: str) -> bool:
    """An error of strict readers only, which refuse much else."""
    try:
        list(csv.reader(io.StringIO(row, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "unexpected end of data" in str(error)
    return False


def _yaml_loader() -> Any:
    """PyYAML's safe loader, the fast one where it was built with it."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)
