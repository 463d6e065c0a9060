"""Whether the scores of a file, ours or another's, can be read: every video of it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import h5py
import numpy as np

from sspvs.features.store import layout
from sspvs.features.store.annotation_keys import GTSCORE
from sspvs.features.store.h5_survey import video_groups
from sspvs.features.store.key_guide import MACHINE_SUMMARY, PEER_SCORE
from sspvs.features.store.score_file import SCORES


def scored_videos(path: str | os.PathLike[str]) -> dict[str, str]:
    """The videos of a score file: key -> name, the key where it says no other.

    Raises:
        OSError: When h5py cannot read it.
    """
    with h5py.File(path, "r") as file:
        return {
            key: layout.as_text(group[layout.VIDEO_NAME][()]) if layout.VIDEO_NAME in group else key
            for key, group in video_groups(file)
        }


def score_problems(path: str | os.PathLike[str]) -> Iterator[tuple[str, str, bool]]:
    """What is wrong with the scores: key, sentence, and whether they cannot be used because of it."""
    with h5py.File(path, "r") as file:
        for key, group in video_groups(file):
            for sentence, blocking in _video_problems(group):
                yield key, sentence, blocking


def _video_problems(group: h5py.Group) -> Iterator[tuple[str, bool]]:
    found = [key for key in (SCORES, PEER_SCORE, MACHINE_SUMMARY) if isinstance(group.get(key), h5py.Dataset)]
    if not found:
        yield f"expected '{SCORES}' (T,), found {', '.join(sorted(group)) or 'nothing'}", True
    for key in found:
        data = group[key]
        if data.ndim != 1 or data.dtype.kind not in "biuf" or not data.size:
            yield f"expected '{key}' as one number a pick or frame, found {data.shape} of {data.dtype}", True
            continue
        values = np.asarray(data[()], dtype=np.float64)
        if not np.isfinite(values).all():
            yield f"'{key}' has {int((~np.isfinite(values)).sum())} NaN or infinite values", True
        elif values.min() == values.max() and key != MACHINE_SUMMARY:
            yield f"'{key}' is the same everywhere: no rank correlation", False
        fits = [group[other].shape for other in (layout.PICKS, GTSCORE) if other in group]
        if key != MACHINE_SUMMARY and fits and all(shape != data.shape for shape in fits):
            yield f"{len(values)} '{key}' beside {fits[0][0]} picks", True
