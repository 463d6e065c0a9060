"""Annotations of one's own: intervals in seconds, or one score a second, by annotator; as JSON or as a table."""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.annotations.record import AnnotatedVideo, AnnotationSet, Problems, SecondScores, TimeIntervals
from sspvs.errors import DatasetError
from sspvs.files import WrongFileError, read_text
from sspvs.parsing import parse_json, table_rows
from sspvs.types import FloatArray
from sspvs.types.video import LARGEST

RULES = {
    "user_summary": "intervals: 1 at the frames that start within them; scores: exact knapsack of each annotator's "
    "scores over the shots, floor of 15 % of the frames",
    "user_scores": "intervals: the same as user_summary; scores: held to every frame of their second",
    "gtscore": "mean over annotators of user_scores at the picks",
}
NUMBER_FIELDS = ("duration", "fps", "n_frames")
TEXT_FIELDS = ("title", "category")
FIELDS = (*NUMBER_FIELDS, *TEXT_FIELDS)

_VIDEO, _ANNOTATOR, _ANNOTATORS = "video", "annotator", "annotators"
_INTERVAL, _SCORE = ("start", "end"), ("second", "score")
_INTERVALS, _SCORES = "intervals", "scores"
_HEADER = "video,annotator,start,end or video,annotator,second,score"
_SEPARATOR = re.compile(r"sep=([,;\t])")
_LONGEST_NAME = 200
_TIME = re.compile(r"(?:(\d{1,9}):([0-5]?\d)|(\d{1,9})):([0-5]?\d(?:[.,]\d+)?)")  # HH:MM:SS or MM:SS


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
        The annotators' intervals and scores.

    Raises:
        DatasetError: When the file cannot be read; otherwise all its problems at once, the first few in words.
    """
    path = Path(path)
    text = _text_of(path)
    problems = Problems(path, most=5)
    drafts = (_from_json if text.lstrip()[:1] in ("{", "[") else _from_table)(text, problems)
    videos = [draft.finished(f"video_{number}", fps) for number, draft in enumerate(drafts, 1)]
    problems.raise_any()
    found = tuple(video for video in videos if video is not None)
    if not found:
        raise DatasetError(f"{path}: expected annotations of at least one video, found none")
    warnings: tuple[str, ...] = ()
    if problems.unread:
        names = ", ".join(f"'{name}'" for name in problems.unread)
        warnings = (f"{path}: not read: {names}; known beside annotators are {', '.join(FIELDS)}",)
    return AnnotationSet(path.stem, found, (path,), RULES, warnings=warnings)


def number_of(value: Any) -> float | None:
    """A number that single precision holds, also from text; None for anything else (True is no number)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) <= LARGEST else None  # False for NaN


def seconds_of(value: Any) -> float | None:
    """Seconds, from a number or from text such as `65.5`, `1:05.5` or `0:01:05,5`; None for anything else."""
    time = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if time is None:
        return number_of(value)
    hours, minutes, long_minutes, seconds = time.groups(default="0")
    return number_of(3600 * int(hours) + 60 * int(minutes) + 60 * int(long_minutes) + float(seconds.replace(",", ".")))


