"""Where clips come from: features stored by themselves, records, annotated videos. All are read in one way.

Axis letters: T picks, D feature width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np

from sspvs.data.pretrain.items import FeatureRef
from sspvs.data.refinement.finding import ClipReader, Stored, StoredVideo, as_features
from sspvs.data.summarization.memory import FeatureMemory
from sspvs.data.summarization.survey import SummarizeItem
from sspvs.errors import DatasetError
from sspvs.types import FloatArray, IntArray

Choose = Callable[[int], IntArray]
"""T of a video -> the rows that are wanted of it, ascending."""
Place: TypeAlias = FeatureRef | tuple[Path, int]
"""Where a video is stored; of a record its file and offset."""
_BLOCK = 4096  # rows that are read at once of a video that is not kept
_NUMBER_BYTES = 4  # of a feature, before it is known how it is stored


class JudgedVideoError(DatasetError):
    """A video that is not to be trained on: it is tested or validated on under another name."""


class ClipSource(Protocol):
    """Videos that clips are drawn from.

    Attributes:
        lengths: (n,) T of each video; 0 where only reading tells.
        shards: (n,) number of the file that is read from front to back; None where order does not matter.
        annotated: Whether they are a dataset's, of which none may be missing.
    """

    lengths: IntArray
    shards: IntArray | None
    annotated: bool

    def name(self, number: int) -> str:
        """A video's id."""

    def read(self, number: int, choose: Choose) -> FloatArray:
        """(t, D) float32 features of the rows that `choose` wants of a video.

        Raises:
            SspvsError: They cannot be read.
        """

    def close(self) -> None:
        """Close all files; a later read opens them again."""


class ClipMemory:
    """Videos that were read, as they are stored, as long as there is room.

    What is kept is left behind when the object is pickled; workers that are forked share what was read before.

    Args:
        room: Bytes that may be kept.
    """

    def __init__(self, room: int) -> None:
        self.room, self.taken = room, 0
        self._kept: dict[Place, Stored] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"room": self.room, "taken": 0, "_kept": {}}

    def get(self, place: Place) -> Stored | None:
        """What is kept of a video."""
        return self._kept.get(place)

    def has_room(self, n_bytes: int) -> bool:
        """Whether so much more may be kept."""
        return self.taken + n_bytes <= self.room

    def keep(self, place: Place, stored: Stored) -> None:
        """Keep a video, where there is room."""
        if place not in self._kept and self.has_room(stored.nbytes):
            self._kept[place] = stored
            self.taken += stored.nbytes


class StoredSource:
    """Feature files and shards. Where a video is not kept, the blocks that have wanted rows are read, no others.

    Args:
        videos: Surveyed videos.
        memory: Where they are kept once read.
    """

    annotated = False

    def __init__(self, videos: Sequence[StoredVideo], memory: ClipMemory) -> None:
        self.videos, self.memory = tuple(videos), memory
        self.facts = [video.fact for video in self.videos if video.fact is not None]
        if len(self.facts) < len(self.videos):
            raise ValueError("expected surveyed videos, got some that nobody looked at")
        self.lengths: IntArray = np.array([fact.n_frames for fact in self.facts], np.int64)
        self.shards = _shards(self.videos)
        self._reader = ClipReader()

    def name(self, number: int) -> str:
        """A video's id."""
        return self.videos[number].id

    def read(self, number: int, choose: Choose) -> FloatArray:
        """(t, D) float32 of the wanted rows; see `ClipSource`."""
        video, fact = self.videos[number], self.facts[number]
        rows = choose(fact.n_frames)
        kept = self.memory.get(video.ref)
        if kept is None and self.memory.has_room(fact.n_frames * fact.feature_dim * _NUMBER_BYTES):
            kept = self._reader.stored(video.ref)
            self.memory.keep(video.ref, kept)
        if kept is not None:
            return as_features(kept[rows])
        parts = []
        for start in range(0, fact.n_frames, _BLOCK):
            wanted = rows[(rows >= start) & (rows < start + _BLOCK)]
            if len(wanted):
                first = int(wanted[0])
                parts.append(self._reader.stored(video.ref, first, int(wanted[-1]) + 1)[wanted - first])
        return as_features(np.concatenate(parts))

    def close(self) -> None:
        """Close all files."""
        self._reader.close()


class AnnotatedSource:
    """Annotated videos of dataset files, whose features other folds may have read already.

    Args:
        items: Surveyed videos.
        memory: Where they are kept once read.
    """

    shards: IntArray | None = None
    annotated = True

    def __init__(self, items: Sequence[SummarizeItem], memory: FeatureMemory) -> None:
        self.items, self.memory = tuple(items), memory
        self.lengths: IntArray = np.array([item.n_frames for item in self.items], np.int64)

    def name(self, number: int) -> str:
        """A video's id."""
        return self.items[number].id

    def read(self, number: int, choose: Choose) -> FloatArray:
        """(t, D) float32 of the wanted rows; see `ClipSource`."""
        item = self.items[number]
        return self.memory.read(item)[choose(item.n_frames)]

    def close(self) -> None:
        """Close all files."""
        self.memory.close()


def _shards(videos: Sequence[StoredVideo]) -> IntArray | None:
    """(n,) which tar each video is in, where all are in tars."""
    if not videos or any(video.ref.path.suffix != ".tar" for video in videos):
        return None
    numbers: dict[Path, int] = {}
    return np.array([numbers.setdefault(video.ref.path, len(numbers)) for video in videos], np.int64)
