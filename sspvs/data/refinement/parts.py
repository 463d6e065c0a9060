"""Which unlabelled videos are trained on: not those held out, nor those that are judged under another name.

Axis letters: T picks.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sspvs.data.refinement.dataset import ClipPart
from sspvs.data.refinement.finding import feature_files
from sspvs.data.refinement.sources import ClipSource
from sspvs.data.refinement.survey import Unlabelled
from sspvs.data.summarization.survey import Surveyed
from sspvs.errors import DatasetError, FingerprintMismatchError
from sspvs.features.store import differences
from sspvs.types import FloatArray, IntArray

logger = logging.getLogger(__name__)
_PROBES = 3  # rows of a video that are compared
_SAME = 1e-2  # of a row's length: what half precision or bytes may change
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


def without_judged(parts: Sequence[ClipPart], judged: ClipSource) -> tuple[ClipPart, ...]:
    """Videos without those that are tested or validated: features of as many frames, the same at three of them.

    Records are not looked into: their length is not known.

    Args:
        parts: Unlabelled videos.
        judged: The tested and validated ones.
    """
    probes: dict[int, list[FloatArray]] = {}
    for number, length in enumerate(judged.lengths):
        probes.setdefault(int(length), []).append(judged.read(number, _probe_rows))
    kept, left_out = list[ClipPart](), list[str]()
    for part in parts:
        suspects = np.flatnonzero(np.isin(part.source.lengths[part.numbers], list(probes)))
        same = np.zeros(len(part.numbers), bool)
        for place in suspects:
            number = int(part.numbers[place])
            rows = part.source.read(number, _probe_rows)
            same[place] = any(_alike(rows, other) for other in probes[int(part.source.lengths[number])])
        left_out += [part.source.name(int(number)) for number in part.numbers[same]]
        kept.append(ClipPart(part.source, part.numbers[~same]))
    if left_out:
        more = f" and {len(left_out) - _LISTED} more" if len(left_out) > _LISTED else ""
        logger.warning(
            "%d of the unlabelled videos have the features of videos that are tested or validated on, and are not "
            "trained on: %s%s",
            len(left_out),
            ", ".join(left_out[:_LISTED]),
            more,
        )
    return tuple(kept)


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


def _probe_rows(n_frames: int) -> IntArray:
    """(3,) rows spread over a video; fewer frames occur twice."""
    return np.linspace(0, n_frames - 1, _PROBES).astype(np.int64)


def _alike(rows: FloatArray, other: FloatArray) -> bool:
    lengths = np.maximum(np.linalg.norm(rows, axis=1), np.linalg.norm(other, axis=1))
    return rows.shape == other.shape and bool((np.linalg.norm(rows - other, axis=1) <= _SAME * lengths).all())


def _chances(part: ClipPart, seed: int) -> FloatArray:
    """(n,) a number in [0, 1) that each video always has under a seed."""
    salt = b"held out %d" % seed
    digests = [
        hashlib.blake2b(part.source.name(int(number)).encode("utf-8", "replace"), digest_size=8, key=salt).digest()
        for number in part.numbers
    ]
    return np.array([int.from_bytes(digest, "little") / 2**64 for digest in digests])
