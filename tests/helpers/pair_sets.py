"""Small sets of video-text pairs on disk, for the tests of the pretraining data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sspvs.data.pairs import load_pairs
from sspvs.table import Video


def features_of(number: int, length: int, width: int = 6) -> np.ndarray:
    """(T, D): value i * 1000 + t in the first column, so that video and pick show in a frame."""
    features = np.random.default_rng([7, number]).normal(size=(length, width)).astype(np.float32)
    features[:, 0] = number * 1000 + np.arange(length)
    return features


def write_set(
    folder: Path, lengths: Sequence[int], *, width: int = 6, titles: Sequence[str] | None = None, **columns: Any
) -> Path:
    """A manifest (JSON lines) of videos `v00`, `v01`, ... in one h5 file; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    with h5py.File(folder / "features.h5", "w") as file:
        for number, length in enumerate(lengths):
            file[f"v{number:02d}/features"] = features_of(number, length, width)
            rows.append(
                {
                    "id": f"v{number:02d}",
                    "path": f"features.h5#v{number:02d}",
                    "title": f"title {number}" if titles is None else titles[number],
                    "description": " ".join(f"word{number}x{i}" for i in range(number % 7 * 12)),
                    **{key: values[number] for key, values in columns.items()},
                }
            )
    manifest = folder / "pairs.jsonl"
    manifest.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return manifest


def pairs_of(folder: Path, lengths: Sequence[int], **how: Any) -> list[Video]:
    """The surveyed pairs of a set."""
    return list(load_pairs(write_set(folder, lengths, **how)).videos)


def write_release(folder: Path, train: list[str], val: list[str]) -> None:
    """The layout of the SSPVS release: features and token ids of each video, and two lists."""
    (folder / "features").mkdir(parents=True)
    (folder / "info_embed").mkdir()
    (folder / "list_file").mkdir()
    for number, name in enumerate([*train, *val]):
        with h5py.File(folder / "features" / f"{name}.h5", "w") as file:
            file["features"] = features_of(number, 4 + number)
        with h5py.File(folder / "info_embed" / f"{name}.h5", "w") as file:
            file["cat"] = np.array([2000 + number])
            file["query"] = np.array([101, 2100, 2101, 102])
            file["title"] = np.array([[3000 + number, 3001, 0, 0]])
            file["description"] = np.zeros(0)
    (folder / "list_file" / "train_list.json").write_text(json.dumps(train))
    (folder / "list_file" / "val_list.json").write_text(json.dumps(val))
