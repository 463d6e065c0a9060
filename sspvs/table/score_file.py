"""The score file: importance at the picks, one h5 group per video."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sspvs.atomic import atomic_h5
from sspvs.errors import FeatureFileError
from sspvs.parsing import parse_json
from sspvs.sharing import named
from sspvs.table import layout
from sspvs.table.group_reader import GroupReader, as_text
from sspvs.table.h5_file import H5_ERRORS, open_h5
from sspvs.types import Fingerprint, FloatArray, IntArray

SCORES, SCORER, SETTINGS = "scores", "scorer", "settings"
PEER_SCORES, MACHINE_SUMMARY = "score", "machine_summary"  # vsumm-reinforce and the many that follow it


@dataclass(frozen=True)
class VideoScores:
    """Importance of one video's picks."""

    name: str  # the group's name, as in the feature file
    scores: FloatArray  # (T,) importance
    picks: IntArray | None = None  # (T,) frame indices; None when unknown
    n_frames: int | None = None  # N; None when unknown
    video_name: str = ""  # the video's own name; `name` when empty
    # (N,) the summary that the file records beside the scores, 0 or 1; None when it has none
    summary: FloatArray | None = None

    def check(self) -> None:
        """Refuse scores that cannot be written."""
        scores = np.asarray(self.scores)
        if scores.ndim != 1 or not np.isfinite(scores).all():
            raise ValueError(f"{self.name}: scores must be (T,) and finite, got shape {scores.shape}")
        if self.picks is not None and len(self.picks) != len(scores):
            raise ValueError(f"{self.name}: {len(scores)} scores for {len(self.picks)} picks")


@dataclass(frozen=True)
class ScoreFileFacts:
    """How a score file was made."""

    scorer: str = ""  # what scored the frames; empty when unknown
    settings: Mapping[str, Any] = field(default_factory=dict)  # its parameters, by name
    fingerprint: Fingerprint | None = None  # what made the features that were scored; None when unknown


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
    with atomic_h5(Path(path)) as file:
        file.attrs[SCORER] = scorer
        file.attrs[SETTINGS] = json.dumps(dict(settings or {}), sort_keys=True)
        layout.write_fingerprint_attrs(file.attrs, fingerprint)
        for video in videos:
            video.check()
            group = file.create_group(video.name)
            group[SCORES] = np.asarray(video.scores)
            group[layout.VIDEO_NAME] = video.video_name or video.name
            if video.picks is not None:
                group[layout.PICKS] = np.asarray(video.picks, dtype=np.int64)
            if video.n_frames is not None:
                group[layout.N_FRAMES] = video.n_frames
            group.attrs[SCORER] = scorer
            layout.write_fingerprint_attrs(group.attrs, fingerprint)


def read_scores(path: str | os.PathLike[str]) -> dict[str, VideoScores]:
    """Every video's scores of a score file, by group name: ours (`scores`) or a peer's (`score`, `machine_summary`).

    Raises:
        FeatureFileError: When the file cannot be read, or a group has no scores.
    """
    try:
        with open_h5(path) as file:
            return {name: read_video(file[name], name, str(path)) for name in sorted(file)}
    except H5_ERRORS as error:
        raise FeatureFileError(f"{path}: cannot read scores: {error}; expected a whole h5 score file") from error


def read_score_facts(path: str | os.PathLike[str]) -> ScoreFileFacts:
    """How a score file was made; empty for files of others."""
    try:
        with open_h5(path) as file:
            return ScoreFileFacts(
                scorer=as_text(file.attrs.get(SCORER, "")),
                settings=named(parse_json(as_text(file.attrs.get(SETTINGS, "{}")))),
                fingerprint=layout.read_fingerprint_attrs(file.attrs),
            )
    except H5_ERRORS as error:
        raise FeatureFileError(f"{path}: cannot read scores: {error}; expected a whole h5 score file") from error


def read_video(group: h5py.Group, name: str, where: str) -> VideoScores:
    """One video's scores from its group; their values are as they stand, unchecked."""
    found = [key for key in (SCORES, PEER_SCORES) if isinstance(group, h5py.Group) and key in group]
    if not found:
        there = f"found {', '.join(sorted(group)) or 'nothing'}" if isinstance(group, h5py.Group) else "found no group"
        raise FeatureFileError(f"{where}: expected a dataset '{SCORES}' (T,) in group '{name}', {there}")
    reader = GroupReader(group, f"{where}, '{name}'", FeatureFileError)
    scores = reader.column(found[0], finite=False)
    return VideoScores(
        name=name,
        scores=np.zeros(0) if scores is None else scores,
        picks=reader.whole_column(layout.PICKS),
        n_frames=reader.count(layout.N_FRAMES),
        video_name=reader.text(layout.VIDEO_NAME) or name,
        summary=reader.column(MACHINE_SUMMARY, finite=False),
    )
