"""Items to examples: a run of frames, the frames to mask, the text that is given.

Axis letters: T picks, L tokens, M masked frames, D feature width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from sspvs.data.buckets import Pick
from sspvs.data.drawing import draw_crop, item_generator
from sspvs.data.pretrain.drawing import MaskSettings, draw_masked
from sspvs.data.pretrain.items import PretrainItem
from sspvs.data.pretrain.negatives import NOBODY, draw_partners, same_text_groups
from sspvs.data.pretrain.reading import FeatureReader
from sspvs.data.text import TextSettings, assemble_tokens
from sspvs.data.tokenizers import Tokenizer
from sspvs.errors import DatasetError
from sspvs.types import FloatArray, IntArray

_PARTNER_STREAM = 1  # keeps this generator apart from the items'
_SIDES = {
    "train": ("to train on", "add videos"),
    "val": ("to validate on", "hold out more (data.val_share), add to data.val"),
}  # what the videos of a mode are there for, and where more come from


class Example(NamedTuple):
    """One video, ready for a batch.

    Attributes:
        id: The video.
        frames: (T, D) float32.
        tokens: (L,) int64 of the text it is given.
        token_mask: (L,) bool, True = a token.
        masked_index: (M,) int64; empty when nothing is masked.
        is_match: Whether the text is its own.
        own_tokens: (L,) of its own text, outside of training.
        own_token_mask: (L,) likewise.
    """

    id: str
    frames: FloatArray
    tokens: IntArray
    token_mask: npt.NDArray[np.bool_]
    masked_index: IntArray
    is_match: bool
    own_tokens: IntArray | None = None
    own_token_mask: npt.NDArray[np.bool_] | None = None


class PretrainDataset(torch.utils.data.Dataset[Example]):
    """Video-text pairs.

    Indexed by `Pick`, or by a plain index (draw 0), or by a list of either. Files are opened by each worker.

    Args:
        items: The pairs.
        tokenizer: The text tower's.
        text: Tokens of each field.
        masks: Which frames are masked.
        max_frames: Longest run of frames; None: whole videos.
        negative_probability: How often a video is given another's text.
        seed: Of everything that is drawn.
        mode: `train`: everything is drawn anew in each draw. `val`: drawn once and for all, texts cut at their end,
            each video's own text comes along. `predict`: own texts, whole videos, nothing masked.

    Raises:
        DatasetError: Texts of others are wanted and all videos have the same one.
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        items: Sequence[PretrainItem],
        tokenizer: Tokenizer,
        *,
        text: TextSettings | None = None,
        masks: MaskSettings | None = None,
        max_frames: int | None = 256,
        negative_probability: float = 0.5,
        seed: int = 0,
        mode: Literal["train", "val", "predict"] = "train",
    ) -> None:
        if max_frames is not None and max_frames < 1:
            raise ValueError(f"max_frames must be at least 1, got {max_frames}")
        if not 0 <= negative_probability <= 1:
            raise ValueError(f"negative_probability must be between 0 and 1, got {negative_probability}")
        self.items = tuple(items)
        self.tokenizer = tokenizer
        self.text = TextSettings() if text is None else text
        self.masks = MaskSettings() if masks is None else masks
        self.mode = mode
        self.seed = seed
        self.max_frames = None if mode == "predict" else max_frames
        self.negative_probability = 0.0 if mode == "predict" else negative_probability
        self._reader = FeatureReader()
        self._by_name = np.array(sorted(range(len(self.items)), key=lambda i: self.items[i].id), np.int64)
        self._groups = same_text_groups([self.items[i].text for i in self._by_name])  # in the order of names
        self._partners: tuple[int | None, IntArray] | None = None
        if self.negative_probability and len(np.unique(self._groups)) < 2:
            whose, ways = _SIDES[mode]
            raise DatasetError(
                f"all {len(self.items)} videos {whose} have the same title or text, so that none can be given "
                f"another's; {ways}, or set data.negative_probability to 0"
                if len(self.items) > 1
                else f"there is only one video {whose}, which can be given no other's text; {ways}, or set "
                "data.negative_probability to 0"
            )

    def __len__(self) -> int:
        return len(self.items)

    @property
    def lengths(self) -> IntArray:
        """(n,) frames of each item's examples."""
        most = np.iinfo(np.int64).max if self.max_frames is None else self.max_frames
        return np.minimum(np.array([item.n_frames for item in self.items], np.int64), most)

    @property
    def shards(self) -> IntArray | None:
        """(n,) each item's shard; None outside of shards."""
        numbers = np.array([item.shard for item in self.items], np.int64)
        return numbers if len(numbers) and numbers.min() >= 0 else None

    def __getitem__(self, key: Pick | int | list[Pick] | list[int]) -> Example | list[Example]:  # type: ignore[override]
        """One example, or those of a list."""
        if isinstance(key, list):
            return [self.example(one) for one in key]
        return self.example(key)

    def example(self, key: Pick | int) -> Example:
        """One example.

        Raises:
            FeatureFileError: Its features cannot be read any more.
        """
        pick = key if isinstance(key, Pick) else Pick(0, int(key))
        draw = pick.draw if self.mode == "train" else None
        item = self.items[pick.item]
        generator = item_generator(self.seed, item.id, draw)
        partner = pick.item
        if generator.random() < self.negative_probability:
            other = int(self._partners_of(draw)[pick.item])
            partner = pick.item if other == NOBODY else other
        start, stop = draw_crop(item.n_frames, self.max_frames, generator)
        masked = np.zeros(0, np.int64)
        if self.mode != "predict":
            masked = draw_masked(stop - start, self.masks, generator)
        cutting = generator if self.mode == "train" else None
        tokens, token_mask = self._tokens(partner, cutting)
        own = self._tokens(pick.item, None) if self.mode == "val" else (None, None)
        frames = self._reader.read(item.features, start, stop)
        return Example(item.id, frames, tokens, token_mask, masked, partner == pick.item, *own)

    def _tokens(self, index: int, generator: np.random.Generator | None) -> tuple[IntArray, npt.NDArray[np.bool_]]:
        return assemble_tokens(self.items[index].text, self.tokenizer, self.text, generator)

    def _partners_of(self, draw: int | None) -> IntArray:
        """(n,) whose text each item is given in this draw; the same for every order of the items."""
        if self._partners is None or self._partners[0] != draw:
            generator = np.random.default_rng([self.seed, 0 if draw is None else draw + 1, _PARTNER_STREAM, 0])
            ordered = draw_partners(self._groups, generator)
            partners = np.full(len(self.items), NOBODY, np.int64)
            found = ordered != NOBODY
            partners[self._by_name[found]] = self._by_name[ordered[found]]
            self._partners = draw, partners
        return self._partners[1]
