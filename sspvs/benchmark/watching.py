"""Bars for whoever waits while videos are gone through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sspvs.types import Annotations


class Watched(Mapping[str, Annotations]):
    """Videos that show a bar while somebody goes through them.

    Args:
        videos: Key -> annotations.
        what: What is done with them, in a word.
        shown: As in `watched`.
    """

    def __init__(self, videos: Mapping[str, Annotations], what: str, *, shown: bool) -> None:
        self._videos, self._what, self._shown = videos, what, shown

    def __iter__(self) -> Iterator[str]:
        return iter(watched(self._videos, self._what, shown=self._shown))

    def __getitem__(self, key: str) -> Annotations:
        return self._videos[key]

    def __contains__(self, key: object) -> bool:
        return key in self._videos

    def __len__(self) -> int:
        return len(self._videos)


def watched(keys: Iterable[str], what: str, *, shown: bool) -> Iterable[str]:
    """The same keys, with a bar where `shown`: never where stderr is no terminal, nor in the first seconds."""
    from tqdm import tqdm

    bar: Iterable[str] = tqdm(
        list(keys), desc=what, unit="video", disable=None if shown else True, delay=2, leave=False
    )
    return bar
