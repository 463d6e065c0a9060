"""`sspvs.evaluate` from Python, against loops from the definitions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.drawn_dataset import NAMES, drawn_video, write_drawn_dataset
from scipy.stats import kendalltau, spearmanr

import sspvs
from sspvs.benchmark import EvaluationSettings, as_json, run_benchmark
from sspvs.benchmark.evaluating import name_of
from sspvs.errors import DatasetError, ProtocolUnavailableError
from sspvs.evaluation.results import MethodResult
from sspvs.table import read_dataset, write_dataset

KEYS = [f"video_{n}" for n in range(1, len(NAMES) + 1)]


def _scores(seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {key: generator.random(len(drawn_video(n).picks)) for n, key in enumerate(KEYS, start=1)}


@pytest.fixture(scope="module")
def summe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn_dataset(tmp_path_factory.mktemp("d") / "summe.h5", features=True)


@pytest.fixture(scope="module")
def tvsum(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn_dataset(tmp_path_factory.mktemp("d") / "tvsum.h5", dataset="tvsum", ratings=True)


def _splits(path: Path, folds: list[list[str]]) -> Path:
    entries = [{"train_keys": [key for key in KEYS if key not in test], "test_keys": test} for test in folds]
    path.write_text(json.dumps(entries))
    return path


@pytest.mark.parametrize("ratings", [False, True])
def test_per_user_is_the_loop_over_users(ratings: bool, summe: Path, tvsum: Path) -> None:
    path, scores = (tvsum if ratings else summe), _scores()
    result = sspvs.evaluate(path, {"mine": scores}).methods["mine"]["per-user"]
    assert [video.key for video in result.videos] == KEYS
    for video in result.videos:
        annotations = read_dataset(path)[video.key]
        assert annotations.user_scores is not None
        taus, rhos = [], []
        for user in annotations.user_scores:
            theirs = user[annotations.picks]
            if len(set(theirs.tolist())) > 1:
                taus.append(kendalltau(scores[video.key], theirs).statistic)
                rhos.append(spearmanr(scores[video.key], theirs).statistic)
        assert video.kendall_tau == pytest.approx(np.mean(taus), abs=1e-9)
        assert video.spearman_rho == pytest.approx(np.mean(rhos), abs=1e-9)
        assert video.undefined_pairs == annotations.n_users - len(taus)
    mean = np.mean([video.kendall_tau for video in result.videos])
    assert result.spreads["kendall_tau"].mean == pytest.approx(mean, abs=1e-12)


def test_all_protocols_and_the_rows_beside(summe: Path) -> None:
    evaluation = sspvs.evaluate(summe, _scores(), protocol="all")
    assert evaluation.protocols == ("per-user", "per-user-frames", "summary-vs-mean", "mean-annotator")
    assert list(evaluation.methods) == ["scores"]
    assert list(evaluation.baselines) == ["human", "random", "consensus"]
    for results in (*evaluation.methods.values(), *evaluation.baselines.values()):
        assert set(results) == set(evaluation.protocols)
        assert all(len(result.videos) == 7 for result in results.values())
    assert evaluation.coverage == {"n_dataset": 7, "n_tested": 7}
    assert evaluation.unavailable == {}
    assert {"sspvs", "numpy", "scipy", "python"} <= set(evaluation.versions)


def test_a_baseline_in_a_methods_place(summe: Path) -> None:
    for baseline in ("human", "random", "consensus", "contrastive"):
        evaluation = sspvs.evaluate(summe, baseline=baseline)
        assert list(evaluation.methods) == [baseline]
        assert baseline not in evaluation.baselines
        assert set(evaluation.baselines) == {"human", "random", "consensus"} - {baseline}


def test_the_contrastive_row_is_what_sspvs_score_writes(summe: Path, tmp_path: Path) -> None:
    from sspvs.cli import main

    assert main(["score", str(summe), "--combine", "a", "--out", str(tmp_path / "s.h5")]) == 0
    written = sspvs.evaluate(summe, tmp_path / "s.h5", protocol="all", contrastive=True, combine="a")
    for protocol, result in written.methods["s"].items():
        assert _figures(result) == _figures(written.baselines["contrastive"][protocol])
    source = written.methods["s"]["per-user"].settings["source"]
    assert source["scorer"] == "contrastive"
    assert source["settings"]["combine"] == "a"
    other = sspvs.evaluate(summe, baseline="contrastive", combine="ag")
    assert _figures(other.methods["contrastive"]["per-user"]) != _figures(written.methods["s"]["per-user"])


def _figures(result: MethodResult) -> str:
    return json.dumps([video.as_dict() for video in result.videos])


def test_contrastive_needs_features(tvsum: Path) -> None:
    with pytest.raises(DatasetError, match=r"7 of 7 videos have none.*sspvs data build --features"):
        sspvs.evaluate(tvsum, baseline="contrastive")
    with pytest.raises(DatasetError, match="needs features"):
        sspvs.evaluate(tvsum, _scores(), contrastive=True)


def test_splits_test_each_video_once(summe: Path, tmp_path: Path) -> None:
    path = _splits(tmp_path / "s.json", [["video_5", "video_2"], ["video_2", "video_3"]])
    tested = ["video_2", "video_3", "video_5"]
    scores = {key: values for key, values in _scores().items() if key in tested}
    evaluation = sspvs.evaluate(summe, scores, splits=path)
    result = evaluation.methods["scores"]["per-user"]
    assert [video.key for video in result.videos] == tested
    assert all([v.key for v in rows["per-user"].videos] == tested for rows in evaluation.baselines.values())
    assert evaluation.folds == (("video_5", "video_2"), ("video_2", "video_3"))
    coverage = evaluation.coverage
    assert (coverage["n_dataset"], coverage["n_tested"]) == (7, 3)
    assert coverage["split_file"] == "s.json"
    assert coverage["split_folds"] == 2
    assert coverage["split_setting"] == "canonical"
    assert coverage["not_tested"] == ["video_1", "video_4", "video_6", "video_7"]
    taus = {video.key: video.kendall_tau for video in result.videos}
    rows = as_json(evaluation)["folds"]
    assert [row["n_videos"] for row in rows] == [2, 2]
    means = [np.mean([taus[key] for key in fold]) for fold in evaluation.folds]
    assert [row["kendall_tau"] for row in rows] == pytest.approx(means)
    over = as_json(evaluation)["over_folds"]["kendall_tau"]
    assert over == {"mean": pytest.approx(np.mean(means)), "std": pytest.approx(np.std(means, ddof=1))}


def test_scores_of_tested_videos_are_all_that_is_needed(summe: Path, tmp_path: Path) -> None:
    path = _splits(tmp_path / "s.json", [["video_5", "video_2"]])
    with pytest.raises(DatasetError, match=r"no scores of 1 of 2 videos: 'video_5' \(Jumps\)"):
        sspvs.evaluate(summe, {"video_2": _scores()["video_2"], "video_1": [1.0]}, splits=path)


def test_missing_videos_leave_every_row_on_the_same_videos(summe: Path) -> None:
    first, second = _scores(1), _scores(2)
    del first["video_3"], second["video_6"]
    evaluation = sspvs.evaluate(summe, {"a": first, "b": second}, allow_missing=True)
    kept = [key for key in KEYS if key not in ("video_3", "video_6")]
    for results in (*evaluation.methods.values(), *evaluation.baselines.values()):
        assert [video.key for video in results["per-user"].videos] == kept
    assert evaluation.coverage["n_tested"] == 5
    assert evaluation.coverage["not_tested"] == ["video_3", "video_6"]
    assert any("no scores of 'video_3'" in sentence for sentence in evaluation.warnings)


def test_methods_are_compared_in_pairs(summe: Path) -> None:
    annotations = read_dataset(summe)
    good = {key: annotations[key].gtscore + 0.01 * _scores()[key] for key in annotations}
    evaluation = sspvs.evaluate(summe, {"good": good, "a": _scores(1), "b": _scores(2)}, protocol="all")
    pairs = {(each.first, each.second) for each in evaluation.comparisons}
    assert pairs == {("good", "a"), ("good", "b"), ("a", "b")}
    assert len(evaluation.comparisons) == 3 * 4 * 4
    for each in evaluation.comparisons:
        first, second = (
            evaluation.methods[name][each.protocol].values(each.metric) for name in (each.first, each.second)
        )
        assert each.difference == pytest.approx(np.nanmean(first - second))
    clear = next(e for e in evaluation.comparisons if (e.second, e.protocol) == ("a", "mean-annotator"))
    assert clear.ci95[0] > 0
    assert clear.p_value < 0.01


def _without_user_scores(path: Path) -> Path:
    """As the community's TVSum: gtscore from ratings that are not in the file."""
    videos = [drawn_video(number, ratings=True) for number in range(1, 4)]
    write_dataset(path, [(replace(v, user_scores=None), None) for v in videos], name="tvsum", made_by={})
    return path


