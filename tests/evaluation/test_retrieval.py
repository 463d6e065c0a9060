"""Retrieval figures against sorting by hand."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from sspvs.evaluation import retrieval
from sspvs.evaluation.retrieval import own_ranks, retrieval_metrics


def brute_force_rank(row: list[float], own: int, ties: str) -> float:
    """Put the own one last (first) among equals, sort, look where it is; the mean of both for `mean`."""

    def place(own_key: int) -> int:
        order = sorted(range(len(row)), key=lambda j: (-row[j], own_key if j == own else 0))
        return order.index(own) + 1

    worst, best = place(1), place(-1)
    return float(worst) if ties == "pessimistic" else (worst + best) / 2


@pytest.mark.parametrize("ties", ["pessimistic", "mean"])
@pytest.mark.parametrize("seed", range(5))
def test_equals_brute_force(ties: str, seed: int) -> None:
    scores = np.random.default_rng(seed).integers(0, 6, (23, 23)).astype(np.float32)  # many ties
    figures = retrieval_metrics(scores, ties=ties)
    for direction, matrix in (("video_to_text", scores), ("text_to_video", scores.T)):
        ranks = [brute_force_rank([float(x) for x in row], i, ties) for i, row in enumerate(matrix)]
        assert list(own_ranks(matrix, ties=ties)) == ranks
        for k in (1, 5, 10):
            assert figures[f"{direction}_r{k}"] == pytest.approx(sum(rank <= k for rank in ranks) / 23)
        middle = sorted(ranks)[11]
        assert figures[f"{direction}_median_rank"] == middle
    assert figures["retrieval_candidates"] == 23


def test_scores_below_zero_count_like_any_other() -> None:
    figures = retrieval_metrics(-np.ones((4, 4)) - 1 + 0.5 * np.eye(4))
    assert figures["video_to_text_r1"] == figures["text_to_video_r1"] == 1.0


def test_a_collapsed_model_is_not_rewarded() -> None:
    figures = retrieval_metrics(np.zeros((20, 20)))
    assert figures["video_to_text_r1"] == figures["video_to_text_r10"] == 0.0
    assert figures["video_to_text_median_rank"] == 20
    assert retrieval_metrics(np.zeros((20, 20)), ties="mean")["video_to_text_median_rank"] == 10.5


def test_the_order_of_videos_does_not_matter() -> None:
    rng = np.random.default_rng(9)
    scores, order = rng.standard_normal((30, 30)), rng.permutation(30)
    assert retrieval_metrics(scores) == retrieval_metrics(scores[np.ix_(order, order)])


@pytest.mark.parametrize("bad", [np.zeros((3, 4)), np.zeros((0, 0)), np.full((2, 2), np.nan), np.zeros(3)])
def test_mistakes_are_told(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="similarity"):
        retrieval_metrics(bad)


def test_examples_run() -> None:
    assert doctest.testmod(retrieval, extraglobs={"np": np}).failed == 0
