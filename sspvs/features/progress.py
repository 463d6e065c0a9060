"""Progress bars on stderr, in seconds of video decoded; quiet when stderr is no terminal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from tqdm import tqdm

Progress = Callable[[float, float], None]
"""Told the seconds of a video decoded so far, and its length in seconds (0 when unknown)."""


@contextmanager
def video_bar(name: str, *, show: bool) -> Iterator[Progress]:
    """A bar for one video."""
    layout = "{desc}{percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of video [{elapsed}<{remaining}]"
    with tqdm(desc=shorten(name), total=1, leave=False, disable=None if show else True, bar_format=layout) as bar:

        def told(seconds: float, length: float) -> None:
            bar.total = max(length, seconds)
            bar.update(seconds - bar.n)

        yield told


class VideosBar:
    """One bar for many videos, each counting by the part of it that is decoded; safe to use from threads."""

    def __init__(self, n_videos: int, *, show: bool) -> None:
        layout = "{desc}{percentage:3.0f}%|{bar}| {n:.1f}/{total} videos [{elapsed}<{remaining}{postfix}]"
        self._bar = tqdm(total=n_videos, leave=False, disable=None if show else True, bar_format=layout)
        self._lock = threading.Lock()
        self._seconds = 0.0

    def __enter__(self) -> VideosBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    @contextmanager
    def video(self, name: str) -> Iterator[Progress]:
        """One of the videos; it counts as whole when the block ends, however it ends."""
        part, before = 0.0, 0.0

        def told(seconds: float, length: float) -> None:
            nonlocal part, before
            now = min(seconds / length, 1.0) if length > 0 else part
            self._advance(now - part, seconds - before, name)
            part, before = now, seconds

        try:
            yield told
        finally:
            self._advance(1.0 - part, 0.0, name)

    def _advance(self, videos: float, seconds: float, name: str) -> None:
        with self._lock:
            self._seconds += seconds
            self._bar.set_description(shorten(name), refresh=False)
            self._bar.set_postfix_str(f"{self._seconds:.0f} s of video", refresh=False)
            self._bar.update(videos)


def shorten(name: str, width: int = 30) -> str:
    """A name that leaves room for the bar: its middle goes first."""
    if len(name) <= width:
        return name
    return f"{name[: width // 2 - 1]}...{name[-(width // 2) :]}"