class _Draft:
    """One video as far as the file has been read; what is wrong with it goes to `problems`."""

    def __init__(self, name: str, problems: Problems) -> None:
        self.name, self.problems, self.place = name, problems, f"video '{name}'"
        self.numbers: dict[str, float] = {}
        self.texts: dict[str, str] = {}
        self.intervals: dict[str, list[tuple[float, float]]] = {}
        self.scores: dict[str, dict[int, float]] = {}  # annotator -> second -> score
        self.repairs: list[str] = []

    def set_field(self, name: str, value: Any, place: str) -> None:
        """Set `duration`, `title` and so on; a value that contradicts an earlier one is a problem."""
        known: Any
        if name in TEXT_FIELDS:
            known, value = self.texts.setdefault(name, str(value)), str(value)
        else:
            number = seconds_of(value) if name == "duration" else number_of(value)
            if number is None or number <= 0 or (name == "n_frames" and number != int(number)):
                kind = "a whole number" if name == "n_frames" else "a number"
                self.problems.add(place, f"expected '{name}' as {kind} above 0, found {value!r}")
                return
            known, value = self.numbers.setdefault(name, number), number
        if known != value:
            self.problems.add(place, f"'{name}' of video '{self.name}' is {value!r} here and {known!r} before")

    def add_interval(self, annotator: str, start: Any, end: Any, place: str) -> None:
        first, last = seconds_of(start), seconds_of(end)
        known = self.intervals.setdefault(annotator, [])
        if first is None or last is None:
            wrong = start if first is None else end
            hint = "(1:05 and 0:01:05.5 are read too)"
            self.problems.add(place, f"expected start and end in seconds, found {wrong!r} {hint}")
        elif first < 0 or last <= first:
            self.problems.add(place, f"expected 0 <= start < end, found {first:g} .. {last:g} s")
        else:
            known.append((first, last))

    def add_score(self, annotator: str, second: str, score: str, place: str) -> None:
        number, value = seconds_of(second), number_of(score)
        known = self.scores.setdefault(annotator, {})
        if number is None or number < 0 or number != int(number):
            self.problems.add(place, f"expected 'second' as a whole number from 0 on, found {second!r}")
        elif value is None:
            self.problems.add(place, f"expected 'score' as a number, found {score!r}")
        elif int(number) in known:
            there = f"second {int(number)} of annotator '{annotator}' and video '{self.name}' is there already"
            self.problems.add(place, there)
        else:
            known[int(number)] = value

    def finished(self, key: str, fps: float | None) -> AnnotatedVideo | None:
        """The video; None, with the problem added, where its annotators gave nothing or both kinds."""
        opinions = self._opinions()
        if opinions is None:
            return None
        n_frames, duration = self.numbers.get("n_frames"), self.numbers.get("duration")
        if n_frames is not None and duration is not None:
            fps = n_frames / duration
        return AnnotatedVideo(
            key=key,
            name=self.name,
            opinions=opinions,
            n_frames=None if n_frames is None else int(n_frames),
            fps=self.numbers.get("fps", fps),
            duration_seconds=duration,
            title=self.texts.get("title", ""),
            category=self.texts.get("category", ""),
            where=f"{self.problems.where}, {self.place}",
            repairs=tuple(self.repairs),
        )

    def _opinions(self) -> TimeIntervals | SecondScores | None:
        chosen = {name: pairs for name, pairs in self.intervals.items() if pairs or name not in self.scores}
        if self.scores and any(chosen.values()):
            interval, score = next(name for name in chosen if chosen[name]), next(iter(self.scores))
            both = f"annotator '{interval}' gives intervals and '{score}' scores; expected one kind in a video"
            self.problems.add(self.place, both)
            return None
        if self.scores:
            for name in chosen:
                self.problems.add(self.place, f"annotator '{name}' gives nothing; expected scores as from the others")
            for name, scores in self.scores.items():
                missing = next((second for second in range(len(scores)) if second not in scores), None)
                if missing is not None:
                    place, gap = f"{self.place}, annotator '{name}'", f"second {missing} is missing"
                    every = f"of seconds 0 .. {max(scores)}; expected one score for every second"
                    self.problems.add(place, f"{gap} {every}")
            return SecondScores({name: np.array([s[i] for i in sorted(s)]) for name, s in self.scores.items()})
        if not self.intervals:
            if not self.problems.found:  # or else the reason is among them
                self.problems.add(self.place, "no annotators; expected at least one")
            return None
        merged = {}
        for name, pairs in self.intervals.items():
            if not pairs:
                self.repairs.append(f"annotator '{name}' chose nothing")
            merged[name] = _merged(pairs)
            if len(merged[name]) < len(pairs):
                self.repairs.append(f"overlapping intervals of annotator '{name}' were merged")
        return TimeIntervals(merged)


