"""`VideoTable`: videos by id, and the one way in which their features are checked, read and kept in memory.

Axis letters: T picks, t of them, D feature width.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.errors import DatasetError, FeatureFileError, FingerprintMismatchError, listed
from sspvs.table import layout
from sspvs.table.dataset_file import DatasetStore
from sspvs.table.feature_file import FeatureStore
from sspvs.table.reader import StreamReader, as_features
from sspvs.table.streams import (
    FEATURES,
    StreamFingerprints,
    common_clock,
    dataset_name,
    parted_fingerprint,
    resampled,
    short_name,
)
from sspvs.table.text import TextFields, TokenFields
from sspvs.table.video import FeatureKind, FeatureStream, LoadedVideo, Stored, Video
from sspvs.types import Fingerprint, FloatArray, FrameFeatures, IntArray

Choose = Callable[[int], IntArray]  # T of a video -> the rows that are wanted, ascending
DEFAULT_ROOM = 8 << 30  # bytes: the four annotated sets of the field take less than a tenth of it
_BLOCK = 4096  # rows that are read at once of a video that is not kept
_NUMBER_BYTES = 4  # of a feature, before it is known how it is stored


class FeatureWidthError(FeatureFileError, DatasetError):
    """Features of another width than those they are used with."""


def check_features(
    found: FeatureKind, expected: FeatureKind, where: str, *, like: str = "most others", remedy: str | None = None
) -> str | None:
    """Check that features can be used together with others: every width and fingerprint is compared here.

    Args:
        found: What the features are.
        expected: What they must be; what is None there is not compared.
        where: File or video, for the message.
        like: What the expected features are, in the plural.
        remedy: What to do, for the message; empty: nothing; None: to extract them again.

    Returns:
        A warning when the features have no fingerprint to compare, else None.

    Raises:
        FeatureWidthError: They have another width.
        FingerprintMismatchError: Any field of their fingerprint differs.
    """
    made = expected.fingerprint
    ours, theirs = parted_fingerprint(made), parted_fingerprint(found.fingerprint)
    names = [[name for name, _ in one] for one in (theirs, ours)]
    if found.fingerprint is not None and made is not None and names[0] != names[1]:
        remedy = "name the same streams in the same order (data.streams), or take data that has them"
        raise FingerprintMismatchError(f"{where}: the streams {listed(names[0])}, {like} {listed(names[1])}; {remedy}")
    if None not in (found.width, expected.width) and found.width != expected.width:
        remedy = "extract all of them with one backbone" if remedy is None else remedy
        raise FeatureWidthError(
            f"{where}: features {found.width} wide, {like} {expected.width}{remedy and '; ' + remedy}"
        )
    if made is None:
        return None
    if found.fingerprint is None:
        return (
            f"{where}: the features have no fingerprint; they are used as if made by {made.backbone} at "
            f"{made.rate_hz:g} Hz, which was not checked"
        )
    differing = list(_differing(theirs, ours))
    if differing:
        again = f"extract them again with --backbone {made.backbone} --rate {made.rate_hz:g}"
        again = again if len(ours) == 1 else "make these streams again as they were made"
        remedy = f"{again}, or use what they were made for" if remedy is None else remedy
        message = f"{where}: features of another extractor than {like} ({'; '.join(differing)})"
        raise FingerprintMismatchError(f"{message}{remedy and '; ' + remedy}")
    return None


def _differing(theirs: StreamFingerprints, ours: StreamFingerprints) -> Iterator[str]:
    """What differs between the fingerprints of the same streams, where both are known."""
    for (name, found), (_, expected) in zip(theirs, ours, strict=True):
        if found is not None and expected is not None:
            whose = f"{name}: " if len(ours) > 1 else ""
            wanted = expected.as_dict()
            for key, value in found.as_dict().items():
                if value != wanted[key]:
                    yield f"{whose}{key} is {value}, expected {wanted[key]}"


def check_alike(kinds: Mapping[str, FeatureKind], remedy: str | None = None) -> FeatureKind:
    """Check that features of several places can be used together; what most of them are."""
    expected = usual_kind(Counter(kinds.values()))
    for where, kind in kinds.items():
        check_features(kind, expected, where, like="others", remedy=remedy)
    return expected


def usual_kind(counts: Mapping[FeatureKind, int]) -> FeatureKind:
    """The width that most videos have, and the fingerprint that most of those with this width have."""
    widths, made = Counter[int](), Counter[Fingerprint]()
    for kind, count in counts.items():
        widths[kind.width or 0] += count
    width = widths.most_common(1)[0][0] if widths else None
    for kind, count in counts.items():
        if kind.width == width and kind.fingerprint is not None:
            made[kind.fingerprint] += count
    return FeatureKind(width, made.most_common(1)[0][0] if made else None)


class FeatureMemory:
    """Features that were read, as stored, up to `room` bytes; empty again once pickled, shared with forked workers."""

    def __init__(self, room: int = DEFAULT_ROOM) -> None:
        self.room, self.taken = room, 0
        self._kept: dict[FeatureStream, Stored] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"room": self.room, "taken": 0, "_kept": {}}

    def get(self, stream: FeatureStream) -> Stored | None:
        """What is kept of a stream."""
        return self._kept.get(stream)

    def has_room(self, n_bytes: int) -> bool:
        """Whether so much more may be kept."""
        return self.taken + n_bytes <= self.room

    def keep(self, stream: FeatureStream, stored: Stored) -> None:
        """Keep a stream, where there is room."""
        if stream not in self._kept and self.has_room(stored.nbytes):
            self._kept[stream] = stored
            self.taken += stored.nbytes


class VideoTable(Mapping[str, Video]):
    """Videos by id, in a fixed order, and their features.

    Every source of features makes a table, every consumer takes one. Files are opened by each process on its own; a
    table can be pickled into worker processes.

    Args:
        videos: The videos; ids are unique.
        memory: Keeps whole videos once they are read; None: nothing is kept, and only what is wanted is read.
        required: Whether no video may be missing: one that cannot be read is an error, and no other takes its place.
        checked: Whether a survey has found all features finite; otherwise they are checked as they are read.
        problems: What is wrong with videos that were left out, or after the last one: (place, sentence).
        kind: Width and fingerprint of the features; None: what most of the videos have.
        name: The dataset's name.
        made_by: How the source was made, by its own account: plain types.
        assumptions: What was taken for granted in reading, in sentences.
        on_close: Closes what the videos' own readers have open.

    Example:
        >>> from pathlib import Path
        >>> from sspvs.table import FeatureStream
        >>> stream = FeatureStream(Path("f.h5"), "a", n_picks=3, width=4)
        >>> table = sspvs.VideoTable([sspvs.Video("a", (stream,))])
        >>> table["a"].n_picks, table.feature_dim
        (3, 4)
    """

    def __init__(
        self,
        videos: Sequence[Video],
        memory: FeatureMemory | None = None,
        *,
        required: bool = False,
        checked: bool = False,
        problems: Sequence[tuple[str, str]] = (),
        kind: FeatureKind | None = None,
        name: str = "",
        made_by: Mapping[str, Any] | None = None,
        assumptions: Sequence[str] = (),
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self.videos = videos
        self.memory, self.required, self.checked = memory, required, checked
        self.problems = tuple(problems)
        self.name, self.made_by, self.assumptions = name, made_by or {}, tuple(assumptions)
        if kind is not None:
            self.kind = kind
        self.reader, self._on_close = StreamReader(), on_close

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        streams: Sequence[str] = (FEATURES,),
        memory: FeatureMemory | None = None,
    ) -> VideoTable:
        """The videos of a feature or dataset file, with their picks; annotations are read when they are needed.

        Videos of a dataset file without features have annotations alone. `sspvs.formats.read_table` reads all formats.

        Args:
            path: The h5 file.
            streams: Datasets that are joined, such as `features` and `features_motion`.
            memory: As in the constructor.

        Raises:
            FeatureFileError: It cannot be read, or a video lacks a stream or has one of another number of picks.
        """
        reader, videos = StreamReader(), []
        with FeatureStore(path) as store:
            for name in store:
                video = Video(name, read=partial(_load, store.path, name))
                with store.group(name) as group:
                    has_features = bool(layout.stream_names(group))
                    where = f"{store.path}, video '{name}'"
                    picks, n_frames = layout.read_picks(group, where) if has_features else (None, 0)
                if has_features:
                    place = FeatureStream(store.path, store.group_of(name))
                    found = tuple(with_facts(replace(place, name=dataset_name(one)), reader) for one in streams)
                    video = replace(video, streams=found, picks=picks, n_frames=n_frames)
                    check_lengths(video)
                videos.append(video)
        reader.close()
        return cls(videos, memory, name=store.path.stem)

    def __getitem__(self, name: str) -> Video:
        return self._by_id[name]

    def __iter__(self) -> Iterator[str]:
        return (video.id for video in self.videos)

    def __len__(self) -> int:
        return len(self.videos)

    def __contains__(self, name: object) -> bool:
        return name in self._by_id

    @cached_property
    def _by_id(self) -> dict[str, Video]:
        return {video.id: video for video in self.videos}

    @property
    def n_picks(self) -> IntArray:
        """(n,) T of each video; 0 where it is only known once they are read."""
        return np.array([video.n_picks for video in self.videos], np.int64)

    @property
    def shards(self) -> IntArray | None:
        """(n,) the file of each video, where all are in files that are read from front to back; else None."""
        numbers = np.array([video.shard for video in self.videos], np.int64)
        return numbers if len(numbers) and numbers.min() >= 0 else None

    @cached_property
    def kind(self) -> FeatureKind:
        """Width and fingerprint that most videos have."""
        return usual_kind(Counter(video.kind for video in self.videos))

    @property
    def feature_dim(self) -> int:
        """D, of most videos; 0 before it is known."""
        return self.kind.width or 0

    @property
    def stream_widths(self) -> tuple[int, ...]:
        """D of each stream of most videos, which are `feature_dim` together."""
        usual = next((video for video in self.videos if video.kind == self.kind), None)
        return (self.feature_dim,) if usual is None else tuple(stream.width for stream in usual.streams)

    @property
    def fingerprint(self) -> Fingerprint | None:
        """What made the features of most videos; None where it is known of none."""
        return self.kind.fingerprint

    @property
    def common_fingerprint(self) -> Fingerprint | None:
        """What made the features of all videos; None where it is not known of all."""
        made = {video.fingerprint for video in self.videos}
        return made.pop() if len(made) == 1 else None

    def select(self, ids: Iterable[str]) -> VideoTable:
        """The table of some of the videos, in the order of `ids`; the memory is shared."""
        return self._with([self[name] for name in ids])

    def take(self, numbers: IntArray) -> VideoTable:
        """The table of the videos at (n,) places; the memory is shared."""
        return self._with([self.videos[number] for number in numbers])

    def _with(self, videos: Sequence[Video]) -> VideoTable:
        return VideoTable(
            videos, self.memory, required=self.required, checked=self.checked, name=self.name, made_by=self.made_by
        )

    def features(self, video: Video, start: int = 0, stop: int | None = None) -> FloatArray:
        """(t, D) float32 features of picks `start` to `stop`, all streams side by side. They may be read-only."""
        if not video.streams:
            found = self.load(video).features
            if found is None:
                raise FeatureFileError(f"{video.id}: no features")
            return found.features[start:stop]
        wanted = slice(start, stop)
        return _side_by_side(video, [self._slice(stream, wanted) for stream in video.streams])

    def rows(self, video: Video, choose: Choose) -> FloatArray:
        """(t, D) float32 features of the picks that `choose` gives once T is known; only their blocks are read."""
        n_picks = video.n_picks
        if not n_picks:  # unknown before they are read
            whole = self._whole(video.streams[0])
            n_picks = len(whole)
            if self.kind.width:
                check_features(FeatureKind(whole.shape[1]), FeatureKind(self.kind.width), video.id, like="others")
        rows = choose(n_picks)
        return _side_by_side(video, [self._rows(stream, rows) for stream in video.streams])

    def load(self, video: Video) -> LoadedVideo:
        """All that there is of a video, read anew each time."""
        if video.read is not None:
            return video.read()
        text, tokens = video.text, dict[str, IntArray]()
        if isinstance(text, TokenFields):
            tokens = {name: np.array(ids, np.int64) for name, ids in text._asdict().items() if ids}
            text = TextFields()
        features = None
        if video.streams:
            values, made = self.features(video), video.fingerprint
            picks = np.arange(len(values), dtype=np.int64) if video.picks is None else video.picks
            features = FrameFeatures(video.id, values, picks, video.n_frames or len(values), fingerprint=made)
        return LoadedVideo(video.id, video.id, features=features, text=text, tokens=tokens, part=video.part)

    def close(self) -> None:
        """Close all files; a later read opens them again."""
        self.reader.close()
        if self._on_close is not None:
            self._on_close()

    def _slice(self, stream: FeatureStream, wanted: slice) -> FloatArray:
        if self.memory is None:
            return as_features(self._read(stream, wanted.start, wanted.stop))
        return as_features(self._whole(stream)[wanted])

    def _rows(self, stream: FeatureStream, rows: IntArray) -> FloatArray:
        memory = self.memory
        size = stream.n_picks * stream.width * _NUMBER_BYTES
        if not size or (memory is not None and (memory.get(stream) is not None or memory.has_room(size))):
            return as_features(self._whole(stream)[rows])
        parts = []
        for start in range(0, stream.n_picks, _BLOCK):
            wanted = rows[(rows >= start) & (rows < start + _BLOCK)]
            if len(wanted):
                first = int(wanted[0])
                parts.append(self._read(stream, first, int(wanted[-1]) + 1)[wanted - first])
        return as_features(np.concatenate(parts))

    def _whole(self, stream: FeatureStream) -> Stored:
        kept = None if self.memory is None else self.memory.get(stream)
        if kept is None:
            kept = self._read(stream, 0, None)
            if self.memory is not None:
                if kept.dtype != np.float16:  # torch, which widens them, warns of arrays that cannot be written to
                    kept.setflags(write=False)
                self.memory.keep(stream, kept)
        return kept

    def _read(self, stream: FeatureStream, start: int, stop: int | None) -> Stored:
        stored = self.reader.stored(stream, start, stop)
        if not self.checked:
            check_finite(stored, stream, start)
        return stored


def with_facts(stream: FeatureStream, reader: StreamReader) -> FeatureStream:
    """A stream with T, D and fingerprint, as its file has them."""
    n_picks, width = reader.shape(stream)
    return replace(stream, n_picks=n_picks, width=width, fingerprint=reader.fingerprint(stream))


def _load(path: Path, key: str) -> LoadedVideo:
    with DatasetStore(path) as store:
        return store.load(key)


def check_finite(stored: Stored, stream: FeatureStream, start: int = 0) -> None:
    """Refuse features that are NaN or infinite."""
    if stored.dtype.kind != "f":
        return
    good = np.isfinite(stored).all(axis=1)
    if not good.all():
        pick = start + int(good.argmin())
        raise FeatureFileError(f"{stream.place}: NaN or infinite features, first at pick {pick}; extract again")


def join(tables: Sequence[VideoTable]) -> VideoTable:
    """Streams of several tables side by side, video by video: (T, D1 + D2 + ...).

    Streams of other picks are resampled onto those of the first: the mean of the rows within each pick's interval, the
    nearest row where there is none.

    Args:
        tables: At least one. Videos, texts and annotations are the first one's; the others give streams by id.

    Raises:
        FeatureFileError: Videos of the first table are missing in another, or have another number of picks there and
            no times by which they could be compared.
    """
    first, *others = tables
    for table in others:
        missing = [video.id for video in first.videos if video.id not in table]
        if missing:
            raise FeatureFileError(
                f"no second stream of {len(missing)} of {len(first)} videos ({listed(missing)}); extract it of all"
            )
    videos = []
    for video in first.videos:
        streams = list(video.streams)
        for table in others:
            streams += _onto(first, video, table, table[video.id])
        videos.append(video.with_streams(*streams))
        check_lengths(videos[-1])
    checked = all(table.checked for table in tables)
    return VideoTable(videos, first.memory, required=first.required, checked=checked)


def _onto(first: VideoTable, video: Video, table: VideoTable, other: Video) -> Sequence[FeatureStream]:
    """The streams of a video of another table at the picks of the first one's."""
    if other.n_picks == video.n_picks:
        return other.streams
    mine, theirs = first.load(video).features, table.load(other).features
    clock = None if mine is None or theirs is None else common_clock(mine, theirs)
    if clock is None:
        return other.streams
    load = partial(_resampled, onto=clock[0], at=clock[1])
    where = f" at {video.n_picks} picks"
    return [
        replace(one, name=one.name + where, n_picks=video.n_picks, load=partial(load, raw=one)) for one in other.streams
    ]


