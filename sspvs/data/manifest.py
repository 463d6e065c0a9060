"""Lists of video-text pairs: manifests of one's own, and the SSPVS pretraining release.

A manifest is a CSV file with a header, or JSON lines, with: `id`; `path` (or `features`, or `video`): an h5 file of one
video, one of many (`file.h5#group`), a .npy array (T, D), or a video; and `title`, `description`, `category`, `query`,
any of which may be empty or missing. `split` (`train` or `val`) is optional. Paths are relative to the manifest. Other
columns are left alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.annotations.record import Problems
from sspvs.atomic import write_text
from sspvs.errors import AddressError, first_line
from sspvs.files import read_json
from sspvs.formats.manifest import FEATURE_SUFFIXES, file_of, read_rows, text_in
from sspvs.table import FeatureStream, Video
from sspvs.table.h5_file import H5_ERRORS, open_h5
from sspvs.table.text import FIELDS, TextFields, TokenFields
from sspvs.video.files import VIDEO_SUFFIXES

PATHS = ("path", "features", "video")
COLUMNS = ("id", *PATHS, *FIELDS, "split")
_PARTS = ("train", "val")
FEATURES, TEXTS = "features", "info_embed"
LISTS = {"train": "train_list.json", "val": "val_list.json"}
_KEYS = ("cat", "query", "title", "description")
_CLS, _SEP, _PAD = 101, 102, 0
BERT_VOCAB_SIZE = 30522


def read_manifest(path: Path) -> list[Video]:
    """The pairs of a manifest, in its order; features are not opened."""
    problems, videos, seen = Problems(path), [], dict[str, str]()
    rows = list(read_rows(path, problems))
    for place, row in rows if _has_columns(rows, problems) else ():
        video = _video(row, place, path.parent, problems)
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


def write_manifest(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Write JSON lines atomically."""
    write_text(path, "".join(json.dumps(dict(row), ensure_ascii=False) + "\n" for row in rows))


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


def _video(row: Mapping[str, Any], place: str, folder: Path, problems: Problems) -> Video | None:
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


def is_release(folder: Path) -> bool:
    """Whether a folder has the release's layout."""
    return (folder / LISTS["train"]).is_file() and (folder / FEATURES).is_dir()


def read_release(folder: Path, part: str) -> list[Video]:
    """The videos of one of the lists, in its order; features are not opened, texts are."""
    problems, videos = Problems(folder / LISTS[part]), []
    for number, name in enumerate(_names(folder / LISTS[part], problems), start=1):
        place = f"entry {number} ({name})"
        features, text = folder / FEATURES / f"{name}.h5", folder / TEXTS / f"{name}.h5"
        for path in (features, text):
            if not path.is_file():
                problems.add(place, f"no file {path}")
        tokens = _token_fields(text, place, problems) if text.is_file() else None
        if tokens is not None and features.is_file():
            stream = FeatureStream(features)
            videos.append(Video(name, (stream,), text=tokens, where=place, part=part, notes=folder))
    problems.raise_any()
    return videos


def _names(path: Path, problems: Problems) -> list[str]:
    try:
        names = read_json(path)
    except (OSError, ValueError) as error:
        problems.add("", f"cannot be read: {first_line(error)}")
        return []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        problems.add("", "expected an array of ids")
        return []
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    problems.extend(("", f"the id '{name}' occurs more than once") for name in repeated)
    odd = [name for name in names if not name or name != Path(name).name]
    problems.extend(("", f"'{name}' is no id") for name in odd)
    if not names:
        problems.add("", "the list is empty")
    return [name for name in dict.fromkeys(names) if name not in odd]


def _token_fields(path: Path, place: str, problems: Problems) -> TokenFields | None:
    """The four fields; one that is missing is empty; tokens that frame or pad a text are left out."""
    try:
        with open_h5(path) as file:
            if any(key in file for key in _KEYS):
                return TokenFields(*(_ids(file[key]) if key in file else () for key in _KEYS))
        problems.add(place, f"{path} has none of {', '.join(_KEYS)}")
    except H5_ERRORS as error:
        problems.add(place, f"{path}: cannot be read as token ids: {first_line(error)}")
    return None


def _ids(data: Any) -> tuple[int, ...]:
    if not data.size:
        return ()
    values = np.ravel(data[()]) if data.dtype.kind in "iuf" else np.full(1, np.nan)
    ids = values.astype(np.int64)
    if (ids != values).any() or ids.min() < 0 or ids.max() >= BERT_VOCAB_SIZE:
        raise ValueError(f"expected whole numbers from 0 to {BERT_VOCAB_SIZE - 1}, found {data.dtype}")
    return tuple(int(token) for token in ids if token not in (_CLS, _SEP, _PAD))