def _merged(pairs: list[tuple[float, float]]) -> FloatArray:
    """(K, 2) in order, overlapping ones made one."""
    merged: list[list[float]] = []
    for start, end in sorted(pairs):
        if merged and start < merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return np.array(merged, dtype=np.float64).reshape(-1, 2)


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


def _from_json(text: str, problems: Problems) -> list[_Draft]:
    path = problems.where
    try:
        content = parse_json(text, once=True)
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}: is no JSON: {error}") from error
    except ValueError as error:
        raise DatasetError(f"{path}: {error}") from error
    if isinstance(content, dict) and isinstance(content.get("videos"), dict | list) and _ANNOTATORS not in content:
        content = content["videos"]
    if isinstance(content, list):
        content = _by_name(content, path)
    if not isinstance(content, dict) or not content:
        raise DatasetError(f"{path}: expected an object of videos, {{name: annotations}}, found {_kind(content)}")
    drafts = []
    for name, value in content.items():
        drafts.append(_Draft(name, problems))
        _add_video(drafts[-1], value)
    return drafts


def _by_name(videos: list[Any], path: Path) -> dict[str, Any]:
    """A list of objects that each have a `video` or `name`."""
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


def _add_video(draft: _Draft, value: Any) -> None:
    add = draft.problems.add
    if not draft.name.strip():
        add(draft.place, "expected a name, found an empty one")
    annotators = value
    if isinstance(value, dict):
        for name in FIELDS:
            if value.get(name) is not None:
                draft.set_field(name, value[name], draft.place)
        draft.problems.unread |= dict.fromkeys(name for name in value if name not in (*FIELDS, _ANNOTATORS))
        annotators = value.get(_ANNOTATORS)
    if isinstance(annotators, list):
        if annotators and all(_is_pair(given) and None not in map(seconds_of, given) for given in annotators):
            add(
                draft.place,
                "a list of pairs may be one annotator's intervals or several annotators' scores; write "
                '{"annotators": {"name": {"intervals": [...]}}}',
            )
            return
        annotators = {str(number): given for number, given in enumerate(annotators, 1)}
    if not isinstance(annotators, dict):
        add(draft.place, f"expected annotators, found {_kind(annotators)}")
        return
    for annotator, given in annotators.items():
        _add_annotator(draft, annotator, given)


def _add_annotator(draft: _Draft, annotator: str, given: Any) -> None:
    place, add, unread = f"{draft.place}, annotator '{annotator}'", draft.problems.add, draft.problems.unread
    kind, values = _INTERVALS, given
    if isinstance(given, dict):
        kinds = [name for name in (_INTERVALS, _SCORES) if name in given]
        if len(kinds) != 1 or not isinstance(given[kinds[0]], list):
            add(place, f"expected a list of '{_INTERVALS}' or of '{_SCORES}', found {sorted(given)}")
            return
        kind, values = kinds[0], given[kinds[0]]
        unread |= dict.fromkeys(name for name in given if name != kind)
    elif not isinstance(given, list):
        add(place, f"expected a list of intervals or of scores, found {_kind(given)}")
        return
    elif given and not isinstance(given[0], list | dict):
        kind = _SCORES
    if kind == _SCORES:
        numbers = [number_of(value) for value in values]
        draft.scores[annotator] = dict(enumerate(number for number in numbers if number is not None))
        if None in numbers:
            second = numbers.index(None)
            add(f"{place}, second {second}", f"expected a number, found {values[second]!r}")
        if not values:
            add(place, "expected one score per second, found none")
        return
    draft.intervals.setdefault(annotator, [])
    for number, pair in enumerate(values):
        if isinstance(pair, dict) and set(_INTERVAL) <= set(pair):
            unread |= dict.fromkeys(name for name in pair if name not in _INTERVAL)
            pair = [pair["start"], pair["end"]]
        if not _is_pair(pair):
            add(f"{place}, interval {number}", f"expected [start, end], found {_kind(pair)}")
            continue
        draft.add_interval(annotator, pair[0], pair[1], f"{place}, interval {number}")


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    return "nothing" if value is None else repr(value)[:40]


