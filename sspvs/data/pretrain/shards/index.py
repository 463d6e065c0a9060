"""What is in a folder of shards: one line a pair, with its text, its length and where its features begin.

A shard is a tar as WebDataset reads it: for each pair `000000012.npy`, features (T, D), and `000000012.json`, its id
and text. With the index the features are read in place, so that any pair can be had without those before it: an epoch
is planned and shared among ranks and workers as if it were one file, and none waits for shards it has not got.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sspvs.atomic import write_text
from sspvs.data.manifest_rows import Problems
from sspvs.data.pretrain.items import FeatureRef, PretrainItem
from sspvs.data.text import TextFields, TokenFields
from sspvs.errors import DatasetError
from sspvs.files import check_regular, read_text, why_not
from sspvs.parsing import lines_of, parse_json
from sspvs.types import Fingerprint

INDEX = "index.jsonl"
FORMAT, VERSION = "sspvs shards", 1


@dataclass(frozen=True)
class ShardIndex:
    """What is in a folder of shards.

    Attributes:
        items: The pairs, in the shards' order.
        fingerprint: What made their features; None when unknown.
        plan: Digest of what they were made from.
    """

    items: tuple[PretrainItem, ...]
    fingerprint: Fingerprint | None
    plan: str = ""


_HEAD = 1 << 20  # what the first line takes


def is_shards(folder: Path) -> bool:
    """Whether a folder has shards with an index."""
    return (folder / INDEX).is_file()


def has_our_index(folder: Path) -> bool:
    """Whether the index says that it is one of ours, whole or not."""
    try:
        check_regular(folder / INDEX)
        with (folder / INDEX).open(encoding="utf-8") as file:
            return bool(parse_json(file.readline(_HEAD))["format"] == FORMAT)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_index(folder: Path, items: Sequence[PretrainItem], fingerprint: Fingerprint | None, plan: str) -> None:
    """Write the index of shards that are complete, atomically.

    Raises:
        OutputError: The folder cannot be written to.
    """
    head = {
        "format": FORMAT,
        "version": VERSION,
        "items": len(items),
        "feature_dim": items[0].feature_dim,
        "fingerprint": None if fingerprint is None else fingerprint.as_dict(),
        "plan": plan,
    }
    lines = [head, *map(_line, items)]
    write_text(folder / INDEX, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def read_index(folder: Path) -> ShardIndex:
    """What is in a folder of shards; the shards must be there, only their first bytes are read.

    Raises:
        DatasetError: The index cannot be read, or shards are missing or not of the size they had.
    """
    path = folder / INDEX
    try:
        head, *rows = (parse_json(line) for _, line in lines_of(read_text(path)))
        if head["format"] != FORMAT or head["version"] != VERSION:
            raise ValueError(f"format {head['format']!r} {head['version']}")
        items = tuple(_item(row, folder, int(head["feature_dim"])) for row in rows)
        made = head["fingerprint"]
        fingerprint = None if made is None else Fingerprint(**made)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{path}: expected an index of shards as `sspvs data shard` writes it: {error}; write the shards again"
        ) from error
    problems = Problems(path)
    if len(items) != head["items"]:
        problems.add("", f"it is cut short: {len(items)} of {head['items']} videos")
    for shard in sorted({item.features.path for item in items}):
        if not shard.is_file():
            problems.add("", f"the shard {shard.name} is missing")
        elif reason := why_not(shard, "tar"):
            problems.add("", f"the shard {shard.name}: {reason}")
    problems.raise_any()
    return ShardIndex(items, fingerprint, str(head["plan"]))


def text_as_json(text: TextFields | TokenFields) -> dict[str, Any]:
    """Text fields as plain types; token ids stay numbers."""
    fields: dict[str, Any] = text._asdict()
    return {"tokens": {key: list(ids) for key, ids in fields.items()}} if isinstance(text, TokenFields) else fields


def _line(item: PretrainItem) -> dict[str, Any]:
    return {
        "id": item.id,
        "shard": item.shard,
        "file": item.features.path.name,
        "offset": item.features.offset,
        "n_frames": item.n_frames,
        "split": item.part,
        **text_as_json(item.text),
    }


def _item(row: dict[str, Any], folder: Path, feature_dim: int) -> PretrainItem:
    text: TextFields | TokenFields
    if "tokens" in row:
        text = TokenFields(*(tuple(map(int, row["tokens"][key])) for key in TokenFields._fields))
    else:
        text = TextFields(*(str(row[key]) for key in TextFields._fields))
    name = Path(str(row["file"])).name  # never outside of the folder
    return PretrainItem(
        str(row["id"]),
        FeatureRef(folder / name, offset=int(row["offset"])),
        text,
        int(row["n_frames"]),
        feature_dim,
        str(row["split"]),
        int(row["shard"]),
    )
