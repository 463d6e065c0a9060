"""Unlabelled features looked at once before training: what cannot be used is counted, and the rest goes on."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from tqdm import tqdm

from sspvs.data.pretrain.survey import SURVEY, Fact, SurveyNotes
from sspvs.data.refinement.dataset import ClipPart
from sspvs.data.refinement.finding import (
    ClipReader,
    FeatureFile,
    StoredVideo,
    apart,
    feature_files,
    has_bytes,
    videos_of,
)
from sspvs.data.refinement.records import RecordSource, read_records, width_of_records
from sspvs.data.refinement.sources import ClipMemory, ClipSource, StoredSource
from sspvs.data.summarization.memory import FeatureMemory
from sspvs.data.summarization.survey import SummarizeItem, Surveyed
from sspvs.errors import DatasetError, FingerprintMismatchError, SspvsError, one_line
from sspvs.table import differences
from sspvs.types import Fingerprint, FloatArray

logger = logging.getLogger(__name__)
_LISTED = 8
_SAMPLED = 16  # videos that tell the width before all are looked at


@dataclass(frozen=True)
class Unlabelled:
    """What was found good.

    Attributes:
        sources: The videos.
        feature_dim: D.
        fingerprint: What made the features; None when it is not known of any.
    """

    sources: tuple[ClipSource, ...]
    feature_dim: int
    fingerprint: Fingerprint | None

    @cached_property
    def unit_length(self) -> bool:
        """Whether there are bytes among them. Of arrays in files of their own the first of each kind tells."""
        return any(
            not isinstance(source, StoredSource) or has_bytes(video.ref for video in source.videos)
            for source in self.sources
        )


def likely_width(paths: Sequence[str]) -> int:
    """D, as most of the first few videos have it.

    Raises:
        DatasetError: There are none that can be read.
    """
    reader, widths, problems = ClipReader(), Counter[int](), list[str]()
    for file in feature_files(paths):
        try:
            if file.kind == "records":
                widths[width_of_records(file)] += 1
            else:
                for video in videos_of(file)[:_SAMPLED]:
                    widths[reader.shape(video.ref)[1]] += 1
        except SspvsError as error:
            problems.append(one_line(error))
        if widths.total() >= _SAMPLED:
            break
    reader.close()
    if not widths:
        raise DatasetError(_told("none of the unlabelled videos can be used", problems or ["no features in them"]))
    return widths.most_common(1)[0][0]


def load_unlabelled(
    paths: Sequence[str], memory: ClipMemory, *, skip_bad: bool = True, progress: bool = False
) -> Unlabelled:
    """Look at all videos, as far as no earlier run did.

    Args:
        paths: Feature files, and folders of them.
        memory: Where features are kept once read.
        skip_bad: Leave out what cannot be used, and warn; else refuse.
        progress: Show progress bars; quiet when stderr is no terminal.

    Raises:
        DatasetError: Videos that cannot be used (all of them, or with `skip_bad` false any), said together.
    """
    files = feature_files(paths)
    problems: list[str] = []
    records = read_records([file for file in files if file.kind == "records"], memory, problems, progress=progress)
    videos = _looked_at([file for file in files if file.kind != "records"], records, problems, progress=progress)
    facts = [video.fact for video in videos if video.fact is not None]
    width = _common_width(facts, records)
    good = [video for video in videos if _fits(video, width, problems)]
    fingerprint = Counter(video.fact.fingerprint for video in good if video.fact and video.fact.fingerprint)
    made = fingerprint.most_common(1)[0][0] if fingerprint else None
    good = [video for video in good if _made_alike(video, made, problems)]
    sources: list[ClipSource] = [StoredSource(good, memory)] if good else []
    if records is not None and records.feature_dim == width:
        sources.append(records)
    elif records is not None:
        problems.append(f"{len(records.lengths)} records have features {records.feature_dim} wide, most others {width}")
    if not sources:
        raise DatasetError(_told("none of the unlabelled videos can be used", problems or ["no features in them"]))
    _tell(sources, width, made, problems, skip_bad=skip_bad)
    return Unlabelled(tuple(sources), width, made)


def _looked_at(
    files: Sequence[FeatureFile], records: RecordSource | None, problems: list[str], *, progress: bool
) -> list[StoredVideo]:
    """All videos that can be read, with what there is to know of each, under ids that no other video or record has."""
    reader, notes, found, taken = ClipReader(), dict[Path, SurveyNotes](), list[StoredVideo](), set[str]()
    for file in tqdm(files, desc="looking at the features", leave=False, disable=None if progress else True):
        for unnamed in _videos(file, problems):
            if records is not None and records.has(unnamed.id):
                taken.add(unnamed.id)
            video = replace(unnamed, id=apart(unnamed.id, taken))
            kept = notes.get(video.root) or notes.setdefault(video.root, SurveyNotes(video.root / SURVEY))
            try:  # those in shards were looked at when they were written
                fact = video.fact or kept.fact(video.ref) or kept.add(video.ref, reader)
            except SspvsError as error:
                problems.append(f"{video.id}: {one_line(error)}")
                continue
            found.append(replace(video, fact=fact))
    reader.close()
    for one in notes.values():
        one.keep()
    return found


def _videos(file: FeatureFile, problems: list[str]) -> list[StoredVideo]:
    try:
        return videos_of(file)
    except SspvsError as error:
        problems.append(one_line(error))
        return []


def _common_width(facts: Sequence[Fact], records: RecordSource | None) -> int:
    """D of most videos; 0 of none."""
    widths = Counter(fact.feature_dim for fact in facts)
    if records is not None:
        widths[records.feature_dim] += len(records.lengths)
    return widths.most_common(1)[0][0] if widths else 0


def _fits(video: StoredVideo, width: int, problems: list[str]) -> bool:
    assert video.fact is not None
    if video.fact.feature_dim == width:
        return True
    problems.append(f"{video.id}: features {video.fact.feature_dim} wide, most others {width}")
    return False


def _made_alike(video: StoredVideo, most: Fingerprint | None, problems: list[str]) -> bool:
    assert video.fact is not None
    made = video.fact.fingerprint
    if made is None or most is None or made == most:
        return True
    problems.append(f"{video.id}: features made otherwise than most others' ({differences(made, most)})")
    return False


def _tell(
    sources: Sequence[ClipSource], width: int, made: Fingerprint | None, problems: Sequence[str], *, skip_bad: bool
) -> None:
    count = sum(len(source.lengths) for source in sources)
    if problems:
        told = _told(f"{len(problems)} of the unlabelled videos or files cannot be used", problems)
        if not skip_bad:
            raise DatasetError(f"{told}; mend them, or leave them out with data.skip_bad true")
        logger.warning("%s; they are left out, %d videos remain", told, count)
    if made is None:
        logger.warning(
            "no feature fingerprint in the unlabelled features: what made them is unknown, and whether they "
            "fit a checkpoint"
        )
    logger.info("%d unlabelled videos, features %d wide", count, width)


def _told(what: str, problems: Sequence[str]) -> str:
    more = f"; and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
    return f"{what}: {'; '.join(problems[:_LISTED])}{more}"


def all_of(sources: Sequence[ClipSource]) -> tuple[ClipPart, ...]:
    """All videos of sources."""
    return tuple(ClipPart(source, np.arange(len(source.lengths), dtype=np.int64)) for source in sources)


def held_out(parts: Sequence[ClipPart], share: float, seed: int) -> tuple[tuple[ClipPart, ...], tuple[ClipPart, ...]]:
    """Training and validation videos, drawn by their ids: one stays on its side when others are added.

    Args:
        parts: The videos.
        share: Of them, about: one at least and never all.
        seed: Of the draw.

    Raises:
        DatasetError: There is one video alone, which cannot be shared.
    """
    chances = [_chances(part, seed) for part in parts]
    ordered = np.sort(np.concatenate(chances))
    if len(ordered) < 2:
        raise DatasetError(
            "expected two unlabelled videos or more, to hold one out that is validated on, found one; set validate_on "
            "to nothing"
        )
    limit = min(max(share, float(ordered[1])), float(ordered[-1]))
    train = tuple(ClipPart(part.source, part.numbers[c >= limit]) for part, c in zip(parts, chances, strict=True))
    val = tuple(ClipPart(part.source, part.numbers[c < limit]) for part, c in zip(parts, chances, strict=True))
    return train, val


def readable(parts: Sequence[ClipPart], *, skip_bad: bool) -> tuple[ClipPart, ...]:
    """Videos without the records that cannot be read: what is validated on must be the same each time.

    Of other videos the survey has told already; records are read here for the first time.

    Args:
        parts: The videos that are held out.
        skip_bad: Leave them out, and warn; else refuse.

    Raises:
        DatasetError: There are such records and `skip_bad` is false, or none is left.
    """
    kept, problems = list[ClipPart](), list[str]()
    for part in parts:
        good = np.ones(len(part.numbers), bool)
        for place in np.flatnonzero(part.source.lengths[part.numbers] == 0):
            try:
                part.source.read(int(part.numbers[place]), lambda _: np.zeros(1, np.int64))
            except SspvsError as error:
                good[place] = False
                problems.append(one_line(error))
        kept.append(ClipPart(part.source, part.numbers[good]))
    if not problems:
        return tuple(kept)
    more = f"; and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
    told = f"{len(problems)} of the records held out cannot be read: {'; '.join(problems[:_LISTED])}{more}"
    if not skip_bad:
        raise DatasetError(f"{told}; mend them, or leave them out with data.skip_bad true")
    remain = sum(len(part.numbers) for part in kept)
    if not remain:
        raise DatasetError(f"{told}; none is left to validate on: hold out more (data.val_share)")
    logger.warning("%s; they are left out, %d videos remain to validate on", told, remain)
    return tuple(kept)


def refuse_damaged(items: Iterable[SummarizeItem], memory: FeatureMemory) -> None:
    """Refuse annotated videos whose features cannot be read or are not finite: none of them may be missing.

    Args:
        items: The fold's videos.
        memory: Where features are kept once read.

    Raises:
        DatasetError: There are such videos, said together.
    """
    problems = []
    for item in items:
        try:
            memory.read(item)
        except SspvsError as error:
            problems.append(one_line(error))
    memory.close()
    if problems:
        more = f"; and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
        raise DatasetError(f"{'; '.join(problems[:_LISTED])}{more}")


def refuse_same_files(features: Sequence[str], datasets: Sequence[Path]) -> None:
    """Refuse a dataset file that is among the unlabelled features as well.

    Raises:
        ValueError: It would be read twice, and its tested videos trained on.
        DatasetError: A path is missing, or has no feature file.
    """
    known = {path.resolve() for path in datasets}
    for file in feature_files(features) if known else ():
        if file.path.resolve() in known:
            raise ValueError(
                f"{file.path} is in data.features and among the datasets as well; take it out of data.features"
            )


def refuse_unlike(annotated: Surveyed, unlabelled: Unlabelled, where: str) -> None:
    """Refuse unlabelled features that are not of the same kind as those of the annotated videos.

    Args:
        annotated: What was found of the fold.
        unlabelled: What was found of the others.
        where: Both, for messages.

    Raises:
        DatasetError: They have another width.
        FingerprintMismatchError: They were made otherwise.
    """
    if annotated.feature_dim != unlabelled.feature_dim:
        raise DatasetError(
            f"{where}: features of different widths, {annotated.feature_dim} and {unlabelled.feature_dim}; extract all "
            "of them with one backbone"
        )
    first, second = annotated.fingerprint, unlabelled.fingerprint
    if first is not None and second is not None and first != second:
        raise FingerprintMismatchError(
            f"the features of {where} were not made alike (of the first, {differences(first, second)}); extract all "
            "of them with one backbone"
        )


def _chances(part: ClipPart, seed: int) -> FloatArray:
    """(n,) a number in [0, 1) that each video always has under a seed."""
    salt = b"held out %d" % seed
    digests = [
        hashlib.blake2b(part.source.name(int(number)).encode("utf-8", "replace"), digest_size=8, key=salt).digest()
        for number in part.numbers
    ]
    return np.array([int.from_bytes(digest, "little") / 2**64 for digest in digests])
