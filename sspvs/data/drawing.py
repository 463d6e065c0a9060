"""What is drawn for each video: its own generator, a run of its frames.

Everything random about an example comes from a generator seeded by the video's id and, while training, the draw it is
for: neither its place in the list, nor its batch, nor the worker that reads it changes it.
"""

from __future__ import annotations

import hashlib

import numpy as np


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
