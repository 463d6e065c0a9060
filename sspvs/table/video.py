"""A video as every part of the package handles it: where its features are, what is known about it, what is in it.

Axis letters: N frames of the video, T picks, D feature width.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, overload

import numpy.typing as npt

from sspvs.table.streams import FEATURES, joined_fingerprint, short_name
from sspvs.table.text import TextFields, TokenFields
from sspvs.types import Annotations, Fingerprint, FloatArray, FrameFeatures, IntArray

Stored = npt.NDArray[Any]  # (t, D) features as they are stored: floats of any precision, or the bytes of YouTube-8M

_NO_TEXT = TextFields()


@dataclass(frozen=True, slots=True)
class FeatureKind:
    """What must agree where features are used together."""

    width: int | None = None  # D; None where it is not compared
    fingerprint: Fingerprint | None = None  # what made them; None when unknown


@dataclass(frozen=True, slots=True)
class FeatureStream:
    """Where one (T, D) array of a video's features is, and what a survey found out about it."""

    path: Path  # an h5 file, a .npy file, a tar of shards, or any file that `load` reads
    group: str = ""  # the video's group in an h5 file, or the array's name; empty for a file of one video
    offset: int = 0  # where the array's bytes begin in a tar or a record file
    name: str = FEATURES  # the dataset in an h5 group: `features`, or `features_NAME` for a further stream
    # reads the whole array, for files that cannot be read in part; None: `StreamReader` does
    load: "Callable[[FeatureStream], Stored] | None" = field(default=None, compare=False, repr=False)
    n_picks: int = field(default=0, compare=False)  # T; 0 before it is known
    width: int = field(default=0, compare=False)  # D; 0 before it is known
    fingerprint: Fingerprint | None = field(default=None, compare=False)  # what made the features; None when unknown

    @property
    def place(self) -> str:
        """Where it is, as a manifest writes it: `file.h5#group`."""
        place = f"{self.path}#{self.group}" if self.group else str(self.path)
        return place if self.name == FEATURES else f"{place}/{self.name}"

    @property
    def kind(self) -> FeatureKind:
        """Width and fingerprint."""
        return FeatureKind(self.width or None, self.fingerprint)

    @property
    def title(self) -> str:
        """How a message names it beside its video: ``, stream 'captions'``; the first stream needs no name."""
        return "" if self.name == FEATURES else f", stream '{short_name(self.name)}'"


@dataclass(frozen=True)
class LoadedVideo:
    """All that a source has of one video, in memory: what conversions and inspections read, and formats write."""

    id: str  # its key in the source
    name: str  # its own name; the id where the source has no other
    # annotators' scores and summaries, shots; None when the source has only features or texts
    annotations: Annotations | None = None
    features: FrameFeatures | None = None  # features of its picks; None when the source has none
    text: TextFields = _NO_TEXT
    # BERT token ids of any of these fields, as the source has them
    tokens: Mapping[str, IntArray] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()  # n sentences about parts of the video
    sentence_seconds: FloatArray | None = None  # (n, 2) the parts that they are about, in seconds
    part: str = ""  # `train`, `val` or `test` where the source has it
    # frames per second where only the format fixes them, as in sets of one feature a second
    frame_rate: float | None = None
    unread: tuple[str, ...] = ()  # what the source has of it that this package does not read, in words

    @property
    def fps(self) -> float | None:
        """Frames per second, from whichever part has them."""
        if self.annotations is not None and self.annotations.fps:
            return self.annotations.fps
        if self.features is not None and self.features.info is not None and self.features.info.fps > 0:
            return self.features.info.fps
        if self.features is not None and self.features.timeline is not None:
            return self.features.timeline.n_frames / self.features.timeline.end_seconds
        return self.frame_rate


@dataclass(frozen=True, slots=True)
class Video:
    """One video: its features, wherever they are, and what is known about it.

    Its contents are not in memory: `VideoTable.features` reads features alone, in part where the file allows it, and
    `VideoTable.load` reads all that the source has.

    Attributes:
        id: Its name in its table, unique: `dataset/key` for annotated videos.
        streams: Its features: one stream, or several of as many picks that are joined (appearance, motion, sound, ...).
        source: The video file, where features are still to be extracted from it.
        text: What is written about it.
        part: `train`, `val` or `test`, where the source has it; else empty.
        shard: Number of the shard or file that is read from front to back; -1 where the order does not matter.
        where: Its place in a list, such as `line 7`, for messages.
        picks: (T,) frame indices; None where they are not read.
        n_frames: N; 0 where it is not known.
        target: (T,) float32 importance between 0 and 1 that a summarizer is trained on; None without annotations.
        read: Reads all that the source has of it; None where the other attributes say all. An error concerns this video
            alone.
        notes: The folder in which the survey keeps what it finds; None: nothing is kept.

    Example:
        >>> table = sspvs.VideoTable.open("features.h5")
        >>> video = table.videos[0]
        >>> video.feature_dim, table.features(video).shape[1]
        (16, 16)
    """

    id: str
    streams: tuple[FeatureStream, ...] = ()
    source: Path | None = None
    text: TextFields | TokenFields = _NO_TEXT
    part: str = ""
    shard: int = -1
    where: str = ""
    picks: IntArray | None = field(default=None, compare=False, repr=False)
    n_frames: int = 0
    target: FloatArray | None = field(default=None, compare=False, repr=False)
    read: Callable[[], LoadedVideo] | None = field(default=None, compare=False, repr=False)
    notes: Path | None = field(default=None, compare=False, repr=False)

    @property
    def n_picks(self) -> int:
        """T; 0 before it is known."""
        return self.streams[0].n_picks if self.streams else 0

    @property
    def feature_dim(self) -> int:
        """D of all streams side by side; 0 before it is known."""
        return sum(stream.width for stream in self.streams)

    @property
    def fingerprint(self) -> Fingerprint | None:
        """What made the features; of several streams `joined_fingerprint`."""
        return joined_fingerprint([(stream.name, stream.fingerprint) for stream in self.streams])

    @property
    def kind(self) -> FeatureKind:
        """Width and fingerprint of all streams side by side."""
        return FeatureKind(self.feature_dim or None, self.fingerprint)

    @property
    def annotations(self) -> Annotations | None:
        """What annotators made of the video, read anew each time; None where there are no annotations."""
        return None if self.read is None else self.read().annotations

    def with_streams(self, *streams: FeatureStream) -> "Video":
        """The same video with other features, none of them still to be extracted."""
        return replace(self, streams=streams, source=None)


class LazyVideos(Sequence[Video]):
    """Videos that are made as they are looked up: `make(number)` gives one of `count`."""

    def __init__(self, count: int, make: Callable[[int], Video]) -> None:
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, number: int) -> Video: ...

    @overload
    def __getitem__(self, number: slice) -> list[Video]: ...

    def __getitem__(self, number: int | slice) -> Video | list[Video]:
        found = range(self._count)[number]
        return self._make(found) if isinstance(found, int) else list(map(self._make, found))

    def __iter__(self) -> Iterator[Video]:
        return map(self._make, range(self._count))
