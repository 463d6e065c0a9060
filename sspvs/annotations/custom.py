"""One's own annotations as a table: `video, annotator, start, end` or `video, annotator, second, score`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sspvs.annotations.record import (
    NUMBER_FIELDS,
    TEXT_FIELDS,
    AnnotatedVideo,
    AnnotationSet,
    Problems,
    VideoDraft,
    number_of,
    seconds_of,
)
from sspvs.errors import DatasetError
from sspvs.files import WrongFileError, read_text
from sspvs.parsing import parse_json, table_rows

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
        _add_score_rows(drafts[video], annotator, scores, problems)
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


def _add_score_rows(draft: VideoDraft, annotator: str, scores: dict[int, float], problems: Problems) -> None:
    """Scores in order of their seconds, which must be all from 0 on."""
    missing = next((second for second in range(len(scores)) if second not in scores), None)
    if missing is not None:
        problems.add(
            f"{draft.place}, annotator '{annotator}'",
            f"second {missing} is missing of seconds 0 .. {max(scores)}; expected one score for every second",
        )
    draft.scores[annotator] = [scores[second] for second in sorted(scores)]


_ANNOTATORS, _INTERVALS, _SCORES, _VIDEOS = "annotators", "intervals", "scores", "videos"
_PAIR = 2


def read_json_drafts(text: str, path: Path, problems: Problems) -> list[VideoDraft]:
    """The videos of a JSON file. What is wrong inside a video goes to `problems`.

    Raises:
        DatasetError: When it is no JSON, or no object of videos.
    """
    try:
        content = parse_json(text, once=True)
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}: is no JSON: {error}") from error
    except ValueError as error:
        raise DatasetError(f"{path}: {error}") from error
    if isinstance(content, dict) and isinstance(content.get(_VIDEOS), dict | list) and "annotators" not in content:
        content = content[_VIDEOS]
    if isinstance(content, list):
        content = _by_name(content, path)
    if not isinstance(content, dict) or not content:
        raise DatasetError(f"{path}: expected an object of videos, {{name: annotations}}, found {_kind(content)}")
    return [_draft(name, value, problems) for name, value in content.items()]


def _by_name(videos: list[Any], path: Path) -> dict[str, Any]:
    """A list of objects that each say which `video` they are of."""
    found: dict[str, Any] = {}
    for number, video in enumerate(videos):
        name = video.get("video", video.get("name")) if isinstance(video, dict) else None
        if not isinstance(name, str) or not name or name in found:
            raise DatasetError(
                f"{path}: expected each of the listed videos to have a 'video' name of its own, found {name!r} in "
                f"number {number}"
            )
        found[name] = {key: value for key, value in video.items() if key not in ("video", "name")}
    return found


def _draft(name: str, value: Any, problems: Problems) -> VideoDraft:
    draft = VideoDraft(name, f"video '{name}'")
    if not name.strip():
        problems.add(draft.place, "expected a name, found an empty one")
    annotators = value
    if isinstance(value, dict):
        for field in (*NUMBER_FIELDS, *TEXT_FIELDS):
            if value.get(field) is not None:
                draft.set_field(field, value[field], draft.place, problems)
        _leave_out(value, {*NUMBER_FIELDS, *TEXT_FIELDS, _ANNOTATORS}, problems)
        annotators = value.get(_ANNOTATORS)
    if isinstance(annotators, list):
        if _is_ambiguous(annotators):
            problems.add(
                draft.place,
                "a list of pairs may be one annotator's intervals or several annotators' scores; write "
                '{"annotators": {"name": {"intervals": [...]}}}',
            )
            return draft
        annotators = {str(number): said for number, said in enumerate(annotators, 1)}
    if not isinstance(annotators, dict):
        problems.add(draft.place, f"expected annotators, found {_kind(annotators)}")
        return draft
    for annotator, said in annotators.items():
        _add(draft, annotator, said, problems)
    return draft


def _leave_out(given: dict[str, Any], known: set[str], problems: Problems) -> None:
    problems.unread |= dict.fromkeys(name for name in given if name not in known)


def _is_ambiguous(annotators: list[Any]) -> bool:
    """Nothing but pairs of numbers."""
    return bool(annotators) and all(
        isinstance(said, list) and len(said) == _PAIR and all(seconds_of(x) is not None for x in said)
        for said in annotators
    )


def _add(draft: VideoDraft, annotator: str, said: Any, problems: Problems) -> None:
    place = f"{draft.place}, annotator '{annotator}'"
    if isinstance(said, dict):
        kinds = [kind for kind in (_INTERVALS, _SCORES) if kind in said]
        if len(kinds) != 1 or not isinstance(said[kinds[0]], list):
            problems.add(place, f"expected a list of '{_INTERVALS}' or of '{_SCORES}', found {sorted(said)}")
            return
        kind, values = kinds[0], said[kinds[0]]
        _leave_out(said, {kind}, problems)
    elif isinstance(said, list):
        kind, values = (_INTERVALS if not said or isinstance(said[0], list | dict) else _SCORES), said
    else:
        problems.add(place, f"expected a list of intervals or of scores, found {_kind(said)}")
        return
    if kind == _INTERVALS:
        _add_intervals(draft, annotator, values, place, problems)
    else:
        _add_scores(draft, annotator, values, place, problems)


def _add_intervals(draft: VideoDraft, annotator: str, values: list[Any], place: str, problems: Problems) -> None:
    draft.intervals.setdefault(annotator, [])
    for number, pair in enumerate(values):
        if isinstance(pair, dict) and {"start", "end"} <= set(pair):
            _leave_out(pair, {"start", "end"}, problems)
            pair = [pair["start"], pair["end"]]
        if not isinstance(pair, list) or len(pair) != _PAIR:
            problems.add(f"{place}, interval {number}", f"expected [start, end], found {_kind(pair)}")
            continue
        draft.add_interval(annotator, pair[0], pair[1], f"{place}, interval {number}", problems)


def _add_scores(draft: VideoDraft, annotator: str, values: list[Any], place: str, problems: Problems) -> None:
    numbers = [number_of(value) for value in values]
    draft.scores[annotator] = [number for number in numbers if number is not None]
    if None in numbers:
        second = numbers.index(None)
        problems.add(f"{place}, second {second}", f"expected a number, found {values[second]!r}")
    if not values:
        problems.add(place, "expected one score per second, found none")


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    return "nothing" if value is None else repr(value)[:40]


RULES = {
    "user_summary": "intervals: 1 at the frames that start within them; scores: exact knapsack of each annotator's "
    "scores over the shots, floor of 15 % of the frames",
    "user_scores": "intervals: the same as user_summary; scores: held to every frame of their second",
    "gtscore": "mean over annotators of user_scores at the picks",
}

_FIELDS = (*NUMBER_FIELDS, *TEXT_FIELDS)


def read_custom(path: str | os.PathLike[str], *, fps: float | None = None) -> AnnotationSet:
    """Read annotations of one's own.

    JSON, the long form and the short one; both may be mixed, and lie under a key `videos`::

        {"a.mp4": {"duration": 63.5, "fps": 25, "n_frames": 1588, "title": "...", "category": "...",
                   "annotators": {"anna": {"intervals": [[1.5, 4], [20, 31.2]]}, "ben": {"scores": [0, 3, 5, ...]}}},
         "b.mp4": [[[1.5, 4], [20, 31.2]], [[3, 8]]]}

    CSV with a header: `video, annotator, start, end` or `video, annotator, second, score`, and where wanted
    `duration, fps, n_frames, title, category` (in any row of a video). Columns are separated by commas, semicolons or
    tabs, numbers may have a decimal comma where it is not the separator, and UTF-16 is read as well as UTF-8.

    Times are seconds, `MM:SS` or `HH:MM:SS`, with decimals where wanted. Other columns and fields, such as a comment,
    are not read; the set's `warnings` name them.

    All annotators of one video give intervals, or all give scores. Seconds count from the start of the video. What a
    file does not say about length and frame rate comes from features or from `fps`. Videos are numbered in the order
    of the file.

    Args:
        path: The file; what it is shows in its contents.
        fps: Frames per second, for videos whose rate is not known otherwise.

    Returns:
        What the annotators said.

    Raises:
        DatasetError: When the file cannot be read; otherwise all its problems at once, the first few in words.
    """
    path = Path(path)
    text = _text_of(path)
    problems = Problems(path, most=5)
    if text.lstrip()[:1] in ("{", "["):
        drafts = read_json_drafts(text, path, problems)
    else:
        drafts = read_csv_drafts(text, path, problems)
    videos = [_video(draft, number, path, fps, problems) for number, draft in enumerate(drafts, 1)]
    problems.raise_any()
    found = tuple(video for video in videos if video is not None)
    if not found:
        raise DatasetError(f"{path}: expected annotations of at least one video, found none")
    return AnnotationSet(path.stem, found, (path,), RULES, warnings=_left_out(problems))


def _left_out(problems: Problems) -> tuple[str, ...]:
    if not problems.unread:
        return ()
    names = ", ".join(f"'{name}'" for name in problems.unread)
    return (f"{problems.where}: not read: {names}; known beside annotators are {', '.join(_FIELDS)}",)


def _text_of(path: Path) -> str:
    if path.is_dir():
        raise DatasetError(f"{path}: expected a JSON or CSV file, found a folder")
    if not path.exists():
        raise DatasetError(f"{path}: no such file; expected annotations as JSON or CSV")
    try:
        return read_text(path)
    except WrongFileError as error:
        raise DatasetError(f"{path}: expected annotations as JSON or CSV, but {error}") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path}: expected annotations as JSON or CSV in UTF-8 or UTF-16, found other bytes at {error.start}; "
            "save it as UTF-8"
        ) from error


def _video(draft: VideoDraft, number: int, path: Path, fps: float | None, problems: Problems) -> AnnotatedVideo | None:
    opinions = draft.opinions(problems)
    if opinions is None:
        return None
    n_frames, duration = draft.numbers.get("n_frames"), draft.numbers.get("duration")
    if n_frames is not None and duration is not None:
        fps = n_frames / duration
    return AnnotatedVideo(
        key=f"video_{number}",
        name=draft.name,
        opinions=opinions,
        n_frames=None if n_frames is None else int(n_frames),
        fps=draft.numbers.get("fps", fps),
        duration_seconds=duration,
        title=draft.texts.get("title", ""),
        category=draft.texts.get("category", ""),
        where=f"{path}, video '{draft.name}'",
        repairs=tuple(draft.repairs),
    )
