"""Users against each other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from helpers.drawn_annotations import drawn_video
from helpers.naive_protocols import naive_pair
from helpers.split_half import split_half

from sspvs.evaluation.requirements import agreement_with_mean_of_others, mean_scores, pairwise_agreement


def test_frames_given_the_same_values_by_other_users_stay_tied():
    # 0.1 + 0.2 + 0.3 is not 0.3 + 0.2 + 0.1 in binary.
    values = np.array(list(itertools.permutations([0.1, 0.2, 0.3, 0.7]))).T  # (4, 24)
    assert len(set(mean_scores(values))) == 1
    assert len(set(values.mean(axis=0))) > 1
    fifth = np.vstack([values, np.arange(24)])
    tau, rho = agreement_with_mean_of_others(fifth)
    assert np.isnan([tau[4], rho[4]]).all()  # the mean of the others is constant


def test_pairs_are_those_of_different_users_once_each():
    scores = np.array([[1, 2, 3, 4], [4, 3, 2, 1], [1, 2, 3, 4]])
    tau, rho = pairwise_agreement(scores)
    np.testing.assert_allclose(tau, [-1, 1, -1], atol=1e-12)
    np.testing.assert_allclose(rho, [-1, 1, -1], atol=1e-12)


@pytest.mark.parametrize("agreement", [pairwise_agreement, agreement_with_mean_of_others])
def test_wrong_input_is_named(agreement):
    with pytest.raises(ValueError, match="at least two users, got 1"):
        agreement([[1, 2, 3]])
    with pytest.raises(ValueError, match="user_scores must be finite"):
        agreement([[1, 2, np.nan], [1, 2, 3]])


@pytest.mark.parametrize("n_users", [2, 5])
def test_halves_are_every_way_to_divide_the_users(n_users):
    video = drawn_video(np.random.default_rng(n_users), n_users=n_users, n_picks=20)
    ratings = video.user_scores[:, video.picks].astype(float)
    possible = []
    for first in itertools.combinations(range(n_users), n_users // 2):
        second = [user for user in range(n_users) if user not in first]
        possible.append(naive_pair(ratings[list(first)].mean(axis=0), ratings[second].mean(axis=0)))
    rounded = {(round(tau, 9), round(rho, 9)) for tau, rho in possible}
    rows = [split_half({"v": video}, draws=1, seed=seed).videos[0] for seed in range(20)]
    seen = {(round(row.kendall_tau, 9), round(row.spearman_rho, 9)) for row in rows}
    assert seen <= rounded
    assert len(seen) > 0.5 * len(rounded)
    many = split_half({"v": video}, draws=100)
    assert (many.videos[0].kendall_tau, many.videos[0].spearman_rho) == pytest.approx(
        np.mean(possible, axis=0), abs=0.05
    )
    assert (many.videos[0].n_pairs, many.videos[0].undefined_pairs) == (100, 0)
    assert (many.method, many.protocol, many.settings) == ("split-half", "mean-annotator", {"draws": 100, "seed": 0})
    assert np.isnan(many.videos[0].f_score_avg)


def test_wrong_draws_of_halves_are_named():
    video = drawn_video(np.random.default_rng(0))
    assert split_half({"v": video}, draws=1, seed=0).videos[0].key == "video_1"
    for wrong in ({"draws": 0}, {"seed": -1}):
        with pytest.raises(ValueError, match="draws must be at least 1 and seed at least 0"):
            split_half({"v": video}, **wrong)
    with pytest.raises(ValueError, match="no video"):
        split_half({})