def test_what_the_dataset_cannot_give_is_said_with_the_way_out(tmp_path: Path) -> None:
    path = _without_user_scores(tmp_path / "tvsum.h5")
    scores = {key: values for key, values in _scores().items() if key in KEYS[:3]}
    with pytest.raises(ProtocolUnavailableError, match=r"per-user needs .*sspvs data build tvsum"):
        sspvs.evaluate(path, scores)
    evaluation = sspvs.evaluate(path, scores, protocol="all")
    assert set(evaluation.unavailable) == {"per-user", "per-user-frames"}
    assert set(evaluation.methods["scores"]) == {"summary-vs-mean", "mean-annotator"}
    assert set(evaluation.baselines["human"]) == {"summary-vs-mean"}
    assert any("no human row under mean-annotator" in sentence for sentence in evaluation.warnings)


def test_recorded_summaries_are_judged_on_demand(summe: Path) -> None:
    dataset = read_dataset(summe)
    scores = {}
    for key, values in _scores().items():
        assert dataset[key].user_summaries is not None
        scores[key] = {"scores": values.tolist(), "summary": dataset[key].user_summaries[0].astype(int).tolist()}
    recorded = sspvs.evaluate(summe, {"mine": scores}, recorded_summaries=True).methods["mine"]["per-user"]
    assert recorded.values("f_score_max").tolist() == [1.0] * 7
    assert recorded.settings["summaries"] == "recorded"
    made = sspvs.evaluate(summe, {"mine": scores}).methods["mine"]["per-user"]
    assert made.values("f_score_max").max() < 1