class _Table:
    """A table of intervals or scores, columns in any order; a comma that separates no cells is a decimal point."""

    def __init__(self, header: list[str], line: int, delimiter: str, problems: Problems) -> None:
        names = [_column(cell) for cell in header]
        kinds = [kind for kind in (_INTERVAL, _SCORE) if set(kind) <= set(names)]
        if _VIDEO not in names or _ANNOTATOR not in names or len(kinds) != 1:
            found = ",".join(names)[:80] or "nothing"
            raise DatasetError(f"{problems.where}, line {line}: expected a header {_HEADER}, found {found}")
        known = {_VIDEO, _ANNOTATOR, *kinds[0], *FIELDS}
        twice = next((name for name in names if name in known and names.count(name) > 1), None)
        if twice is not None:
            raise DatasetError(f"{problems.where}, line {line}: two columns '{twice}'; keep one")
        unread = [cell.strip() for cell, name in zip(header, names, strict=True) if name and name not in known]
        problems.unread |= dict.fromkeys(unread)
        self.problems, self.width = problems, len(names)
        self.places = {name: place for place, name in enumerate(names) if name in known}
        self.open_ended = names[-1] not in known  # a comment there may have separators of its own
        self.numbers = {*_INTERVAL, *_SCORE, *NUMBER_FIELDS} & set(self.places) if delimiter != "," else set()
        self.drafts: dict[str, _Draft] = {}

    def add_row(self, row: list[str], line: int) -> None:
        place, add = f"line {line}", self.problems.add
        beyond = any(cell.strip() for cell in row[self.width :]) and not self.open_ended
        if len(row) <= max(self.places.values()) or beyond:
            add(place, f"expected {self.width} cells, found {len(row)}")
            return
        cells = {name: row[index].strip() for name, index in self.places.items()}
        for name in self.numbers:  # their one comma is the decimal point
            if re.fullmatch(r"-?[\d:]*\d,\d+", cells[name]):
                cells[name] = cells[name].replace(",", ".")
        video, annotator = cells[_VIDEO], cells[_ANNOTATOR]
        if not video or not annotator:
            add(place, f"expected '{_VIDEO if not video else _ANNOTATOR}', found an empty cell")
            return
        draft = self.drafts.setdefault(video, _Draft(video, self.problems))
        for name in FIELDS:
            if cells.get(name):
                draft.set_field(name, cells[name], place)
        if "start" not in cells:
            draft.add_score(annotator, cells["second"], cells["score"], place)
        elif cells["start"] or cells["end"]:
            draft.add_interval(annotator, cells["start"], cells["end"], place)
        else:
            draft.intervals.setdefault(annotator, [])


def _from_table(text: str, problems: Problems) -> list[_Draft]:
    delimiter, header_at = _delimiter(text)
    rows = table_rows(text, delimiter)
    try:
        line, header = next(((line, row) for line, row in rows if line >= header_at), (1, [""]))
        table = _Table(header, line, delimiter, problems)
        for line, row in rows:
            if any(cell.strip() for cell in row):
                table.add_row(row, line)
    except ValueError as error:
        raise DatasetError(f"{problems.where}: is no table: {error}") from error
    return list(table.drafts.values())


def _delimiter(text: str) -> tuple[str, int]:
    """What separates cells, and the line of the header; spreadsheets read and write `sep=;` before it."""
    lines = ((number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip())
    number, header = next(lines, (1, ""))
    stated = _SEPARATOR.fullmatch(header.strip(' \r\n"').lower())
    if stated:
        return stated[1], next(lines, (number + 1, ""))[0]
    return max(",;\t", key=header.count), number


def _column(cell: str) -> str:
    """A column's name, however a person writes it: `Start (s)` is `start`, `N Frames` is `n_frames`."""
    return re.sub(r"[ _-]+", "_", re.sub(r"[(\[].*[)\]]", "", cell[:_LONGEST_NAME]).strip().lower())
