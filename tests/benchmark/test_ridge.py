"""The row of ridge regression against a naive one: folds, strength, shuffled labels, and what cannot have it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_dataset import NAMES, drawn_video, write_drawn_dataset
from scipy.stats import kendalltau

from sspvs.benchmark import EvaluationSettings, evaluate, run_benchmark
from sspvs.benchmark.ridge import SHUFFLES, ridge_folds
from sspvs.cli import main
from sspvs.data.folds import Stores
from sspvs.errors import DatasetError
from sspvs.models.ridge import STRENGTHS
from sspvs.scorers import load_scorer
from sspvs.table import read_dataset, write_dataset
from sspvs.types import FrameFeatures

KEYS = [f"video_{number}" for number in range(1, len(NAMES) + 1)]
WIDTH = 5
SPLIT = [(KEYS[:4], KEYS[4:6]), (KEYS[2:], KEYS[:2]), (KEYS[:5], KEYS[5:])]  # video_6 is tested by two, two by none


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven videos, one feature of which follows the importance."""
    path = tmp_path_factory.mktemp("ridge") / "drawn.h5"
    rows = []
    for number, name in enumerate(NAMES, start=1):
        video = drawn_video(number, name=name, ratings=True)
        generator = np.random.default_rng(number)
        features = generator.random((len(video.picks), WIDTH), dtype=np.float32)
        features[:, 2] += 2 * np.asarray(video.gtscore, np.float32)
        rows.append((video, FrameFeatures(name, features, video.picks, video.n_frames)))
    write_dataset(path, rows, name="drawn", made_by={"source": "drawn"})
    return path


@pytest.fixture(scope="module")
def splits(dataset: Path) -> Path:
    path = dataset.with_name("splits.json")
    path.write_text(json.dumps([{"train_keys": train, "test_keys": test} for train, test in SPLIT]))
    return path


def naive_rows(features: np.ndarray) -> np.ndarray:
    roots = np.sqrt(features.astype(np.float64))
    scaled = roots / np.linalg.norm(roots, axis=1).mean()
    around = [scaled[max(t - 2, 0) : t + 3].mean(axis=0) for t in range(len(scaled))]
    rows = np.concatenate([scaled, around], axis=1)
    return rows - rows.mean(axis=0)


def naive_ridge(dataset: Path, train: list[str], test: list[str]) -> tuple[dict[str, np.ndarray], float]:
    """Scores of the tested videos, and the strength: each training video left out by fitting to the others."""
    store = read_dataset(dataset)
    rows = {key: naive_rows(store.features[key].features) for key in (*train, *test)}
    size = np.sqrt(np.mean([np.square(row).sum() for key in train for row in rows[key]]))
    rows = {key: one / size for key, one in rows.items()}
    targets = {key: np.asarray(store[key].gtscore, np.float64) for key in train}
    targets = {key: (one - one.mean()) / one.std() for key, one in targets.items()}

    def fitted(keys: list[str], strength: float) -> np.ndarray:
        x, y = np.concatenate([rows[key] for key in keys]), np.concatenate([targets[key] for key in keys])
        return np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ y)

    def tau(key: str, strength: float) -> float:
        scores = rows[key] @ fitted([other for other in train if other != key], strength)
        return float(np.mean([kendalltau(scores, user).statistic for user in store[key].user_scores_at_picks]))

    quality = [np.mean([tau(key, strength) for key in train]) for strength in STRENGTHS]
    best = STRENGTHS[int(np.argmax(quality))]
    return {key: rows[key] @ fitted(train, best) for key in test}, best


def test_the_row_is_that_of_the_normal_equations(dataset: Path, splits: Path) -> None:
    found = evaluate(dataset, splits=splits, baseline="ridge").methods["ridge"]["per-user"]
    store, expected, strengths = read_dataset(dataset), {}, []
    for train, test in SPLIT:
        scores, strength = naive_ridge(dataset, train, test)
        strengths.append(strength)
        for key, one in scores.items():
            users = store[key].user_scores_at_picks
            expected.setdefault(key, []).append(np.mean([kendalltau(one, user).statistic for user in users]))
    assert found.settings["strengths"] == strengths
    assert {video.key: video.kendall_tau for video in found.videos} == pytest.approx(
        {key: np.mean(each) for key, each in expected.items()}, abs=1e-6
    )
    assert len(expected["video_6"]) == 2


def test_shuffled_labels_are_no_better_than_chance(dataset: Path) -> None:
    """Of a dataset whose labels follow a feature: learned, and lost with the labels' places."""
    result = evaluate(dataset, baseline="ridge")
    found = result.methods["ridge"]["per-user"]
    control = found.settings["labels_shuffled"]
    assert control["runs"] == SHUFFLES
    low, high = control["kendall_tau"]["ci95"]
    assert low < 0 < high < found.spreads["kendall_tau"].mean
    assert low < control["kendall_tau"]["mean"] < high
    assert "ridge, labels shuffled in time: tau mean" in str(result)


