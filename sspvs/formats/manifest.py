"""A manifest of one's own video-text pairs (CSV or JSON lines): id, path, title, description, category, query."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sspvs.errors import AddressError, DatasetError, first_line, one_line
from sspvs.files import read_text
from sspvs.formats.glimpse import Glimpse
from sspvs.formats.inspection import Inspection, KeyNote, NoSuchVideoError, Use
from sspvs.formats.kind import Kind
from sspvs.formats.manifest_rows import file_of
from sspvs.parsing import lines_of, parse_json, table_records

TEXT_COLUMNS = {
    "title": "its title",
    "description": "its description",
    "category": "its category",
    "query": "the search query that found it",
}
PATH_COLUMNS = ("path", "video", "features", "video_path", "feature_path")
_ID = "id"


def matches(glimpse: Glimpse) -> bool:
    """A table or lines with an id, and a path or a text."""
    line = glimpse.first_line
    names = set(line) if isinstance(line, dict) else {column.lower() for column in glimpse.columns}
    return _ID in names and bool(names & {*PATH_COLUMNS, *TEXT_COLUMNS})


def inspect(path: Path, inspection: Inspection) -> None:
    """Every row."""
    ids: Counter[str] = Counter()
    filled: Counter[str] = Counter()
    for number, row in enumerate(_rows(path), start=1):
        where = f"row {number}"
        key = str(row.get(_ID) or "").strip()
        if not key:
            inspection.problem("no id", where)
            continue
        ids[key] += 1
        filled.update(name for name, value in row.items() if value not in (None, ""))
        named = next((str(row[name]) for name in PATH_COLUMNS if row.get(name)), "")
        if named and (missing := _missing(named, path.parent)):
            inspection.problem(missing, key, remedy="correct its path")
        elif not named:
            inspection.problem("no path to a video or to features", key)
        if not any(row.get(name) for name in TEXT_COLUMNS):
            inspection.problem("no text at all", key, blocking=False)
        if key == inspection.video:
            inspection.detail = {name: str(value) for name, value in row.items()}
    if inspection.video is not None and not inspection.detail:
        raise NoSuchVideoError(inspection.video)
    for key, count in ids.items():
        if count > 1:
            inspection.problem(f"{count} rows have this id", key, remedy="every video needs its own")
    inspection.n_videos = len(ids)
    if not ids:
        inspection.problem("no rows")
    meanings = {_ID: "the video's id"} | dict.fromkeys(PATH_COLUMNS, "where the video or its features are")
    inspection.keys = [
        KeyNote(name, count, "text", "text", (meanings | TEXT_COLUMNS).get(name, "no column that we know"))
        for name, count in filled.items()
    ]
    inspection.uses = [Use("pretraining on one's own pairs", bool(ids))]


def _missing(named: str, folder: Path) -> str:
    """What is wrong with the path of a video or of features; empty when a file is there."""
    try:
        file, _ = file_of(named.strip(), folder)
    except AddressError as error:
        return one_line(error)
    if file.is_file():
        return ""
    return f"no such file{'' if Path(named).is_absolute() else ' beside the manifest'}: {named}"


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = read_text(path)
        if Glimpse(path).first_line is not None:
            for number, line in lines_of(text):
                yield _object(line, f"{path}, line {number}")
            return
        for _, row in table_records(text)[1]:
            yield {str(name).lower(): value for name, value in row.items()}
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read as a table: {first_line(error)}") from error


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        row = parse_json(line)
    except ValueError as error:
        raise DatasetError(f"{where}: damaged JSON: {first_line(error)}") from error
    if not isinstance(row, dict):
        raise DatasetError(f"{where}: expected an object, found {type(row).__name__}")
    return row


KIND = Kind(
    name="manifest",
    what="a manifest of video-text pairs (CSV or JSON lines)",
    matches=matches,
    inspect=inspect,
    instead="it names files and texts for pretraining: there is nothing to convert in it",
)
