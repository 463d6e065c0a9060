"""Unlabelled features looked at once before training: what cannot be used is counted, and the rest goes on."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from tqdm import tqdm

from sspvs.data.pretrain.survey_notes import SURVEY, Fact, SurveyNotes
from sspvs.data.refinement.finding import FeatureFile, StoredVideo, apart, feature_files, videos_of
from sspvs.data.refinement.reading import ClipReader, has_bytes
from sspvs.data.refinement.records import RecordSource, read_records, width_of_records
from sspvs.data.refinement.sources import ClipMemory, ClipSource, StoredSource
from sspvs.errors import DatasetError, SspvsError, one_line
from sspvs.features.store import differences
from sspvs.types import Fingerprint

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
