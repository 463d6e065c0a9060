"""Small annotated datasets with features and text, for whatever fine-tunes, scores or cross-validates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from helpers.drawn_dataset import drawn_video
from sspvs.table import write_dataset
from sspvs.types import Annotations, Fingerprint, FrameFeatures
from sspvs.world import WorldSettings, write_world
from sspvs.world.writing import WorldSource

WIDTH = 16
WORLD: dict[str, Any] = {
    "pretrain_train": 12,
    "pretrain_val": 4,
    "annotated": 15,
    "drawn": {
        "feature_dim": WIDTH,
        "categories": 3,
        "concepts_per_category": 3,
        "clips_per_concept": 24,
        "rate_hz": 1.0,
    },
    "composition": {"segments": [5, 8]},
    "annotators": {"people": 4},
}


def small_world(folder: Path, seed: int = 0, **changes: Any) -> WorldSource:
    """A world of 12 + 4 videos to pretrain on and 15 annotated ones (about 30 picks each), 16-D, in five folds."""
    return WorldSource(WorldSettings.from_dict({**WORLD, **changes}), seed, str(folder / "worlds"))


def write_small_world(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """The same world as files (`summarization.h5`, `splits.json`, `pretrain/`, ...); returns its folder."""
    write_world(folder, WorldSettings.from_dict({**WORLD, **changes}), seed)
    return folder


def fingerprint_of(name: str = "drawn") -> Fingerprint:
    """What made features that were not extracted."""
    return Fingerprint(name, "0" * 64, "none", "none", 2.0)


def features_for(video: Annotations, number: int, width: int = WIDTH) -> FrameFeatures:
    """(T, D) drawn features; the first column is 1000 * number + pick, which tells frames from each other."""
    features = np.random.default_rng([11, number]).random((len(video.picks), width), np.float32)
    features[:, 0] = 1000 * number + np.arange(len(video.picks))
    return FrameFeatures(video.video_name, features, video.picks, video.n_frames)


def write_annotated(
    path: Path,
    videos: list[Annotations] | int = 10,
    *,
    name: str = "summe",
    width: int = WIDTH,
    features: bool | list[str] = True,
    fingerprint: Fingerprint | None = None,
    **fields: Any,
) -> Path:
    """A dataset file with features; `fields` are put into every video's annotations.

    Args:
        path: The file.
        videos: Annotations, or how many to draw: `video_1`, `video_2`, ...
        name: The dataset's name.
        width: D.
        features: Whether videos have features, or which ones have, by key.
        fingerprint: What is said to have made them.
        fields: Such as `gtscore=None` or `title="A dog"`.
    """
    drawn = [drawn_video(number) for number in range(1, videos + 1)] if isinstance(videos, int) else videos
    rows = [
        (
            replace(video, **fields),
            features_for(video, number, width) if features is True or (features and video.key in features) else None,
        )
        for number, video in enumerate(drawn, start=1)
    ]
    write_dataset(path, rows, name=name, made_by={"source": "drawn"}, fingerprint=fingerprint)
    return path
