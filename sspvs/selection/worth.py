"""What a set of pieces is worth, and the choice of the best set.

The worth is a monotone submodular function of the set (Lin & Bilmes 2011, "A class of submodular functions for document
summarization"; Gygli, Grabner & Van Gool, CVPR 2015),

    F(P) = c sum_v w_v max_{p in P} s(v, p) + sum_{p in P} seconds(p) (i a(p) + f t(p))
           + d sum_k sqrt(seconds(P in scene k)),

facility location over the picks v, importance a, fit t to a title, and a diversity reward over the video's scenes k.
The lazy greedy algorithm takes the largest gain a second first. Pieces are about equally long, so without overlaps the
choice is worth at least 1 - 1/e of the best one.
"""

import heapq
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sspvs.selection.material import ROUND_OFF, Material
from sspvs.types import BoolArray, FloatArray, IntArray

_MOST_GROUND, _MOST_PAIRS = 1000, 1 << 24  # longer videos have a coarser grid, not more memory
_NEARNESS = 0.25  # weight of closeness in time in the similarity of two picks
_REACH = 1 / 16  # of the video: moments as far apart are hardly near each other


class Weights(NamedTuple):
    """What counts how much in the choice of pieces; every term is between 0 and about 1."""

    coverage: float
    importance: float
    variety: float
    fit: float = 3.0  # to a title, where there is one: what fits goes before all else


class Candidates(NamedTuple):
    """C pieces that may be chosen, with what their worth is computed from."""

    bounds: IntArray  # (C, 2) frame ranges
    seconds: FloatArray  # (C,)
    values: FloatArray  # (C,) importance and fit times seconds, weighted
    scenes: IntArray  # (C,)
    similar: FloatArray  # (C, G) to each pick of the ground
    looks: FloatArray  # (C, D)


class Worth:
    """What a set of pieces is worth: F of the module's docstring, each term between 0 and about 1."""

    def __init__(self, material: Material, weights: Weights, wanted: float, count: float) -> None:
        self._material, self._weights, self._wanted = material, weights, wanted
        most = max(1, min(_MOST_GROUND, _MOST_PAIRS // len(material.picks)))
        ground = np.unique(np.linspace(0, len(material.picks) - 1, most).round().astype(np.int64))  # (G,)
        self._alike = np.maximum(material.centred @ material.centred[ground].T, 0)  # (T, G)
        self._times = material.edges[material.picks]
        self._ground_times = self._times[ground]
        cells = np.append(material.picks[ground], material.shots.n_frames)
        cells[0] = 0
        shown = np.append(0.0, np.cumsum(np.diff(material.edges) * ~material.avoid))
        seconds = shown[cells[1:]] - shown[cells[:-1]]  # (G,) that each pick of the ground stands for
        self._share = seconds / max(float(seconds.sum()), ROUND_OFF)
        values = weights.importance * material.frame_scores + weights.fit * material.frame_fit
        self._values = np.append(0.0, np.cumsum(np.diff(material.edges) * values))  # (N + 1,)
        self._n_scenes = int(material.scenes.max()) + 1
        self._scale = 1 / math.sqrt(min(self._n_scenes, max(1.0, count)) * wanted)
        self.clear()

    def clear(self) -> None:
        """Empty the set."""
        self.total = 0.0  # F of the set
        self._covered = np.zeros(len(self._share))  # (G,) similarity to the nearest piece that was added
        self._scene_seconds = np.zeros(self._n_scenes)

    def candidates(self, bounds: IntArray) -> Candidates:
        """Candidates of (C, 2) frame ranges."""
        material = self._material
        values = (self._values[bounds[:, 1]] - self._values[bounds[:, 0]]) / self._wanted
        similar = np.empty((len(bounds), len(self._share)), np.float32)
        reach = float(material.edges[-1]) * _REACH
        for row, part in enumerate(material.picks_of(bounds)):
            nearness = np.exp(-np.abs(self._ground_times - self._times[part].mean()) / reach)
            similar[row] = (1 - _NEARNESS) * self._alike[part].max(axis=0) + _NEARNESS * nearness
        seconds = material.edges[bounds[:, 1]] - material.edges[bounds[:, 0]]
        return Candidates(bounds, seconds, values, material.scenes_of(bounds), similar, material.looks(bounds))

    def gain(self, candidates: Candidates, index: int) -> float:
        """How much a candidate would add."""
        coverage = float(self._share @ np.maximum(candidates.similar[index] - self._covered, 0))
        before = float(self._scene_seconds[candidates.scenes[index]])
        variety = (math.sqrt(before + float(candidates.seconds[index])) - math.sqrt(before)) * self._scale
        weights = self._weights
        return weights.coverage * coverage + float(candidates.values[index]) + weights.variety * variety

    def add(self, candidates: Candidates, index: int) -> None:
        """Add a candidate to the set."""
        self.total += self.gain(candidates, index)
        self._covered = np.maximum(self._covered, candidates.similar[index])
        self._scene_seconds[candidates.scenes[index]] += candidates.seconds[index]


def lazy_greedy(worth: Worth, candidates: Candidates, free: BoolArray, take: Callable[[int], bool]) -> None:
    """Add the candidate with the largest gain a second, again and again, until none is left.

    A gain only shrinks while pieces are added, so a gain computed earlier bounds it, and few are computed anew.

    Args:
        worth: The set.
        candidates: What may be added to it.
        free: (C,) whether a candidate may be added; `take` may change it.
        take: Takes a candidate unless it does not fit; whether it did.
    """
    seconds = candidates.seconds.tolist()
    heap = [(-worth.gain(candidates, index) / seconds[index], index, 0) for index in np.flatnonzero(free).tolist()]
    heapq.heapify(heap)
    taken = 0
    while heap:
        _, index, known = heapq.heappop(heap)
        if not free[index]:
            continue
        if known < taken:
            heapq.heappush(heap, (-worth.gain(candidates, index) / seconds[index], index, taken))
        elif take(index):
            worth.add(candidates, index)
            taken += 1
