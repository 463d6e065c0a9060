"""Manifests: video-text pairs of one's own, one a line.

A CSV file with a header, or JSON lines, with: `id`; `path` (or `features`, or `video`): an h5 file of one video, one of
many (`file.h5#group`), a .npy array (T, D), or a video; and `title`, `description`, `category`, `query`, any of which
may be empty or missing. `split` (`train` or `val`) is optional. Paths are relative to the manifest. Other columns are
left alone.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.annotations.record import Problems
from sspvs.atomic import write_text
from sspvs.data.pretrain.dataset import same_text_groups
from sspvs.data.pretrain.items import Entry, FeatureRef, PretrainItem
from sspvs.data.pretrain.raw_videos import ExtractionSettings, store_of, with_features
from sspvs.data.pretrain.shards import INDEX, is_shards, read_index
from sspvs.data.pretrain.survey import common_fingerprint, survey
from sspvs.errors import AddressError, DatasetError, first_line
from sspvs.files import read_json
from sspvs.formats.manifest import FEATURE_SUFFIXES, file_of, read_rows, text_in
from sspvs.table.h5_file import open_h5
from sspvs.table.text import FIELDS, TextFields, TokenFields
from sspvs.types import Fingerprint
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


FEATURES, TEXTS = "features", "info_embed"
LISTS = {"train": "train_list.json", "val": "val_list.json"}
_KEYS = ("cat", "query", "title", "description")
_CLS, _SEP, _PAD = 101, 102, 0
BERT_VOCAB_SIZE = 30522


def is_release(folder: Path) -> bool:
    """Whether a folder has the release's layout."""
    return (folder / LISTS["train"]).is_file() and (folder / FEATURES).is_dir()


def read_release(folder: Path, part: str) -> list[Entry]:
    """The videos of one of the lists, in its order; features are not opened, texts are.

    Args:
        folder: Of the release.
        part: `train` or `val`.

    Raises:
        DatasetError: All that is wrong with it.
    """
    problems, entries = Problems(folder / LISTS[part]), []
    for number, name in enumerate(_names(folder / LISTS[part], problems), start=1):
        place = f"entry {number} ({name})"
        features, text = folder / FEATURES / f"{name}.h5", folder / TEXTS / f"{name}.h5"
        for path in (features, text):
            if not path.is_file():
                problems.add(place, f"no file {path}")
        tokens = _token_fields(text, place, problems) if text.is_file() else None
        if tokens is not None and features.is_file():
            entries.append(Entry(name, FeatureRef(features), tokens, place, part))
    problems.raise_any()
    return entries


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
    fields: list[tuple[int, ...]] = []
    try:
        with open_h5(path) as file:
            if not any(key in file for key in _KEYS):
                problems.add(place, f"{path} has none of {', '.join(_KEYS)}")
                return None
            for key in _KEYS:
                fields.append(_ids(file[key]) if key in file else ())
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        problems.add(place, f"{path}: cannot be read as token ids: {first_line(error)}")
        return None
    return TokenFields(*fields)


def _ids(data: Any) -> tuple[int, ...]:
    if not data.size:
        return ()
    values = np.ravel(data[()]) if data.dtype.kind in "iuf" else np.full(1, np.nan)
    ids = values.astype(np.int64)
    if (ids != values).any() or ids.min() < 0 or ids.max() >= BERT_VOCAB_SIZE:
        raise ValueError(f"expected whole numbers from 0 to {BERT_VOCAB_SIZE - 1}, found {data.dtype}")
    return tuple(int(token) for token in ids if token not in (_CLS, _SEP, _PAD))


_LEAST = 2  # groups of videos on either side, to tell their texts apart


@dataclass(frozen=True)
class Pairs:
    """Pairs that were looked at.

    Attributes:
        items: In the order of their file.
        fingerprint: What made their features; None when unknown.
        left_out: A sentence about each that cannot be used, where such are left out.
    """

    items: tuple[PretrainItem, ...]
    fingerprint: Fingerprint | None
    left_out: tuple[str, ...] = ()

    @property
    def feature_dim(self) -> int:
        """D, of all of them."""
        return self.items[0].feature_dim


