"""Whether the scores of a file, ours or another's, can be read: every video of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sspvs.errors import FeatureFileError
from sspvs.formats.inspection import Inspection, Use, explain_keys
from sspvs.formats.kind import Kind
from sspvs.table import layout
from sspvs.table.group_reader import GroupReader
from sspvs.table.h5_file import open_h5
from sspvs.table.h5_survey import video_groups
from sspvs.table.layout import GTSCORE
from sspvs.table.score_file import VideoScores, read_video
from sspvs.types.video import LARGEST


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


def inspect(path: Path, inspection: Inspection) -> None:
    """Every video of a score file."""
    explain_keys(path, inspection, "scores")
    names = scored_videos(path)
    inspection.n_videos = len(names)
    inspection.names = {key: name for key, name in names.items() if name != key}
    for key, problem, blocking in score_problems(path):
        inspection.problem(problem, key, blocking=blocking, remedy="score it again" if blocking else "")
    inspection.uses = [Use("evaluation (sspvs evaluate --dataset D.h5 --scores THIS)", True, "needs the dataset file")]


KIND = Kind(
    name="scores",
    what="a method's scores, a group a video (h5)",
    matches=lambda glimpse: glimpse.family == "scores",
    inspect=inspect,
    instead="scores are evaluated, not converted: sspvs evaluate --dataset D.h5 --scores THIS",
)
