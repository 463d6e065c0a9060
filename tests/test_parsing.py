"""JSON, YAML and tables of unknown origin: what is real is read, what is beyond the bounds is refused at once."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs import files
from sspvs.files import read_json, read_text, read_yaml
from sspvs.parsing import (
    MOST_DEPTH,
    MOST_DIGITS,
    MOST_YAML_BYTES,
    lines_of,
    parse_json,
    parse_yaml,
    table_records,
    table_rows,
)

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(value=PLAIN)
def test_what_json_writes_comes_back(value: object) -> None:
    assert parse_json(json.dumps(value)) == parse_json(json.dumps(value), once=True) == value


@settings(max_examples=40, deadline=None)
@given(value=PLAIN)
def test_yaml_is_read_as_the_safe_loader_reads_it(value: object) -> None:
    text = yaml.safe_dump(value)
    assert parse_yaml(text) == yaml.safe_load(text)


def test_aliases_and_merges_of_a_real_config_are_read() -> None:
    text = "base: &base {lr: 0.1, layers: [1, 2]}\nfine: {<<: *base, lr: 0.01}\nboth: [*base, *base]\n"
    base = {"lr": 0.1, "layers": [1, 2]}
    assert parse_yaml(text) == {"base": base, "fine": {**base, "lr": 0.01}, "both": [base, base]}


def _nested(depth: int, brackets: str) -> str:
    return brackets[:-1] * depth + brackets[-1] * depth if len(brackets) == 2 else brackets * depth + "1" + "}" * depth


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
@pytest.mark.parametrize("brackets", ["[]", '{"a": '])
def test_as_deep_as_allowed_is_read_and_one_more_is_refused(parse: Callable[[str], object], brackets: str) -> None:
    value, depth = parse(_nested(MOST_DEPTH, brackets)), 0
    while isinstance(value, list | dict) and depth < 2 * MOST_DEPTH:
        value, depth = next(iter(value.values() if isinstance(value, dict) else value), None), depth + 1
    assert depth == MOST_DEPTH
    for deeper in (MOST_DEPTH + 1, 1000, 100_000):
        with pytest.raises(ValueError, match=f"within one another more than {MOST_DEPTH} times"):
            parse(_nested(deeper, brackets))
    with pytest.raises(ValueError):
        parse(brackets[:-1] * 100_000)


def _bomb(line: str) -> str:
    return line.format(name=0, inner="x: 1") + "".join(
        line.format(name=level, inner="<<: [" + ", ".join([f"*a{level - 1}"] * 9) + "]") for level in range(1, 12)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (_bomb("a{name}: &a{name} {{{inner}}}\n"), "line 7: aliases that stand for more than"),
        (_bomb("a{name}: &a{name} {{{inner}}}\n").replace("<<", "b"), "line 7: aliases that stand for more than"),
        ("a: &a [1, *a]", "line 1: the alias \\*a stands within"),
        ("a: *b", "undefined alias"),
        ("- " * 100_000, "within one another"),
        ("n: " + "1" * 5000, f"line 1: a whole number of 5000 digits, more than {MOST_DIGITS}"),
        ("n: 0x" + "f" * 5000, "a whole number of 5002 digits"),
        ("!!bool perhaps", "not of the type of its tag"),
        ('!!int ""', "not of the type of its tag"),
        ("!!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("{[1]: 2}", "unhashable"),
        ("a: b: c", "at line 1, column 5"),
        ("x" * (MOST_YAML_BYTES + 1), "more than 16"),
    ],
    ids=lambda value: value[:24],
)
def test_yaml_beyond_the_bounds_is_refused_at_once(text: str, message: str) -> None:
    started = time.monotonic()
    with pytest.raises(ValueError, match=message):
        parse_yaml(text)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1" * (MOST_DIGITS + 1), "a whole number of 309 digits"),
        ("-" + "1" * 5000, "a whole number of 5001 digits"),
        ('{"a": 1,}', "line 1 column 9"),
    ],
)
def test_json_beyond_the_bounds_says_what_it_is(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_json(text)
    assert float(parse_json("9" * MOST_DIGITS)) == float("9" * MOST_DIGITS)  # never overflows


def test_a_name_twice_in_one_object_is_refused_with_once() -> None:
    assert parse_json('{"a": 1, "b": {"a": 2}, "a": 3}') == {"a": 3, "b": {"a": 2}}
    assert parse_json('[{"a": 1}, {"a": 2}]', once=True) == [{"a": 1}, {"a": 2}]
    with pytest.raises(ValueError, match="the name 'c' occurs twice"):
        parse_json('{"b": {"c": 1, "d": 1, "c": 1}}', once=True)


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.lists(CELLS, min_size=2, max_size=3), min_size=1, max_size=5),
    ending=st.sampled_from(["\n", "\r", "\r\n"]),
)
def test_tables_come_back_with_whatever_ends_their_lines(rows: list[list[str]], ending: str) -> None:
    out = io.StringIO(newline="")
    bare = not any(
        {*cell} & {*"\r\n"} for row in rows for cell in row
    )  # which not every version of Python quotes by itself
    csv.writer(out, lineterminator=ending, quoting=csv.QUOTE_MINIMAL if bare else csv.QUOTE_ALL).writerows(rows)
    assert [row for _, row in table_rows(out.getvalue(), ",")] == rows


def test_rows_know_their_lines_and_records_what_is_missing() -> None:
    text = 'a , b\r1,"x\ny"\r\r2\r3,4,5\r'
    assert list(table_rows(text)) == [(1, ["a ", " b"]), (3, ["1", "x\ny"]), (4, []), (5, ["2"]), (6, ["3", "4", "5"])]
    names, records = table_records(text)
    assert names == ["a", "b"]
    assert list(records) == [
        (3, {"a": "1", "b": "x\ny"}),
        (5, {"a": "2", "b": None}),
        (6, {"a": "3", "b": "4", None: ["5"]}),
    ]
    assert list(table_records("")[1]) == []
    assert table_records("a\tb,c\n")[0] == ["a", "b,c"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('a,b\n1,2\n3,"4\n5,6\n', "line 3: a quote is never closed"),
        ('a,b\n"1,2\n' + "3,4\n" * 40_000, "line 2: a cell of more than 131072 characters; is a quote never closed"),
        ("a,b\n1," + "x" * 131_073, "line 2: a cell of more than 131072"),
    ],
    ids=["to the end", "through a long table", "a long cell"],
)
def test_a_quote_that_is_never_closed_swallows_no_rows(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(table_rows(text))


def test_lines_are_cut_at_line_ends_only() -> None:
    assert list(lines_of("a\u2028b\n\n c\x85\r\rd")) == [(1, "a\u2028b\n"), (3, " c\x85\r"), (5, "d")]


def test_files_are_read_within_the_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": [1]}')
    assert read_json(path) == read_yaml(path) == {"a": [1]}
    path.write_bytes('{"a": "ü"}'.encode("utf-16"))
    assert read_json(path) == {"a": "ü"}
    path.write_bytes(b'{"a": "x\0"}')
    with pytest.raises(UnicodeDecodeError, match="NUL"):
        read_text(path)
    monkeypatch.setattr(files, "MOST_BYTES", 10)
    path.write_text("[1234567890]")
    with pytest.raises(OSError, match="text of that size is not read"):
        read_json(path)
