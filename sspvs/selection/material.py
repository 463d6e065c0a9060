"""A video as the pieces of its summary are chosen from it: its looks, its scenes, and where a piece may lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sspvs.selection.pauses import SHORT_PAUSE_COST, walls_around, walls_of
from sspvs.selection.summary import hold_scores
from sspvs.types import BoolArray, FloatArray, IntArray, Shots, Timeline

_SAME_SCENE = 0.5  # cosine of centred features
INSET_FRAMES = 1  # kept from a cut: frames there may be blended
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
    pause_costs: FloatArray | None = None  # (N + 1,) as of `Speech.costs`; None where no sound is known
    begins: tuple[int, ...] = (0,)  # the first frames of the videos that were joined
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
    def frame_fit(self) -> FloatArray:
        """(N,) fit to a title; zeros without one."""
        n_frames = self.shots.n_frames
        return np.zeros(n_frames) if self.fit is None else hold_scores(self.fit, self.picks, n_frames)

    def fits(self, bounds: IntArray) -> BoolArray:
        """(C,) whether a title fits at least half of (C, 2) frame ranges."""
        summed = np.append(0.0, np.cumsum(self.frame_fit))
        lengths = bounds[:, 1] - bounds[:, 0]
        fits: BoolArray = 2 * (summed[bounds[:, 1]] - summed[bounds[:, 0]]) >= np.maximum(lengths, 1)
        return fits

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

    def videos_of(self, bounds: IntArray) -> IntArray:
        """(C,) the joined video in which each of (C, 2) frame ranges begins."""
        videos: IntArray = np.searchsorted(self.begins, bounds[:, 0], side="right") - 1
        return videos

    @cached_property
    def walls(self) -> IntArray:
        """Frames that no piece is stretched across: cuts, and where what is avoided begins and ends."""
        return walls_of(self.shots, self.avoid)

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

    def at_pauses(self, candidates: IntArray, shortest: float, longest: float) -> tuple[IntArray, IntArray]:
        """(C, 2) frame ranges that begin and end in pauses of speech, near to the candidates and in the same shots.

        And those candidates whose shot has no such range.
        """
        if self.pause_costs is None or len(candidates) == 0:
            return candidates, candidates[:0]
        edges, low, high = self.timeline.edges, *walls_around(candidates, self.walls)
        best, found = np.full(len(candidates), np.inf), candidates.copy()
        starts, ends = edges[candidates].T
        for most in (SHORT_PAUSE_COST / 2, SHORT_PAUSE_COST):  # the longer pauses first
            quiet = np.flatnonzero(self.costs <= most)
            if len(quiet) == 0:
                continue
            left = ~np.isfinite(best)
            for first in _beside(quiet, edges, starts):
                for last in _beside(quiet, edges, edges[first] + (ends - starts)):
                    seconds = edges[last] - edges[first]
                    away = np.abs(edges[first] - starts) + np.abs(edges[last] - ends)
                    fits = (first >= low) & (last <= high) & (seconds >= TO_A_FRAME * shortest) & (seconds <= longest)
                    better = left & fits & (last > first) & (away < best)
                    best[better] = away[better]
                    found[better] = np.stack([first, last], axis=1)[better]
        moved = np.isfinite(best)
        return np.unique(found[moved], axis=0), candidates[~moved & ~np.isin(low, low[moved])]

    @cached_property
    def costs(self) -> FloatArray:
        """As `pause_costs`, zeros where that is None."""
        return np.zeros(self.shots.n_frames + 1) if self.pause_costs is None else self.pause_costs

    def looks(self, bounds: IntArray) -> FloatArray:
        """(C, D) mean features of (C, 2) frame ranges, of length 1."""
        means = [self.unit[part].mean(axis=0) for part in self.picks_of(bounds)]
        return _unit(np.reshape(means, (-1, self.unit.shape[1])))

    def picks_of(self, bounds: IntArray) -> list[slice]:
        """The picks in each of (C, 2) frame ranges; the last one before it where there is none."""
        return [self._picks_of(int(start), int(end)) for start, end in bounds]


def join(videos: Sequence[Material]) -> Material:
    """Videos end to end, as one from which pieces are chosen; pauses of a recording take no time in it."""
    begins = np.cumsum([0, *(video.shots.n_frames for video in videos)])
    starts = np.cumsum([0.0, *(video.edges[-1] for video in videos)])
    edges = [video.edges[:-1] + start for video, start in zip(videos, starts, strict=False)]
    bounds = [video.shots.bounds + begin for video, begin in zip(videos, begins, strict=False)]
    return Material(
        np.concatenate([video.features for video in videos]),
        np.concatenate([video.scores for video in videos]),
        np.concatenate([video.picks + begin for video, begin in zip(videos, begins, strict=False)]),
        Shots(np.concatenate(bounds), int(begins[-1])),
        Timeline(np.concatenate(edges), float(starts[-1])),
        np.concatenate([video.avoid for video in videos]),
        _joined_costs(videos),
        tuple(begins[:-1].tolist()),
        None if videos[0].fit is None else np.concatenate([video.fit for video in videos if video.fit is not None]),
    )


def _joined_costs(videos: Sequence[Material]) -> FloatArray | None:
    """Costs of boundaries in the joined videos: nothing where one of them begins or has no sound."""
    if all(video.pause_costs is None for video in videos):
        return None
    return np.concatenate([*(np.append(0.0, video.costs[1:-1]) for video in videos), [0.0]])


def _beside(places: IntArray, edges: FloatArray, seconds: FloatArray) -> tuple[IntArray, IntArray]:
    """(C,) of some frames the last that begins at or before each of (C,) seconds, and the first after."""
    after = np.searchsorted(edges[places], seconds - ROUND_OFF)
    return places[np.maximum(after - 1, 0)], places[np.minimum(after, len(places) - 1)]


def _unit(rows: FloatArray) -> FloatArray:
    """Rows of length 1; zeros stay."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    unit: FloatArray = rows / np.where(lengths > 0, lengths, 1)
    return unit
