"""The content of annotation files, before shots and picks are chosen: one form for all of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sspvs.errors import DatasetError, listed
from sspvs.types import BoolArray, FloatArray


@dataclass(frozen=True)
class FrameChoices:
    """Each annotator chose frames (SumMe)."""

    chosen: BoolArray  # (U, N) bool


@dataclass(frozen=True)
class FrameRatings:
    """Each annotator rated every frame from 1 to 5 (TVSum)."""

    ratings: FloatArray  # (U, N) float32


@dataclass(frozen=True)
class TimeIntervals:
    """Each annotator chose stretches of time."""

    # annotator -> (K, 2) start and end in seconds, each start below its end; K may be 0
    seconds: Mapping[str, FloatArray]


@dataclass(frozen=True)
class SecondScores:
    """Each annotator gave one score per second."""

    scores: Mapping[str, FloatArray]  # annotator -> (K,) finite scores, the k-th for the time from k to k + 1 seconds


Opinions = FrameChoices | FrameRatings | TimeIntervals | SecondScores


@dataclass(frozen=True)
class AnnotatedVideo:
    """One video of an annotation file."""

    key: str  # its key in the dataset file, such as `video_7`
    name: str
    opinions: Opinions  # what the annotators chose, rated or scored
    n_frames: int | None = None  # N; None where the file has none
    fps: float | None = None
    duration_seconds: float | None = None
    title: str = ""
    category: str = ""
    where: str = ""
    repairs: tuple[str, ...] = ()  # sentences about what was repaired when the file was read


@dataclass(frozen=True)
class AnnotationSet:
    """All videos of one annotation source."""

    name: str  # the dataset's name, such as `summe`
    videos: tuple[AnnotatedVideo, ...]  # in the order of their keys
    files: tuple[Path, ...]
    # how the dataset's arrays are made from the annotations: name of the array -> sentence
    rules: Mapping[str, str] = field(default_factory=dict)
    # whether the keys are those of the community's files, so that features may be found by key
    community_keys: bool = False
    warnings: tuple[str, ...] = ()


@dataclass
class Problems:
    """What is wrong with a file that a person wrote, collected, so that all of it is reported at once."""

    where: Path
    most: int = 12  # how many are reported in words
    found: list[tuple[str, str]] = field(default_factory=list)  # (place in the file, what is wrong there)
    # names of columns or fields that are not read, such as a comment; each once
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
