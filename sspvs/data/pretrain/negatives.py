"""Whose text a video is given when it is not given its own.

Never its own, nor that of a video with the same title or the same text (a video uploaded twice): such a pair would be
called wrong and is right. In each draw every text is given to one other video at most, where that is possible.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from sspvs.data.text import TextFields, TokenFields
from sspvs.types import IntArray

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
