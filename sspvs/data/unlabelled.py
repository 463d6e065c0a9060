"""Unlabelled videos: looked at once before training, and which of them are trained on and which are held out.

Of YouTube-8M's frame-level TFRecord files any record can be read without those before it. Where the records begin is
found once, from their frames, and kept beside the files (`.sspvs-records.npz`). What is in a record, its T included, is
only known when it is read.

Axis letters: T picks, D feature width.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from sspvs.atomic import atomic_stream
from sspvs.data.feature_files import FeatureFile, apart, feature_files, videos_of
from sspvs.errors import DatasetError, FeatureFileError, OutputError, SspvsError, listed, one_line
from sspvs.formats.tfrecord import read_record, record_places
from sspvs.formats.youtube8m import record_bytes
from sspvs.table import FeatureKind, FeatureMemory, FeatureStream, StreamReader, Video, VideoTable, check_features
from sspvs.table.h5_file import DAMAGE
from sspvs.table.survey import survey
from sspvs.table.table import usual_kind
from sspvs.table.video import LazyVideos, Stored
from sspvs.types import FloatArray, IntArray

logger = logging.getLogger(__name__)
INDEX = ".sspvs-records.npz"
_SAMPLED = 16  # videos that give the width before all are looked at
_NONE = "none of the unlabelled videos can be used"
_TRIED = 8  # records that may be damaged before a width is found


class RecordList(LazyVideos):
    """Videos of record files, made as they are looked up (there are millions); `places`: (n, 2) offset and length."""

    def __init__(
        self, files: Sequence[FeatureFile], file_numbers: IntArray, numbers: IntArray, places: IntArray
    ) -> None:
        super().__init__(len(places), partial(_record, files, file_numbers, numbers, places))
        self.files, self.file_numbers, self.numbers, self.places = tuple(files), file_numbers, numbers, places

    def take(self, numbers: IntArray) -> "RecordList":
        """The records at (n,) places."""
        return RecordList(self.files, self.file_numbers[numbers], self.numbers[numbers], self.places[numbers])


def _record(
    files: Sequence[FeatureFile], file_numbers: IntArray, numbers: IntArray, places: IntArray, number: int
) -> Video:
    """One record under its file and its number in it: the video's own name is inside of it."""
    file = int(file_numbers[number])
    name = f"{files[file].label}/{numbers[number]}"
    offset, length = map(int, places[number])
    load = partial(_load, name=name, length=length)
    return Video(name, (FeatureStream(files[file].path, offset=offset, load=load),), shard=file)


class RecordTable(VideoTable):
    """Records of one width, whose T is only known when they are read."""

    def __init__(self, records: RecordList, kind: FeatureKind, memory: FeatureMemory | None) -> None:
        super().__init__(records, memory, checked=True, kind=kind)
        self.records = records

    @property
    def n_picks(self) -> IntArray:
        """(n,) zeros: unknown."""
        return np.zeros(len(self.records), np.int64)

    @property
    def shards(self) -> IntArray | None:
        """(n,) which file each record is in."""
        return self.records.file_numbers

    def take(self, numbers: IntArray) -> "RecordTable":
        """The table of the records at (n,) places."""
        return RecordTable(self.records.take(numbers), self.kind, self.memory)

    @cached_property
    def _counts(self) -> dict[str, int]:
        counts = np.bincount(self.records.file_numbers, minlength=len(self.records.files))
        return {file.label: int(count) for file, count in zip(self.records.files, counts, strict=True)}

    def __contains__(self, name: object) -> bool:
        """Whether a record has this id, of a table of all records."""
        label, _, place = str(name).rpartition("/")
        return place.isdecimal() and str(int(place)) == place and int(place) < self._counts.get(label, 0)


def read_records(
    files: Sequence[FeatureFile], memory: FeatureMemory, problems: list[str], *, progress: bool = False
) -> RecordTable | None:
    """Find the records of files, as far as no earlier run did."""
    indices: dict[Path, _Index] = {}
    file_numbers, places = [], []
    for number, file in enumerate(
        tqdm(files, desc="looking for the records", leave=False, disable=None if progress else True)
    ):
        index = indices.get(file.root) or indices.setdefault(file.root, _Index(file.root))
        try:
            found, wrong = index.places(file.path)
        except DatasetError as error:
            problems.append(one_line(error))
            continue
        if wrong or not len(found):
            problems.append(wrong or f"{file.path}: no records in it")
        file_numbers.append(np.full(len(found), number, np.int64))
        places.append(found)
    for index in indices.values():
        index.keep()
    if not sum(map(len, places)):
        return None
    numbers = [np.arange(len(found), dtype=np.int64) for found in places]
    records = RecordList(files, *map(np.concatenate, (file_numbers, numbers, places)))
    width = _first_width(records, problems)
    return RecordTable(records, FeatureKind(width), memory) if width else None


