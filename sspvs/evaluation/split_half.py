"""How reliable the users' mean is: half of the users against the other half."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sspvs.evaluation.agreement import mean_scores
from sspvs.evaluation.evaluate import video_result
from sspvs.evaluation.protocol import PROTOCOLS
from sspvs.evaluation.random_scores import generator_of
from sspvs.evaluation.rank_correlation import Correlations, rank_correlations
from sspvs.evaluation.requirements import baseline_unavailable, require
from sspvs.evaluation.results import MethodResult
from sspvs.types import Annotations

DEFAULT_DRAWS = 100


def split_half(dataset: Mapping[str, Annotations], *, draws: int = DEFAULT_DRAWS, seed: int = 0) -> MethodResult:
    """The mean of half of the users against the mean of the other half, at the picks: no method can be asked for more.

    Args:
        dataset: Annotations by key, at least one, each with the scores of two users or more.
        draws: How many random halves of each video, >= 1. Of an odd number of users the second half has one more.
        seed: Of the draws, >= 0.

    Returns:
        A row for the protocol `mean-annotator`; F1 is NaN.

    Raises:
        ValueError: When there is no video, or draws or seed is out of its range.
        ProtocolUnavailableError: When a video has no user scores, or fewer than two users.
    """
    if draws < 1 or seed < 0:
        raise ValueError(f"draws must be at least 1 and seed at least 0, got {draws} and {seed}")
    protocol = PROTOCOLS["mean-annotator"]
    videos = []
    for key in dataset:
        annotations = dataset[key]
        require(baseline_unavailable("human", protocol, annotations), "split-half", annotations)
        scores = annotations.user_scores_at_picks
        assert scores is not None
        generator, pairs = generator_of(annotations, seed), []
        for _ in range(draws):
            users = generator.permutation(len(scores))
            first, second = np.split(users, [len(users) // 2])
            pairs.append(rank_correlations(mean_scores(scores[first]), mean_scores(scores[second])[None]))
        videos.append(video_result(annotations, Correlations(*map(np.concatenate, zip(*pairs, strict=True))), None))
    if not videos:
        raise ValueError("split-half: no video to evaluate")
    return MethodResult("split-half", protocol.name, tuple(videos), {"draws": draws, "seed": seed})
