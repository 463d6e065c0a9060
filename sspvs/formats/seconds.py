"""Values, summaries and shots of one clock resampled to one a second; summaries as intervals and as annotations."""

from typing import Any, Literal

import numpy as np

from sspvs.types import Annotations, BoolArray, FloatArray, IntArray, Shots

_ROUND_OFF = 1e-6


def second_starts(n_frames: int, fps: float) -> IntArray:
    """(T + 1,) the first frame of each second, and N at the end."""
    n_seconds = int((n_frames - 1) / fps + _ROUND_OFF) + 1
    starts = np.ceil(np.arange(n_seconds) * fps - _ROUND_OFF).astype(np.int64)
    return np.append(np.minimum(starts, n_frames - 1), n_frames)


def values_a_second(
    values: FloatArray, picks: IntArray, n_frames: int, fps: float, how: Literal["mean", "hold"] = "mean"
) -> FloatArray:
    """(P,) or (P, D) values at the picks, each held until the next, as one a second: the mean, or at its start."""
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


def annotations_of_summaries(key: str, summaries: BoolArray, pick_step: int, **more: Any) -> Annotations:
    """Annotations of (U, N) summaries alone: they are the scores too, and gtscore is their mean."""
    picks, scores = np.arange(0, summaries.shape[1], pick_step, dtype=np.int64), summaries.astype(np.float32)
    return Annotations(
        key=key,
        video_name=key,
        n_frames=summaries.shape[1],
        picks=picks,
        user_summaries=summaries,
        user_scores=scores,
        gtscore=scores[:, picks].mean(axis=0),
        **more,
    )
