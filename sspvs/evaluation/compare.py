"""Two methods on the same videos: is the difference more than chance?"""

from __future__ import annotations

import numpy as np

from sspvs.evaluation.bootstrap import paired_bootstrap
from sspvs.evaluation.results import METRICS, Comparison, MethodResult


def compare(first: MethodResult, second: MethodResult, metric: str) -> Comparison:
    """A paired bootstrap over the videos that both methods were evaluated on.

    Args:
        first: A method's result.
        second: Another's, under the same protocol.
        metric: One of `METRICS`.

    Raises:
        ValueError: When the protocols differ, there is no such metric, or no video is in both.
    """
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
    if first.protocol != second.protocol:
        raise ValueError(f"figures of {first.protocol} and {second.protocol} cannot be compared; take one protocol")
    theirs = {video.key: getattr(video, metric) for video in second.videos}
    pairs = [(getattr(video, metric), theirs[video.key]) for video in first.videos if video.key in theirs]
    if not pairs:
        raise ValueError(f"{first.method} and {second.method} have no video in common")
    found = paired_bootstrap(*np.array(pairs, dtype=np.float64).T)
    return Comparison(
        first.method,
        second.method,
        first.protocol,
        metric,
        found.difference,
        found.ci95,
        found.p_value,
        found.n_videos,
    )
