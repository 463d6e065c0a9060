"""What is drawn for each video: its own generator, a run of its frames, the frames to mask.

Everything random about an example comes from a generator seeded by the video's id and, while training, the draw it is
for: neither its place in the list, nor its batch, nor the worker that reads it changes it.
"""

from __future__ import annotations

import hashlib
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


def item_generator(seed: int, name: str, draw: int | None) -> np.random.Generator:
    """The generator of one video in one draw.

    Args:
        seed: Of the run.
        name: The video's id.
        draw: Which draw of training (epoch, times repeats); None: validation, the same in every epoch.
    """
    digest = int.from_bytes(hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), "little")
    return np.random.default_rng([seed, 0 if draw is None else draw + 1, digest])


def draw_crop(n_frames: int, most: int | None, generator: np.random.Generator) -> tuple[int, int]:
    """First and one past the last of a run of at most `most` frames, drawn uniformly."""
    if most is None or n_frames <= most:
        return 0, n_frames
    start = int(generator.integers(n_frames - most + 1))
    return start, start + most


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