def load_pairs(
    path: Path, extraction: ExtractionSettings | None = None, *, skip_bad: bool = False, progress: bool = False
) -> Pairs:
    """All pairs of a release folder, a folder of shards, or a manifest.

    Raw videos are extracted first, and all features are looked at; both only as far as no earlier run did.

    Args:
        path: The folder or file.
        extraction: How raw videos are looked at.
        skip_bad: Leave out videos that cannot be used, as long as there are others.
        progress: Show progress bars; quiet when stderr is no terminal.

    Raises:
        DatasetError: All that is wrong with it.
    """
    if path.is_dir() and is_shards(path):
        index = read_index(path)
        return Pairs(index.items, index.fingerprint)
    entries, where = _entries(path)
    problems = Problems(where)
    ready = with_features(
        entries, where, extraction or ExtractionSettings(), progress=progress, problems=problems if skip_bad else None
    )
    items, found = survey(ready, where, progress=progress)
    problems.extend(found.found)
    if not (skip_bad and items):
        problems.raise_any()
    left_out = tuple(f"{where}: {place}: {said}" for place, said in problems.found)
    return Pairs(tuple(items), common_fingerprint(items), left_out)


def feature_dim_of(path: Path, extraction: ExtractionSettings | None = None) -> int:
    """D, from the first video alone; of raw videos that have no features yet, from the backbone."""
    if path.is_dir() and is_shards(path):
        return read_index(path).items[0].feature_dim
    entries, where = _entries(path)
    return _width_of(entries[0], where, extraction or ExtractionSettings())


def split_pairs(items: Sequence[PretrainItem], val_share: float) -> tuple[list[PretrainItem], list[PretrainItem]]:
    """Training and validation pairs of one file.

    As the file says, where it does. Otherwise `val_share` of the videos are held out, chosen by their ids: the same in
    every run, and a video stays on its side when others are added. Videos with the same title or text stay together.
    Of four such groups or more at least two are on either side, since a text is told from others; of fewer none is
    held out.

    Raises:
        DatasetError: Nothing would be left to train on.
    """
    if any(item.part == "val" for item in items):
        train = [item for item in items if item.part != "val"]
        val = [item for item in items if item.part == "val"]
    else:
        ordered = sorted(items, key=lambda item: item.id)
        chances = [_chance(ordered[group].id) for group in same_text_groups([item.text for item in ordered])]
        limit = _limit(sorted(set(chances)), val_share)
        held_out = {item.id for item, chance in zip(ordered, chances, strict=True) if chance < limit}
        train = [item for item in items if item.id not in held_out]
        val = [item for item in items if item.id in held_out]
    if not train:
        raise DatasetError(f"none of the {len(items)} videos is left to train on; lower val_share, or give val")
    return train, val


def _entries(path: Path) -> tuple[list[Entry], Path]:
    """What stands in the lists of a release or in a manifest, and the file it comes from."""
    if path.is_dir() and is_release(path):
        entries = read_release(path, "train")
        if (path / LISTS["val"]).is_file():
            entries += read_release(path, "val")
        shared = sorted(name for name, count in Counter(entry.id for entry in entries).items() if count > 1)
        if shared:
            raise DatasetError(f"{path}: {', '.join(shared[:8])}: in the training and in the validation list")
        return entries, path / LISTS["train"]
    if path.is_dir():
        raise DatasetError(
            f"{path}: expected an SSPVS release ({LISTS['train']}, features/, info_embed/) or shards ({INDEX}), or the "
            "path of a manifest"
        )
    return read_manifest(path), path


def _width_of(entry: Entry, where: Path, extraction: ExtractionSettings) -> int:
    if isinstance(entry.source, FeatureRef):
        from sspvs.data.pretrain.items import FeatureReader

        return FeatureReader().shape(entry.source)[1]
    if store_of(where).exists():
        return _width_of(with_features([entry], where, extraction)[0], where, extraction)
    from sspvs.features.backbones import load_backbone

    return load_backbone(extraction.backbone, device="cpu", download=extraction.download).feature_dim


def _limit(chances: Sequence[float], val_share: float) -> float:
    """Groups whose chance is below it are held out; see `split_pairs`.

    Args:
        chances: Of all groups, rising.
        val_share: About the share that is held out.
    """
    if not val_share or len(chances) < 2 * _LEAST:
        return 0.0
    return min(max(val_share, chances[_LEAST]), chances[-_LEAST])


def _chance(name: str) -> float:
    """A number in [0, 1) that an id always has."""
    digest = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8, person=b"held out").digest()
    return int.from_bytes(digest, "little") / 2**64
