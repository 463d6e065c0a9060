"""The frames of a video that are masked and recovered."""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sspvs.data.batch import PretrainBatch, draw_crop, item_generator, pad_frames, stack_tokens
from sspvs.data.loader import BatchLoader, LengthBuckets, Pick, batch_loader
from sspvs.data.pretrain.items import FeatureReader, PretrainItem
from sspvs.errors import DatasetError
from sspvs.models.tokenizers import Tokenizer
from sspvs.table.text import TextFields, TextSettings, TokenFields, assemble_tokens
from sspvs.types import FloatArray, IntArray


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


NOBODY = -1


def same_text_groups(texts: Sequence[TextFields | TokenFields]) -> IntArray:
    """(n,) group of each video: those with the same title, or the same text as a whole, are one group.

    Letters' case, spaces and compatibility forms do not count. Titles that are empty join nobody.
    """
    parent = list(range(len(texts)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[Hashable, int] = {}
    for index, text in enumerate(texts):
        for key in _keys(text):
            parent[root(index)] = root(first.setdefault(key, index))
    return np.array([root(index) for index in range(len(texts))], np.int64)


def draw_partners(groups: IntArray, generator: np.random.Generator) -> IntArray:
    """(n,) for each video, another one of another group; `NOBODY` where all are of one group.

    All different when no group has more than half of the videos: the groups, in random order, stand in a ring, and
    everyone takes who stands a random number of places further, further than the largest group is long. Otherwise the
    members of the largest group share the others.

    Args:
        groups: (n,) from `same_text_groups`.
        generator: What draws.
    """
    n = len(groups)
    partners = np.full(n, NOBODY, np.int64)
    if n == 0:
        return partners
    members = np.unique(groups, return_inverse=True)[1].reshape(-1)  # (n,) 0, 1, ...
    sizes = np.bincount(members)
    largest = int(sizes.max())
    if largest == n:
        return partners
    # A random order of the groups, and a random order within each.
    ring = np.lexsort((generator.permutation(n), generator.permutation(len(sizes))[members]))
    if largest <= n - largest:
        shift = int(generator.integers(largest, n - largest + 1))
        partners[ring] = np.roll(ring, -shift)
        return partners
    of_largest = members == int(sizes.argmax())
    inside, outside = ring[of_largest[ring]], ring[~of_largest[ring]]
    partners[inside] = outside[(np.arange(len(inside)) + generator.integers(len(outside))) % len(outside)]
    partners[outside] = inside[generator.permutation(len(inside))[: len(outside)]]
    return partners


def _keys(text: TextFields | TokenFields) -> Iterator[Hashable]:
    if isinstance(text, TokenFields):
        yield tuple(text)
        if text.title:
            yield ("title", text.title)
        return
    plain = tuple(" ".join(unicodedata.normalize("NFKC", part).casefold().split()) for part in text)
    yield plain
    if plain[2]:
        yield ("title", plain[2])


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


def collate(examples: Sequence[Example] | Example) -> PretrainBatch:
    """A batch of examples of one width.

    Frames are padded with zeros to the longest video. Columns of tokens that are padding in every text are left out.
    Videos with fewer masked frames than others name one of theirs again, which does not count.
    """
    rows = [examples] if isinstance(examples, Example) else list(examples)
    frames, frame_mask = pad_frames([row.frames for row in rows])
    masked_index, masked_counted = _masked(rows)
    tokens, token_mask = stack_tokens([row.tokens for row in rows], [row.token_mask for row in rows])
    own: tuple[Tensor | None, Tensor | None] = (None, None)
    own_tokens = [row.own_tokens for row in rows if row.own_tokens is not None]
    own_masks = [row.own_token_mask for row in rows if row.own_token_mask is not None]
    if len(own_tokens) == len(own_masks) == len(rows):
        own = stack_tokens(own_tokens, own_masks)
    return PretrainBatch(
        frames=frames,
        frame_mask=frame_mask,
        tokens=tokens,
        token_mask=token_mask,
        masked_index=masked_index,
        masked_counted=masked_counted,
        is_match=torch.tensor([row.is_match for row in rows], dtype=torch.bool),
        ids=tuple(row.id for row in rows),
        own_tokens=own[0],
        own_token_mask=own[1],
    )


def _masked(rows: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """(B, M) and (B, M)."""
    most = max(len(row.masked_index) for row in rows)
    index = torch.zeros(len(rows), most, dtype=torch.int64)
    counted = torch.zeros(len(rows), most, dtype=torch.bool)
    for number, row in enumerate(rows):
        masked = torch.from_numpy(row.masked_index)
        if most and not len(masked):
            raise ValueError(f"{row.id}: no masked frame in a batch of videos that have some")
        if most:
            index[number] = masked[0]
        index[number, : len(masked)] = masked
        counted[number, : len(masked)] = True
    return index, counted


PretrainLoader: TypeAlias = BatchLoader[PretrainBatch]


def pretrain_loader(
    dataset: PretrainDataset, sampler: LengthBuckets, *, num_workers: int = 0, pin_memory: bool = False
) -> PretrainLoader:
    """A loader of the batches that `sampler` plans.

    Args:
        dataset: What is loaded.
        sampler: Which items make which batch.
        num_workers: Processes that read; 0 reads in this one. They do not change what is read.
        pin_memory: For a GPU.
    """
    return batch_loader(dataset, sampler, collate, num_workers=num_workers, pin_memory=pin_memory)
