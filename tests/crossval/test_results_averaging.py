"""Means over runs are means: per video over the runs that tested it, then over seeds."""

from __future__ import annotations

import numpy as np
import pytest

from sspvs.crossval.results import over_seeds
from sspvs.evaluation.results import MethodResult, VideoResult, mean_result, mean_video

NAN = float("nan")


def video(key: str, tau: float, f1: float = 0.5, frames: int | None = 10) -> VideoResult:
    return VideoResult(key, key.title(), tau, 2 * tau, f1, 2 * f1, int(np.isnan(tau)), 4, frames)


def run(*videos: VideoResult, **settings: object) -> MethodResult:
    return MethodResult("m", "per-user", videos, settings)


def test_a_videos_mean_leaves_out_what_is_undefined() -> None:
    found = mean_video([video("a", 0.1), video("a", NAN), video("a", 0.4, 0.2, 12)])
    assert found.kendall_tau == pytest.approx(0.25)
    assert found.spearman_rho == pytest.approx(0.5)
    assert found.f_score_avg == pytest.approx(0.4)
    assert (found.undefined_pairs, found.n_pairs) == (1, 12)
    assert found.summary_frames is None  # not one summary
    assert mean_video([video("a", 0.1)] * 2).summary_frames == 10
    assert np.isnan(mean_video([video("a", NAN)] * 2).kendall_tau)


def test_runs_on_some_of_the_videos() -> None:
    """`a` is tested twice; each video counts once."""
    runs = [run(video("a", 0.2), video("b", 0.0)), run(video("c", 0.3), video("a", 0.4), empty_summaries=["C"])]
    found = mean_result("all", runs, ["c", "b", "a", "never"])
    assert found.method == "all"
    assert [one.key for one in found.videos] == ["c", "b", "a"]
    assert found.values("kendall_tau") == pytest.approx([0.3, 0.0, 0.3])
    assert found.spreads["kendall_tau"].mean == pytest.approx(0.2)
    assert found.settings["empty_summaries"] == ["C"]


def test_between_seeds() -> None:
    by_seed = {3: run(video("a", 0.1), video("b", 0.3)), 7: run(video("a", 0.2), video("b", NAN))}
    found = over_seeds(by_seed)
    assert [row["seed"] for row in found["per_seed"]] == [3, 7]
    assert [row["kendall_tau"] for row in found["per_seed"]] == pytest.approx([0.2, 0.2])
    assert found["over_seeds"]["kendall_tau"] == {"mean": pytest.approx(0.2), "std": pytest.approx(0.0, abs=1e-12)}
    one = over_seeds({0: run(video("a", 0.1))})["over_seeds"]
    assert one["kendall_tau"]["std"] is None
    assert over_seeds({0: run(video("a", NAN))})["over_seeds"]["kendall_tau"] == {"mean": None, "std": None}
