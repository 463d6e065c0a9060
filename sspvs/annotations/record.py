"""The content of annotation files, before shots and picks are chosen: one form for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sspvs.errors import DatasetError, listed
from sspvs.types import BoolArray, FloatArray


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
    """One video of an annotation file.

    Attributes:
        key: Its key in the dataset file, such as `video_7`.
        name: Its own name.
        opinions: What the annotators chose, rated or scored.
        n_frames: N; None where the file has none.
        fps: Frames per second; None where the file has none.
        duration_seconds: Length; None where the file has none.
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
        """Report all of them, if there are any."""
        if self.found:
            count = f"{len(self.found)} problems" if len(self.found) > 1 else "1 problem"
            sentences = [f"{place}: {sentence}" if place else sentence for place, sentence in self.found]
            raise DatasetError(f"{self.where}: {count}: {listed(sentences, self.most, '; ')}")
