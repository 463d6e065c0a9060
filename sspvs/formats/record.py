"""The record that every format is read into and written from, one video at a time; values resampled to seconds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from sspvs.table.text import TextFields
from sspvs.types import Annotations, BoolArray, Fingerprint, FloatArray, FrameFeatures, IntArray, Shots

_NO_TEXT = TextFields()
_ROUND_OFF = 1e-6


@dataclass(frozen=True)
class VideoRecord:
    """One video on its way from one format to another."""

    key: str  # its key in the source
    name: str  # its own name; the key where the source has no other
    # annotators' scores and summaries, shots; None when the source has only features or texts
    annotations: Annotations | None = None
    features: FrameFeatures | None = None  # features of its picks; None when the source has none
    text: TextFields = _NO_TEXT
    # BERT token ids of any of these fields, as the source has them
    tokens: Mapping[str, IntArray] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()  # n sentences about parts of the video
    sentence_seconds: FloatArray | None = None  # (n, 2) the parts that they are about, in seconds
    subset: str = ""  # `train`, `val` or `test` where the source has it
    # frames per second where only the format fixes them, as in sets of one feature a second
    frame_rate: float | None = None
    unread: tuple[str, ...] = ()  # what the source has of it that no format here has a place for, in words

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

    def parts(self) -> dict[str, bool]:
        """What the record has, by name: the same names as a format's `holds`."""
        annotations, features, text = self.annotations, self.features, self.text
        is_regular = annotations is not None and any(
            np.array_equal(annotations.picks, np.arange(0, annotations.n_frames, step)) for step in (1, 15)
        )
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
            "picks other than every 15th frame": annotations is not None and not is_regular,
            **text._asdict(),
            "token ids": self.tokens,
            "sentences": self.sentences,
            "subset (train, val, test)": self.subset,
        }
        return {part: value is not None and value is not False and bool(value) for part, value in has.items()}

    @property
    def has_own_scores(self) -> bool:
        """Whether the annotators' scores hold more than their summaries do (not so on SumMe)."""
        if self.annotations is None or self.annotations.user_scores is None:
            return False
        summaries, scores = self.annotations.user_summaries, self.annotations.user_scores
        return summaries is None or scores.shape != summaries.shape or bool(((scores > 0) != summaries).any())


Entry = tuple[str, Callable[[], VideoRecord]]


@dataclass
class Source:
    """A file or folder, read one video at a time."""

    name: str  # the dataset's name
    # key and what reads that video; reading may raise `SspvsError` or `ValueError`, which concerns that video alone
    entries: Iterator[Entry]
    total: int | None = None  # how many there are; None when unknown before reading
    fingerprint: Fingerprint | None = None  # what made the features of the whole file
    made_by: Mapping[str, Any] = field(default_factory=dict)  # how the source was made, from its own record
    notes: tuple[str, ...] = ()  # what was taken for granted in reading, in sentences
    # of a key, what the source has of that video beside `VideoRecord.unread`; only conversions look
    unread: Callable[[str], Sequence[str]] = lambda _: ()


def second_starts(n_frames: int, fps: float) -> IntArray:
    """(T + 1,) the first frame of each second, and N at the end."""
    n_seconds = int((n_frames - 1) / fps + _ROUND_OFF) + 1
    starts = np.ceil(np.arange(n_seconds) * fps - _ROUND_OFF).astype(np.int64)
    return np.append(np.minimum(starts, n_frames - 1), n_frames)


def values_a_second(
    values: FloatArray, picks: IntArray, n_frames: int, fps: float, how: Literal["mean", "hold"] = "mean"
) -> FloatArray:
    """(P,) or (P, D) values at the picks as one a second: the mean over it, or the value that holds at its start.

    The value at pick i holds until the next pick, the first one also before its pick.
    """
    edges = second_starts(n_frames, fps)
    starts, ends = edges[:-1], edges[1:]
    held = np.maximum(np.searchsorted(picks, starts, side="right") - 1, 0)
    if how == "hold" or fps <= 1:
        return values[held]
    begins = np.append(0, picks[1:])  # the first value holds from frame 0
    lengths = np.diff(np.append(begins, n_frames)).astype(np.float64)
    wide = values.reshape(len(values), -1).astype(np.float64)
    before = np.concatenate([np.zeros((1, wide.shape[1])), np.cumsum(wide * lengths[:, None], axis=0)])

    def integral(frames: IntArray) -> FloatArray:
        """(T, D) the sum of the held values over all frames before each of these."""
        at = np.clip(np.searchsorted(begins, frames, side="right") - 1, 0, len(begins) - 1)
        total: FloatArray = before[at] + wide[at] * (frames - begins[at])[:, None]
        return total

    means = (integral(ends) - integral(starts)) / np.maximum(ends - starts, 1)[:, None]
    same = np.searchsorted(begins, ends - 1, side="right") == np.searchsorted(begins, starts, side="right")
    means[same] = wide[held[same]]  # one value held all along: no round-off
    resampled: FloatArray = means.astype(values.dtype).reshape((len(starts), *values.shape[1:]))
    return resampled


def summaries_a_second(summaries: BoolArray, fps: float) -> BoolArray:
    """(U, N) summaries as (U, T): a second is in when at least half of its frames are."""
    n_frames = summaries.shape[1]
    edges = second_starts(n_frames, fps)
    counted = np.concatenate([np.zeros((len(summaries), 1), np.int64), np.cumsum(summaries, axis=1)], axis=1)
    inside = counted[:, edges[1:]] - counted[:, edges[:-1]]
    lengths = np.maximum(np.diff(edges), 1)
    chosen: BoolArray = (2 * inside >= lengths) & (inside > 0)
    return chosen


def shots_a_second(shots: Shots, fps: float) -> Shots:
    """Shots with their cuts at the nearest second; shots that vanish are joined to the next one."""
    n_seconds = len(second_starts(shots.n_frames, fps)) - 1
    starts = np.unique(np.floor(shots.bounds[:, 0] / fps + 0.5).astype(np.int64))
    return Shots.from_starts(starts[starts < n_seconds], n_seconds)
