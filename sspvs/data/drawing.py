"""What is drawn of videos: crops, clips, masked frames, and whose text a video gets instead of its own.

Each video has its own generator in each draw, so that what is drawn does not depend on the order of the videos.
"""

import hashlib
import unicodedata
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np

from sspvs.schema import Range, Settings
from sspvs.table.text import TextFields, TokenFields
from sspvs.types import IntArray

NO_PARTNER = -1
_DRAW = " (draw "
Short = Literal["stretch", "mask"]


@dataclass(frozen=True)
class MaskSettings(Settings):
    """Which frames are masked and recovered."""

    group = "masks"

    kind: Literal["one", "several", "spans"] = "one"
    """`one` frame, drawn uniformly, as published; `several`, each drawn alone; `spans` of neighbours."""
    share: Annotated[float, Range(above=0, below=1)] = 0.15
    """Of a video's frames, for `several` and `spans`: at least one and at most half; a single frame is never masked."""
    span: Annotated[int, Range(least=1)] = 4
    """Frames of a span."""


def item_generator(seed: int, name: str, draw: int | None) -> np.random.Generator:
    """The generator of one video in one draw (epoch, times repeats); None: validation, the same in every epoch."""
    digest = int.from_bytes(hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), "little")
    return np.random.default_rng([seed, 0 if draw is None else draw + 1, digest])


def draw_name(name: str, number: int) -> str:
    """What one of several draws of a video in a pass is called; the first, number 0, has the video's own name."""
    return f"{name}{_DRAW}{number + 1})" if number else name


def is_first_draw(name: str) -> bool:
    """Whether `draw_name` called the first draw of a video so."""
    return _DRAW not in name


def draw_crop(n_frames: int, most: int | None, generator: np.random.Generator) -> tuple[int, int]:
    """First and one past the last of a run of at most `most` frames, drawn uniformly."""
    if most is None or n_frames <= most:
        return 0, n_frames
    start = int(generator.integers(n_frames - most + 1))
    return start, start + most


def draw_clip(n_frames: int, clip_frames: int, generator: np.random.Generator, short: Short = "stretch") -> IntArray:
    """(t,) ascending rows of a clip: a random subset; a shorter video is stretched, or stays short."""
    if n_frames > clip_frames:
        return np.sort(generator.choice(n_frames, clip_frames, replace=False)).astype(np.int64)
    if short == "mask" or n_frames == clip_frames:
        return np.arange(n_frames, dtype=np.int64)
    return np.arange(clip_frames, dtype=np.int64) * n_frames // clip_frames


def draw_masked(n_frames: int, settings: MaskSettings, generator: np.random.Generator) -> IntArray:
    """(M,) sorted, different frames to mask: M = 1 for `one`, else about `share` of them; never more than half."""
    most = n_frames // 2  # so a video of one frame keeps it, and one of two or three loses one
    if not most:
        return np.zeros(0, np.int64)
    if settings.kind == "one":
        return generator.integers(n_frames, size=1)
    count = min(max(1, round(settings.share * n_frames)), most)
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


def captions_of(text: TextFields | TokenFields) -> list[TextFields | TokenFields]:
    """The category with the query, the title or one line of the description alone, those there are; else the text."""
    if isinstance(text, TokenFields):
        alone: list[Any] = [TokenFields(query=text.query), TokenFields(title=text.title)]
        alone.append(TokenFields(description=text.description))
    else:
        alone = [TextFields(query=text.query), TextFields(title=text.title)]
        alone += [TextFields(description=line.strip()) for line in text.description.splitlines()]
    return [one._replace(category=text.category) for one in alone if any(map(len, one))] or [text]


def same_text_groups(texts: Sequence[TextFields | TokenFields]) -> IntArray:
    """(n,) group of each video: one title (case, spaces and compatibility forms aside), or one text, is one group."""
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
    """(n,) for each video, another one of another group; `NO_PARTNER` where all are of one group.

    All different when no group has more than half of the videos: the groups, in random order, form a ring, and each
    video takes the one a random number of places further, further than the largest group is long. Otherwise the
    members of the largest group share the others.
    """
    n = len(groups)
    partners = np.full(n, NO_PARTNER, np.int64)
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
