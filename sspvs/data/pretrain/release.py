"""The layout of the SSPVS release: a file of features and a file of token ids for each video, and two lists.

`features/{id}.h5` has `features` (T, 1024); `info_embed/{id}.h5` has BERT token ids as `cat`, `query`, `title` and
`description`; `train_list.json` and `val_list.json` are arrays of ids.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.data.manifest_rows import Problems
from sspvs.data.pretrain.items import Entry, FeatureRef
from sspvs.data.text import TokenFields
from sspvs.errors import first_line
from sspvs.features.store.h5_file import open_h5
from sspvs.files import read_json

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