def _resampled(_: FeatureStream, raw: FeatureStream, onto: FloatArray, at: FloatArray) -> Stored:
    reader = StreamReader()
    try:
        return resampled(reader.read(raw), at, onto)
    finally:
        reader.close()


def filled(videos: Sequence[Video], names: Sequence[str]) -> tuple[list[Video], tuple[str, ...]]:
    """Videos with all streams of these names, zeros where a video lacks one, and a sentence about each such stream."""
    usual = {
        name: usual_kind(Counter(stream.kind for video in videos for stream in video.streams if stream.name == name))
        for name in names
    }
    lacking: dict[str, list[str]] = {}
    complete = []
    for video in videos:
        own = {stream.name: stream for stream in video.streams}
        streams = []
        for name, kind in usual.items():
            if name not in own:
                lacking.setdefault(name, []).append(video.id)
            zeros = replace(
                video.streams[0], name=name, load=_zeros, width=kind.width or 0, fingerprint=kind.fingerprint
            )
            streams.append(own.get(name, zeros))
        complete.append(replace(video, streams=tuple(streams)))
    sentences = tuple(
        f"{len(ids)} of {len(videos)} videos have no stream '{short_name(name)}' ({listed(ids)}): zeros stand for it"
        for name, ids in lacking.items()
    )
    return complete, sentences


def _zeros(stream: FeatureStream) -> Stored:
    return np.zeros((stream.n_picks, stream.width), np.float32)


def _side_by_side(video: Video, streams: Sequence[FloatArray]) -> FloatArray:
    if len(streams) == 1:
        return streams[0]
    check_lengths(video, [len(stream) for stream in streams])
    return np.concatenate(streams, axis=1)


def check_lengths(video: Video, lengths: Sequence[int] | None = None) -> None:
    """Refuse streams of different numbers of picks; `lengths` where they are read."""
    lengths = [stream.n_picks for stream in video.streams] if lengths is None else lengths
    if len(set(lengths)) > 1:
        found = ", ".join(f"{n} ({stream.place})" for n, stream in zip(lengths, video.streams, strict=True))
        raise FeatureFileError(
            f"{video.id}: streams of different numbers of picks: {found}; extract all of them at one rate"
        )
