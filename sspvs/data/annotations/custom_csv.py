"""One's own annotations as a table: `video, annotator, start, end` or `video, annotator, second, score`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from sspvs.data.annotations.draft import NUMBER_FIELDS, TEXT_FIELDS, Problems, VideoDraft, number_of, seconds_of
from sspvs.errors import DatasetError
from sspvs.parsing import table_rows

_VIDEO, _ANNOTATOR = "video", "annotator"
_INTERVAL, _SCORE = ("start", "end"), ("second", "score")
_NUMBERS = {*_INTERVAL, *_SCORE, *NUMBER_FIELDS}
_SEPARATOR = re.compile(r"sep=([,;\t])")
_LONGEST_NAME = 200
_EXPECTED = "video,annotator,start,end or video,annotator,second,score"


def read_csv_drafts(text: str, path: Path, problems: Problems) -> list[VideoDraft]:
    """The videos of a table, in the order in which they first occur. What is wrong in a row goes to `problems`.

    Commas, semicolons or tabs separate; where it is no comma, a comma may be the decimal point. The order of the
    columns is free; other columns are left out, and named in `problems.unread`. An interval row with empty start and
    end says that an annotator chose nothing.

    Raises:
        DatasetError: When the header is another.
    """
    delimiter, header_at = _delimiter(text)
    rows = table_rows(text, delimiter)
    try:
        header_line, header = next(((line, row) for line, row in rows if line >= header_at), (1, list[str]()))
        columns = _columns(header, path, header_line, problems)
        drafts: dict[str, VideoDraft] = {}
        seconds: dict[tuple[str, str], dict[int, float]] = {}
        for line, row in rows:
            if any(cell.strip() for cell in row):
                _add_row(row, line, columns, delimiter != ",", drafts, seconds, problems)
    except ValueError as error:
        raise DatasetError(f"{path}: is no table: {error}") from error
    for (video, annotator), scores in seconds.items():
        _add_scores(drafts[video], annotator, scores, problems)
    return list(drafts.values())


def _delimiter(text: str) -> tuple[str, int]:
    """What separates cells, and the line of the header: the first one that is not empty.

    Spreadsheets read and write `sep=;` before it.
    """
    lines = ((number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip())
    number, header = next(lines, (1, ""))
    stated = _SEPARATOR.fullmatch(header.strip(' \r\n"').lower())
    if stated:
        return stated[1], next(lines, (number + 1, ""))[0]
    return max(",;\t", key=header.count), number


class _Columns(NamedTuple):
    """Where the cells are.

    Attributes:
        places: Name of a known column -> its place in a row.
        width: Number of columns of the header.
        open_ended: The last column is not read, so that a comment in it may have separators of its own.
    """

    places: Mapping[str, int]
    width: int
    open_ended: bool


def _columns(header: list[str], path: Path, line: int, problems: Problems) -> _Columns:
    names = [_name(cell) for cell in header]
    kinds = [kind for kind in (_INTERVAL, _SCORE) if set(kind) <= set(names)]
    if _VIDEO not in names or _ANNOTATOR not in names or len(kinds) != 1:
        found = ",".join(names)[:80] or "nothing"
        raise DatasetError(f"{path}, line {line}: expected a header {_EXPECTED}, found {found}")
    known = {_VIDEO, _ANNOTATOR, *kinds[0], *NUMBER_FIELDS, *TEXT_FIELDS}
    twice = next((name for name in names if name in known and names.count(name) > 1), None)
    if twice is not None:
        raise DatasetError(f"{path}, line {line}: two columns '{twice}'; keep one")
    unread = [cell.strip() for cell, name in zip(header, names, strict=True) if name and name not in known]
    problems.unread |= dict.fromkeys(unread)
    places = {name: place for place, name in enumerate(names) if name in known}
    return _Columns(places, len(names), names[-1] not in known)


def _name(cell: str) -> str:
    """A column's name, however a person writes it: `Start (s)` is `start`, `N Frames` is `n_frames`."""
    return re.sub(r"[ _-]+", "_", re.sub(r"[(\[].*[)\]]", "", cell[:_LONGEST_NAME]).strip().lower())


def _add_row(
    row: list[str],
    line: int,
    columns: _Columns,
    decimal_comma: bool,
    drafts: dict[str, VideoDraft],
    seconds: dict[tuple[str, str], dict[int, float]],
    problems: Problems,
) -> None:
    place = f"line {line}"
    beyond = any(cell.strip() for cell in row[columns.width :]) and not columns.open_ended
    if len(row) <= max(columns.places.values()) or beyond:
        problems.add(place, f"expected {columns.width} cells, found {len(row)}")
        return
    cells = {name: row[index].strip() for name, index in columns.places.items()}
    if decimal_comma:
        cells |= {name: _with_point(cells[name]) for name in _NUMBERS & set(cells)}
    video, annotator = cells[_VIDEO], cells[_ANNOTATOR]
    if not video or not annotator:
        problems.add(place, f"expected '{_VIDEO if not video else _ANNOTATOR}', found an empty cell")
        return
    draft = drafts.setdefault(video, VideoDraft(video, f"video '{video}'"))
    for name in (*NUMBER_FIELDS, *TEXT_FIELDS):
        if cells.get(name):
            draft.set_field(name, cells[name], place, problems)
    if "start" in cells:
        start, end = (cells[name] for name in _INTERVAL)
        if start or end:
            draft.add_interval(annotator, start, end, place, problems)
        else:
            draft.intervals.setdefault(annotator, [])
        return
    second, score = seconds_of(cells["second"]), number_of(cells["score"])
    known = seconds.setdefault((video, annotator), {})
    if second is None or second < 0 or second != int(second):
        problems.add(place, f"expected 'second' as a whole number from 0 on, found {cells['second']!r}")
    elif score is None:
        problems.add(place, f"expected 'score' as a number, found {cells['score']!r}")
    elif int(second) in known:
        problems.add(place, f"second {int(second)} of annotator '{annotator}' and video '{video}' is there already")
    else:
        known[int(second)] = score


def _with_point(cell: str) -> str:
    """A number or time whose one comma is its decimal point, with a point; other cells as they are."""
    return cell.replace(",", ".") if re.fullmatch(r"-?[\d:]*\d,\d+", cell) else cell


def _add_scores(draft: VideoDraft, annotator: str, scores: dict[int, float], problems: Problems) -> None:
    """Scores in order of their seconds, which must be all from 0 on."""
    missing = next((second for second in range(len(scores)) if second not in scores), None)
    if missing is not None:
        problems.add(
            f"{draft.place}, annotator '{annotator}'",
            f"second {missing} is missing of seconds 0 .. {max(scores)}; expected one score for every second",
        )
    draft.scores[annotator] = [scores[second] for second in sorted(scores)]
