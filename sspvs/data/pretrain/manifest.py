"""Manifests: video-text pairs of one's own, one a line.

A CSV file with a header, or JSON lines, with: `id`; `path` (or `features`, or `video`): an h5 file of one video, one of
many (`file.h5#group`), a .npy array (T, D), or a video; and `title`, `description`, `category`, `query`, any of which
may be empty or missing. `split` (`train` or `val`) is optional. Paths are relative to the manifest. Other columns are
left alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sspvs.atomic import write_text
from sspvs.data.manifest_rows import FEATURE_SUFFIXES, Problems, file_of, read_rows, text_in
from sspvs.data.pretrain.items import Entry, FeatureRef
from sspvs.data.text import FIELDS, TextFields
from sspvs.errors import AddressError
from sspvs.video.files import VIDEO_SUFFIXES

PATHS = ("path", "features", "video")
COLUMNS = ("id", *PATHS, *FIELDS, "split")
_PARTS = ("train", "val")


def read_manifest(path: Path) -> list[Entry]:
    """The pairs of a manifest, in its order; features are not opened.

    Raises:
        DatasetError: All that is wrong with it, with line numbers.
    """
    problems, entries, seen = Problems(path), [], dict[str, str]()
    rows = list(read_rows(path, problems))
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
    values = {key: text_in(value) for key, value in row.items() if key in COLUMNS}
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


def _source(given: str, folder: Path) -> FeatureRef | Path | str:
    """Where features or video are; a sentence when they are not there."""
    try:
        path, group = file_of(given, folder)
    except AddressError as error:
        return str(error)
    if not path.is_file():
        return f"no file {path}"
    suffix = path.suffix.lower()
    if suffix in FEATURE_SUFFIXES:
        return FeatureRef(path, group)
    if suffix in VIDEO_SUFFIXES:
        return path
    return f"{path.name} is neither features ({', '.join(FEATURE_SUFFIXES)}) nor a video by its name"
