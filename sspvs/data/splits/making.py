"""Seeded folds that test every video, the same on every machine."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from sspvs.atomic import write_text
from sspvs.data.splits.folds import Fold, Splits
from sspvs.data.splits.reading import MADE_BY
from sspvs.data.splits.references import VideoRef, short_name

DEFAULT_FOLDS = 5
DEFAULT_VAL_FRACTION = 0.1


def make_splits(
    name: str,
    keys: Sequence[str],
    *,
    setting: Literal["canonical", "augmented", "transfer"] = "canonical",
    others: Mapping[str, Sequence[str]] | None = None,
    folds: int | None = None,
    seed: int = 0,
    val_fraction: float = DEFAULT_VAL_FRACTION,
) -> Splits:
    """Draw folds; every video of the dataset is tested exactly once.

    Videos are ordered by a hash of the seed, the dataset's short name and the key: no random generator that could
    differ between versions. Test parts differ by one video at most. The checkpoint is chosen on videos held out of
    the training part: of this dataset, or of the others under `transfer`.

    Args:
        name: The dataset's name.
        keys: Its videos.
        setting: `canonical`: train on the rest of the dataset; `augmented`: and on all of the others; `transfer`:
            train on the others alone and test the whole dataset, which is one fold.
        others: Name -> keys of the other datasets.
        folds: How many; 5 unless given. One under `transfer`.
        seed: Of the draw.
        val_fraction: Share of the videos trained on that is held out to choose the checkpoint, at least one video;
            0 for none.

    Raises:
        ValueError: Folds that the videos do not allow, other datasets missing or of the same name.
    """
    others = dict(others or {})
    count = _checked_folds(setting, len(keys), others, name, folds, val_fraction)
    prefix = "" if setting == "canonical" else name
    own = [VideoRef(prefix, key) for key in _order(keys, f"{seed}/{short_name(name)}")]
    foreign = [VideoRef(other, key) for other in others for key in others[other]]
    drawn = []
    for number in range(count):
        test = own[number::count]
        tested = set(test)
        rest = [] if setting == "transfer" else [ref for ref in own if ref not in tested]
        val = held_out(rest or foreign, val_fraction, f"{seed}/val/{number}")
        kept_out = set(val)
        train = [ref for ref in (*rest, *foreign) if ref not in kept_out]
        drawn.append(Fold(tuple(train), tuple(test), tuple(val)))
    made_by = {
        "tool": "sspvs data splits",
        "dataset": name,
        "with": list(others),
        "setting": setting,
        "seed": seed,
        "val_fraction": val_fraction,
    }
    made = Splits(tuple(drawn), made_by=made_by)
    return replace(made, sha256=hashlib.sha256(_as_json(made).encode()).hexdigest())


def held_out(candidates: Sequence[VideoRef], fraction: float, salt: str) -> list[VideoRef]:
    """A part of the videos, to choose the checkpoint on: the same on every machine.

    Args:
        candidates: The videos that may be held out.
        fraction: The share that is: one video at least where it is above 0, and never all of them.
        salt: What draws, such as `7/val/0` for fold 0 under the seed 7.
    """
    count = min(max(1, round(fraction * len(candidates))), len(candidates) - 1) if fraction > 0 else 0
    by_text = {f"{short_name(ref.dataset)}/{ref.key}": ref for ref in candidates}
    return [by_text[text] for text in _order(list(by_text), salt)[:count]]


def write_splits(path: str | os.PathLike[str], splits: Splits) -> None:
    """Write folds as the community's JSON list, atomically.

    Args:
        path: File to write.
        splits: The folds; references are written as they stand.

    Raises:
        OutputError: When the file cannot be written.
    """
    write_text(Path(path), _as_json(splits))


def _as_json(splits: Splits) -> str:
    entries = []
    for number, fold in enumerate(splits.folds):
        entry: dict[str, Any] = {"train_keys": [str(ref) for ref in fold.train]}
        if fold.val:
            entry["val_keys"] = [str(ref) for ref in fold.val]
        entry["test_keys"] = [str(ref) for ref in fold.test]
        if splits.made_by:
            entry[MADE_BY] = {**splits.made_by, "fold": number, "folds": len(splits.folds)}
        entries.append(entry)
    return json.dumps(entries, indent=2) + "\n"


def _checked_folds(
    setting: str,
    n_videos: int,
    others: Mapping[str, Sequence[str]],
    name: str,
    folds: int | None,
    val_fraction: float,
) -> int:
    """How many folds; complains about settings that cannot be drawn."""
    if setting not in ("canonical", "augmented", "transfer"):
        raise ValueError(f"setting must be canonical, augmented or transfer, got {setting!r}")
    if setting == "canonical" and others:
        raise ValueError(f"canonical splits use one dataset; leave out {', '.join(others)}, or ask for augmented")
    if setting != "canonical" and not others:
        raise ValueError(f"{setting} splits train on other datasets too; name at least one with others (--with)")
    names = [short_name(known) for known in (name, *others)]
    if len(set(names)) < len(names):
        raise ValueError(f"two of the datasets have the same name: {', '.join(names)}; each may be given once")
    if not 0 <= val_fraction < 1:
        raise ValueError(f"val_fraction must be from 0 to below 1, got {val_fraction}")
    if setting == "transfer":
        if folds not in (None, 1):
            raise ValueError(f"transfer tests the whole dataset in one fold, got folds = {folds}")
        return 1
    count = DEFAULT_FOLDS if folds is None else folds
    if not 2 <= count <= n_videos:
        raise ValueError(f"folds must be from 2 to the number of videos ({n_videos}), got {count}")
    return count


def _order(keys: Sequence[str], salt: str) -> list[str]:
    """Keys in an order drawn by the salt: of their hashes."""
    return sorted(keys, key=lambda key: hashlib.sha256(f"{salt}/{key}".encode()).digest())
