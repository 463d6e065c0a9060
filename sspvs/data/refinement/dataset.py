"""Videos to clips: which of their frames, and clips to a batch.

Axis letters: B batch, T picks of a video, t of a clip, D feature width.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal, NamedTuple

import numpy as np
import torch

from sspvs.data.batch import RefineBatch, item_generator, pad_frames
from sspvs.data.loader import Pick
from sspvs.data.refinement.sources import ClipSource, JudgedVideoError
from sspvs.errors import SspvsError, one_line
from sspvs.types import FloatArray, IntArray

logger = logging.getLogger(__name__)
Short = Literal["stretch", "mask"]
Mode = Literal["train", "fixed", "whole"]
_TRIES = 8  # videos that are tried in the place of one that cannot be read


class Clip(NamedTuple):
    """A clip, or a whole video.

    Attributes:
        id: The video.
        frames: (t, D) float32.
    """

    id: str
    frames: FloatArray


class ClipPart(NamedTuple):
    """Some of a source's videos.

    Attributes:
        source: Where they are.
        numbers: (n,) which ones.
    """

    source: ClipSource
    numbers: IntArray


def draw_clip(n_frames: int, clip_frames: int, generator: np.random.Generator, short: Short = "stretch") -> IntArray:
    """The rows of a clip: a random subset in its order; of a shorter video each row several times, or once.

    Args:
        n_frames: T, at least 1.
        clip_frames: Rows that are wanted.
        generator: Draws the subset.
        short: `stretch`: a shorter video is stretched to `clip_frames` by its nearest frames. `mask`: it stays short.

    Returns:
        (t,) ascending rows.
    """
    if n_frames > clip_frames:
        return np.sort(generator.choice(n_frames, clip_frames, replace=False)).astype(np.int64)
    if short == "mask" or n_frames == clip_frames:
        return np.arange(n_frames, dtype=np.int64)
    return np.arange(clip_frames, dtype=np.int64) * n_frames // clip_frames


class RefineDataset(torch.utils.data.Dataset[Clip]):
    """Videos of several sources.

    Indexed by `Pick`, or by a plain index (draw 0), or by a list of either.

    Args:
        parts: The videos.
        clip_frames: Frames of a clip.
        short: What is done with shorter videos; see `draw_clip`.
        seed: Of everything that is drawn.
        mode: `train`: clips, drawn anew in each draw. `fixed`: one clip of each video, always the same. `whole`: whole
            videos.
        skip_bad: In training, read the next video in the place of an unlabelled one that cannot be read, and warn,
            once for each.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        parts: Sequence[ClipPart],
        *,
        clip_frames: int = 200,
        short: Short = "stretch",
        seed: int = 0,
        mode: Mode = "train",
        skip_bad: bool = False,
    ) -> None:
        if clip_frames < 1:
            raise ValueError(f"clip_frames must be at least 1, got {clip_frames}")
        self.parts = tuple(part for part in parts if len(part.numbers))
        self.clip_frames, self.short = clip_frames, short
        self.seed, self.mode, self.skip_bad = seed, mode, skip_bad
        self._ends: IntArray = np.cumsum([len(part.numbers) for part in self.parts], dtype=np.int64)
        # Of all reading processes together: what one could not read, none tries again.
        self._left_out = torch.zeros(len(self), dtype=torch.bool)
        with suppress(RuntimeError):  # no shared memory, or `ulimit -f`: then each process tries for itself
            self._left_out.share_memory_()  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @property
    def n_unread(self) -> int:
        """Videos that others stood in for until now."""
        return int(self._left_out.sum())

    @property
    def lengths(self) -> IntArray:
        """(n,) frames of each video's example; where only reading tells, those of a whole clip."""
        if not self.parts:
            return np.zeros(0, np.int64)
        stored = np.concatenate([part.source.lengths[part.numbers] for part in self.parts])
        known = np.where(stored == 0, self.clip_frames, stored)
        if self.mode == "whole":
            return known
        if self.short == "stretch":
            return np.full_like(known, self.clip_frames)
        return np.minimum(known, self.clip_frames)

    @property
    def shards(self) -> IntArray | None:
        """(n,) file numbers where all videos are in files that are read from front to back; else None."""
        shards: list[IntArray] = []
        first = 0
        for part in self.parts:
            if part.source.shards is None:
                return None
            shards.append(part.source.shards[part.numbers] + first)
            first = int(shards[-1].max()) + 1
        return np.concatenate(shards) if shards else None

    def __getitem__(self, key: Pick | int | list[Pick] | list[int]) -> Clip | list[Clip]:  # type: ignore[override]
        """One clip, or those of a list."""
        if isinstance(key, list):
            return [self.clip(one) for one in key]
        return self.clip(key)

    def clip(self, key: Pick | int) -> Clip:
        """One clip.

        Raises:
            SspvsError: It cannot be read, nor (with `skip_bad`, of unlabelled videos in training) can those after it.
        """
        pick = key if isinstance(key, Pick) else Pick(0, int(key))
        number = int(np.searchsorted(self._ends, pick.item, side="right"))
        part = self.parts[number]
        first = int(self._ends[number]) - len(part.numbers)
        tries = min(_TRIES, len(part.numbers)) if self.mode == "train" else 1
        for step in range(tries):
            place = (pick.item - first + step) % len(part.numbers)
            video, is_last = int(part.numbers[place]), step + 1 == tries
            if self._left_out[first + place] and not is_last:
                continue
            try:
                return self._drawn(part.source, video, pick.draw)
            except SspvsError as error:
                is_judged = isinstance(error, JudgedVideoError)
                if is_last or not (is_judged or (self.skip_bad and not part.source.annotated)):
                    raise
                self._left_out[first + place] = True
                logger.warning(
                    "%s %s, another video stands in for it (%d so far): %s",
                    part.source.name(video),
                    "is not trained on" if is_judged else "cannot be read",
                    self.n_unread,
                    one_line(error),
                )
        raise AssertionError("a range of at least one try")

    def _drawn(self, source: ClipSource, video: int, draw: int) -> Clip:
        name = source.name(video)
        if self.mode == "whole":
            return Clip(name, source.read(video, lambda n_frames: np.arange(n_frames, dtype=np.int64)))
        generator = item_generator(self.seed, name, draw if self.mode == "train" else None)
        frames = source.read(
            video, lambda n_frames: draw_clip(n_frames, self.clip_frames, generator, self.short)
        )  # (t, D)
        return Clip(name, frames)


def collate(clips: Sequence[Clip] | Clip) -> RefineBatch:
    """A batch of clips of one width, padded with zeros to the longest."""
    rows = [clips] if isinstance(clips, Clip) else list(clips)
    frames, frame_mask = pad_frames([row.frames for row in rows])
    return RefineBatch(frames, frame_mask, tuple(row.id for row in rows))
