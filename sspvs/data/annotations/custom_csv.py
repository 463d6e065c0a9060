"""One's own annotations as a table: `video, annotator, start, end` or `video, annotator, second, score`."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from sspvs.data.annotations.draft import NUMBER_FIELDS, TEXT_FIELDS, Problems, VideoDraft, number_of
from sspvs.errors import DatasetError

_VIDEO, _ANNOTATOR = "video", "annotator"
_INTERVAL, _SCORE = ("start", "end"), ("second", "score")
_EXPECTED = "video,annotator,start,end or video,annotator,second,score"


def read_csv_drafts(text: str, path: Path, problems: Problems) -> list[VideoDraft]:
    """The videos of a table, in the order in which they first occur. What is wrong in a row goes to `problems`.

    Commas, semicolons or tabs separate; the order of the columns is free; an interval row with empty start and end
    says that an annotator chose nothing.

    Raises:
        DatasetError: When the header is another.
    """
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        header = [cell.strip().lower() for cell in next(rows, [])]
        columns = _columns(header, path)
        drafts: dict[str, VideoDraft] = {}
        seconds: dict[tuple[str, str], dict[int, float]] = {}
        for row in rows:
            if any(cell.strip() for cell in row):
                _add_row(row, rows.line_num, columns, len(header), drafts, seconds, problems)
    except csv.Error as error:
        raise DatasetError(f"{path}, line {rows.line_num}: is no table: {error}") from error
    for (video, annotator), scores in seconds.items():
        _add_scores(drafts[video], annotator, scores, problems)
    return list(drafts.values())


def _delimiter(text: str) -> str:
    header = text.lstrip().splitlines()[0] if text.strip() else ""
    return max(",;\t", key=header.count)


def _columns(header: list[str], path: Path) -> dict[str, int]:
    columns = {name: index for index, name in enumerate(header) if name}
    kinds = [kind for kind in (_INTERVAL, _SCORE) if all(name in columns for name in kind)]
    if _VIDEO not in columns or _ANNOTATOR not in columns or len(kinds) != 1:
        found = ",".join(header)[:80] or "nothing"
        raise DatasetError(f"{path}, line 1: expected a header {_EXPECTED}, found {found}")
    known = {_VIDEO, _ANNOTATOR, *kinds[0], *NUMBER_FIELDS, *TEXT_FIELDS}
    unknown = [name for name in columns if name not in known]
    if unknown or len(columns) != len(header):
        wrong = f"unknown column '{unknown[0]}'" if unknown else "a column without a name, or one twice"
        expected = ", ".join((*NUMBER_FIELDS, *TEXT_FIELDS))
        raise DatasetError(f"{path}, line 1: {wrong}; expected {_EXPECTED} and perhaps {expected}")
    return columns


def _add_row(
    row: list[str],
    line: int,
    columns: dict[str, int],
    width: int,
    drafts: dict[str, VideoDraft],
    seconds: dict[tuple[str, str], dict[int, float]],
    problems: Problems,
) -> None:
    place = f"line {line}"
    if len(row) != width:
        problems.add(place, f"expected {width} cells, found {len(row)}")
        return
    cells = {name: row[index].strip() for name, index in columns.items()}
    video, annotator = cells[_VIDEO], cells[_ANNOTATOR]
    if not video or not annotator:
        problems.add(place, f"expected '{_VIDEO if not video else _ANNOTATOR}', found an empty cell")
        return
    draft = drafts.setdefault(video, VideoDraft(video, f"video '{video}'"))
    for name in (*NUMBER_FIELDS, *TEXT_FIELDS):
        if cells.get(name):
            draft.set_field(name, cells[name], place, problems)
    if "start" in columns:
        start, end = (cells[name] for name in _INTERVAL)
        if start or end:
            draft.add_interval(annotator, start, end, place, problems)
        else:
            draft.intervals.setdefault(annotator, [])
        return
    second, score = (number_of(cells[name]) for name in _SCORE)
    known = seconds.setdefault((video, annotator), {})
    if second is None or second < 0 or second != int(second):
        problems.add(place, f"expected 'second' as a whole number from 0 on, found {cells['second']!r}")
    elif score is None:
        problems.add(place, f"expected 'score' as a number, found {cells['score']!r}")
    elif int(second) in known:
        problems.add(place, f"second {int(second)} of annotator '{annotator}' and video '{video}' is there already")
    else:
        known[int(second)] = score


def _add_scores(draft: VideoDraft, annotator: str, scores: dict[int, float], problems: Problems) -> None:
    """Scores in order of their seconds, which must be all from 0 on."""
    missing = next((second for second in range(len(scores)) if second not in scores), None)
    if missing is not None:
        problems.add(
            f"{draft.place}, annotator '{annotator}'",
            f"second {missing} is missing of seconds 0 .. {max(scores)}; expected one score for every second",
        )
    draft.scores[annotator] = [scores[second] for second in sorted(scores)]
