"""Average precision of highlights against plain loops, and mean average precision over kinds of video."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sspvs.annotations.official import read_tvsum
from sspvs.annotations.record import FrameRatings
from sspvs.cli import main
from sspvs.evaluation.average_precision import agreement, average_precisions, highlights_of
from sspvs.evaluation.baselines import evaluate_baseline
from sspvs.evaluation.evaluate import evaluate
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.protocol import PROTOCOLS, protocols_named
from sspvs.evaluation.requirements import baseline_unavailable, unavailable
from sspvs.evaluation.results import PRECISION, compare
from sspvs.table import write_dataset
from sspvs.types import Annotations, FloatArray

PROTOCOL = PROTOCOLS["highlight-map"]


def naive_precision(ranked: list[bool]) -> float:
    """The area under precision over recall, a trapezoid a clip."""
    total, hits, area, last = sum(ranked), 0, 0.0, (0.0, 1.0)
    if not total:
        return 0.0
    for place, is_highlight in enumerate(ranked, start=1):
        hits += is_highlight
        recall, precision = hits / total, hits / place
        area += (recall - last[0]) * (last[1] + precision) / 2
        last = recall, precision
    return area


def naive(scores: FloatArray, highlights: list[bool], top: int | None) -> float:
    """The mean of equal scores in the order of time and against it."""
    n, both = len(scores), []
    for sign in (1, -1):
        order = sorted(range(n), key=lambda clip: (-scores[clip], sign * clip))
        both.append(naive_precision([highlights[clip] for clip in order[:top]]))
    return sum(both) / 2


def video(scores: FloatArray, key: str = "v", category: str = "") -> Annotations:
    """Annotations of (U, T) scores at picks."""
    n_picks = scores.shape[1]
    return Annotations(key, key, 10 * n_picks, 10 * np.arange(n_picks), user_scores=scores, category=category)


@st.composite
def cases(draw: st.DrawFn) -> tuple[FloatArray, FloatArray]:
    """(T,) scores with ties and (U, T) ratings from 1 to 5."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_picks = draw(st.integers(1, 12))
    levels, users = draw(st.sampled_from([1, 2, 3, 1000])), draw(st.integers(1, 4))
    return generator.integers(0, levels, n_picks) / 3, generator.integers(1, 6, (users, n_picks)).astype(np.float32)


