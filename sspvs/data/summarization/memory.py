"""Features in memory: each video is read once and kept, as long as there is room.

Axis letters: T picks, D feature width.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sspvs.data.summarization.survey import SummarizeItem
from sspvs.errors import FeatureFileError
from sspvs.table.frame_slices import FrameSlices
from sspvs.types import FloatArray

DEFAULT_ROOM = 8 << 30
"""Bytes: the four sets of the field take less than a tenth of it; of larger ones those read first are kept."""


class FeatureMemory:
    """Whole videos' features.

    What is kept is left behind when the object is pickled; workers that are forked share what was read before.

    Args:
        room: Bytes that may be kept.
    """

    def __init__(self, room: int = DEFAULT_ROOM) -> None:
        self.room = room
        self._files = FrameSlices()
        self._kept: dict[tuple[Path, str], FloatArray] = {}
        self._taken = 0

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": {}, "_taken": 0}

    def read(self, item: SummarizeItem) -> FloatArray:
        """(T, D) float32 features of a video, not to be written to.

        Raises:
            FeatureFileError: They cannot be read, or one is NaN or infinite.
        """
        place = item.path, item.key
        known = self._kept.get(place)
        if known is not None:
            return known
        features = self._files.read(item.path, item.key).astype(np.float32, copy=False)
        finite = np.isfinite(features).all(axis=1)
        if not finite.all():
            raise FeatureFileError(
                f"{item.path}, video '{item.key}': NaN or infinite features, first at pick {int(finite.argmin())}; "
                "extract again"
            )
        features.setflags(write=False)
        if self._taken + features.nbytes <= self.room:
            self._kept[place] = features
            self._taken += features.nbytes
        return features

    def close(self) -> None:
        """Close the files; a later read opens them again."""
        self._files.close()
