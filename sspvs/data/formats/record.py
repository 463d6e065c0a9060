"""What every format is read into and written from: one video at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sspvs.types import Annotations, Fingerprint, FloatArray, FrameFeatures, IntArray

TOKEN_FIELDS = ("category", "query", "title", "description")


@dataclass(frozen=True)
class VideoText:
    """What is written about a video.

    Attributes:
        category: Text, or empty.
        query: The search query that found it, or empty.
        title: Text, or empty.
        description: Text, or empty.
        tokens: BERT token ids of any of these four, as a source had them.
        sentences: n sentences about parts of the video.
        sentence_seconds: (n, 2) the parts they are about, in seconds.
    """

    category: str = ""
    query: str = ""
    title: str = ""
    description: str = ""
    tokens: Mapping[str, IntArray] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()
    sentence_seconds: FloatArray | None = None


@dataclass(frozen=True)
class VideoRecord:
    """One video on its way from one format to another.

    Attributes:
        key: Its key in the source.
        name: Its own name; the key where the source has no other.
        annotations: What people said about it; None when the source has only features or texts.
        features: Features of its picks; None when the source has none.
        text: What is written about it.
        subset: `train`, `val` or `test` where the source says so.
        frame_rate: Frames per second where only the format tells, as in sets of one feature a second.
        unread: What the source has of it that no format here has a place for, in words.
    """

    key: str
    name: str
    annotations: Annotations | None = None
    features: FrameFeatures | None = None
    text: VideoText = field(default_factory=VideoText)
    subset: str = ""
    frame_rate: float | None = None
    unread: tuple[str, ...] = ()

    @property
    def fps(self) -> float | None:
        """Frames per second, from whatever knows it."""
        if self.annotations is not None and self.annotations.fps:
            return self.annotations.fps
        if self.features is not None and self.features.info is not None and self.features.info.fps > 0:
            return self.features.info.fps
        if self.features is not None and self.features.timeline is not None:
            return self.features.timeline.n_frames / self.features.timeline.end_seconds
        return self.frame_rate

    def parts(self) -> dict[str, bool]:
        """What the record has, by name: the same names as a format's `holds`."""
        annotations, features, text = self.annotations, self.features, self.text
        has: dict[str, Any] = {
            "features": features,
            "fingerprint": features is not None and features.fingerprint,
            "frame times": features is not None and features.timeline,
            "frame changes": features is not None and features.frame_change is not None,
            "gtscore": annotations is not None and annotations.gtscore is not None,
            "gtsummary": annotations is not None and annotations.gtsummary is not None,
            "user summaries": annotations is not None and annotations.user_summaries is not None,
            "user scores": annotations is not None and self.has_own_scores,
            "shots": annotations is not None and annotations.shots,
            "fps": annotations is not None and annotations.fps,
            "names beside the keys": self.name != self.key,
            "picks other than every 15th frame": annotations is not None and not _is_regular(annotations),
            "category": text.category,
            "query": text.query,
            "title": text.title,
            "description": text.description,
            "token ids": text.tokens,
            "sentences": text.sentences,
            "subset (train, val, test)": self.subset,
        }
        return {part: value is not None and value is not False and bool(value) for part, value in has.items()}

    @property
    def has_own_scores(self) -> bool:
        """Whether the annotators' scores say more than their summaries do (not so on SumMe)."""
        if self.annotations is None or self.annotations.user_scores is None:
            return False
        summaries, scores = self.annotations.user_summaries, self.annotations.user_scores
        return summaries is None or scores.shape != summaries.shape or bool(((scores > 0) != summaries).any())


def _is_regular(annotations: Annotations) -> bool:
    picks, n_frames = annotations.picks, annotations.n_frames
    return any(np.array_equal(picks, np.arange(0, n_frames, step)) for step in (1, 15))


Entry = tuple[str, Callable[[], VideoRecord]]


@dataclass
class Source:
    """A file or folder, read one video at a time.

    Attributes:
        name: The dataset's name.
        entries: Key and what reads that video; reading may raise `SspvsError` or `ValueError`, which concerns that
            video alone.
        total: How many there are; None when only reading tells.
        fingerprint: What made the features, where the whole file says so.
        made_by: How the source was made, as it says itself.
        notes: What was taken for granted in reading, in sentences.
    """

    name: str
    entries: Iterator[Entry]
    total: int | None = None
    fingerprint: Fingerprint | None = None
    made_by: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