@given(cases(), st.sampled_from([None, 1, 5]))
def test_it_is_that_of_plain_loops(case: tuple[FloatArray, FloatArray], top: int | None) -> None:
    scores, ratings = case
    found = average_precisions(np.stack([scores, -scores]), ratings > 2, top)
    expected = [[naive(one, (user > 2).tolist(), top) for user in ratings] for one in (scores, -scores)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_the_step_function_of_scikit_learn_lies_beside_it() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(0)
    differences = []
    for _ in range(200):
        scores, labels = generator.random(60), generator.random(60) > 0.6
        found = average_precisions(scores[None], labels[None])[0, 0]
        differences.append(metrics.average_precision_score(labels, scores) - found)
    assert 0 < np.mean(differences) < 0.03  # the trapezoids cut the corners of the steps


@given(cases())
def test_ratings_count_above_the_lower_median_in_the_first_five(case: tuple[FloatArray, FloatArray]) -> None:
    scores, ratings = case
    annotations = video(ratings)
    users = ratings.tolist()
    above = [[rating > sorted(user)[(len(user) - 1) // 2] for rating in user] for user in users]
    is_label = len(users) == 1 and set(users[0]) == {1}
    np.testing.assert_array_equal(highlights_of(annotations), [[True] * len(scores)] if is_label else above)
    result = evaluate({"v": annotations}, {"v": Prediction.of(scores, annotations)}, method="m", protocols=[PROTOCOL])
    if len(users) > 1:
        expected = np.mean([naive(scores, user, 5) for user in above])
        assert result["highlight-map"].values(PRECISION) == pytest.approx(expected)
        pairs = [naive(np.array(one), above[j], 5) for i, one in enumerate(users) for j in range(len(users)) if i != j]
        np.testing.assert_allclose(agreement(annotations), pairs, atol=1e-12)


def test_labels_count_where_they_are_1_among_all_clips() -> None:
    annotations = video(np.array([[1, 0.5, 0, 0, 0.5, 0, 0, 1]], np.float32))
    assert highlights_of(annotations).tolist() == [[True, *[False] * 6, True]]
    scores = np.arange(8.0)  # the last clip first, the other highlight last of eight
    result = evaluate({"v": annotations}, {"v": Prediction.of(scores, annotations)}, method="m", protocols=[PROTOCOL])
    assert result["highlight-map"].values(PRECISION)[0] == pytest.approx(0.5 + 0.5 * (1 / 7 + 2 / 8) / 2)
    assert "at least two users" in str(baseline_unavailable("human", PROTOCOL, annotations))
    assert "needs the scores of each user" in str(unavailable(PROTOCOL, replace(annotations, user_scores=None)))


def dataset(tmp_path: Path) -> tuple[Path, dict[str, Annotations], dict[str, FloatArray]]:
    """Five dogs and one skater, with labels."""
    generator = np.random.default_rng(3)
    kinds = {f"v{number}": "skate" if number == 5 else "dog" for number in range(6)}
    videos = {
        key: video(generator.choice([0.0, 0.5, 1.0], (1, 9)).astype(np.float32), key, kind)
        for key, kind in kinds.items()
    }
    write_dataset(tmp_path / "D.h5", [(each, None) for each in videos.values()], name="youtube", made_by={})
    return tmp_path / "D.h5", videos, {key: generator.random(9) for key in videos}


def test_the_mean_is_over_kinds_and_each_kind_has_a_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, videos, scores = dataset(tmp_path)
    (tmp_path / "S.json").write_text(json.dumps({key: values.tolist() for key, values in scores.items()}))
    flags = ["--scores", f"mine={tmp_path / 'S.json'}", "--protocol", "highlight-map"]
    for option, name in (("--out", "r.json"), ("--report", "r.html"), ("--picture", "p.png")):
        flags += [option, str(tmp_path / name)]
    assert main(["evaluate", "--dataset", str(path), *flags]) == 0
    head, line = (row for row in capsys.readouterr().out.splitlines() if row.lstrip().startswith(("mAP", "mine")))
    assert head.split() == ["mAP", "dog", "skate"]
    each = {key: naive(scores[key], (videos[key].user_scores[0] == 1).tolist(), None) for key in videos}
    dogs, skater = np.mean([each[f"v{number}"] for number in range(5)]), each["v5"]
    found = json.loads((tmp_path / "r.json").read_text())
    assert found[PRECISION]["mean"] == pytest.approx((dogs + skater) / 2)
    assert found["kinds"]["dog"]["mean"] == pytest.approx(dogs)
    assert found["kinds"]["skate"]["mean"] == pytest.approx(skater)
    assert found["videos"]["v2"][PRECISION] == pytest.approx(each["v2"])
    assert f"{(dogs + skater) / 2:.4f}".removeprefix("0") in line
    random = found["baselines"]["random"]
    assert 0 < random[PRECISION]["mean"] < 1
    assert "kendall_tau" in random
    assert "skate" in (tmp_path / "r.html").read_text()
    assert PROTOCOL not in protocols_named("all")


def test_methods_are_compared_within_kinds(tmp_path: Path) -> None:
    _, videos, scores = dataset(tmp_path)
    rows = {
        name: evaluate(
            videos,
            {key: Prediction.of(sign * scores[key], each) for key, each in videos.items()},
            method=name,
            protocols=[PROTOCOL],
        )["highlight-map"]
        for name, sign in (("up", 1), ("down", -1))
    }
    found = compare(rows["up"], rows["down"], PRECISION)
    means = {name: row.spreads[PRECISION].mean for name, row in rows.items()}
    assert found.difference == pytest.approx(means["up"] - means["down"])
    assert found.ci95[0] <= found.difference <= found.ci95[1]
    assert rows["up"].spreads_by_kind["skate"].n_videos == 1


def test_the_order_of_time_is_no_advantage_to_constant_scores() -> None:
    annotations = video(np.array([[1, 1, 0, 0, 0, 0]], np.float32), category="dog")
    backwards = video(np.array([[0, 0, 0, 0, 1, 1]], np.float32), category="dog")
    rows = [
        evaluate({"v": each}, {"v": Prediction.of(np.zeros(6), each)}, method="m", protocols=[PROTOCOL])
        for each in (annotations, backwards)
    ]
    one, other = (row["highlight-map"].values(PRECISION)[0] for row in rows)
    assert one == other


def test_people_agree_with_themselves_more_than_by_chance(shared_data: Path) -> None:
    """TVSum: each person's ratings find what another one rates above the median."""
    videos = {}
    for each in read_tvsum(shared_data / "annotations" / "ydata-tvsum50.mat").videos[:6]:
        assert isinstance(each.opinions, FrameRatings)
        units = each.opinions.ratings[:, :: int(2 * (each.fps or 30))]
        videos[each.key] = video(units, each.key, each.category)
    human = evaluate_baseline(videos, "human", protocols=[PROTOCOL])["highlight-map"]
    random = evaluate_baseline(videos, "random", protocols=[PROTOCOL], draws=20)["highlight-map"]
    assert human.spreads[PRECISION].mean > random.spreads[PRECISION].mean + 0.05