def test_the_checkpoint_rule_is_stated(summe: Path) -> None:
    two = {"a": _scores(1), "b": _scores(2)}
    evaluation = sspvs.evaluate(summe, two, checkpoint_rule={"a": "best-test"})
    assert evaluation.methods["a"]["per-user"].settings["checkpoint_rule"] == "best-test"
    assert evaluation.methods["b"]["per-user"].settings["checkpoint_rule"] == "not stated"
    both = sspvs.evaluate(summe, two, checkpoint_rule="val").methods
    assert {both[name]["per-user"].settings["checkpoint_rule"] for name in two} == {"val"}


def test_the_same_seed_gives_the_same_random_row(summe: Path) -> None:
    rows = [sspvs.evaluate(summe, baseline="random", draws=5, seed=seed).methods["random"] for seed in (1, 1, 2)]
    first, again, other = (_figures(row["per-user"]) for row in rows)
    assert first == again != other


def test_rules_change_summaries_and_are_named(tvsum: Path) -> None:
    exact = sspvs.evaluate(tvsum, _scores())
    a2summ = sspvs.evaluate(tvsum, _scores(), rule="a2summ")
    assert as_json(a2summ)["settings"]["rule"] == {
        "name": "a2summ",
        "fraction": 0.15,
        "rounding": "round",
        "values": "thousandths",
    }
    frames = [[video.summary_frames for video in e.methods["scores"]["per-user"].videos] for e in (exact, a2summ)]
    assert frames[0] != frames[1]


def test_an_opened_dataset_will_do(summe: Path) -> None:
    with read_dataset(summe) as dataset:
        opened = sspvs.evaluate(dataset, _scores())
    assert as_json(opened) == as_json(sspvs.evaluate(str(summe), _scores()))


