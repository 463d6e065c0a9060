"""Which video of a dataset a file means: by its key, or by its own name however it is spelled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from sspvs.types import Annotations

_ENDINGS = (".avi", ".csv", ".h5", ".json", ".mat", ".mkv", ".mov", ".mp4", ".npy", ".npz", ".txt", ".webm")


@dataclass(frozen=True)
class VideoFinder:
    """Finds a dataset's videos by key or by name.

    Attributes:
        dataset: Key -> annotations; opened, video by video, only when something is asked for that is no key.
    """

    dataset: Mapping[str, Annotations]

    def find(self, text: str) -> str | None:
        """The key of the video that a text means; None when there is none, or more than one.

        Keys go before names. Spaces and underscores are the same, a file ending such as `.mp4` does not count, and
        neither does case where only one video can be meant.
        """
        for exact in (text, _stem(text)):
            if exact in self._keys:
                return exact
        spelled = spelling(text)
        for name, known in ((spelled, self._by_name), (spelled.casefold(), self._by_caseless_name)):
            if len(known.get(name, ())) == 1:
                return known[name][0]
        return None

    @cached_property
    def _keys(self) -> frozenset[str]:
        return frozenset(self.dataset)

    @cached_property
    def _by_name(self) -> dict[str, tuple[str, ...]]:
        return _grouped([(spelling(self.dataset[key].video_name), key) for key in self.dataset])

    @cached_property
    def _by_caseless_name(self) -> dict[str, tuple[str, ...]]:
        return _grouped([(name.casefold(), key) for name, keys in self._by_name.items() for key in keys])


def same_name(first: str, second: str) -> bool:
    """Whether two texts are spellings of one video's name."""
    return spelling(first).casefold() == spelling(second).casefold()


def _grouped(pairs: list[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, tuple[str, ...]] = {}
    for name, key in pairs:
        groups[name] = (*groups.get(name, ()), key)
    return groups


def _stem(text: str) -> str:
    return text[: text.rindex(".")] if text.lower().endswith(_ENDINGS) and not text.startswith(".") else text


def spelling(text: str) -> str:
    """A name as it is compared: without file ending, spaces as underscores; case still counts."""
    return _stem(text.strip()).replace(" ", "_")
