"""From scores at the picks to the shots that a summary plays: its budget, and the shots worth most within it."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sspvs.selection.knapsack import knapsack
from sspvs.selection.shots import merge_short, split_long
from sspvs.types import BoolArray, FloatArray, IntArray, Shots, Timeline

DEFAULT_RATIO = 0.15  # the field's budget since SumMe and TVSum

PART_SECONDS = 3.0  # length of parts of long shots: long enough to see what happens

_ROUND_OFF = 1e-9
_FINE_CAPACITY = 1 << 16  # units of a budget that limits frames and seconds at once


@dataclass(frozen=True)
class Budget:
    """How long a summary may be, stated in at most one of three ways.

    Attributes:
        ratio: Share of the video, 0 < ratio <= 1; 1 is the whole video. `DEFAULT_RATIO` when nothing is given.
        duration_seconds: Longest summary, > 0.
        max_shots: Most shots, >= 1.

    Raises:
        ValueError: If more than one is given, or one is out of its range.
    """

    ratio: float | None = None
    duration_seconds: float | None = None
    max_shots: int | None = None

    def __post_init__(self) -> None:
        given = [name for name, value in vars(self).items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"give one budget, got {' and '.join(given)}")
        if not given:
            object.__setattr__(self, "ratio", DEFAULT_RATIO)
        if self.ratio is not None and not 0 < self.ratio <= 1:
            raise ValueError(f"ratio must be more than 0 and at most 1, got {self.ratio}")
        if self.duration_seconds is not None and not 0 < self.duration_seconds < math.inf:
            raise ValueError(f"duration_seconds must be a positive number, got {self.duration_seconds}")
        if self.max_shots is not None and (self.max_shots < 1 or self.max_shots != int(self.max_shots)):
            raise ValueError(f"max_shots must be a whole number, at least 1, got {self.max_shots}")

    def limits(self, shots: Shots, timeline: Timeline | None = None) -> "Limits":
        """What the budget means for one video.

        A ratio allows floor(ratio * N) frames. Where the frame rate varies, time counts instead of frames: seconds, or
        that share of the time. At a constant rate both limits hold, and seconds allow the frames that they last for. A
        number of shots allows as many frames as the longest shots have. One frame is always allowed.

        Args:
            shots: The video's shots.
            timeline: When each frame is shown; needed for seconds.

        Raises:
            ValueError: If a timeline is missing or of another video.
        """
        if timeline is not None and timeline.n_frames != shots.n_frames:
            raise ValueError(f"shots of {shots.n_frames} frames do not fit a timeline of {timeline.n_frames}")
        if self.max_shots is not None:
            longest = np.sort(shots.lengths)[::-1][: int(self.max_shots)]
            return Limits(int(longest.sum()), math.inf, None)
        edges = None if timeline is None else timeline.shown_seconds
        total = math.inf if edges is None else float(edges[-1])
        if self.duration_seconds is not None:
            if timeline is None:
                raise ValueError("a budget in seconds needs a timeline; give a ratio")
            seconds = float(self.duration_seconds)
            share = seconds / total if total > seconds else 1.0
        else:
            assert self.ratio is not None
            share = float(self.ratio)
            seconds = share * total
        if timeline is not None and not timeline.has_constant_rate:
            return Limits(shots.n_frames, seconds, edges)
        # 0.29 * 100 is 28.999999999999996 in binary; its floor is meant to be 29.
        return Limits(max(int(share * shots.n_frames + _ROUND_OFF), 1), seconds, edges)


@dataclass(frozen=True)
class Limits:
    """The most that the summary of one video may hold."""

    frames: int  # most frames
    seconds: float  # most seconds; infinite when time does not matter
    # (N + 1,) seconds at which frames start, and the end of the video; None when time does not matter
    edges: FloatArray | None

    def seconds_of(self, bounds: IntArray) -> FloatArray:
        """(M,) seconds of (M, 2) frame ranges; zeros when time does not matter."""
        if self.edges is None:
            return np.zeros(len(bounds))
        durations: FloatArray = self.edges[bounds[:, 1]] - self.edges[bounds[:, 0]]
        return durations

    def shares_of(self, bounds: IntArray) -> FloatArray:
        """(M,) the part of the limits that each of (M, 2) frame ranges takes: of the frames or of the seconds."""
        shares: FloatArray = self.seconds_of(bounds) / self.seconds
        if self.edges is None or self.frames < len(self.edges) - 1:  # all frames of a video are no limit
            shares = np.maximum(shares, (bounds[:, 1] - bounds[:, 0]) / self.frames)
        return shares

    def allow(self, bounds: IntArray) -> bool:
        """Whether (M, 2) frame ranges together are within the limits."""
        frames = int((bounds[:, 1] - bounds[:, 0]).sum())
        return frames <= self.frames and float(self.seconds_of(bounds).sum()) <= self.seconds * (1 + _ROUND_OFF)


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
        scenes: (S,) number of each shot's scene; None where that is not known.
    """

    selected: BoolArray
    segments: IntArray
    keyframes: IntArray
    shot_scores: FloatArray
    budget_frames: int
    budget_seconds: float
    scenes: IntArray | None = None


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
        ValueError: If shapes do not fit, a score is not finite, or a budget in seconds comes without a timeline.
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
    allowed = min(limits.seconds, timeline.shown_seconds[-1] * limits.frames / shots.n_frames)
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
