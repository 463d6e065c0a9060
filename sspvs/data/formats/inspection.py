"""What looking at a file found: what it is, what its keys mean, what is wrong, what it can be used for."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from sspvs.errors import one_line

Item = TypeVar("Item")
Watch = Callable[[Collection[Any]], Iterable[Any]]


class NoSuchVideoError(ValueError):
    """A video that was asked for and that the file does not have."""

    def __init__(self, video: str) -> None:
        super().__init__(f"no video '{video}' in this file; `sspvs data inspect` without --video lists them")


@dataclass(frozen=True)
class KeyNote:
    """One key of a file, explained.

    Attributes:
        name: The key.
        count: How many videos (or entries) have it.
        shape: Its shape over all of them.
        dtype: How it is stored.
        meaning: What it is, in plain words.
        made: How to make it; empty when nobody does.
    """

    name: str
    count: int
    shape: str
    dtype: str
    meaning: str
    made: str = ""


@dataclass
class Problem:
    """Something wrong, the same in one or several videos.

    Attributes:
        text: What is wrong, as it shows in the first of them.
        videos: Where; empty when it concerns the file.
        blocking: Whether the video (or file) cannot be used because of it.
        remedy: What to do.
    """

    text: str
    videos: list[str] = field(default_factory=list)
    blocking: bool = True
    remedy: str = ""


@dataclass(frozen=True)
class Use:
    """Something one could do with the file.

    Attributes:
        what: Such as `protocol per-user`.
        possible: Whether it can be done with every video.
        why: What is missing, or what to know; empty when there is nothing to say.
    """

    what: str
    possible: bool
    why: str = ""


@dataclass
class Inspection:
    """What `sspvs data inspect` prints.

    Attributes:
        path: The file or folder.
        kind: Name of the file kind, such as `community`; `none` for files of no use here.
        what: What it is, in a sentence.
        n_videos: How many videos it is about; None where that makes no sense.
        facts: Anything else worth a line, by name.
        keys: Its keys.
        names: Key -> the video's own name, where known.
        problems: What is wrong.
        repaired: What reading it repairs by itself: sentence -> videos.
        uses: What it can be used for.
        usable: Whether it can be used for what it is.
        advice: What to do next, in sentences.
        detail: More about one video, when asked for one.
        video: The one that was asked for.
        watch: Shows progress over a collection, such as a progress bar.
    """

    path: str
    kind: str
    what: str
    n_videos: int | None = None
    facts: dict[str, str] = field(default_factory=dict)
    keys: list[KeyNote] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    repaired: dict[str, list[str]] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    usable: bool = True
    advice: list[str] = field(default_factory=list)
    detail: dict[str, str] = field(default_factory=dict)
    video: str | None = None
    watch: Watch | None = field(default=None, repr=False, compare=False)

    def watched(self, items: Collection[Item]) -> Iterable[Item]:
        """The same items, with whatever shows progress around them."""
        return items if self.watch is None else self.watch(items)

    def problem(
        self, error: str | BaseException, video: str | None = None, *, blocking: bool = True, remedy: str = ""
    ) -> None:
        """Note a problem; those that differ only in numbers become one.

        Args:
            error: What is wrong; paths and video keys at its start are dropped.
            video: Where; None when it concerns the whole file.
            blocking: Whether the video or file cannot be used because of it.
            remedy: What to do.
        """
        text = self._local(one_line(error) if isinstance(error, BaseException) else error, video)
        for known in self.problems:
            same = known.blocking == blocking and bool(known.videos) == (video is not None)
            if same and _shape_of(known.text) == _shape_of(text):
                if video is not None:
                    known.videos.append(video)
                return
        self.problems.append(Problem(text, [] if video is None else [video], blocking, remedy))

    def repair(self, sentence: str, video: str) -> None:
        """Note what reading one video repairs."""
        for known, videos in self.repaired.items():
            if _shape_of(known) == _shape_of(sentence):
                videos.append(video)
                return
        self.repaired[sentence] = [video]

    def _local(self, text: str, video: str | None) -> str:
        """A message without the place it starts with: the place is said once for all."""
        for prefix in (f"{self.path}, video '{video}': ", f"{self.path}, '{video}': ", f"{self.path}: ", f"{video}: "):
            text = text.removeprefix(prefix)
        return text

    def conclude(self) -> Inspection:
        """Decide on `usable`: nothing is blocking, and there is something."""
        self.usable = not any(problem.blocking for problem in self.problems)
        return self

    @property
    def blocked(self) -> list[str]:
        """The videos that cannot be used, each once."""
        return list(dict.fromkeys(v for problem in self.problems if problem.blocking for v in problem.videos))

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        return {"format": "sspvs-inspection", **asdict(replace(self, watch=None))}


def _shape_of(text: str) -> str:
    """A sentence without its numbers and its quoted names."""
    return re.sub(r"\d+(\.\d+)?", "#", text)


def number_of(count: int, noun: str) -> str:
    """`1 video`, `3 videos`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def span(values: Mapping[str, int] | list[int]) -> str:
    """`7` or `5..9` for whole numbers; `none` for no number."""
    numbers = list(values.values()) if isinstance(values, Mapping) else values
    if not numbers:
        return "none"
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low}..{high}"
