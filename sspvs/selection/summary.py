"""From scores at the picks to the shots that a summary plays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sspvs.selection.budget import Budget, Limits, frame_edges
from sspvs.selection.knapsack import knapsack
from sspvs.selection.shots import merge_short, split_long
from sspvs.types import BoolArray, FloatArray, IntArray, Shots, Timeline

PART_SECONDS = 3.0
"""Long enough to see what happens."""

_FINE_CAPACITY = 1 << 16  # units of a budget that limits frames and seconds at once

__all__ = ["Budget", "Selection", "hold_scores", "key_frames", "select", "select_in_parts", "shot_scores"]


@dataclass(frozen=True)
class Selection:
    """What a summary plays.

    Attributes:
        selected: (S,) bool, the chosen shots.
        segments: (M, 2) half-open frame ranges to play, in order: the chosen shots, or, when no shot fits the budget,
            the part of the best shot that does.
        keyframes: (S,) the frame that stands for each shot.
        shot_scores: (S,) float64 mean score of each shot's frames.
        budget_frames: Most frames the summary may have.
        budget_seconds: Longest time it may take; infinite without a timeline, and for a number of shots.
    """

    selected: BoolArray
    segments: IntArray
    keyframes: IntArray
    shot_scores: FloatArray
    budget_frames: int
    budget_seconds: float


def select(
    scores: FloatArray,
    picks: IntArray,
    shots: Shots,
    budget: Budget | None = None,
    timeline: Timeline | None = None,
    *,
    value: Literal["mean", "sum"] = "mean",
) -> Selection:
    """Choose the shots that are worth most within a budget.

    The field's rule: each shot is worth the mean score of its frames, and an exact 0/1 knapsack fills the budget. A
    budget in seconds holds in seconds, frame by frame, whatever the frame rate does. A number of shots takes that
    many shots with the highest mean score.

    A summary is never empty: when no shot is within the budget, the best one is cut to its best part that is, and when
    all that fit are worth nothing, the best of them is taken. A budget that holds the whole video selects all of it.

    Args:
        scores: (T,) importance at the picks.
        picks: (T,) frame indices, strictly increasing.
        shots: The video cut into S shots.
        budget: What the summary may hold; 15 % of the video by default.
        timeline: When each frame is shown; needed for a budget in seconds. With it a ratio holds in seconds too.
        value: `mean`, or `sum` for mean score times length, which does not favour short shots.

    Returns:
        The selection.

    Raises:
        ValueError: If shapes do not fit, a score is not finite, or seconds are asked for without a timeline.
    """
    if value not in ("mean", "sum"):
        raise ValueError(f"value must be 'mean' or 'sum', got {value!r}")
    budget = Budget() if budget is None else budget
    limits = budget.limits(shots, timeline)
    frame_scores = hold_scores(scores, picks, shots.n_frames)
    means = shot_scores(frame_scores, shots)
    if budget.max_shots is not None:
        selected = np.zeros(len(shots), dtype=np.bool_)
        selected[np.argsort(-means, kind="stable")[: int(budget.max_shots)]] = True
    else:
        selected = _fill(means, means * shots.lengths if value == "sum" else means, shots, limits)
    segments = shots.bounds[selected]
    if len(segments) == 0:
        best = int(means.argmax())
        selected[best] = True
        segments = _best_part(frame_scores, shots.bounds[best], limits)[None]
    if timeline is not None:
        segments = split_at(segments, np.asarray(timeline.gaps, dtype=np.int64) + 1)
    return Selection(selected, segments, key_frames(scores, picks, shots), means, limits.frames, limits.seconds)


def select_in_parts(
    scores: FloatArray,
    picks: IntArray,
    shots: Shots,
    budget: Budget,
    timeline: Timeline,
    *,
    min_shot_seconds: float = 0.0,
    part_seconds: float = PART_SECONDS,
) -> tuple[Shots, Selection]:
    """Select whole shots where they make a summary, and parts of long ones where they do not.

    A home video of one take has no shot that fits a budget; a film of long takes may have one tiny shot that does.
    When whole shots leave more than half of the budget unused, shots longer than the budget are divided into equal
    parts of about `part_seconds` and the selection is made again.

    Args:
        scores: (T,) importance at the picks.
        picks: (T,) frame indices, strictly increasing.
        shots: The video cut into S shots.
        budget: What the summary may hold.
        timeline: When each frame is shown.
        min_shot_seconds: No part is shorter; with a budget below it nothing is divided.
        part_seconds: Wanted length of parts; those of a shorter budget are as long as the budget.

    Returns:
        The shots, with what was divided, and the selection among them.
    """
    chosen = select(scores, picks, shots, budget, timeline)
    if budget.max_shots is not None:
        return shots, chosen
    limits = budget.limits(shots, timeline)
    allowed = min(limits.seconds, frame_edges(timeline)[-1] * limits.frames / shots.n_frames)
    whole = np.diff(chosen.segments).sum() == shots.lengths[chosen.selected].sum()
    if (whole and 2 * limits.shares_of(chosen.segments).sum() >= 1 - 1e-9) or allowed < min_shot_seconds:
        return shots, chosen
    count = max(1, round(allowed / max(part_seconds, min_shot_seconds)))
    parts = split_long(shots, timeline, allowed / count, longer_than=allowed, min_part_seconds=min_shot_seconds)
    if not timeline.has_constant_rate:  # a still picture cannot be divided, and may leave a part of a few frames
        parts = merge_short(parts, timeline, min_shot_seconds / 2)
    return parts, select(scores, picks, parts, budget, timeline)


def split_at(segments: IntArray, frames: IntArray) -> IntArray:
    """(M, 2) frame ranges, divided where one of (K,) frames lies inside."""
    parts = []
    for start, end in segments:
        inner = frames[(frames > start) & (frames < end)]
        edges = np.concatenate([[start], inner, [end]])
        parts.append(np.stack([edges[:-1], edges[1:]], axis=1))
    return np.concatenate(parts).astype(np.int64)


def hold_scores(scores: FloatArray, picks: IntArray, n_frames: int) -> FloatArray:
    """Scores at the picks, held to every frame.

    Score i holds over [picks[i], picks[i + 1]), the first one from frame 0 on and the last one to the end.

    Args:
        scores: (T,) finite, T >= 1.
        picks: (T,) strictly increasing frame indices; a closing N at the end, as some files have, is fine.
        n_frames: N.

    Returns:
        (N,) float64.

    Raises:
        ValueError: If a score is not finite, or picks do not fit.
    """
    scores = np.asarray(scores, dtype=np.float64)
    picks = np.asarray(picks)
    if scores.ndim != 1 or len(scores) == 0:
        raise ValueError(f"scores must be (T,) with T >= 1, got shape {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError(f"scores must be finite, got {scores[~np.isfinite(scores)][0]}")
    if len(picks) == len(scores) + 1 and picks[-1] == n_frames:
        picks = picks[:-1]
    if picks.shape != scores.shape:
        raise ValueError(f"picks must be as many as the {len(scores)} scores, got shape {picks.shape}")
    if picks[0] < 0 or picks[-1] > n_frames or (np.diff(picks) <= 0).any():
        raise ValueError(f"picks must increase strictly within the video's {n_frames} frames")
    edges = np.concatenate([[0], picks[1:], [n_frames]])
    return np.repeat(scores, np.diff(edges))


def shot_scores(frame_scores: FloatArray, shots: Shots) -> FloatArray:
    """(S,) mean of the (N,) frame scores within each shot."""
    if len(frame_scores) != shots.n_frames:
        raise ValueError(f"expected {shots.n_frames} frame scores, got {len(frame_scores)}")
    means: FloatArray = np.add.reduceat(frame_scores, shots.bounds[:, 0]) / shots.lengths
    return means


def key_frames(scores: FloatArray, picks: IntArray, shots: Shots) -> IntArray:
    """(S,) the frame that stands for each shot: its pick of the highest score.

    Not the shot's first or last frame, which a transition may cover, when there is another pick. Of equal scores the
    one nearest to the middle. A shot without a pick gives its middle frame.
    """
    scores, picks = np.asarray(scores), np.asarray(picks)[: len(scores)]
    frames: IntArray = shots.bounds.sum(axis=1) // 2
    limits = np.searchsorted(picks, shots.bounds)  # (S, 2) first and last + 1 pick of each shot
    for shot, ((start, end), (first, last)) in enumerate(zip(shots, limits, strict=True)):
        inside, worth = picks[first:last], scores[first:last]
        inner = (inside > start) & (inside < end - 1)
        if inner.any():
            inside, worth = inside[inner], worth[inner]
        if len(inside):
            best = inside[worth == worth.max()]
            frames[shot] = best[np.abs(best - frames[shot]).argmin()]
    return frames


def _fill(means: FloatArray, values: FloatArray, shots: Shots, limits: Limits) -> BoolArray:
    """(S,) bool, the shots within the limits that are worth most; none when no shot is within them."""
    bounds = shots.bounds
    if limits.allow(bounds):
        return np.ones(len(shots), dtype=np.bool_)
    selected = knapsack(values, shots.lengths, limits.frames)
    if not limits.allow(bounds[selected]):
        # The best choice by frames lasts too long. Weigh each shot by the larger of its shares of the frames and of
        # the seconds, rounded up: what fits, fits both ways.
        weights = np.ceil(limits.shares_of(bounds) * _FINE_CAPACITY * (1 - 1e-9)).astype(np.int64)
        selected = knapsack(values, weights, _FINE_CAPACITY)
    if not selected.any():
        fits = np.array([limits.allow(bound[None]) for bound in bounds])
        if fits.any():
            selected[np.where(fits, means, -np.inf).argmax()] = True
    return selected


def _best_part(frame_scores: FloatArray, bound: IntArray, limits: Limits) -> IntArray:
    """(2,) the part of a shot within the limits with the largest sum of scores; the most central one of equals."""
    start, end = int(bound[0]), int(bound[1])
    firsts = np.arange(start, end)
    lasts = np.minimum(firsts + limits.frames, end)
    if limits.edges is not None:
        latest = limits.edges[firsts] + limits.seconds * (1 + 1e-9)
        lasts = np.minimum(lasts, np.searchsorted(limits.edges, latest, side="right") - 1)
    lasts = np.maximum(lasts, firsts + 1)  # one frame, however short the budget
    sums = np.append(0.0, np.cumsum(frame_scores[start:end]))
    worth = sums[lasts - start] - sums[firsts - start]
    ties = np.flatnonzero(worth >= worth.max() - 1e-9 * float(np.abs(sums).max()))  # scores may be of any size
    off_centre = np.abs(firsts[ties] + lasts[ties] - start - end)
    best = ties[off_centre.argmin()]
    return np.array([firsts[best], lasts[best]], dtype=np.int64)
