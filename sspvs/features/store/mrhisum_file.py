"""Writing MR.HiSum's h5 layout: one value a second, shots with half-open ends, one summary, no annotators.

(Reading it is part of `read_dataset`.)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sspvs.atomic import atomic_h5
from sspvs.features.store import layout
from sspvs.features.store.annotation_keys import CHANGE_POINTS, GT_SUMMARY, GTSCORE
from sspvs.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class SecondsOfVideo:
    """One video at one value a second.

    Attributes:
        key: Group name.
        gtscore: (T,) mean importance.
        shots: (S, 2) half-open ranges of seconds.
        summary: (T,) the summary.
        features: (T, D), or None.
    """

    key: str
    gtscore: FloatArray
    shots: IntArray
    summary: BoolArray
    features: FloatArray | None = None


def write_mrhisum(path: Path, videos: Iterable[SecondsOfVideo]) -> None:
    """Write a file in MR.HiSum's layout, atomically; videos may come from a generator.

    Raises:
        OutputError: When the file cannot be written.
    """
    with atomic_h5(path) as file:
        for video in videos:
            group = file.create_group(layout.group_name(video.key))
            group[GTSCORE] = np.asarray(video.gtscore, dtype=np.float32)
            group[CHANGE_POINTS] = np.asarray(video.shots, dtype=np.int64)
            group[GT_SUMMARY] = np.asarray(video.summary, dtype=np.float32)
            if video.features is not None:
                group[layout.FEATURES] = np.asarray(video.features, dtype=np.float32)
