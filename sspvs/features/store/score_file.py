"""The score file: importance at the picks, one h5 group per video."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sspvs.atomic import atomic_file
from sspvs.errors import FeatureFileError
from sspvs.features.store import layout
from sspvs.types import Fingerprint, FloatArray, IntArray

SCORES, SCORER, SETTINGS = "scores", "scorer", "settings"


@dataclass(frozen=True)
class VideoScores:
    """Importance of one video's picks.

    Attributes:
        name: The group's name, as in the feature file.
        scores: (T,) importance.
        picks: (T,) frame indices; None when unknown.
        n_frames: N; None when unknown.
        video_name: The video's own name; `name` when empty.
    """

    name: str
    scores: FloatArray
    picks: IntArray | None = None
    n_frames: int | None = None
    video_name: str = ""


def write_scores(
    path: str | os.PathLike[str],
    videos: Iterable[VideoScores],
    *,
    scorer: str,
    settings: Mapping[str, Any] | None = None,
    fingerprint: Fingerprint | None = None,
) -> None:
    """Write a score file, atomically; videos may come from a generator, one at a time.

    Args:
        path: File to write.
        videos: The scores, group by group.
        scorer: Name of what scored the frames.
        settings: Its parameters: plain types.
        fingerprint: What made the features that were scored.

    Raises:
        OutputError: When the file cannot be written.
        ValueError: When scores are not (T,), not finite, or not as many as the picks.
    """
    with atomic_file(Path(path)) as temporary, h5py.File(temporary, "w") as file:
        file.attrs[SCORER] = scorer
        file.attrs[SETTINGS] = json.dumps(dict(settings or {}), sort_keys=True)
        layout.write_fingerprint_attrs(file.attrs, fingerprint)
        for video in videos:
            scores = np.asarray(video.scores)
            if scores.ndim != 1 or not np.isfinite(scores).all():
                raise ValueError(f"{video.name}: scores must be (T,) and finite, got shape {scores.shape}")
            if video.picks is not None and len(video.picks) != len(scores):
                raise ValueError(f"{video.name}: {len(scores)} scores for {len(video.picks)} picks")
            group = file.create_group(video.name)
            group[SCORES] = scores
            group[layout.VIDEO_NAME] = video.video_name or video.name
            if video.picks is not None:
                group[layout.PICKS] = np.asarray(video.picks, dtype=np.int64)
            if video.n_frames is not None:
                group[layout.N_FRAMES] = video.n_frames
            group.attrs[SCORER] = scorer
            layout.write_fingerprint_attrs(group.attrs, fingerprint)


def read_scores(path: str | os.PathLike[str]) -> dict[str, VideoScores]:
    """Every video's scores of a score file, by group name.

    Raises:
        FeatureFileError: When the file cannot be read, or a group has no scores.
    """
    try:
        with h5py.File(path, "r") as file:
            return {name: _read_video(file[name], name, path) for name in sorted(file)}
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise FeatureFileError(f"{path}: cannot read scores: {error}; expected a whole h5 score file") from error


def _read_video(group: h5py.Group, name: str, path: str | os.PathLike[str]) -> VideoScores:
    if not isinstance(group, h5py.Group) or SCORES not in group or group[SCORES].ndim != 1:
        raise FeatureFileError(f"{path}: expected a dataset '{SCORES}' (T,) in group '{name}', found none")
    return VideoScores(
        name=name,
        scores=np.asarray(group[SCORES][()]),
        picks=np.asarray(group[layout.PICKS][()], dtype=np.int64) if layout.PICKS in group else None,
        n_frames=int(group[layout.N_FRAMES][()]) if layout.N_FRAMES in group else None,
        video_name=layout.as_text(group[layout.VIDEO_NAME][()]) if layout.VIDEO_NAME in group else name,
    )
