"""Manifests, which people write: a line a video, as CSV, TSV or JSON lines (id, path, title, description, ...)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from sspvs.annotations.record import Problems
from sspvs.errors import AddressError, DatasetError, local_only, one_line
from sspvs.files import read_text
from sspvs.formats.format import FORMATS, Format
from sspvs.formats.head import PathHead
from sspvs.formats.inspection import Inspection
from sspvs.parsing import lines_of, parse_json, table_records

FEATURE_SUFFIXES = (".h5", ".hdf5", ".hdf", ".npy")
PATH_COLUMNS = ("path", "video", "features", "video_path", "feature_path")
TEXT_COLUMNS = ("title", "description", "category", "query")
_ID = "id"


@FORMATS.register("manifest")
class Manifest(Format):
    """Video-text pairs of one's own."""

    what = "a manifest of video-text pairs (CSV or JSON lines)"
    order = 180
    keys: ClassVar = {
        _ID: ("text", "the video's id"),
        **dict.fromkeys(PATH_COLUMNS, ("text", "where the video or its features are")),
        "title": ("text", "its title"),
        "description": ("text", "its description"),
        "category": ("text", "its category"),
        "query": ("text", "the search query that found it"),
    }
    instead = "it names files and texts for pretraining: there is nothing to convert in it"

    def matches(self, head: PathHead) -> bool:
        """A table or lines with an id, and a path or a text."""
        line = head.first_line
        names = set(line) if isinstance(line, dict) else {column.lower() for column in head.columns}
        return _ID in names and bool(names & {*PATH_COLUMNS, *TEXT_COLUMNS})

    def inspect(self, path: Path, found: Inspection) -> None:
        """Read every line, as pretraining reads it."""
        problems, ids, filled = Problems(path), Counter[str](), Counter[str]()
        for where, row in read_rows(path, problems):
            key = str(row.get(_ID) or "").strip()
            if not key:
                found.problem("no id", where)
                continue
            ids[key] += 1
            filled.update(name for name, value in row.items() if value not in (None, ""))
            named = next((str(row[name]) for name in PATH_COLUMNS if row.get(name)), "")
            if not named:
                found.problem("no path to a video or to features", key)
            elif missing := _missing(named, path.parent):
                found.problem(missing, key, remedy="correct its path")
            if not any(row.get(name) for name in TEXT_COLUMNS):
                found.problem("no text at all", key, blocking=False)
            if key == found.video:
                found.detail = {name: str(value) for name, value in row.items()}
        for where, sentence in problems.found:
            found.problem(sentence, where)
        found.repeated(ids, "rows", "every video needs its own")
        found.n_videos = len(ids)
        if not ids:
            found.problem("no rows")
        for name, count in filled.items():
            shape, meaning = self.keys.get(name, ("text", "no column that we know"))
            found.key(name, count, shape, "text", meaning)
        found.use("pretraining on one's own pairs", bool(ids))


def read_rows(path: Path, problems: Problems) -> Iterator[tuple[str, dict[str, Any]]]:
    """The lines of a manifest, CSV, TSV or JSON lines by its ending: place (`line 7`), and column -> value.

    What is wrong with single lines goes to `problems`, and these are left out.
    """
    try:
        text = read_text(path)
    except OSError as error:
        raise DatasetError(f"cannot read the manifest {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: expected UTF-8 text, CSV or JSON lines: {error}") from error
    if path.suffix.lower() in (".csv", ".tsv"):
        try:
            names, rows = table_records(text, "\t" if path.suffix.lower() == ".tsv" else ",")
            for number, record in rows:
                if None in record:
                    problems.add(f"line {number}", f"more values than the {len(names)} columns; quote commas in text")
                else:
                    yield f"line {number}", {str(name): cell for name, cell in record.items()}
        except ValueError as error:
            raise DatasetError(f"{path}: is no table: {error}") from error
        return
    for number, line in lines_of(text):
        try:
            row = parse_json(line)
        except ValueError as error:
            problems.add(f"line {number}", f"no JSON: {error}")
            continue
        if isinstance(row, dict):
            yield f"line {number}", row
        else:
            problems.add(f"line {number}", f"expected an object with id and path, got {type(row).__name__}")


def file_of(given: str, folder: Path) -> tuple[Path, str]:
    """The file that a manifest names, and the group in it where it is features of many videos (`file.h5#group`)."""
    name, _, group = given.partition("#")
    if Path(name).suffix.lower() not in FEATURE_SUFFIXES:
        name, group = given, ""  # a video with a # in its name
    return folder / Path(local_only(name)).expanduser(), group


def text_in(value: Any) -> str | None:
    """A cell as text: JSON's text and numbers (an id may be one), lists of words; None for what is no text."""
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return " ".join(value)
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    return None


def _missing(named: str, folder: Path) -> str:
    """What is wrong with the path of a video or of features; empty when a file is there."""
    try:
        file, _ = file_of(named.strip(), folder)
    except AddressError as error:
        return one_line(error)
    beside = "" if Path(named).is_absolute() else " beside the manifest"
    return "" if file.is_file() else f"no such file{beside}: {named}"
