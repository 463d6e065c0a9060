"""From scores at the picks to the shots that a summary plays. Numpy only.

transitions, kts, shots: where shots begin and end. summary: what each shot is worth and which ones fit the budget
(knapsack). unwanted, pauses, material, worth, overview: short pieces that together show the video.
"""

from sspvs.selection.knapsack import knapsack, knapsack_many
from sspvs.selection.kts import DEFAULT_PENALTY, kts
from sspvs.selection.shots import (
    given_shots,
    kts_shots,
    merge_short,
    shots_from_cuts,
    shots_from_picks,
    split_long,
    uniform_shots,
)
from sspvs.selection.summary import DEFAULT_RATIO, Budget, Selection, hold_scores, select, select_in_parts, shot_scores

__all__ = [
    "DEFAULT_PENALTY",
    "DEFAULT_RATIO",
    "Budget",
    "Selection",
    "given_shots",
    "hold_scores",
    "knapsack",
    "knapsack_many",
    "kts",
    "kts_shots",
    "merge_short",
    "select",
    "select_in_parts",
    "shot_scores",
    "shots_from_cuts",
    "shots_from_picks",
    "split_long",
    "uniform_shots",
]
