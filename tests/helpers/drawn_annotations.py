"""Annotations of videos that do not exist, of any shape that could."""

from __future__ import annotations

import numpy as np

from sspvs.types import Annotations, Shots


def drawn_video(
    rng: np.random.Generator,
    *,
    key: str = "video_1",
    n_users: int = 4,
    n_frames: int = 60,
    n_picks: int = 7,
    n_shots: int = 6,
    levels: int = 5,
    constant_users: int = 0,
) -> Annotations:
    """Ratings constant over runs, summaries of runs, picks and shots anywhere; the first users may be constant."""
    picks = np.sort(rng.choice(n_frames, n_picks, replace=False))
    cuts = np.sort(rng.choice(np.arange(1, n_frames), n_shots - 1, replace=False))
    scores = np.stack([_runs(rng, n_frames, levels) for _ in range(n_users)]).astype(np.float32) + 1
    summaries = np.stack([_runs(rng, n_frames, 2) for _ in range(n_users)]) > 0
    scores[:constant_users], summaries[:constant_users] = 3, False
    return Annotations(
        key=key,
        video_name=f"The {key}",
        n_frames=n_frames,
        picks=picks,
        user_summaries=summaries,
        user_scores=scores,
        gtscore=scores[:, picks].mean(axis=0, dtype=np.float64).astype(np.float32),
        shots=Shots.from_starts(np.concatenate([[0], cuts]), n_frames),
    )


def _runs(rng: np.random.Generator, n_frames: int, levels: int) -> np.ndarray:
    values = rng.integers(0, levels, n_frames)
    lengths = rng.integers(1, 9, n_frames)
    return np.repeat(values, lengths)[:n_frames]
