"""A ceiling for methods: the mean of half of the users against the mean of the other half."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from sspvs.evaluation.evaluate import video_result
from sspvs.evaluation.protocol import PROTOCOLS
from sspvs.evaluation.rank_correlation import Correlations, rank_correlations
from sspvs.evaluation.requirements import baseline_unavailable, mean_scores, require
from sspvs.evaluation.results import MethodResult
from sspvs.types import Annotations


def split_half(dataset: Mapping[str, Annotations], *, draws: int = 100, seed: int = 0) -> MethodResult:
    """The mean of half of the users against the mean of the other half, at the picks: a ceiling for methods.

    Of an odd number of users the second half has one more. The row is of the protocol `mean-annotator`; F1 is NaN.

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
        digest = hashlib.sha256(annotations.key.encode()).digest()
        generator, pairs = np.random.default_rng([seed, int.from_bytes(digest[:8], "little")]), []
        for _ in range(draws):
            users = generator.permutation(len(scores))
            first, second = np.split(users, [len(users) // 2])
            pairs.append(rank_correlations(mean_scores(scores[first]), mean_scores(scores[second])[None]))
        videos.append(video_result(annotations, Correlations(*map(np.concatenate, zip(*pairs, strict=True))), None))
    if not videos:
        raise ValueError("split-half: no video to evaluate")
    return MethodResult("split-half", protocol.name, tuple(videos), {"draws": draws, "seed": seed})
