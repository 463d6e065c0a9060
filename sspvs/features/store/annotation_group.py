"""The annotations in one video's group of a dataset: the community's keys, read and written here alone."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from sspvs.errors import DatasetError
from sspvs.features.store import layout
from sspvs.types import Annotations, FloatArray, IntArray, Shots

GTSCORE, GTSUMMARY, USER_SUMMARY, USER_SCORES = "gtscore", "gtsummary", "user_summary", "user_scores"
CHANGE_POINTS, N_FRAME_PER_SEG = "change_points", "n_frame_per_seg"
TITLE, CATEGORY, FPS = "title", "category", "fps"

_SAME_SCORE = 1e-4  # published gtscores are float32 means


def read_annotations(group: h5py.Group, key: str, where: str) -> Annotations:
    """One video's annotations from its group, ours or another's.

    Args:
        group: The open group.
        key: Its name in the file.
        where: File and video, for messages.

    Raises:
        DatasetError: When the contents do not fit together. (Damage shows as h5py's own errors.)
    """
    repairs: list[str] = []
    n_frames, picks = _clock(group, where)
    shots = _read_shots(group, n_frames, where, repairs)
    user_summary = _users(group, USER_SUMMARY)
    gtscore = _per_pick(group, GTSCORE)
    user_scores = _users(group, USER_SCORES)
    if user_scores is None and user_summary is not None:
        # SumMe: the annotators' scores are their summaries, which shows in the mean of them. Not so on TVSum.
        mean = user_summary[:, picks].mean(axis=0)
        if gtscore is None or (gtscore.shape == mean.shape and np.abs(gtscore - mean).max() < _SAME_SCORE):
            user_scores = user_summary
    gtsummary = _per_pick(group, GTSUMMARY)
    try:
        return Annotations(
            key=key,
            video_name=layout.as_text(group[layout.VIDEO_NAME][()]) if layout.VIDEO_NAME in group else key,
            n_frames=n_frames,
            picks=picks,
            user_summaries=None if user_summary is None else user_summary > 0,
            user_scores=None if user_scores is None else user_scores.astype(np.float32),
            gtscore=gtscore,
            gtsummary=None if gtsummary is None else gtsummary > 0,
            shots=shots,
            title=layout.as_text(group[TITLE][()]) if TITLE in group else "",
            category=layout.as_text(group[CATEGORY][()]) if CATEGORY in group else "",
            fps=float(group[FPS][()]) if FPS in group else None,
            repairs=tuple(repairs),
        )
    except ValueError as error:
        raise DatasetError(f"{where}: {error}") from error


def write_annotations(group: h5py.Group, video: Annotations) -> None:
    """Add one video's annotations to its group; what it does not have is left out."""
    packing: dict[str, Any] = {"compression": "gzip", "shuffle": True}
    for name, value in (
        (layout.PICKS, video.picks),
        (layout.N_FRAMES, video.n_frames),
        (layout.N_STEPS, len(video.picks)),
        (layout.VIDEO_NAME, video.video_name),
        (TITLE, video.title),
        (CATEGORY, video.category),
        (FPS, video.fps),
    ):
        if name not in group and value is not None and not (isinstance(value, str) and value == ""):
            group[name] = value
    if video.gtscore is not None:
        group[GTSCORE] = np.asarray(video.gtscore, dtype=np.float32)
    if video.gtsummary is not None:
        group[GTSUMMARY] = np.asarray(video.gtsummary, dtype=np.uint8)
    if video.user_summaries is not None:
        group.create_dataset(USER_SUMMARY, data=np.asarray(video.user_summaries, dtype=np.float32), **packing)
    if video.user_scores is not None:
        group.create_dataset(USER_SCORES, data=np.asarray(video.user_scores, dtype=np.float32), **packing)
    if video.shots is not None:
        group[CHANGE_POINTS] = video.shots.bounds - np.array([0, 1])  # the community's ends are inclusive
        group[N_FRAME_PER_SEG] = video.shots.lengths


def _clock(group: h5py.Group, where: str) -> tuple[int, IntArray]:
    """N and the picks."""
    if layout.PICKS not in group or layout.N_FRAMES not in group:
        raise DatasetError(f"{where}: expected '{layout.PICKS}' and '{layout.N_FRAMES}', found {sorted(group)}")
    return int(group[layout.N_FRAMES][()]), np.asarray(group[layout.PICKS][()]).astype(np.int64)


def _users(group: h5py.Group, key: str) -> FloatArray | None:
    return np.asarray(group[key][()], dtype=np.float32) if key in group else None


def _per_pick(group: h5py.Group, key: str) -> FloatArray | None:
    return np.asarray(group[key][()], dtype=np.float32) if key in group else None


def _read_shots(group: h5py.Group, n_frames: int, where: str, repairs: list[str]) -> Shots | None:
    if CHANGE_POINTS not in group:
        return None
    bounds = np.asarray(group[CHANGE_POINTS][()]).astype(np.int64)
    if bounds[-1, 1] == n_frames - 1:
        bounds[:, 1] += 1
    else:
        repairs.append("shots have half-open ends")
    try:
        return Shots(bounds, n_frames)
    except ValueError as error:
        raise DatasetError(f"{where}: '{CHANGE_POINTS}': {error}") from error
