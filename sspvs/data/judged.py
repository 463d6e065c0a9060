"""Which videos are the tested or validated ones again, under another name: found by their features.

Axis letters: T picks, D feature width, P rows that are compared.
"""

import logging
from collections.abc import Sequence

import numpy as np

from sspvs.errors import SspvsError, listed
from sspvs.table import Video, VideoTable
from sspvs.types import FloatArray, IntArray

logger = logging.getLogger(__name__)
_PROBES = 5  # rows of a video that are compared
_SAME = 1e-2  # between the directions of two rows: what half precision or bytes may change
_OF_SPREAD = 0.25  # the same, of how far the video's own rows are from each other
_EXACT = 1e-5  # what rounding alone changes


class JudgedVideos:
    """Rows of the tested and validated videos, to recognise these at any scale and precision.

    A match is as long, but for one frame, and its rows are much nearer to that video's than these to each other.
    """

    def __init__(self, table: VideoTable) -> None:
        self._known: dict[int, list[tuple[str, FloatArray]]] = {}
        for video in table.videos:
            features = table.features(video)
            for length in _lengths(video.n_picks):
                self._known.setdefault(length, []).append((video.id, _directions(features[_probe_rows(length)])))
        table.close()

    def has(self, video: Video, table: VideoTable) -> bool:
        """Whether a video of known length is one of them; one that cannot be read any more is none."""
        rows = self.rows(video.n_picks)
        try:
            return bool(len(rows)) and self.same_as(video.n_picks, table.rows(video, lambda _: rows)) is not None
        except SspvsError:
            if table.required:
                raise
            return False  # it vanished since it was looked at: training raises the error

    def rows(self, n_frames: int) -> IntArray:
        """The rows that are wanted of a video of T frames, ascending; none where no judged video is as long."""
        lengths = [length for length in _lengths(n_frames) if length in self._known]
        return np.unique(np.concatenate([np.zeros(0, np.int64), *map(_probe_rows, lengths)]))

    def same_as(self, n_frames: int, features: FloatArray) -> str | None:
        """The judged video that a video of T frames is; None when it is none."""
        rows, directions = self.rows(n_frames), _directions(features)
        for length in _lengths(n_frames):
            probes = directions[np.searchsorted(rows, _probe_rows(length))] if length in self._known else directions
            for name, known in self._known.get(length, ()):
                if _alike(probes, known):
                    return name
        return None


def without_judged(tables: Sequence[VideoTable], judged: JudgedVideos) -> list[VideoTable]:
    """Unlabelled videos without those that are tested or validated; `RefineDataset` compares records when read."""
    kept, left_out = list[VideoTable](), list[str]()
    for table in tables:
        same = np.zeros(len(table), bool)
        for place in np.flatnonzero(table.n_picks):
            same[place] = judged.has(table.videos[int(place)], table)
        left_out += [table.videos[int(place)].id for place in np.flatnonzero(same)]
        kept.append(table.take(np.flatnonzero(~same)) if same.any() else table)
    warn_of_left_out(left_out, "unlabelled videos")
    return kept


def warn_of_left_out(left_out: Sequence[str], whose: str) -> None:
    """Name the videos that are judged ones again and not trained on, where there are any."""
    if left_out:
        logger.warning(
            "%d of the %s have the features of videos that are tested or validated on, and are not trained on: %s",
            len(left_out),
            whose,
            listed(left_out),
        )


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
    """Whether (P, D) directions are the same, within what the known rows can separate."""
    if rows.shape != known.shape:
        return False
    spread = float(np.sqrt(((known - known.mean(axis=0)) ** 2).sum(axis=1).mean()))
    limit = max(min(_SAME, _OF_SPREAD * spread), _EXACT)
    return bool((np.linalg.norm(rows - known, axis=1) <= limit).all())
