"""What a pass over videos says of each: its scores and the terms of the losses, kept by video id.

Under several processes a sampler may repeat videos to make the shares even; kept by id, each counts once.

Axis letters: B batch, T picks of one video.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from sspvs.tasks.joining import joined_by_id
from sspvs.types import FloatArray


class _Row(NamedTuple):
    scores: FloatArray  # (T,)
    terms: dict[str, float]


class ScoreRecords:
    """Scores and terms, by video."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, ids: Sequence[str], scores: Sequence[Tensor], terms: Mapping[str, Tensor]) -> None:
        """Keep a batch. A video that was seen before is not counted again.

        Args:
            ids: B videos.
            scores: B tensors (T,).
            terms: (B,) values of each term, NaN where a video has nothing to count.
        """
        columns = {name: values.detach().float().cpu().tolist() for name, values in terms.items()}
        for row, video in enumerate(ids):
            own = {name: values[row] for name, values in columns.items()}
            self._rows.setdefault(video, _Row(scores[row].detach().float().cpu().numpy(), own))

    def joined(self) -> ScoreRecords:
        """The records of all processes, the same in each; every process must call this."""
        out = ScoreRecords()
        out._rows = joined_by_id(self._rows)
        return out

    @property
    def scores(self) -> dict[str, FloatArray]:
        """(T,) float32 scores by video, sorted, so that the order of processes does not matter."""
        return {video: self._rows[video].scores for video in sorted(self._rows)}

    def means(self) -> dict[str, float]:
        """Each term's mean over the videos that have something to count; left out where none has."""
        out: dict[str, float] = {}
        for name in dict.fromkeys(name for row in self._rows.values() for name in row.terms):
            values = np.array([self._rows[video].terms[name] for video in sorted(self._rows)])
            if np.isfinite(values).any():
                out[name] = float(np.nanmean(values))
        return out
