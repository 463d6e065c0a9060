"""A video cut into shots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sspvs.types.arrays import IntArray


@dataclass(frozen=True)
class Shots:
    """A video cut into shots: half-open frame ranges that cover it without gap or overlap.

    Attributes:
        bounds: (S, 2) int64, rows [start_frame, end_frame).
        n_frames: N.
    """

    bounds: IntArray
    n_frames: int

    def __post_init__(self) -> None:
        bounds = self.bounds
        if bounds.ndim != 2 or bounds.shape[1] != 2 or len(bounds) == 0:
            raise ValueError(f"shots must be (S, 2) with S >= 1, got shape {bounds.shape}")
        if bounds[0, 0] != 0 or bounds[-1, 1] != self.n_frames or (bounds[1:, 0] != bounds[:-1, 1]).any():
            raise ValueError(f"shots must cover [0, {self.n_frames}) without gap or overlap")
        if (self.lengths <= 0).any():
            raise ValueError("every shot must have at least one frame")

    @classmethod
    def from_starts(cls, starts: IntArray, n_frames: int) -> Shots:
        """Shots from their (S,) first frames, the first one 0."""
        ends = np.append(starts[1:], n_frames)
        return cls(np.stack([starts, ends], axis=1).astype(np.int64), n_frames)

    @property
    def lengths(self) -> IntArray:
        """(S,) frames in each shot."""
        lengths: IntArray = self.bounds[:, 1] - self.bounds[:, 0]
        return lengths

    def __len__(self) -> int:
        return len(self.bounds)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for start, end in self.bounds:
            yield int(start), int(end)