def width_of_records(file: FeatureFile) -> int:
    """D of a record file, from its first record that can be read."""
    problems: list[str] = []
    found, wrong = record_places(file.path)
    places = np.array(found, np.int64).reshape(-1, 2)
    count = len(places)
    width = _first_width(RecordList([file], np.zeros(count, np.int64), np.arange(count), places), problems)
    if not width:
        raise DatasetError(problems[0] if problems else wrong or f"{file.path}: no records in it")
    return width


class _Index:
    """Where records begin in the files of a folder, by path, size and time of modification; kept as one .npz."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / INDEX
        self._known: dict[str, tuple[tuple[int, int], IntArray, str]] = {}
        self._new = False
        if not self.path.is_file():
            return  # none yet; a pipe in its place would be waited for
        try:
            with np.load(self.path, allow_pickle=False) as kept:
                names, stamps, counts = kept["names"].tolist(), kept["stamps"].tolist(), kept["counts"]
                cuts = np.split(kept["places"].reshape(-1, 2), np.cumsum(counts)[:-1])
                rows = zip(names, stamps, cuts, kept["wrong"].tolist(), strict=True)
                self._known = {name: ((stamp[0], stamp[1]), cut, wrong) for name, stamp, cut, wrong in rows}
        except DAMAGE:
            self._known = {}  # damaged: look again

    def places(self, path: Path) -> tuple[IntArray, str]:
        """(n, 2) offset and length of a file's records, and what is wrong after them."""
        name = path.relative_to(self.folder).as_posix()
        try:
            status = path.stat()
        except OSError as error:
            raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error
        stamp = (status.st_size, status.st_mtime_ns)
        known = self._known.get(name)
        if known is None or known[0] != stamp or not _is_within(known[1], status.st_size):
            found, wrong = record_places(path)
            known = stamp, np.array(found, np.int64).reshape(-1, 2), wrong
            self._known[name], self._new = known, True
        return known[1], known[2]

    def keep(self) -> None:
        """Write what is new; a folder that cannot be written to only costs the next run its time."""
        if not self._new:
            return
        rows = self._known.values()
        try:
            with atomic_stream(self.path) as file:
                np.savez(
                    file,
                    names=np.array(list(self._known), np.str_),
                    stamps=np.array([stamp for stamp, _, _ in rows], np.int64),
                    counts=np.array([len(found) for _, found, _ in rows], np.int64),
                    places=np.concatenate([found for _, found, _ in rows]),
                    wrong=np.array([wrong for _, _, wrong in rows], np.str_),
                )
        except OutputError as error:
            logger.info("where the records begin is not kept: %s", error)


def _is_within(places: IntArray, size: int) -> bool:
    """Whether all records lie in a file of a size."""
    offsets, lengths = places.T
    return places.dtype.kind == "i" and bool(((offsets >= 0) & (lengths >= 0) & (offsets <= size - lengths)).all())


def _first_width(records: RecordList, problems: list[str]) -> int:
    """D of the first record that can be read; 0 where none of the first few can."""
    for video in records[:_TRIED]:
        (stream,) = video.streams
        assert stream.load is not None
        try:
            return int(stream.load(stream).shape[1])
        except SspvsError as error:
            problems.append(one_line(error))
    return 0


def _load(stream: FeatureStream, name: str, length: int) -> Stored:
    """(T, D) bytes of the record; `name` ends in its number."""
    record = read_record(stream.path, int(name.rpartition("/")[2]), stream.offset, length)
    return record_bytes(record, f"{name} of {stream.path.name}")


@dataclass(frozen=True)
class Unlabelled:
    """What was found good."""

    tables: tuple[VideoTable, ...]  # the videos: features in files of their own, and records
    kind: FeatureKind  # width and fingerprint; None for the latter where no video has one

    @cached_property
    def unit_length(self) -> bool:
        """Whether there are bytes among them. Of arrays in files of their own the first of each kind is read."""
        first: dict[str, FeatureStream] = {}
        reader = StreamReader()
        for table in self.tables:
            if isinstance(table, RecordTable):
                return True
            for video in table.videos:
                (stream,) = video.streams
                suffix = stream.path.suffix.lower()
                if suffix == ".npy" or stream.load is not None:
                    first.setdefault(suffix, stream)
        return any(map(reader.is_bytes, first.values()))


def likely_width(paths: Sequence[str]) -> int:
    """D, as most of the first few videos have it."""
    reader, widths, problems = StreamReader(), Counter[int](), list[str]()
    for file in feature_files(paths):
        try:
            if file.kind == "records":
                widths[width_of_records(file)] += 1
            else:
                for video in videos_of(file)[:_SAMPLED]:
                    widths[reader.shape(video.streams[0])[1]] += 1
        except SspvsError as error:
            problems.append(one_line(error))
        if widths.total() >= _SAMPLED:
            break
    reader.close()
    if not widths:
        raise DatasetError(_shown(_NONE, problems or ["no features in them"]))
    return widths.most_common(1)[0][0]


