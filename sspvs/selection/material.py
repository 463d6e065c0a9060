"""A video as the pieces of its summary are chosen from it: its looks, its scenes, and where a piece may lie."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sspvs.selection.pauses import Speech, beside, walls_around
from sspvs.selection.summary import hold_scores
from sspvs.types import BoolArray, FloatArray, IntArray, Shots, Timeline

_SAME_SCENE = 0.5  # cosine of centred features
INSET_FRAMES = 1  # kept from a cut: frames there may be blended
_PAUSE_REACH = 2.0  # seconds: how far the boundaries of candidates move into pauses of speech
TO_A_FRAME = 0.9  # a piece that ends with a frame may be so much shorter than the shortest
ROUND_OFF = 1e-6


@dataclass(frozen=True)
class Material:
    """A video as pieces are chosen from it: T picks, N frames."""

    features: FloatArray  # (T, D)
    scores: FloatArray  # (T,)
    picks: IntArray  # (T,)
    shots: Shots
    timeline: Timeline
    avoid: BoolArray  # (N,) frames that are shown only where there is nothing else
    speech: Speech | None = None  # of its sound; None where it is not known
    fit: FloatArray | None = None  # (T,) how well each pick fits a title, in [0, 1]

    @cached_property
    def edges(self) -> FloatArray:
        """(N + 1,) seconds before each frame."""
        return self.timeline.shown_seconds

    @cached_property
    def frame_scores(self) -> FloatArray:
        """(N,) importance between 0 and 1: the 5th percentile of the picks' scores and less is 0, the 95th 1."""
        low, high = np.percentile(self.scores, [5, 95])
        if high <= low:
            return np.full(self.shots.n_frames, 0.5)
        scores: FloatArray = (hold_scores(self.scores, self.picks, self.shots.n_frames) - low) / (high - low)
        return np.clip(scores, 0, 1)

    @property
    def is_guided(self) -> bool:
        """Whether some of it fits a title."""
        return self.fit is not None and bool(self.fit.any())

    @cached_property
    def unit(self) -> FloatArray:
        """(T, D) features of length 1."""
        return _unit(self.features)

    @cached_property
    def centred(self) -> FloatArray:
        """(T, D) features less their mean, of length 1: what tells one moment of this video from another."""
        return _unit(self.features - self.features.mean(axis=0))

    @cached_property
    def scenes(self) -> IntArray:
        """(S,) number of each shot's scene: a shot joins the first earlier scene that looks like it."""
        means = _unit(np.stack([self.centred[self._picks_of(*bound)].mean(axis=0) for bound in self.shots]))
        leaders: list[int] = []
        numbers = np.zeros(len(self.shots), np.int64)
        for shot, mean in enumerate(means):
            alike = means[leaders] @ mean if leaders else np.zeros(0)
            if len(alike) and alike.max() > _SAME_SCENE:
                numbers[shot] = int(alike.argmax())
            else:
                numbers[shot] = len(leaders)
                leaders.append(shot)
        return numbers

    def scenes_of(self, bounds: IntArray) -> IntArray:
        """(C,) the scene in which each of (C, 2) frame ranges begins."""
        scenes: IntArray = self.scenes[np.searchsorted(self.shots.bounds[:, 0], bounds[:, 0], side="right") - 1]
        return scenes

    @cached_property
    def walls(self) -> IntArray:
        """Frames that no piece is stretched across: cuts, and where what is avoided begins and ends."""
        changes = np.flatnonzero(np.diff(self.avoid)) + 1
        walls: IntArray = np.unique(np.concatenate([self.shots.bounds.ravel(), changes])).astype(np.int64)
        return walls

    def ranges(self, *, avoid: bool) -> IntArray:
        """(R, 2) frame ranges in which a piece may lie: the shots, less what is avoided and a frame beside each cut."""
        walls = self.walls if avoid else np.unique(self.shots.bounds)
        ranges = np.stack([walls[:-1], walls[1:]], axis=1)
        if avoid:
            ranges = ranges[~self.avoid[ranges[:, 0]]]
        wide = ranges[:, 1] - ranges[:, 0] > 8 * INSET_FRAMES
        inner = ranges.copy()
        inner[:, 0] += np.where(wide & (ranges[:, 0] > 0), INSET_FRAMES, 0)
        inner[:, 1] -= np.where(wide & (ranges[:, 1] < self.shots.n_frames), INSET_FRAMES, 0)
        kept: IntArray = inner.astype(np.int64)
        return kept

    def _picks_of(self, start: int, end: int) -> slice:
        first, last = np.searchsorted(self.picks, [start, end]).tolist()
        return slice(first, last) if first < last else slice(max(first - 1, 0), max(first, 1))

    def at_pauses(self, candidates: IntArray, shortest: float, longest: float) -> IntArray:
        """(C, 2) frame ranges that begin and end in pauses of speech, near to the candidates and in the same shots.

        Those of a shot without such pauses stay.
        """
        if self.speech is None or len(candidates) == 0:
            return candidates
        times, pauses = self.timeline.frame_seconds, self.speech.pauses
        low, high = walls_around(candidates, self.walls)
        best, found = np.full(len(candidates), np.inf), candidates.copy()
        starts, ends = times[candidates[:, 0]], self._ends[candidates[:, 1] - 1]
        for start in beside(starts, pauses):
            for end in beside(start + (ends - starts), pauses):
                first, last = np.searchsorted(times, start - ROUND_OFF), np.searchsorted(times, end - ROUND_OFF)
                seconds, away = end - start, np.abs(start - starts) + np.abs(end - ends)
                fits = (
                    (first >= low)
                    & (last > first)
                    & (last <= high)
                    & (seconds >= TO_A_FRAME * shortest)
                    & (seconds <= longest)
                )
                better = fits & (away < best) & (away <= _PAUSE_REACH)
                best[better] = away[better]
                found[better] = np.stack([first, last], axis=1)[better]
        quiet = np.isfinite(best)
        stays = ~quiet & ~np.isin(low, low[quiet])
        return np.unique(found[quiet | stays], axis=0)

    @cached_property
    def _ends(self) -> FloatArray:
        """(N,) seconds at which each frame ends."""
        return np.append(self.timeline.frame_seconds[1:], self.timeline.end_seconds)

    def looks(self, bounds: IntArray) -> FloatArray:
        """(C, D) mean features of (C, 2) frame ranges, of length 1."""
        means = [self.unit[part].mean(axis=0) for part in self.picks_of(bounds)]
        return _unit(np.reshape(means, (-1, self.unit.shape[1])))

    def picks_of(self, bounds: IntArray) -> list[slice]:
        """The picks in each of (C, 2) frame ranges; the last one before it where there is none."""
        return [self._picks_of(int(start), int(end)) for start, end in bounds]


def _unit(rows: FloatArray) -> FloatArray:
    """Rows of length 1; zeros stay."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    unit: FloatArray = rows / np.where(lengths > 0, lengths, 1)
    return unit
