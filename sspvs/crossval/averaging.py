"""Results of several runs on the same videos, as one: per video the mean over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sspvs.evaluation.rank_correlation import mean_of_defined
from sspvs.evaluation.results import METRICS, MethodResult, VideoResult


def mean_video(results: Sequence[VideoResult]) -> VideoResult:
    """One video's metrics, each the mean over the runs where it is defined; pairs are counted over all runs."""
    first = results[0]
    frames = {result.summary_frames for result in results}
    means = {metric: mean_of_defined([getattr(result, metric) for result in results]) for metric in METRICS}
    return VideoResult(
        key=first.key,
        name=first.name,
        **means,
        undefined_pairs=sum(result.undefined_pairs for result in results),
        n_pairs=sum(result.n_pairs for result in results),
        summary_frames=frames.pop() if len(frames) == 1 else None,
    )


def mean_result(method: str, runs: Sequence[MethodResult], order: Sequence[str]) -> MethodResult:
    """Runs under one protocol as one result.

    Args:
        method: What it is called.
        runs: At least one; a video is in as many of them as tested it.
        order: Keys of all the videos, as they shall stand.
    """
    by_key: dict[str, list[VideoResult]] = {}
    for run in runs:
        for video in run.videos:
            by_key.setdefault(video.key, []).append(video)
    settings = dict(runs[0].settings)
    empty = dict.fromkeys(name for run in runs for name in run.settings.get("empty_summaries", ()))
    settings.pop("empty_summaries", None)
    if empty:
        settings["empty_summaries"] = list(empty)
    videos = tuple(mean_video(by_key[key]) for key in order if key in by_key)
    return MethodResult(method, runs[0].protocol, videos, settings)


def over_seeds(by_seed: Mapping[int, MethodResult]) -> dict[str, Any]:
    """Each seed's means over the videos, and how far apart they are.

    Args:
        by_seed: Seed -> its result, under one protocol.

    Returns:
        `per_seed`: rows of `seed` and the metrics; `over_seeds`: metric -> `mean` and `std` of these rows (the
        sample's, n - 1), None where undefined.
    """
    rows = [{"seed": seed, **{m: mean_of_defined(run.values(m)) for m in METRICS}} for seed, run in by_seed.items()]
    spread = {}
    for metric in METRICS:
        known = np.array([row[metric] for row in rows])
        known = known[np.isfinite(known)]
        std = float(known.std(ddof=1)) if len(known) > 1 else None
        spread[metric] = {"mean": float(known.mean()) if len(known) else None, "std": std}
    return {"per_seed": rows, "over_seeds": spread}
