"""Videos that are not trained on, because they are tested or validated on under another name.

Axis letters: T picks, t of a clip, D feature width, P rows that are compared.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sspvs.data.refinement.dataset import ClipPart
from sspvs.data.refinement.sources import Choose, ClipSource, JudgedVideoError
from sspvs.data.summarization.memory import FeatureMemory
from sspvs.data.summarization.same_videos import JudgedVideos, judged_again, listed
from sspvs.data.summarization.survey import SummarizeItem
from sspvs.errors import DatasetError, SspvsError
from sspvs.types import FloatArray, IntArray

logger = logging.getLogger(__name__)


def without_judged(parts: Sequence[ClipPart], judged: JudgedVideos) -> tuple[ClipPart, ...]:
    """Unlabelled videos without those that are tested or validated; see `JudgedVideos`.

    Records are compared when they are read: only then is their length known.

    Args:
        parts: Unlabelled videos.
        judged: The tested and validated ones.
    """
    kept, left_out = list[ClipPart](), list[str]()
    for part in parts:
        lengths, same = part.source.lengths[part.numbers], np.zeros(len(part.numbers), bool)
        for place in np.flatnonzero(lengths):
            same[place] = _is_judged(part.source, int(part.numbers[place]), int(lengths[place]), judged)
        left_out += [part.source.name(int(number)) for number in part.numbers[same]]
        source = ComparedSource(part.source, judged) if (lengths == 0).any() else part.source
        kept.append(ClipPart(source, part.numbers[~same]))
    _tell(left_out, "unlabelled videos")
    return tuple(kept)


def training_items(
    items: Sequence[SummarizeItem], tested: Path, judged: JudgedVideos, memory: FeatureMemory
) -> list[SummarizeItem]:
    """Annotated training videos without those of other datasets that are tested or validated.

    Args:
        items: The fold's training videos.
        tested: The file of the tested dataset, whose split says what is trained on.
        judged: The tested and validated ones.
        memory: Reads the features.

    Raises:
        DatasetError: None is left.
    """
    again = judged_again([item for item in items if item.path != tested], judged, memory)
    memory.close()
    _tell(again, "training videos of data.others")
    kept = [item for item in items if item.id not in set(again)]
    if items and not kept:
        raise DatasetError("all training videos are tested or validated on under another name; give other data.others")
    return kept


class ComparedSource:
    """Videos of unknown length, each compared with the judged ones when it is read.

    Args:
        source: The videos.
        judged: The tested and validated ones.
    """

    annotated = False

    def __init__(self, source: ClipSource, judged: JudgedVideos) -> None:
        self.source, self.judged = source, judged
        self.lengths: IntArray = source.lengths
        self.shards: IntArray | None = source.shards

    def name(self, number: int) -> str:
        """A video's id."""
        return self.source.name(number)

    def read(self, number: int, choose: Choose) -> FloatArray:
        """(t, D) float32 of the wanted rows; see `ClipSource`.

        Raises:
            JudgedVideoError: It is one of those that are judged.
            SspvsError: They cannot be read.
        """
        length = 0
        probes: IntArray = np.zeros(0, np.int64)

        def and_probes(n_frames: int) -> IntArray:
            nonlocal length, probes
            length, probes = n_frames, self.judged.rows(n_frames)
            return np.concatenate([choose(n_frames), probes])

        features = self.source.read(number, and_probes)  # (t + P, D)
        cut = len(features) - len(probes)
        if len(probes):
            same = self.judged.same_as(length, features[cut:])
            if same is not None:
                raise JudgedVideoError(f"it has the features of {same}, which is tested or validated on")
        return features[:cut]

    def close(self) -> None:
        """Close all files."""
        self.source.close()


def _is_judged(source: ClipSource, number: int, length: int, judged: JudgedVideos) -> bool:
    rows = judged.rows(length)
    if not len(rows):
        return False
    try:
        return judged.same_as(length, source.read(number, lambda _: rows)) is not None
    except SspvsError:
        return False  # it vanished since it was looked at: training says so


def _tell(left_out: Sequence[str], whose: str) -> None:
    if left_out:
        logger.warning(
            "%d of the %s have the features of videos that are tested or validated on, and are not trained on: %s",
            len(left_out),
            whose,
            listed(left_out),
        )
