"""How frame scores become the binary summary that is judged: the budget and value rules in use, by name.

Shots by their mean frame score, a 0/1 knapsack at 15 % of the frames: all agree on that, and disagree on how the budget
is rounded and whether values are cut to integers. Which one was used stands in every result.

The knapsack may take nothing: when no shot fits the budget, or when no shot is worth more than 0 (a method whose scores
are logits). `sspvs.selection.select`, made for watching, then still gives something to watch. A rule does not: the
published evaluators count such a summary as empty, F1 0, and so do we; results say how many were empty.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal

import numpy as np

from sspvs.schema import Range, Settings
from sspvs.selection.knapsack import knapsack, knapsack_many
from sspvs.selection.summary import DEFAULT_RATIO, shot_scores
from sspvs.types import BoolArray, FloatArray, Shots

_ROUND_OFF = 1e-9


@dataclass(frozen=True)
class SummaryRule(Settings):
    """From scores at every frame to a summary.

    Attributes:
        fraction: Share of the frames that the summary may have, in (0, 1].
        rounding: Of the budget, to whole frames. `floor`: floor(fraction N). `last-end`: int(fraction (e + 1)) with e
            the last frame of the last shot, which is the same for shots that cover the video, as ours do. `round`: the
            nearest, half to even.
        values: What a shot is worth. `exact`: its mean frame score, to 12 digits so that equal shots are equal.
            `thousandths`: int(1000 times that), towards 0, which picks other shots in up to 13 % of cases.

    Raises:
        ValueError: If one of them is out of its range.
    """

    fraction: Annotated[float, Range(above=0, most=1)] = DEFAULT_RATIO
    rounding: Literal["floor", "last-end", "round"] = "floor"
    values: Literal["exact", "thousandths"] = "exact"

    group = "summary rule"

    def budget_frames(self, shots: Shots) -> int:
        """The most frames that a summary of these shots may have; may be 0."""
        last_end = int(shots.bounds[-1, 1]) - 1  # inclusive, as in the files of this field
        share = self.fraction * (last_end + 1 if self.rounding == "last-end" else shots.n_frames)
        if self.rounding == "round":
            return round(share)
        return int(share + _ROUND_OFF)  # 0.29 * 100 is 28.999999999999996 in binary; its floor is meant to be 29

    def summarize(self, at_frames: FloatArray, shots: Shots) -> BoolArray:
        """(N,) the summary of finite scores at every frame, in whole shots; all False when it takes none."""
        values = self._values(shot_scores(np.asarray(at_frames, dtype=np.float64), shots))
        chosen = knapsack(values, shots.lengths, self.budget_frames(shots))
        return np.repeat(chosen, shots.lengths)

    def choose(self, at_frames: FloatArray, shots: Shots) -> BoolArray:
        """(D, S) the shots that `summarize` takes for each row of (D, N) finite scores."""
        if at_frames.ndim != 2 or at_frames.shape[1] != shots.n_frames:
            raise ValueError(f"scores must be (D, {shots.n_frames}), got shape {at_frames.shape}")
        means = np.add.reduceat(at_frames, shots.bounds[:, 0], axis=1) / shots.lengths
        return knapsack_many(self._values(means), shots.lengths, self.budget_frames(shots))

    def as_dict(self) -> dict[str, Any]:
        """Plain types, for result files."""
        return asdict(self)

    def _values(self, means: FloatArray) -> FloatArray:
        return _tied(means) if self.values == "exact" else np.trunc(1000 * means)


def _tied(means: FloatArray) -> FloatArray:
    """Means on a grid of 2^-40 of the largest: shots of equal means are equal, whatever the order of the additions.

    Scores held over several shots give them the same mean; without the grid the last bits would choose between them.
    Sums of values on the grid are exact, so that sets of shots of the same total are equal too.
    """
    largest = np.abs(means).max(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):  # all zeros: no grid
        step = np.exp2(np.floor(np.log2(largest)) - 40)
    safe = np.where(step > 0, step, 1.0)
    grid: FloatArray = np.where(step > 0, np.rint(means / safe) * safe, means)
    return grid


RULES: Mapping[str, SummaryRule] = MappingProxyType(
    {
        "default": SummaryRule(),
        "vsumm": SummaryRule(),
        "mr-hisum": SummaryRule(),
        "vasnet": SummaryRule(values="thousandths"),
        "dsnet": SummaryRule(values="thousandths"),
        "sspvs": SummaryRule(values="thousandths"),
        "pgl-sum": SummaryRule(rounding="last-end"),
        "ca-sum": SummaryRule(rounding="last-end"),
        "csta": SummaryRule(rounding="last-end"),
        "a2summ": SummaryRule(rounding="round", values="thousandths"),
    }
)
"""What published systems do, by the system's name.

    default, vsumm, mr-hisum     floor(0.15 N), exact values (DR-DSN and what came from its code; MR.HiSum)
    vasnet, dsnet, sspvs         floor(0.15 N), values x1000 cut to integers
    pgl-sum, ca-sum, csta        int(0.15 (last end + 1)), exact values
    a2summ                       0.15 N rounded, values x1000 cut to integers

Between choices of equal value, which thousandths make likely, the one without the later shot wins; a system whose
solver breaks ties otherwise may differ there.
"""


def rule_named(name: str) -> SummaryRule:
    """The rule of a system.

    Raises:
        ValueError: When there is none of that name.
    """
    if name not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}, got {name!r}")
    return RULES[name]
