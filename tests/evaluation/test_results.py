"""Results over videos, their intervals, and differences between methods."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_rel

from sspvs.evaluation import results as bootstrap
from sspvs.evaluation.protocol import PROTOCOLS, protocols_named
from sspvs.evaluation.results import METRICS, MethodResult, VideoResult, bootstrap_ci95, compare, paired_bootstrap


def result(method, taus, protocol="per-user", keys=None):
    keys = [f"video_{place}" for place in range(len(taus))] if keys is None else keys
    rows = [VideoResult(key, key, tau, tau, 0.5, 0.6, 0, 1) for key, tau in zip(keys, taus, strict=True)]
    return MethodResult(method, protocol, tuple(rows))


def test_an_interval_is_that_of_the_normal_theory_for_many_videos():
    values = np.random.default_rng(0).normal(0.3, 0.1, 400)
    low, high = bootstrap_ci95(values)
    error = values.std(ddof=1) / np.sqrt(400)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)
    assert bootstrap_ci95(values) == (low, high)
    assert bootstrap_ci95(np.array([0.25])) == (0.25, 0.25)


def test_many_videos_are_drawn_in_parts(monkeypatch):
    values = np.random.default_rng(0).normal(0.3, 0.1, 50)
    whole = bootstrap_ci95(values)
    monkeypatch.setattr(bootstrap, "_MOST_DRAWN", 333)
    assert bootstrap_ci95(values) == pytest.approx(whole, abs=0.002)


def test_the_p_value_is_near_that_of_the_paired_t_test():
    rng = np.random.default_rng(1)
    hard = rng.normal(0.2, 0.2, 50)  # videos differ more than methods do
    first, second = hard + rng.normal(0.01, 0.03, 50), hard + rng.normal(0, 0.03, 50)
    found = paired_bootstrap(first, second)
    assert found.difference == pytest.approx((first - second).mean())
    assert found.p_value == pytest.approx(ttest_rel(first, second).pvalue, abs=0.03)
    assert found.ci95[0] < found.difference < found.ci95[1]
    back = paired_bootstrap(second, first)
    assert back.p_value == found.p_value
    assert back.ci95 == pytest.approx((-found.ci95[1], -found.ci95[0]))


def test_methods_that_are_the_same_do_not_differ():
    values = np.random.default_rng(2).random(20)
    assert paired_bootstrap(values, values) == (0, (0, 0), 1, 20)


def test_a_difference_in_every_video_is_never_a_p_value_of_zero():
    values = np.random.default_rng(3).random(20)
    found = paired_bootstrap(values + 1, values)
    assert found.p_value == pytest.approx(2 / 10_001)


def test_videos_where_one_is_undefined_are_left_out():
    found = paired_bootstrap([0.5, np.nan, 0.3, 0.4], [0.1, 0.2, np.nan, 0.2])
    assert (found.difference, found.n_videos) == (pytest.approx(0.3), 2)
    nothing = paired_bootstrap([np.nan], [0.1])
    assert nothing.n_videos == 0
    assert np.isnan([nothing.difference, *nothing.ci95, nothing.p_value]).all()
    assert np.isnan(paired_bootstrap([0.4], [0.1]).p_value)  # one video says nothing of chance
    with pytest.raises(ValueError, match="both be"):
        paired_bootstrap([0.1, 0.2], [0.1])


def test_methods_are_compared_on_the_videos_they_share():
    first = result("ours", [0.3, 0.4, 0.9], keys=["a", "b", "c"])
    second = result("theirs", [0.1, 0.2, 0.7], keys=["b", "a", "d"])
    found = compare(first, second, "kendall_tau")
    assert (found.first, found.second, found.protocol, found.metric) == ("ours", "theirs", "per-user", "kendall_tau")
    assert found.n_videos == 2
    assert found.difference == pytest.approx(np.mean([0.3 - 0.2, 0.4 - 0.1]))
    assert found.as_dict() == {
        "first": "ours", "second": "theirs", "protocol": "per-user", "metric": "kendall_tau",
        "difference": found.difference, "ci95": list(found.ci95), "p_value": found.p_value, "n_videos": 2,
    }  # fmt: skip
    undefined = compare(result("a", [np.nan]), result("b", [0.1]), "kendall_tau").as_dict()
    assert (undefined["difference"], undefined["ci95"], undefined["p_value"]) == (None, [None, None], None)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="cannot be compared"):
        compare(result("a", [0.1]), result("b", [0.1], protocol="mean-annotator"), "kendall_tau")
    with pytest.raises(ValueError, match="metric must be"):
        compare(result("a", [0.1]), result("b", [0.1]), "tau")
    with pytest.raises(ValueError, match="no video in common"):
        compare(result("a", [0.1], keys=["x"]), result("b", [0.1]), "kendall_tau")


def test_a_row_is_the_mean_and_the_sample_deviation_of_the_defined_videos():
    known = [0.1, 0.4, 0.25, 0.8]
    row = result("ours", [0.1, np.nan, 0.4, 0.25, 0.8])
    row = replace(row, videos=(replace(row.videos[0], undefined_pairs=2, summary_frames=7), *row.videos[1:]))
    spread = row.spreads["kendall_tau"]
    assert (spread.mean, spread.std) == pytest.approx((statistics.mean(known), statistics.stdev(known)))
    assert spread.ci95 == bootstrap_ci95(np.array(known))
    assert spread.n_videos == 4
    plain = row.as_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert [plain[name] for name in ("method", "protocol", "n_videos", "undefined_pairs", "settings")] == [
        "ours", "per-user", 5, 2, {},
    ]  # fmt: skip
    assert plain["kendall_tau"] == {"mean": spread.mean, "std": spread.std, "ci95": list(spread.ci95)}
    assert plain["f_score_max"] == {"mean": 0.6, "std": 0.0, "ci95": [0.6, 0.6]}
    assert plain["videos"]["video_0"] == {
        "key": "video_0", "kendall_tau": 0.1, "spearman_rho": 0.1, "f_score_avg": 0.5, "f_score_max": 0.6,
        "undefined_pairs": 2, "n_pairs": 1, "summary_frames": 7,
    }  # fmt: skip
    assert plain["videos"]["video_1"]["kendall_tau"] is None


@pytest.mark.parametrize(("taus", "mean"), [([0.3], 0.3), ([np.nan], None), ([np.nan, 0.3], 0.3)])
def test_fewer_than_two_defined_videos_have_no_deviation(taus, mean):
    spread = result("ours", taus).spreads["kendall_tau"].as_dict()
    assert spread == {"mean": mean, "std": None, "ci95": [mean, mean]}


def test_every_metric_can_be_compared():
    first, second = result("a", [0.3, 0.4]), result("b", [0.1, 0.3])
    found = {metric: compare(first, second, metric).difference for metric in METRICS}
    assert found == {"kendall_tau": pytest.approx(0.15), "spearman_rho": pytest.approx(0.15), "f_score_avg": 0,
                     "f_score_max": 0}  # fmt: skip


def test_protocols_have_names():
    assert [protocol.name for protocol in protocols_named("all")] == [
        name for name in PROTOCOLS if name not in ("highlight-map", "per-user-blocks")
    ]
    assert protocols_named("mean-annotator") == (PROTOCOLS["mean-annotator"],)
    with pytest.raises(ValueError, match=r"one of per-user, .* or all, got 'each'"):
        protocols_named("each")
