"""Videos to examples: a run of frames with its importance, and what is written about the video.

Axis letters: T picks, L tokens, D feature width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from sspvs.data.batch import draw_crop, item_generator
from sspvs.data.loader import Pick
from sspvs.data.summarization.memory import FeatureMemory
from sspvs.data.summarization.survey import SummarizeItem
from sspvs.models.tokenizers import Tokenizer
from sspvs.table.text import TextSettings, TokenFields, assemble_tokens, tokenize
from sspvs.types import FloatArray, IntArray

SUMMARIZER_TEXT = TextSettings(category=2, query=4, title=10, description=0)
"""Tokens of each field; the summarizer does not read the description, as published."""


class Example(NamedTuple):
    """One video, ready for a batch.

    Attributes:
        id: The video, as `dataset/key`.
        frames: (T, D) float32.
        target: (T,) float32 importance.
        tokens: (L,) int64 of what is written about it; None where no text is asked for.
        token_mask: (L,) bool, True = a token; None likewise.
        has_text: Whether any of its fields has a token.
    """

    id: str
    frames: FloatArray
    target: FloatArray
    tokens: IntArray | None = None
    token_mask: npt.NDArray[np.bool_] | None = None
    has_text: bool = False


class SummarizeDataset(torch.utils.data.Dataset[Example]):
    """Annotated videos.

    Indexed by `Pick`, or by a plain index (draw 0), or by a list of either.

    Args:
        items: The videos.
        memory: Where their features are kept once read.
        tokenizer: The text tower's; None: no text.
        text: Tokens of each field.
        max_frames: Longest run of frames while training, drawn anew in each draw; None: whole videos.
        seed: Of everything that is drawn.
        mode: `train`: runs of frames, and of the tokens of texts that are too long, are drawn. `whole`: whole videos,
            texts cut at their end.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        items: Sequence[SummarizeItem],
        memory: FeatureMemory | None = None,
        *,
        tokenizer: Tokenizer | None = None,
        text: TextSettings = SUMMARIZER_TEXT,
        max_frames: int | None = 512,
        seed: int = 0,
        mode: Literal["train", "whole"] = "train",
    ) -> None:
        if max_frames is not None and max_frames < 1:
            raise ValueError(f"max_frames must be at least 1, got {max_frames}")
        self.items = tuple(items)
        self.memory = FeatureMemory() if memory is None else memory
        self.tokenizer, self.text = tokenizer, text
        self.mode, self.seed = mode, seed
        self.max_frames = max_frames if mode == "train" else None
        self._fields = [] if tokenizer is None else [tokenize(item.text, tokenizer) for item in self.items]

    def __len__(self) -> int:
        return len(self.items)

    @property
    def lengths(self) -> IntArray:
        """(n,) frames of each video's examples."""
        most = np.iinfo(np.int64).max if self.max_frames is None else self.max_frames
        return np.minimum(np.array([item.n_frames for item in self.items], np.int64), most)

    @property
    def n_with_text(self) -> int:
        """Videos that anything is written about, in the fields that get tokens."""
        return sum(map(self._says_something, self._fields))

    def __getitem__(self, key: Pick | int | list[Pick] | list[int]) -> Example | list[Example]:  # type: ignore[override]
        """One example, or those of a list."""
        if isinstance(key, list):
            return [self.example(one) for one in key]
        return self.example(key)

    def example(self, key: Pick | int) -> Example:
        """One example.

        Raises:
            FeatureFileError: Its features cannot be read, or are not finite.
        """
        pick = key if isinstance(key, Pick) else Pick(0, int(key))
        item, training = self.items[pick.item], self.mode == "train"
        generator = item_generator(self.seed, item.id, pick.draw if training else None)
        start, stop = draw_crop(item.n_frames, self.max_frames, generator)
        frames, target = self.memory.read(item)[start:stop], item.target[start:stop]
        if self.tokenizer is None:
            return Example(item.id, frames, target)
        fields = self._fields[pick.item]
        tokens, mask = assemble_tokens(fields, self.tokenizer, self.text, generator if training else None)
        return Example(item.id, frames, target, tokens, mask, self._says_something(fields))

    def _says_something(self, fields: TokenFields) -> bool:
        return any(ids and length for ids, length in zip(fields, self.text.lengths, strict=True))
