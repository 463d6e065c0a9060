"""F1 against a naive loop, and against a peer's own record."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from helpers.naive_protocols import naive_f_score
from helpers.official_annotations import read_summe
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.evaluation.f_score import f_score, f_scores, pairwise_f_scores

summaries = st.integers(1, 12).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 1), min_size=n, max_size=n), min_size=2, max_size=5)
)


@settings(max_examples=200, deadline=None)
@given(summaries, st.sampled_from([bool, np.uint8, np.int64, np.float32]))
def test_equals_a_loop_over_sets_of_frames(rows, dtype):
    summary, users = np.array(rows[0], dtype=dtype), np.array(rows[1:], dtype=dtype)
    expected = [naive_f_score(summary, user) for user in users]
    np.testing.assert_allclose(f_scores(summary, users), expected, rtol=0, atol=1e-12)
    assert f_score(summary, users) == pytest.approx(np.mean(expected))
    assert f_score(summary, users, "max") == pytest.approx(max(expected))
    assert f_score(summary, users[::-1], reduction="avg") == pytest.approx(f_score(summary, users))


@settings(max_examples=100, deadline=None)
@given(summaries)
def test_each_against_each_other(rows):
    expected = [[naive_f_score(one, other) for other in rows] for one in rows]
    np.testing.assert_allclose(pairwise_f_scores(rows), expected, rtol=0, atol=1e-12)


def test_an_empty_summary_or_user_gives_zero():
    assert f_score([0, 0], [[1, 0]]) == 0
    assert f_score([1, 0], [[0, 0]]) == 0
    assert f_score([0, 0], [[0, 0]], "max") == 0


@pytest.mark.parametrize(
    ("summary", "users", "reduction", "message"),
    [
        ([1, 0, 1], [[1, 0]], "avg", "the summary has 3 frames and the users' summaries have 2"),
        ([1], [[1, 0]], "avg", "1 frames"),
        ([1, 0], [1, 0], "avg", r"\(N,\) and \(U, N\)"),
        ([[1, 0]], [[1, 0]], "avg", r"\(N,\) and \(U, N\)"),
        ([1, 0], [[1, 2]], "avg", "user_summaries must be 0 and 1, found 2"),
        ([0.5, 0], [[1, 0]], "avg", "summary must be 0 and 1, found 0.5"),
        ([np.nan, 0], [[1, 0]], "avg", "found nan"),
        (["1", "0"], [[1, 0]], "avg", "0 and 1"),
        ([1, 0], np.empty((0, 2), dtype=bool), "avg", "a user"),
        (np.empty(0, dtype=bool), np.empty((1, 0), dtype=bool), "avg", "a frame"),
        ([1, 0], [[1, 0]], "mean", "'avg' or 'max'"),
    ],
)
def test_wrong_input_is_named(summary, users, reduction, message):
    with pytest.raises(ValueError, match=message):
        f_score(summary, users, reduction)


def test_the_recorded_f_score_of_a_peer_is_reproduced(shared_data):
    users = {key: video.user_summaries for key, video in read_summe(shared_data).items()}
    seen = 0
    for path in sorted((shared_data / "peer_scores").glob("*.h5")):
        with h5py.File(path) as file:
            for key, group in file.items():
                found = f_score(group["machine_summary"][()], users[key], "max")
                assert found == pytest.approx(float(group["fm"][()]), abs=1e-6), (path.name, key)
                seen += 1
    assert seen >= 25
