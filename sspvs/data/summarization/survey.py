"""What people said of a video, as the importance that a summarizer is trained on.

Axis letters: T picks.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from sspvs.annotations.video_names import VideoRef
from sspvs.data.summarization.stores import Stores
from sspvs.data.summarization.texts import text_of
from sspvs.errors import DatasetError, FeatureFileError, FingerprintMismatchError, one_line
from sspvs.evaluation.requirements import consensus_scores
from sspvs.table import DatasetStore, differences
from sspvs.table.frame_slices import FrameSlices
from sspvs.table.text import TextFields
from sspvs.types import Annotations, Fingerprint, FloatArray

_SAME = 1e-6  # of the largest score: what float32 means of equal scores may differ by


def importance_target(annotations: Annotations) -> FloatArray:
    """Importance between 0 and 1, as published: `gtscore`, min-max normalised over the whole video.

    Where there is no gtscore: the mean of the users' scores, else of their summaries, at the picks. A video whose
    scores are all the same has zeros: nothing in it stands out.

    Args:
        annotations: The video's.

    Returns:
        (T,) float32; 0 at the least and 1 at the most important pick.

    Raises:
        DatasetError: Nobody said anything of the video, or a score is NaN or infinite.
    """
    scores = consensus_scores(annotations)
    if scores is None:
        raise DatasetError(
            f"{annotations.video_name} ({annotations.key}): expected gtscore, user_scores or user_summary, found none; "
            "add annotations of it (`sspvs data build`), or take the video out of the split"
        )
    exact = np.asarray(scores, np.float64)
    low, high = float(exact.min()), float(exact.max())
    if high - low <= _SAME * max(abs(low), abs(high)):
        return np.zeros(len(exact), np.float32)
    target: FloatArray = ((exact - low) / (high - low)).astype(np.float32)
    return target


logger = logging.getLogger(__name__)
_LISTED = 8
_MANY = 500  # videos that take long enough for a progress bar


@dataclass(frozen=True)
class SummarizeItem:
    """A video that was looked at and found good.

    Attributes:
        id: `dataset/key`.
        path: The dataset file.
        key: Its group in it.
        target: (T,) float32 importance, min-max normalised.
        text: What is written about it.
    """

    id: str
    path: Path
    key: str
    target: FloatArray
    text: TextFields

    @property
    def n_frames(self) -> int:
        """T, its picks."""
        return len(self.target)


@dataclass(frozen=True)
class Surveyed:
    """What was found.

    Attributes:
        items: The videos by id.
        annotations: Those that are judged, by id.
        feature_dim: D.
        fingerprint: What made the features; None when it is not known of any.
    """

    items: Mapping[str, SummarizeItem]
    annotations: Mapping[str, Annotations]
    feature_dim: int
    fingerprint: Fingerprint | None


def survey(
    ids: Sequence[str],
    stores: Stores,
    *,
    judged: Collection[str] = (),
    texts: Mapping[str, TextFields] | None = None,
    title_as_query: bool = False,
) -> Surveyed:
    """Look at videos; features are not read.

    Args:
        ids: The videos, at least one.
        stores: The datasets.
        judged: Those whose annotations are kept.
        texts: What is written about videos, by id; others have what the dataset says.
        title_as_query: As in `text_of`.

    Raises:
        DatasetError: Videos without features or annotations, or of another width than most.
        FingerprintMismatchError: Features that were made differently.
    """
    kept, items, annotations = set(judged), dict[str, SummarizeItem](), dict[str, Annotations]()
    slices, problems, facts = FrameSlices(), list[str](), dict[str, tuple[int, Fingerprint | None]]()
    _refuse_without_features(ids, stores)
    for video in tqdm(ids, desc="looking at the videos", leave=False, disable=None if len(ids) > _MANY else True):
        store, key = _place(video, stores)
        try:
            known = store[key]
            target = importance_target(known)
            length, width = slices.shape(store.path, key)
            if length != len(target):
                raise DatasetError(f"{video}: {length} features, but {len(target)} picks; extract the features again")
            facts[video] = width, slices.fingerprint(store.path, key)
        except (DatasetError, FeatureFileError) as error:
            problems.append(one_line(error))
            continue
        text = (texts or {}).get(video) or text_of(known, store.name, title_as_query=title_as_query)
        items[video] = SummarizeItem(video, store.path, key, target, text)
        if video in kept:
            annotations[video] = known
    slices.close()
    if problems:
        more = f"; and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
        count = f"{len(problems)} of {len(ids)} videos cannot be used: " if len(problems) > 1 else ""
        raise DatasetError(f"{count}{'; '.join(problems[:_LISTED])}{more}")
    return Surveyed(items, annotations, _one_width(facts), _one_fingerprint(facts))


def first_width(store: DatasetStore) -> int:
    """D, from the first video of a dataset that has features.

    Raises:
        DatasetError: None has.
    """
    slices = FrameSlices()
    for key in store:
        if store.has_features(key):
            width = slices.shape(store.path, key)[1]
            slices.close()
            return width
    raise DatasetError(_without_features(store, list(store)))


def _refuse_without_features(ids: Sequence[str], stores: Stores) -> None:
    without: dict[str, list[str]] = {}
    for video in ids:
        store, key = _place(video, stores)
        if not store.has_features(key):
            without.setdefault(store.name, []).append(key)
    if without:
        raise DatasetError("; ".join(_without_features(stores[name], keys) for name, keys in without.items()))


def _without_features(store: DatasetStore, keys: Sequence[str]) -> str:
    more = f" and {len(keys) - _LISTED} more" if len(keys) > _LISTED else ""
    return (
        f"{store.path}: no features of {len(keys)} of {len(store)} videos ({', '.join(keys[:_LISTED])}{more}); build "
        "the dataset with them: `sspvs data build ... --features FEATURES.h5` (or `--videos FOLDER` to extract them)"
    )


def _place(video: str, stores: Stores) -> tuple[DatasetStore, str]:
    name, _, key = video.rpartition("/")
    return stores[name], key


def _one_width(facts: Mapping[str, tuple[int, Fingerprint | None]]) -> int:
    widths = {width: video for video, (width, _) in facts.items()}
    if len(widths) > 1:
        told = ", ".join(f"{width} ({video})" for width, video in sorted(widths.items()))
        raise DatasetError(f"features of different widths: {told}; extract all of them with one backbone")
    return next(iter(widths))


def _one_fingerprint(facts: Mapping[str, tuple[int, Fingerprint | None]]) -> Fingerprint | None:
    made = {made: video for video, (_, made) in facts.items() if made is not None}
    if len(made) > 1:
        (first, one), (second, other) = list(made.items())[:2]
        raise FingerprintMismatchError(
            f"the features of {one} and {other} were not made alike (of the first, {differences(first, second)}); "
            "extract all of them with one backbone"
        )
    unknown = Counter(VideoRef.parse(video).dataset for video, (_, made) in facts.items() if made is None)
    if unknown:
        logger.warning(
            "no feature fingerprint in %s: what made these features is unknown, and whether they fit a checkpoint",
            ", ".join(sorted(unknown)),
        )
    return next(iter(made), None)
