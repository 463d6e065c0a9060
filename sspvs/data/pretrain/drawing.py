"""The frames of a video that are masked and recovered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sspvs.types import IntArray


@dataclass(frozen=True)
class MaskSettings:
    """Which frames are masked and recovered."""

    kind: Literal["one", "several", "spans"] = "one"
    """`one` frame, drawn uniformly, as published; `several`, each drawn alone; `spans` of neighbours."""
    share: float = 0.15
    """Of a video's frames, for `several` and `spans`; at least one frame is masked and one is left."""
    span: int = 4
    """Frames of a span."""

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"the share of masked frames must be between 0 and 1, got {self.share}")
        if self.span < 1:
            raise ValueError(f"a span of masked frames must be at least 1 long, got {self.span}")


def draw_masked(n_frames: int, settings: MaskSettings, generator: np.random.Generator) -> IntArray:
    """Which of `n_frames` frames are masked.

    Returns:
        (M,) int64, sorted, all different; M = 1 for `one`, else about `share` of the frames.
    """
    if settings.kind == "one" or n_frames <= 2:
        return generator.integers(n_frames, size=1)
    count = min(max(1, round(settings.share * n_frames)), n_frames - 1)
    if settings.kind == "several":
        return np.sort(generator.choice(n_frames, size=count, replace=False)).astype(np.int64)
    return _spans(n_frames, count, settings.span, generator)


def _spans(n_frames: int, count: int, span: int, generator: np.random.Generator) -> IntArray:
    """`count` frames in spans of `span` (the last one may be shorter) that do not touch, all layouts equally likely."""
    lengths = [span] * (count // span) + ([count % span] if count % span else [])
    free = n_frames - count - (len(lengths) - 1)  # frames left over when one stands between any two spans
    if free < 0:  # too many spans to keep apart
        lengths, free = [count], n_frames - count
    generator.shuffle(lengths)
    # Where the spans begin among the free frames: a sorted draw with repetition, by stars and bars.
    places = np.sort(generator.choice(free + len(lengths), size=len(lengths), replace=False)) - np.arange(len(lengths))
    frames: list[int] = []
    before = 0
    for number, (place, length) in enumerate(zip(places, lengths, strict=True)):
        start = int(place) + before + number
        frames += range(start, start + length)
        before += length
    return np.array(frames, np.int64)