def test_what_reports_need_comes_along(summe: Path) -> None:
    benchmark = run_benchmark(summe, {"mine": _scores()}, splits=None, settings=EvaluationSettings(contrastive=True))
    assert list(benchmark.videos) == KEYS
    assert set(benchmark.predictions) == {"mine", "contrastive"}
    np.testing.assert_array_equal(benchmark.predictions["mine"]["video_2"].at_picks, _scores()["video_2"])


NAMINGS: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "one path": (lambda path: path, ["s"]),
    "a list of paths": (lambda path: [path, str(path)], ["s"]),
    "lists of paths by name": (lambda path: {"mine": [path], "theirs": [str(path), path]}, ["mine", "theirs"]),
    "paths by name": (lambda path: {"mine": path, "theirs": path}, ["mine", "theirs"]),
    "one mapping": (lambda path: _scores(), ["scores"]),
    "mappings by name": (lambda path: {"mine": _scores(), "theirs": path}, ["mine", "theirs"]),
    "a list of mappings": (lambda path: [_scores(), _scores()], ["scores"]),
    "a mapping of dicts": (lambda path: {k: {"scores": v} for k, v in _scores().items()}, ["scores"]),
}


@pytest.mark.parametrize("kind", NAMINGS)
def test_scores_may_be_given_in_many_ways(kind: str, summe: Path, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps({key: values.tolist() for key, values in _scores().items()}))
    make, names = NAMINGS[kind]
    evaluation = sspvs.evaluate(summe, make(tmp_path / "s.json"))
    assert list(evaluation.methods) == names
    figures = {_figures(results["per-user"]) for results in evaluation.methods.values()}
    assert len(figures) == 1


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (["a/b.h5"], "b"),
        (["peer/net_summe_split0.h5", "peer/net_summe_split4.h5"], "net_summe"),
        (["net-fold-1.json", "net-fold-10.json", "net-fold-11.json"], "net"),
        (["fold_0/scores.h5", "fold_1/scores.h5"], "scores"),
        (["net1_a.h5", "net1_b.h5"], "net1"),
        (["peer/0.h5", "peer/1.h5"], "peer"),
        (["a/0.h5", "b/1.h5"], "scores"),
    ],
)
def test_a_method_is_called_after_what_its_files_share(files: list[str], name: str) -> None:
    assert name_of(files) == name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give the scores of a method, or the name of a baseline"),
        ({"scores": {}, "baseline": "human"}, "not both"),
        ({"scores": []}, "empty list"),
        ({"scores": {"human": "s.json"}}, "'human' is the name of a baseline"),
        ({"baseline": "humans"}, "baseline must be one of human, random"),
        ({"baseline": "human", "protocol": "kendall"}, "protocol must be one of"),
        ({"baseline": "human", "rule": "mine"}, "rule must be one of"),
        ({"baseline": "random", "draws": 0}, "draws must be at least 1"),
        ({"baseline": "random", "seed": -1}, "seed at least 0"),
        ({"scores": "s.json", "checkpoint_rule": "best"}, "checkpoint_rule must be one of"),
        ({"scores": "s.json", "checkpoint_rule": {"t": "val"}}, "checkpoint rule of 't', which is no method here"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_read(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sspvs.evaluate("gone.h5", **arguments)


def test_repairs_of_the_dataset_are_told(tmp_path: Path) -> None:
    path = write_drawn_dataset(tmp_path / "summe.h5")
    with h5py.File(path, "r+") as file:
        for key in ("video_1", "video_2"):
            file[key]["change_points"][:, 1] += 1
    warnings = sspvs.evaluate(path, _scores()).warnings
    assert any("in 2 of 7 videos: " in sentence for sentence in warnings)


def test_two_videos_of_one_name_keep_their_rows(tmp_path: Path) -> None:
    path = write_drawn_dataset(tmp_path / "d.h5", ("Jumps", "Jumps", "Scuba"))
    document = as_json(sspvs.evaluate(path, baseline="random", draws=2))
    assert list(document["videos"]) == ["Jumps (video_1)", "Jumps (video_2)", "Scuba"]


def test_f_score_is_public() -> None:
    assert sspvs.f_score(np.array([1, 1, 0, 0]), np.array([[1, 1, 0, 0], [0, 0, 1, 1]]), reduction="max") == 1.0
