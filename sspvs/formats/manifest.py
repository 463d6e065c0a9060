"""Manifests of video-text pairs, which people write: recognised, inspected, and read as videos.

A manifest is a CSV or TSV file with a header, or JSON lines, with: `id`; `path` (or `features`, or `video`): an h5 file
of one video, one of many (`file.h5#group`), a .npy array (T, D), or a video; and `title`, `description`, `category`,
`query`, any of which may be empty or missing; in JSON lines `captions` is a list of further texts. `split` (`train` or
`val`) is optional. Paths are relative to the manifest. Other columns are left alone.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar

from sspvs.annotations.record import Problems
from sspvs.errors import AddressError, DatasetError, local_only, one_line
from sspvs.files import read_text
from sspvs.formats.format import FORMATS, Format, Settings
from sspvs.formats.head import PathHead
from sspvs.formats.inspection import Inspection
from sspvs.parsing import lines_of, parse_json, table_records
from sspvs.table import FeatureStream, Video, VideoTable
from sspvs.table.text import FIELDS, TextFields
from sspvs.video.files import VIDEO_SUFFIXES

FEATURE_SUFFIXES = (".h5", ".hdf5", ".hdf", ".npy")
PATHS = ("path", "features", "video")
_CAPTIONS = "captions"
COLUMNS = ("id", *PATHS, *FIELDS, "split", _CAPTIONS)
_ID, _PARTS = "id", ("train", "val")
_KNOWN_PATHS = ("path", "video", "features", "video_path", "feature_path")  # in the manifests of others too


@FORMATS.register("manifest")
class Manifest(Format):
    """Video-text pairs of one's own."""

    what = "a manifest of video-text pairs (CSV or JSON lines)"
    order = 180
    keys: ClassVar = {
        _ID: ("text", "the video's id"),
        **dict.fromkeys(_KNOWN_PATHS, ("text", "where the video or its features are")),
        **{name: ("text", f"its {name}") for name in ("title", "description", "category")},
        "query": ("text", "the search query that found it"),
        _CAPTIONS: ("texts", "captions of it, each whole"),
    }
    instead = "it names files and texts for pretraining: there is nothing to convert in it"

    def matches(self, head: PathHead) -> bool:
        """A table or lines with an id, and a path or a text."""
        line = head.first_line
        names = set(line) if isinstance(line, dict) else {column.lower() for column in head.columns}
        return _ID in names and bool(names & {*_KNOWN_PATHS, *FIELDS})

    def read(self, path: Path, settings: Settings) -> VideoTable:  # noqa: ARG002
        return VideoTable(read_manifest(path), name=path.stem)

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
            named = next((str(row[name]) for name in _KNOWN_PATHS if row.get(name)), "")
            if not named:
                found.problem("no path to a video or to features", key)
            elif missing := _missing(named, path.parent):
                found.problem(missing, key, remedy="correct its path")
            if not any(row.get(name) for name in FIELDS):
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
    """Place (`line 7`) and column -> value of each line; what is wrong goes to `problems` and is left out."""
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


def texts_in(row: Mapping[str, Any], names: Iterable[str], place: str, problems: Problems) -> dict[str, str] | None:
    """Cells as text, JSON's numbers and lists of words too; None, with the problem added, where some are none."""
    texts, odd = dict[str, str](), list[str]()
    for name in names:
        value = row.get(name)
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            texts[name] = " ".join(value)
        elif value is None or (isinstance(value, str | int | float) and not isinstance(value, bool)):
            texts[name] = "" if value is None else str(value)
        else:
            odd.append(name)
    if odd:
        problems.add(place, f"{', '.join(odd)}: expected text")
    return None if odd else texts


def _missing(named: str, folder: Path) -> str:
    """What is wrong with the path of a video or of features; empty when a file is there."""
    try:
        file, _ = file_of(named.strip(), folder)
    except AddressError as error:
        return one_line(error)
    beside = "" if Path(named).is_absolute() else " beside the manifest"
    return "" if file.is_file() else f"no such file{beside}: {named}"


def read_manifest(path: Path) -> list[Video]:
    """The pairs of a manifest, in its order; features are not opened."""
    problems, videos, seen = Problems(path), [], dict[str, str]()
    rows = list(read_rows(path, problems))
    for place, row in rows if _has_columns(rows, problems) else ():
        video = _video_of(row, place, path.parent, problems)
        if video is None:
            continue
        if video.id in seen:
            problems.add(place, f"the id '{video.id}' is taken by {seen[video.id]}")
        seen.setdefault(video.id, place)
        videos.append(video)
    if not rows and not problems.found:
        problems.add("", "it is empty; expected a line a video with at least id and path")
    problems.raise_any()
    return videos


def misspelled(names: Iterable[str], known: Sequence[str], others: Iterable[str] = ()) -> list[str]:
    """A sentence about each column that is not read but is nearly the name of one that is."""
    found, missing = set(names), [name for name in known if name not in set(names)]
    close = {name: get_close_matches(name.lower(), missing, 1, 0.8) for name in sorted(found - {*known, *others})}
    return [f"column '{name}': did you mean '{near[0]}'?" for name, near in close.items() if near]


def _has_columns(rows: list[tuple[str, dict[str, Any]]], problems: Problems) -> bool:
    names = {name for _, row in rows for name in row}
    shown = f"(columns: {', '.join(sorted(names)[:10])})"
    if rows and "id" not in names:
        problems.add("", f"no column 'id' {shown}")
    if rows and not names & set(PATHS):
        problems.add("", f"no column 'path', 'features' or 'video' {shown}")
    problems.extend(("", sentence) for sentence in misspelled(names, COLUMNS))
    return "id" in names and bool(names & set(PATHS))


def _video_of(row: Mapping[str, Any], place: str, folder: Path, problems: Problems) -> Video | None:
    captions = row.get(_CAPTIONS) or []
    captions = [captions] if isinstance(captions, str) else captions
    if not isinstance(captions, list) or not all(isinstance(one, str) for one in captions):
        problems.add(place, f"{_CAPTIONS}: expected a list of texts")
        return None
    texts = texts_in(row, sorted(set(row) & {*COLUMNS} - {_CAPTIONS}), place, problems)
    if texts is None:
        return None
    captions = [" ".join(one.split()) for one in (texts.get("title", ""), *captions, texts.get("description", ""))]
    if row.get(_CAPTIONS):  # the first is the title, the others a line of the description each
        first, *others = [one for one in captions if one] or [""]
        texts |= {"title": first, "description": "\n".join(others)}
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
    text = TextFields(*(texts.get(key, "") for key in FIELDS))
    if isinstance(source, Path):
        return Video(name, source=source, text=text, where=place, part=part, notes=folder)
    return Video(name, (source,), text=text, where=place, part=part, notes=folder)


def _source(given: str, folder: Path) -> FeatureStream | Path | str:
    """Where features or video are; a sentence when they are not there."""
    try:
        path, group = file_of(given, folder)
    except AddressError as error:
        return str(error)
    if not path.is_file():
        return f"no file {path}"
    suffix = path.suffix.lower()
    if suffix in FEATURE_SUFFIXES:
        return FeatureStream(path, group)
    if suffix in VIDEO_SUFFIXES:
        return path
    return f"{path.name} is neither features ({', '.join(FEATURE_SUFFIXES)}) nor a video by its name"
