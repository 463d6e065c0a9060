"""Small datasets with people in them, drawn by a seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sspvs.table import write_dataset
from sspvs.types import Annotations, FrameFeatures, Shots

NAMES = ("Air_Force_One", "Base jumping", "Bike Polo", "Eiffel Tower", "Jumps", "Scuba", "car_over_camera")


def drawn_video(number: int, *, name: str | None = None, users: int = 3, ratings: bool = False) -> Annotations:
    """Video `video_{number}`: 90 to 200 frames, a pick every 15th, uneven shots, `users` people."""
    generator = np.random.default_rng(number)
    n_frames = int(generator.integers(90, 200))
    picks = np.arange(0, n_frames, 15)
    cuts = np.sort(generator.choice(np.arange(5, n_frames - 5), size=8, replace=False))
    summaries = np.zeros((users, n_frames), dtype=bool)
    for user in range(users):
        for start in generator.integers(0, n_frames - 12, size=2):
            summaries[user, start : start + 12] = True
    scores = summaries.astype(np.float32)
    gtscore = scores[:, picks].mean(axis=0)
    if ratings:
        scores = np.repeat(generator.integers(1, 6, size=(users, n_frames // 10 + 1)), 10, axis=1)[:, :n_frames]
        gtscore = (scores[:, picks].mean(axis=0) - 1) / 4
    return Annotations(
        key=f"video_{number}",
        video_name=name or f"video_{number}",
        n_frames=n_frames,
        picks=picks,
        user_summaries=summaries,
        user_scores=scores.astype(np.float32),
        gtscore=gtscore.astype(np.float32),
        shots=Shots.from_starts(np.concatenate([[0], cuts]), n_frames),
    )


def drawn_features(video: Annotations, width: int = 8) -> FrameFeatures:
    """Features at the picks of a video."""
    generator = np.random.default_rng(len(video.picks))
    features = generator.random((len(video.picks), width), dtype=np.float32)
    return FrameFeatures(video.video_name, features, video.picks, video.n_frames)


def write_drawn_dataset(
    path: Path,
    names: tuple[str, ...] = NAMES,
    *,
    dataset: str = "summe",
    features: bool = False,
    ratings: bool = False,
) -> Path:
    """A dataset file with a video a name: `video_1`, `video_2`, ..."""
    videos = [drawn_video(number, name=name, ratings=ratings) for number, name in enumerate(names, start=1)]
    rows = [(video, drawn_features(video) if features else None) for video in videos]
    write_dataset(path, rows, name=dataset, made_by={"source": "drawn"})
    return path
