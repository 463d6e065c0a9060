"""Unlabelled videos: looked at once before training, and which of them are trained on and which are held out.

Axis letters: T picks, D feature width.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from sspvs.data.feature_files import FeatureFile, apart, feature_files, videos_of
from sspvs.data.records import RecordTable, read_records, width_of_records
from sspvs.errors import DatasetError, FeatureFileError, SspvsError, listed, one_line
from sspvs.table import FeatureKind, FeatureMemory, FeatureStream, StreamReader, Video, VideoTable, check_features
from sspvs.table.survey import survey
from sspvs.table.table import usual_kind
from sspvs.types import FloatArray

logger = logging.getLogger(__name__)
_SAMPLED = 16  # videos that give the width before all are looked at
_NONE = "none of the unlabelled videos can be used"


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
    _report(sum(map(len, tables)), kind, problems, skip_bad=skip_bad)
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


def _report(count: int, kind: FeatureKind, problems: Sequence[str], *, skip_bad: bool) -> None:
    if problems:
        sentence = _shown(f"{len(problems)} of the unlabelled videos or files cannot be used", problems)
        if not skip_bad:
            raise DatasetError(f"{sentence}; mend them, or leave them out with data.skip_bad true")
        logger.warning("%s; they are left out, %d videos remain", sentence, count)
    if kind.fingerprint is None:
        logger.warning(
            "no feature fingerprint in the unlabelled features: what made them is unknown, and whether they "
            "fit a checkpoint"
        )
    logger.info("%d unlabelled videos, features %d wide", count, kind.width)


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
    """Held-out videos without the records that cannot be read: what is validated on must be the same each time.

    Other videos were looked at by the survey; records are read here for the first time. With `skip_bad` false they are
    refused.
    """
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
    if not problems:
        return kept
    sentence = _shown(f"{len(problems)} of the records held out cannot be read", problems)
    if not skip_bad:
        raise DatasetError(f"{sentence}; mend them, or leave them out with data.skip_bad true")
    remain = sum(map(len, kept))
    if not remain:
        raise DatasetError(f"{sentence}; none is left to validate on: hold out more (data.val_share)")
    logger.warning("%s; they are left out, %d videos remain to validate on", sentence, remain)
    return kept


def _chances(table: VideoTable, seed: int) -> FloatArray:
    """(n,) a number in [0, 1) of each video under a seed."""
    salt = b"held out %d" % seed
    digests = [
        hashlib.blake2b(video.id.encode("utf-8", "replace"), digest_size=8, key=salt).digest() for video in table.videos
    ]
    return np.array([int.from_bytes(digest, "little") / 2**64 for digest in digests])
