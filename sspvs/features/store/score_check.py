"""Whether the scores of a file, ours or another's, can be read: every video of it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from sspvs.errors import FeatureFileError
from sspvs.features.store import layout
from sspvs.features.store.annotation_keys import GTSCORE
from sspvs.features.store.group_reader import GroupReader
from sspvs.features.store.h5_file import open_h5
from sspvs.features.store.h5_survey import video_groups
from sspvs.features.store.score_file import VideoScores, read_video
from sspvs.types.arrays import LARGEST


def scored_videos(path: str | os.PathLike[str]) -> dict[str, str]:
    """The videos of a score file: key -> name, the key where it says no other.

    Raises:
        OSError: When h5py cannot read it.
    """
    with open_h5(path) as file:
        return {
            key: GroupReader(group, f"{path}, '{key}'").text(layout.VIDEO_NAME) or key
            for key, group in video_groups(file)
        }


def score_problems(path: str | os.PathLike[str]) -> Iterator[tuple[str, str, bool]]:
    """What is wrong with the scores: key, sentence, and whether they cannot be used because of it."""
    with open_h5(path) as file:
        for key, group in video_groups(file):
            try:
                video = read_video(group, key, str(path))
            except FeatureFileError as error:
                yield key, str(error), True
                continue
            n_picks = GroupReader(group, str(path)).shape(GTSCORE) if video.picks is None else video.picks.shape
            for sentence, blocking in _problems(video, max(n_picks, default=None)):
                yield key, sentence, blocking


def _problems(video: VideoScores, n_picks: int | None) -> Iterator[tuple[str, bool]]:
    for what, values in (("scores", video.scores), ("summary", video.summary)):
        if values is None:
            continue
        if not values.size:
            yield f"there are no {what}: expected one number a pick or frame", True
        elif not (np.abs(values) <= LARGEST).all():
            yield f"{int((~(np.abs(values) <= LARGEST)).sum())} {what} are NaN, infinite or above {LARGEST:.3g}", True
        elif values.min() == values.max() and what == "scores":
            yield "the scores are the same everywhere: no rank correlation", False
    if n_picks is not None and len(video.scores) != n_picks:
        yield f"{len(video.scores)} scores beside {n_picks} picks", True
