"""Split files of every style of the field: JSON or YAML, a list of folds, one fold, or folds by name."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path
from typing import Any

from sspvs.data.splits.folds import Fold, Splits
from sspvs.data.splits.references import VideoRef
from sspvs.errors import DatasetError, first_line, local_only
from sspvs.files import decode_text, read_content
from sspvs.parsing import parse_json, parse_yaml

_PARTS = {
    "train": ("train_keys", "train"),
    "test": ("test_keys", "test"),
    "val": ("val_keys", "val", "valid_keys", "validation_keys"),
}
MADE_BY = "made_by"
"""What `make_splits` adds to a fold: how it was made."""
_EXPECTED = 'a JSON or YAML list of {"train_keys": [...], "test_keys": [...]}, or one such dict'
_PICKLE = b"\x80"


def read_splits(path: str | os.PathLike[str]) -> Splits:
    """Read a split file.

    Styles: a list of folds with bare keys (`video_24`), with a dataset prefix
    (`eccv16_dataset_youtube_google_pool5/video_28`) or a file prefix
    (`../datasets/eccv16_dataset_summe_google_pool5.h5/video_22`); one dict with `train_keys`, `val_keys` and
    `test_keys` (MR.HiSum); folds in a dict by name. A key that stands twice in a list is taken once, which `repairs`
    says.

    Raises:
        DatasetError: It cannot be read, is no split file, or has a video in train and test (or val and test).
    """
    path = Path(local_only(path))
    try:
        content = read_content(path, "pickle")
    except OSError as error:
        raise DatasetError(f"{path}: cannot read the split file: {error.strerror or error}") from error
    if content.startswith(_PICKLE):
        raise DatasetError(f"{path}: expected {_EXPECTED}, found a pickle, which is never opened; save it as JSON")
    repairs: list[str] = []
    entries = _fold_entries(_parse(content, path), path)
    folds = [_fold(entry, f"{path}, fold {number}", number, repairs) for number, entry in enumerate(entries)]
    made_by = entries[0].get(MADE_BY)
    return Splits(
        tuple(folds),
        path.name,
        hashlib.sha256(content).hexdigest(),
        tuple(repairs),
        made_by if isinstance(made_by, dict) else {},
    )


def _parse(content: bytes, path: Path) -> Any:
    is_json = path.suffix.lower() == ".json" or content.lstrip()[:1] in (b"[", b"{")
    is_yaml = path.suffix.lower() in (".yml", ".yaml") or not is_json
    try:
        text = decode_text(content)
        return parse_yaml(text) if is_yaml else parse_json(text)
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: expected {_EXPECTED}, found a file that is no text") from error
    except ValueError as error:
        kind = "YAML" if is_yaml else "JSON"
        raise DatasetError(f"{path}: no whole {kind} file: {first_line(error)}; expected {_EXPECTED}") from error


def _fold_entries(content: Any, path: Path) -> list[Any]:
    """The folds of whichever style, each a dict still to be checked."""
    if isinstance(content, dict) and not _is_fold(content) and all(isinstance(v, dict) for v in content.values()):
        content = list(content.values())  # folds by name
    entries = content if isinstance(content, list) else [content]
    if not entries or not all(isinstance(entry, dict) and _is_fold(entry) for entry in entries):
        raise DatasetError(f"{path}: expected {_EXPECTED}, found {_described(content)}")
    return entries


def _is_fold(entry: dict[Any, Any]) -> bool:
    return any(key in entry for keys in _PARTS.values() for key in keys)


def _fold(entry: dict[Any, Any], where: str, number: int, repairs: list[str]) -> Fold:
    parts: dict[str, tuple[VideoRef, ...]] = {"val": ()}
    for part, spellings in _PARTS.items():
        found = [key for key in spellings if key in entry]
        if len(found) > 1:
            raise DatasetError(f"{where}: both '{found[0]}' and '{found[1]}'; keep one")
        if found:
            parts[part] = _references(entry[found[0]], f"{where}, '{found[0]}'", f"fold {number}", repairs)
        elif part != "val":
            raise DatasetError(f"{where}: expected '{spellings[0]}', found {', '.join(map(repr, entry))}")
    known = {MADE_BY, *(key for keys in _PARTS.values() for key in keys)}
    unread = [repr(key) for key in entry if key not in known]
    if unread:
        repairs.append(f"fold {number}: not read: {', '.join(unread)}")
    return Fold(parts["train"], parts["test"], parts["val"])


def _references(listed: Any, where: str, fold: str, repairs: list[str]) -> tuple[VideoRef, ...]:
    if listed is None:  # an empty YAML list that nobody closed
        listed = []
    if not isinstance(listed, list):
        raise DatasetError(f"{where}: expected a list of video keys, found {_described(listed)}")
    for place, text in enumerate(listed):
        if not isinstance(text, str) or not VideoRef.parse(text).key:
            raise DatasetError(f"{where}, entry {place}: expected a key in quotes, found {_described(text)}")
    references = [VideoRef.parse(text) for text in listed]
    once = tuple(dict.fromkeys(references))
    if len(once) < len(references):
        twice = [str(ref) for ref, count in Counter(references).items() if count > 1]
        repairs.append(f"{fold}: {', '.join(twice[:8])} stood more than once in a list; taken once")
    return once


def _described(value: Any) -> str:
    if isinstance(value, dict):
        return f"a dict of {', '.join(map(repr, list(value)[:6])) or 'nothing'}"
    if isinstance(value, list):
        return f"a list of {len(value)}" + (f" that starts with {_described(value[0])}" if value else "")
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"