def load_unlabelled(
    paths: Sequence[str], memory: FeatureMemory, *, skip_bad: bool = True, progress: bool = False
) -> Unlabelled:
    """Look at all videos, as far as no earlier run did; what cannot be used is left out with a warning, or refused."""
    files, problems = feature_files(paths), list[str]()
    records = read_records([file for file in files if file.kind == "records"], memory, problems, progress=progress)
    others = {} if records is None else {records.kind: len(records)}
    videos = _listed([file for file in files if file.kind != "records"], records, problems)
    stored = survey(videos, memory, others=others, progress=progress)
    problems += [sentence for _, sentence in stored.problems]
    kind = usual_kind(Counter(video.kind for video in stored.videos) + Counter(others))
    tables = [table for table in (stored, records) if table is not None and len(table)]
    if records is not None:
        try:
            check_features(records.kind, FeatureKind(kind.width), f"{len(records)} records", remedy="")
        except FeatureFileError as error:
            problems.append(one_line(error))
            tables.remove(records)
    if not tables:
        raise DatasetError(_shown(_NONE, problems or ["no features in them"]))
    count = sum(map(len, tables))
    _leave_out("unlabelled videos or files cannot be used", problems, count, skip_bad=skip_bad)
    if kind.fingerprint is None:
        logger.warning(
            "no feature fingerprint in the unlabelled features: what made them is unknown, and whether they "
            "fit a checkpoint"
        )
    logger.info("%d unlabelled videos, features %d wide", count, kind.width)
    return Unlabelled(tuple(tables), kind)


def _listed(files: Sequence[FeatureFile], records: RecordTable | None, problems: list[str]) -> list[Video]:
    """All videos of files, under ids that no other video or record has."""
    videos, taken, tars = list[Video](), set[str](), dict[Path, int]()
    for file in files:
        try:
            found = videos_of(file)
        except SspvsError as error:
            problems.append(one_line(error))
            continue
        for video in found:
            if records is not None and video.id in records:
                taken.add(video.id)
            path = video.streams[0].path
            shard = tars.setdefault(path, len(tars)) if path.suffix == ".tar" else -1
            videos.append(replace(video, id=apart(video.id, taken), shard=shard))
    return videos


def _leave_out(what: str, problems: Sequence[str], remain: int, *, skip_bad: bool, purpose: str = "") -> None:
    """Warn of what cannot be used, where there is any; refused without `skip_bad`, or when nothing remains."""
    if not problems:
        return
    sentence = _shown(f"{len(problems)} of the {what}", problems)
    if not skip_bad:
        raise DatasetError(f"{sentence}; mend them, or leave them out with data.skip_bad true")
    if not remain:
        raise DatasetError(f"{sentence}; none is left{purpose}: hold out more (data.val_share)")
    logger.warning("%s; they are left out, %d videos remain%s", sentence, remain, purpose)


def _shown(what: str, problems: Sequence[str]) -> str:
    return f"{what}: {listed(problems, separator='; ')}"


def held_out(tables: Sequence[VideoTable], share: float, seed: int) -> tuple[list[VideoTable], list[VideoTable]]:
    """Training videos, and about `share` of them to validate on, drawn by ids: a video stays on its side."""
    chances = [_chances(table, seed) for table in tables]
    ordered = np.sort(np.concatenate(chances))
    if len(ordered) < 2:
        raise DatasetError(
            "expected two unlabelled videos or more, to hold one out that is validated on, found one; set validate_on "
            "to nothing"
        )
    limit = min(max(share, float(ordered[1])), float(ordered[-1]))
    sides = [
        (table.take(np.flatnonzero(c >= limit)), table.take(np.flatnonzero(c < limit)))
        for table, c in zip(tables, chances, strict=True)
    ]
    return [train for train, _ in sides], [val for _, val in sides]


def readable(tables: Sequence[VideoTable], *, skip_bad: bool) -> list[VideoTable]:
    """Held-out videos without the records that cannot be read, so that each validation is on the same ones."""
    kept, problems = list[VideoTable](), list[str]()
    for table in tables:
        good = np.ones(len(table), bool)
        for place in np.flatnonzero(table.n_picks == 0):
            try:
                table.rows(table.videos[int(place)], lambda _: np.zeros(1, np.int64))
            except SspvsError as error:
                good[place] = False
                problems.append(one_line(error))
        kept.append(table.take(np.flatnonzero(good)))
    what, purpose = "records held out cannot be read", " to validate on"
    _leave_out(what, problems, sum(map(len, kept)), skip_bad=skip_bad, purpose=purpose)
    return kept


def _chances(table: VideoTable, seed: int) -> FloatArray:
    """(n,) a number in [0, 1) of each video under a seed."""
    salt = b"held out %d" % seed
    digests = [
        hashlib.blake2b(video.id.encode("utf-8", "replace"), digest_size=8, key=salt).digest() for video in table.videos
    ]
    return np.array([int.from_bytes(digest, "little") / 2**64 for digest in digests])
