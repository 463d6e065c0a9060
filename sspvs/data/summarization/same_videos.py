"""Which videos are the tested or validated ones again, under another name: told by their features.

Axis letters: T picks, D feature width, P rows that are compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sspvs.data.summarization.memory import FeatureMemory
from sspvs.data.summarization.survey import SummarizeItem
from sspvs.types import FloatArray, IntArray

_PROBES = 5  # rows of a video that are compared
_SAME = 1e-2  # between the directions of two rows: what half precision or bytes may change
_OF_SPREAD = 0.25  # the same, of how far the video's own rows are from each other
_EXACT = 1e-5  # what rounding alone changes
_LISTED = 8


class JudgedVideos:
    """Rows of the tested and validated videos, to know them again.

    A video is taken for one of them when it is as long, but for one frame at its end, and rows spread over it point
    where that one's do: they may be of another length (a scale, or unit length) and of less precision. They must be
    much nearer to that one's than its own are to each other.

    Args:
        items: The tested and validated videos.
        memory: Reads their features.
    """

    def __init__(self, items: Sequence[SummarizeItem], memory: FeatureMemory) -> None:
        self._known: dict[int, list[tuple[str, FloatArray]]] = {}
        for item in items:
            features = memory.read(item)
            for length in _lengths(item.n_frames):
                self._known.setdefault(length, []).append((item.id, _directions(features[_probe_rows(length)])))

    def rows(self, n_frames: int) -> IntArray:
        """The rows that are wanted of a video of T frames, ascending; none where no judged video is as long."""
        lengths = [length for length in _lengths(n_frames) if length in self._known]
        return np.unique(np.concatenate([np.zeros(0, np.int64), *map(_probe_rows, lengths)]))

    def same_as(self, n_frames: int, features: FloatArray) -> str | None:
        """The judged video that a video of T frames is; None when it is none.

        Args:
            n_frames: T.
            features: (P, D) of `rows(n_frames)`.
        """
        rows, directions = self.rows(n_frames), _directions(features)
        for length in _lengths(n_frames):
            probes = directions[np.searchsorted(rows, _probe_rows(length))] if length in self._known else directions
            for name, known in self._known.get(length, ()):
                if _alike(probes, known):
                    return name
        return None


def judged_again(items: Sequence[SummarizeItem], judged: JudgedVideos, memory: FeatureMemory) -> list[str]:
    """The ids of those videos that are tested or validated ones under another name.

    Args:
        items: The videos that are trained on.
        judged: The tested and validated ones.
        memory: Reads the features.
    """
    again = []
    for item in items:
        rows = judged.rows(item.n_frames)
        if len(rows) and judged.same_as(item.n_frames, memory.read(item)[rows]) is not None:
            again.append(item.id)
    return again


def listed(names: Sequence[str]) -> str:
    """The first few of some names, and how many more there are."""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{', '.join(names[:_LISTED])}{more}"


def _lengths(n_frames: int) -> tuple[int, ...]:
    """How many frames, from the first, are compared: all, or all but the last."""
    return (n_frames, n_frames - 1) if n_frames > 1 else (n_frames,)


def _probe_rows(n_frames: int) -> IntArray:
    """(P,) rows spread over a video; fewer frames occur more than once."""
    return np.linspace(0, n_frames - 1, _PROBES).astype(np.int64)


def _directions(features: FloatArray) -> FloatArray:
    rows = features.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)


def _alike(rows: FloatArray, known: FloatArray) -> bool:
    """Whether (P, D) directions are the same, as far as the known ones can tell."""
    if rows.shape != known.shape:
        return False
    spread = float(np.sqrt(((known - known.mean(axis=0)) ** 2).sum(axis=1).mean()))
    limit = max(min(_SAME, _OF_SPREAD * spread), _EXACT)
    return bool((np.linalg.norm(rows - known, axis=1) <= limit).all())
