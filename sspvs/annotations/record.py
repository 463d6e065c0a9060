"""What annotation files say, before shots and picks are chosen: one form for all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.errors import DatasetError, listed
from sspvs.types import BoolArray, FloatArray
from sspvs.types.video import LARGEST


@dataclass(frozen=True)
class FrameChoices:
    """Each annotator chose frames (SumMe).

    Attributes:
        chosen: (U, N) bool.
    """

    chosen: BoolArray


@dataclass(frozen=True)
class FrameRatings:
    """Each annotator rated every frame (TVSum).

    Attributes:
        ratings: (U, N) float32.
        lowest: The lowest rating there is.
        highest: The highest.
    """

    ratings: FloatArray
    lowest: float = 1.0
    highest: float = 5.0


@dataclass(frozen=True)
class TimeIntervals:
    """Each annotator chose stretches of time.

    Attributes:
        seconds: Annotator -> (K, 2) start and end in seconds, each start below its end; K may be 0.
    """

    seconds: Mapping[str, FloatArray]


@dataclass(frozen=True)
class SecondScores:
    """Each annotator gave one score per second.

    Attributes:
        scores: Annotator -> (K,) finite scores, the k-th for the time from k to k + 1 seconds.
    """

    scores: Mapping[str, FloatArray]


Opinions = FrameChoices | FrameRatings | TimeIntervals | SecondScores


@dataclass(frozen=True)
class AnnotatedVideo:
    """What an annotation file says about one video.

    Attributes:
        key: Its key in the dataset file, such as `video_7`.
        name: Its own name.
        opinions: What the annotators said.
        n_frames: N; None where the file does not know.
        fps: Frames per second; None where the file does not know.
        duration_seconds: Length; None where the file does not know.
        title: Text, or empty.
        category: Text, or empty.
        where: File and video, for messages.
        repairs: Sentences about what was repaired when the file was read.
    """

    key: str
    name: str
    opinions: Opinions
    n_frames: int | None = None
    fps: float | None = None
    duration_seconds: float | None = None
    title: str = ""
    category: str = ""
    where: str = ""
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True)
class AnnotationSet:
    """All videos of one annotation source.

    Attributes:
        name: The dataset's name, such as `summe`.
        videos: In the order of their keys.
        files: The files that were read.
        rules: How the dataset's arrays are made from the annotations: name of the array -> sentence.
        community_keys: Whether the keys are those of the community's files, so that features may be found by key.
        warnings: Sentences for the user.
    """

    name: str
    videos: tuple[AnnotatedVideo, ...]
    files: tuple[Path, ...]
    rules: Mapping[str, str] = field(default_factory=dict)
    community_keys: bool = False
    warnings: tuple[str, ...] = ()


NUMBER_FIELDS = ("duration", "fps", "n_frames")
TEXT_FIELDS = ("title", "category")

_TIME = re.compile(r"(?:(\d{1,9}):([0-5]?\d)|(\d{1,9})):([0-5]?\d(?:[.,]\d+)?)")  # HH:MM:SS or MM:SS


@dataclass
class Problems:
    """What is wrong with a file that a person wrote, collected, so that all of it is reported at once.

    Attributes:
        where: The file.
        most: How many are reported in words.
        found: (place in the file, what is wrong there).
        unread: Names of columns or fields that are not read, such as a comment; each once.
    """

    where: Path
    most: int = 12
    found: list[tuple[str, str]] = field(default_factory=list)
    unread: dict[str, None] = field(default_factory=dict)

    def add(self, place: str, sentence: str) -> None:
        """Add one."""
        self.found.append((place, sentence))

    def extend(self, found: Iterable[tuple[str, str]]) -> None:
        """Add several."""
        self.found.extend(found)

    def raise_any(self) -> None:
        """Report all of them, if there are any.

        Raises:
            DatasetError: With the first few, and how many more.
        """
        if self.found:
            count = f"{len(self.found)} problems" if len(self.found) > 1 else "1 problem"
            sentences = [f"{place}: {sentence}" if place else sentence for place, sentence in self.found]
            raise DatasetError(f"{self.where}: {count}: {listed(sentences, self.most, '; ')}")


@dataclass
class VideoDraft:
    """What a file says about one video, as far as it was read.

    Attributes:
        name: The video.
        place: Where it stands in the file, for messages.
        numbers: `duration`, `fps`, `n_frames`, those that are there.
        texts: `title`, `category`, likewise.
        intervals: Annotator -> start and end in seconds.
        scores: Annotator -> one score per second.
        repairs: Sentences about what was repaired.
    """

    name: str
    place: str
    numbers: dict[str, float] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    intervals: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    scores: dict[str, list[float]] = field(default_factory=dict)
    repairs: list[str] = field(default_factory=list)

    def set_field(self, name: str, value: Any, place: str, problems: Problems) -> None:
        """Set `duration`, `title` and so on; a value that contradicts an earlier one is a problem."""
        if name in TEXT_FIELDS:
            known: Any = self.texts.setdefault(name, str(value))
            value = str(value)
        else:
            number = seconds_of(value) if name == "duration" else number_of(value)
            if number is None or number <= 0 or (name == "n_frames" and number != int(number)):
                kind = "a whole number" if name == "n_frames" else "a number"
                problems.add(place, f"expected '{name}' as {kind} above 0, found {value!r}")
                return
            known, value = self.numbers.setdefault(name, number), number
        if known != value:
            problems.add(place, f"'{name}' of video '{self.name}' is {value!r} here and {known!r} before")

    def add_interval(self, annotator: str, start: Any, end: Any, place: str, problems: Problems) -> None:
        """Add one stretch of time of one annotator."""
        first, last = seconds_of(start), seconds_of(end)
        known = self.intervals.setdefault(annotator, [])
        if first is None or last is None:
            wrong = start if first is None else end
            problems.add(place, f"expected start and end in seconds, found {wrong!r} (1:05 and 0:01:05.5 are read too)")
        elif first < 0 or last <= first:
            problems.add(place, f"expected 0 <= start < end, found {first:g} .. {last:g} s")
        else:
            known.append((first, last))

    def opinions(self, problems: Problems) -> TimeIntervals | SecondScores | None:
        """What the annotators said; None, with the problem added, when it is nothing or of both kinds."""
        chosen = {name: pairs for name, pairs in self.intervals.items() if pairs or name not in self.scores}
        if self.scores and any(chosen.values()):
            interval, score = next(name for name in chosen if chosen[name]), next(iter(self.scores))
            problems.add(
                self.place,
                f"annotator '{interval}' gives intervals and '{score}' scores; expected one kind in a video",
            )
            return None
        if self.scores:
            for name in chosen:
                problems.add(self.place, f"annotator '{name}' says nothing; expected scores as from the others")
            return SecondScores({name: np.array(values) for name, values in self.scores.items()})
        if not self.intervals:
            if not problems.found:  # or else the reason is among them
                problems.add(self.place, "no annotators; expected at least one")
            return None
        merged = {}
        for name, pairs in self.intervals.items():
            if not pairs:
                self.repairs.append(f"annotator '{name}' chose nothing")
            merged[name] = _merged(pairs)
            if len(merged[name]) < len(pairs):
                self.repairs.append(f"overlapping intervals of annotator '{name}' were merged")
        return TimeIntervals(merged)


def number_of(value: Any) -> float | None:
    """A number that single precision holds, also from text; None for anything else (True is no number)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) <= LARGEST else None  # False for NaN


def seconds_of(value: Any) -> float | None:
    """Seconds, from a number or from text such as `65.5`, `1:05.5` or `0:01:05,5`; None for anything else."""
    time = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if time is None:
        return number_of(value)
    hours, minutes, long_minutes, seconds = time.groups(default="0")
    return number_of(3600 * int(hours) + 60 * int(minutes) + 60 * int(long_minutes) + float(seconds.replace(",", ".")))


def _merged(pairs: list[tuple[float, float]]) -> Any:
    """(K, 2) in order, overlapping ones made one."""
    merged: list[list[float]] = []
    for start, end in sorted(pairs):
        if merged and start < merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return np.array(merged, dtype=np.float64).reshape(-1, 2)
