"""Which unlabelled videos are trained on and which are held out; what is refused before training."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from sspvs.data.refinement.dataset import ClipPart
from sspvs.data.refinement.finding import feature_files
from sspvs.data.refinement.sources import ClipSource
from sspvs.data.refinement.survey import Unlabelled
from sspvs.data.summarization.memory import FeatureMemory
from sspvs.data.summarization.survey import SummarizeItem, Surveyed
from sspvs.errors import DatasetError, FingerprintMismatchError, SspvsError, one_line
from sspvs.features.store import differences
from sspvs.types import FloatArray

logger = logging.getLogger(__name__)
_LISTED = 8


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
