"""Where figures come from: the dataset file, the split file, what was repaired, and package versions."""

from __future__ import annotations

import hashlib
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sspvs.data.splits import Splits
from sspvs.features.store import DatasetStore
from sspvs.types import Annotations

_PACKAGES = ("sspvs", "numpy", "scipy", "h5py")
_HASHED_BYTES = 4 << 30  # a larger file is named by its size: hashing it would take longer than evaluating


def versions(*more: str) -> dict[str, str]:
    """Of Python and of the packages that made the figures.

    Args:
        more: Packages that had a part in it, beside those that evaluate.
    """
    found = {"python": platform.python_version()}
    for package in (*_PACKAGES, *more):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # a source tree that was never installed
            found[package] = "unknown"
    return found


def dataset_facts(store: DatasetStore) -> dict[str, Any]:
    """The dataset file's name and hash, how it was made, and what made its features."""
    fingerprint = store.features.fingerprint
    return {
        "dataset_file": store.path.name,
        **{f"dataset_{name}": value for name, value in file_facts(store.path).items()},
        "dataset_made_by": dict(store.made_by),
        "feature_fingerprint": None if fingerprint is None else {**fingerprint.as_dict(), "digest": fingerprint.digest},
    }


def file_facts(path: Path) -> dict[str, Any]:
    """What tells a file from others: `sha256`; of one that would take too long to read, its size in `bytes`."""
    size = path.stat().st_size
    return {"sha256": _sha256(path)} if size <= _HASHED_BYTES else {"bytes": size}


def coverage_facts(
    split: Splits | None, annotations: Mapping[str, Annotations], tested: Sequence[str]
) -> dict[str, Any]:
    """How much of the dataset the figures are of, and which split says so.

    Args:
        split: Already resolved; None when there is none.
        annotations: The whole dataset.
        tested: Keys of the videos that were evaluated.
    """
    facts: dict[str, Any] = {"n_dataset": len(annotations), "n_tested": len(tested)}
    if split is not None:
        facts |= {f"split_{name}": value for name, value in split.as_dict().items()}
        facts["split_setting"] = split.setting
    evaluated = set(tested)
    left_out = [key for key in annotations if key not in evaluated]
    if left_out:
        facts["not_tested"] = left_out
    return facts


def repairs_of(videos: Mapping[str, Annotations]) -> list[str]:
    """What was repaired while reading the annotations, each kind once with the number of videos."""
    counts = Counter(sentence for video in videos.values() for sentence in video.repairs)
    return [f"repaired in {count} of {len(videos)} videos: {sentence}" for sentence, count in counts.items()]


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
