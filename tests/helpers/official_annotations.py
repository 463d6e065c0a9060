"""The official annotation files, read plainly: the figures must not depend on the project's own readers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
from scipy.io import loadmat

from sspvs.types import Annotations


def read_summe(shared_data: Path) -> dict[str, Annotations]:
    """SumMe by key: summaries of 15 to 18 users, which are their scores too."""
    folder = shared_data / "annotations"
    keys = {name.replace(" ", "_"): key for name, key in json.loads((folder / "summe_names.json").read_text()).items()}
    videos = {}
    for path in sorted((folder / "summe_gt").glob("*.mat")):
        summaries = loadmat(path)["user_score"].T > 0  # (U, N)
        videos[keys[path.stem]] = _annotations(keys[path.stem], path.stem, summaries.astype(np.float32), summaries)
    return videos


def read_tvsum(shared_data: Path) -> dict[str, Annotations]:
    """TVSum by key: ratings 1 to 5 of 20 users at every frame; no summaries, whose shots are not in the file."""
    folder = shared_data / "annotations"
    keys = json.loads((folder / "tvsum_names.json").read_text())
    videos = {}
    with h5py.File(folder / "ydata-tvsum50.mat") as file:
        table = file["tvsum50"]
        for number, ratings_ref in enumerate(table["user_anno"][:, 0]):
            name, title, category = (
                "".join(map(chr, file[table[field][number, 0]][()].ravel())) for field in ("video", "title", "category")
            )
            video = _annotations(keys[name], name, file[ratings_ref][()].astype(np.float32), None)
            videos[keys[name]] = replace(video, title=title, category=category)
    return videos


def _annotations(key: str, name: str, scores: np.ndarray, summaries: np.ndarray | None) -> Annotations:
    picks = np.arange(0, scores.shape[1], 15)
    return Annotations(
        key=key,
        video_name=name,
        n_frames=scores.shape[1],
        picks=picks,
        user_summaries=summaries,
        user_scores=scores,
    )