def test_no_tested_label_is_seen(dataset: Path, splits: Path, tmp_path: Path) -> None:
    """Other labels of a video change nothing of what is predicted of it, and something of what is of others."""
    store = read_dataset(dataset)
    rows = []
    for key in store:
        video = store[key]
        if key == "video_7":
            flipped = {"user_scores": 6 - video.user_scores, "gtscore": 1 - video.gtscore}
            video = type(video)(**{**{name: getattr(video, name) for name in video.__dataclass_fields__}, **flipped})
        rows.append((video, store.features[key]))
    write_dataset(tmp_path / "drawn.h5", rows, name="drawn", made_by={})
    one, other = (evaluate(path, splits=splits, baseline="ridge") for path in (dataset, tmp_path / "drawn.h5"))
    before, after = ({v.key: v.kendall_tau for v in each.methods["ridge"]["per-user"].videos} for each in (one, other))
    assert after["video_7"] == pytest.approx(-before["video_7"])
    assert {key for key in before if before[key] != after[key]} <= {"video_1", "video_2", "video_7"}


def test_without_a_split_folds_are_drawn_that_test_every_video_once(dataset: Path) -> None:
    folds = ridge_folds(Stores(dataset), None)
    assert len(folds) == 5
    assert sorted(key for fold in folds for key in fold.test) == sorted(f"drawn/{key}" for key in KEYS)
    for fold in folds:
        assert sorted((*fold.train, *fold.test)) == sorted(f"drawn/{key}" for key in KEYS)


def test_beside_a_method(dataset: Path, splits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = read_dataset(dataset)
    scores = {key: np.random.default_rng(1).random(len(store[key].picks)).tolist() for key in KEYS}
    (tmp_path / "mine.json").write_text(json.dumps(scores))
    result = evaluate(dataset, tmp_path / "mine.json", splits=splits, ridge=True, protocol="all")
    assert "ridge" in result.baselines
    assert {(one.first, one.second) for one in result.comparisons} == {("mine", "ridge")}
    flags = ["--scores", str(tmp_path / "mine.json"), "--splits", str(splits), "--out", str(tmp_path / "r.json")]
    assert main(["evaluate", "--dataset", str(dataset), "--ridge", *flags]) == 0
    assert "ridge regression on the features" in capsys.readouterr().out.replace("\n", " ")
    assert json.loads((tmp_path / "r.json").read_text())["baselines"]["ridge"]


def test_a_gain_within_chance_is_called_so(dataset: Path) -> None:
    """Of a method that looks up a little of the answer; not of one that is worse, nor of the distance between them."""
    store = read_dataset(dataset)
    settings = EvaluationSettings(baseline="ridge")
    ridge = run_benchmark(dataset, None, splits=None, settings=settings).predictions["ridge"]
    answers = {key: np.asarray(store[key].gtscore, np.float64) for key in KEYS}
    known = {"little": 0.2, "backwards": -5.0}
    scores = {name: {key: ridge[key].at_picks + share * answers[key] for key in KEYS} for name, share in known.items()}
    result = evaluate(dataset, scores, ridge=True)
    low, high = result.baselines["ridge"]["per-user"].settings["labels_shuffled"]["kendall_tau"]["ci95"]
    gain = {(c.first, c.second): c.difference for c in result.comparisons if c.metric == "kendall_tau"}
    assert gain["backwards", "ridge"] < 0 < gain["little", "ridge"] < (high - low) / 2 < gain["little", "backwards"]
    notes = [note for note in result.table().block("per-user").notes if " gains " in note and " in tau " in note]
    expected = f"little gains {gain['little', 'ridge']:.4f} in tau over ridge, less than shuffled".replace("0.", ".", 1)
    assert len(notes) == 1
    assert notes[0].startswith(expected)


def test_a_checkpoint_of_it_scores_videos(dataset: Path, tmp_path: Path) -> None:
    """As the fit to all videos does, whatever the scorer reads it from."""
    folder = tmp_path / "ridge"
    assert main(["evaluate", "--dataset", str(dataset), "--baseline", "ridge", "--save-ridge", str(folder)]) == 0
    expected, _ = naive_ridge(dataset, KEYS, KEYS)
    scorer, store = load_scorer(folder), read_dataset(dataset)
    for key in KEYS:
        found = scorer.score(store.features[key]).scores
        standard = (expected[key] - expected[key].mean()) / expected[key].std()
        np.testing.assert_allclose(found, 1 / (1 + np.exp(-standard)), atol=1e-4)


def test_what_cannot_have_the_row(tmp_path: Path) -> None:
    without = write_drawn_dataset(tmp_path / "summe.h5")
    with pytest.raises(DatasetError, match="no features of 7 of 7 videos"):
        evaluate(without, baseline="ridge")
    store = read_dataset(without)
    scores = {key: np.arange(len(store[key].picks)) for key in store}
    warnings = evaluate(without, scores, ridge=True).warnings
    assert any(one.startswith("no ridge row: ") and "no features" in one for one in warnings)
    two = write_drawn_dataset(tmp_path / "two.h5", NAMES[:2], features=True)
    with pytest.raises(DatasetError, match="two training videos or more in each fold"):
        evaluate(two, baseline="ridge")
