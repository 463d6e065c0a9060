"""Manifests: video-text pairs of one's own, one a line.

A CSV file with a header, or JSON lines, with: `id`; `path` (or `features`, or `video`): an h5 file of one video, one of
many (`file.h5#group`), a .npy array (T, D), or a video; and `title`, `description`, `category`, `query`, any of which
may be empty or missing. `split` (`train` or `val`) is optional. Paths are relative to the manifest. Other columns are
left alone.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sspvs.atomic import write_text
from sspvs.data.pretrain.items import Entry, FeatureRef, Problems
from sspvs.data.text import FIELDS, TextFields
from sspvs.errors import DatasetError
from sspvs.video.files import VIDEO_SUFFIXES

PATHS = ("path", "features", "video")
COLUMNS = ("id", *PATHS, *FIELDS, "split")
_PARTS = ("train", "val")
_FEATURE_SUFFIXES = (".h5", ".hdf5", ".hdf", ".npy")


def read_manifest(path: Path) -> list[Entry]:
    """The pairs of a manifest, in its order; features are not opened.

    Raises:
        DatasetError: All that is wrong with it, with line numbers.
    """
    problems, entries, seen = Problems(path), [], dict[str, str]()
    rows = list(_rows(path, problems))
    for place, row in rows if _has_columns(rows, problems) else ():
        entry = _entry(row, place, path.parent, problems)
        if entry is None:
            continue
        if entry.id in seen:
            problems.add(place, f"the id '{entry.id}' is taken by {seen[entry.id]}")
        seen.setdefault(entry.id, place)
        entries.append(entry)
    if not rows and not problems.found:
        problems.add("", "it is empty; expected a line a video with at least id and path")
    problems.raise_any()
    return entries


def write_manifest(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Write JSON lines atomically.

    Raises:
        OutputError: The file cannot be written.
    """
    write_text(path, "".join(json.dumps(dict(row), ensure_ascii=False) + "\n" for row in rows))


def _rows(path: Path, problems: Problems) -> Iterator[tuple[str, dict[str, Any]]]:
    """(`line 7`, column -> value) of each line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"cannot read the manifest {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: expected UTF-8 text, CSV or JSON lines: {error}") from error
    if path.suffix.lower() in (".csv", ".tsv"):
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        for row in reader:
            place = f"line {reader.line_num}"
            if None in row:
                problems.add(
                    place, f"more values than the {len(reader.fieldnames or ())} columns; quote commas in text"
                )
            else:
                yield place, {(key or "").strip(): value for key, value in row.items()}
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            problems.add(f"line {number}", f"no JSON: {error}")
            continue
        if isinstance(row, dict):
            yield f"line {number}", row
        else:
            problems.add(f"line {number}", f"expected an object with id and path, got {type(row).__name__}")


def _has_columns(rows: list[tuple[str, dict[str, Any]]], problems: Problems) -> bool:
    """Whether there are ids and paths; a column that nobody reads and is nearly one of ours is a slip of the pen."""
    names = {name for _, row in rows for name in row}
    if rows and "id" not in names:
        problems.add("", f"no column 'id' (columns: {', '.join(sorted(names)[:10])})")
    if rows and not names & set(PATHS):
        problems.add("", f"no column 'path', 'features' or 'video' (columns: {', '.join(sorted(names)[:10])})")
    for name in sorted(names - set(COLUMNS)):
        close = get_close_matches(name.lower(), [column for column in COLUMNS if column not in names], n=1, cutoff=0.8)
        if close:
            problems.add("", f"column '{name}': did you mean '{close[0]}'?")
    return "id" in names and bool(names & set(PATHS))


def _entry(row: Mapping[str, Any], place: str, folder: Path, problems: Problems) -> Entry | None:
    values = {key: _text(value) for key, value in row.items() if key in COLUMNS}
    odd = sorted(key for key, value in values.items() if value is None)
    if odd:
        problems.add(place, f"{', '.join(odd)}: expected text")
        return None
    texts = {key: value or "" for key, value in values.items()}
    name, given = texts.get("id", "").strip(), [texts[key].strip() for key in PATHS if texts.get(key, "").strip()]
    part = texts.get("split", "").strip()
    faults = []
    if not name:
        faults.append("no id")
    if len(given) != 1:
        faults.append("no path" if not given else f"{len(given)} paths ({', '.join(given)}); expected one")
    if part not in ("", *_PARTS):
        faults.append(f"split '{part}'; expected train, val or nothing")
    source = _source(given[0], folder) if len(given) == 1 else None
    if isinstance(source, str):
        faults.append(source)
    if faults or source is None or isinstance(source, str):
        problems.extend((place, fault) for fault in faults)
        return None
    return Entry(name, source, TextFields(*(texts.get(key, "") for key in FIELDS)), place, part)


def _text(value: Any) -> str | None:
    """JSON's text and numbers (an id may be one), lists of words; None for what is no text."""
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return " ".join(value)
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    return None


def _source(given: str, folder: Path) -> FeatureRef | Path | str:
    """Where features or video are; a sentence when they are not there."""
    name, _, group = given.partition("#")
    if "#" in given and Path(name).suffix.lower() not in _FEATURE_SUFFIXES:
        name, group = given, ""  # a video with a # in its name
    path = folder / Path(name).expanduser()
    if not path.is_file():
        return f"no file {path}"
    suffix = path.suffix.lower()
    if suffix in _FEATURE_SUFFIXES:
        return FeatureRef(path, group)
    if suffix in VIDEO_SUFFIXES:
        return path
    return f"{path.name} is neither features ({', '.join(_FEATURE_SUFFIXES)}) nor a video by its name"
