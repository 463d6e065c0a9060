"""A video's frame rate, from ratings that were given to shots of two seconds."""

from __future__ import annotations

import numpy as np

from sspvs.types import FloatArray

SHOT_SECONDS = 2.0
"""TVSum's raters scored shots of this length (Song et al., CVPR 2015)."""

_STANDARD_RATES = np.array([24000 / 1001, 24, 25, 30000 / 1001, 30, 48, 50, 60000 / 1001, 60])
_SAME_RATE = 5e-4  # half of what lies between 29.97 and 30
_FEWEST_CHANGES = 5
_SHORTEST_SHOT_FRAMES = 8


def rate_of_ratings(ratings: FloatArray) -> float | None:
    """Frames per second, from where ratings change.

    Ratings are constant over shots of two seconds, so the frames where any annotator's rating changes lie on a grid;
    a line through them gives its step. Rates within 0.05 % of a common one are that one.

    Args:
        ratings: (U, N) one rating a frame.

    Returns:
        Frames per second; None when ratings change too seldom, or not on a grid.
    """
    changes = np.flatnonzero((ratings[:, 1:] != ratings[:, :-1]).any(axis=0)) + 1
    if len(changes) < _FEWEST_CHANGES:
        return None
    steps = np.diff(changes)
    shortest = np.median(steps[steps < 1.5 * np.percentile(steps, 10)])
    if shortest < _SHORTEST_SHOT_FRAMES:
        return None
    step, offset, reach = float(shortest), float(changes[0]), _FEWEST_CHANGES
    while True:  # a step that is a little off is a whole shot off at the end of a long video: fit longer and longer
        counts = np.round((changes - offset) / step)
        step, offset = map(float, np.polyfit(counts[:reach], changes[:reach], 1))
        if reach >= len(changes):
            break
        reach *= 2
    counts = np.round((changes - offset) / step)
    if np.median(np.abs(changes - offset - step * counts)) > step / 4:
        return None
    rate = step / SHOT_SECONDS
    nearest = float(_STANDARD_RATES[np.abs(_STANDARD_RATES - rate).argmin()])
    return nearest if abs(nearest / rate - 1) < _SAME_RATE else rate
