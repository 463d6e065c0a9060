"""Users against each other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sspvs.evaluation.agreement import agreement_with_mean_of_others, mean_scores, pairwise_agreement


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
