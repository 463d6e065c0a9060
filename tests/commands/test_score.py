"""`sspvs score` through the command line, against the formulas written out as loops."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from sspvs.cli import main
from sspvs.features.backbones import load_backbone
from sspvs.importance.contrastive import Importance
from sspvs.scorers.base import ContrastiveScorer
from sspvs.table import read_scores
from sspvs.types import FrameFeatures


def _naive(features: np.ndarray, combine: str, post: str) -> np.ndarray:
    """Local dissimilarity and global consistency (Pang et al., WACV 2023), frame by frame."""
    z = [row / math.sqrt(float(row @ row)) for row in features.astype(np.float64)]
    count = len(z)
    local, whole = [], []
    for t in range(count):
        distances = [0.0 if j == t else float(np.sum((z[t] - z[j]) ** 2)) for j in range(count)]
        nearest = sorted(distances)[: max(1, math.floor(0.1 * count))]
        local.append(sum(nearest) / len(nearest))
        whole.append(math.log(sum(math.exp(-2 * d) for d in distances) / count))

    def scaled(values: list[float]) -> np.ndarray:
        array = np.array(values)
        return (array - array.min()) / (array.max() - array.min())

    product = scaled(local) if combine == "a" else scaled(local) * scaled(whole)
    if post == "none":
        return product
    return gaussian_filter1d(product + 0.05 if post == "summe" else np.exp(product - 1), 1)


@pytest.fixture(scope="module")
def community(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as the community has them: float picks, no fingerprint, names by number."""
    path = tmp_path_factory.mktemp("h5") / "eccv16_dataset.h5"
    generator = np.random.default_rng(3)
    with h5py.File(path, "w") as file:
        for name, count in (("video_1", 40), ("video_10", 63), ("video_2", 25)):
            group = file.create_group(name)
            group["features"] = generator.random((count, 64), dtype=np.float32)
            group["picks"] = np.arange(count, dtype=np.float64) * 15
            group["n_frames"] = count * 15 - 3
    return path


@pytest.mark.parametrize("combine", ["a", "ag"])
@pytest.mark.parametrize("post", ["none", "summe", "tvsum"])
def test_scores_are_the_formulas(combine: str, post: str, community: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.h5"
    flags = ["--scorer", "contrastive", "--combine", combine, "--post", post]
    assert main(["score", str(community), "--out", str(out), *flags]) == 0
    with h5py.File(community) as features, h5py.File(out) as scores:
        assert set(scores) == set(features)
        for name in features:
            expected = _naive(features[name]["features"][()], combine, post)
            np.testing.assert_allclose(scores[name]["scores"][()], expected, atol=1e-6)


def test_defaults_and_the_warning(community: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(community), "--out", str(tmp_path / "s.h5")]) == 0
    assert "no feature fingerprint" in capsys.readouterr().err
    scores = read_scores(tmp_path / "s.h5")
    with h5py.File(community) as features:
        expected = _naive(features["video_2"]["features"][()], "ag", "summe")
    np.testing.assert_allclose(scores["video_2"].scores, expected, atol=1e-6)
    assert scores["video_2"].n_frames == 372


def test_a_bad_video_is_reported_and_the_rest_go_on(
    community: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mixed.h5"
    path.write_bytes(community.read_bytes())
    with h5py.File(path, "a") as file:
        file["video_10/features"][3, 5] = np.nan
    assert main(["score", str(path), "--out", str(tmp_path / "s.h5")]) == 1
    assert "video_10" in capsys.readouterr().err
    assert sorted(read_scores(tmp_path / "s.h5")) == ["video_1", "video_2"]


@pytest.mark.parametrize("met", ["an exception", "scores that are not finite"])
def test_whatever_one_video_meets_the_rest_go_on(
    met: str, community: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    score = ContrastiveScorer.score

    def failing(self: ContrastiveScorer, features: FrameFeatures, text: Any = None) -> Importance:
        found = score(self, features, text)
        if len(features.picks) != 63:
            return found
        if met == "an exception":
            raise KeyError("video 10")
        return replace(found, scores=found.scores * np.nan)

    monkeypatch.setattr(ContrastiveScorer, "score", failing)
    assert main(["score", str(community), "--out", str(tmp_path / "s.h5")]) == 1
    assert "error: video_10: " in capsys.readouterr().err
    assert sorted(read_scores(tmp_path / "s.h5")) == ["video_1", "video_2"]


@pytest.mark.parametrize(
    "case", ["missing", "text", "truncated", "empty", "scorer", "unwritable", "wrong backbone", "itself"]
)
def test_bad_input_is_one_line_and_leaves_nothing(
    case: str, community: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    features, out, flags = tmp_path / "f.h5", tmp_path / "s.h5", []
    features.write_bytes(community.read_bytes())
    if case == "missing":
        features = tmp_path / "none.h5"
    elif case == "text":
        features.write_text("no h5")
    elif case == "truncated":
        features.write_bytes(community.read_bytes()[:5000])
    elif case == "empty":
        h5py.File(features, "w").close()
    elif case == "scorer":
        flags = ["--scorer", "telepathy"]
    elif case == "unwritable":
        out = tmp_path / "no" / "such" / "folder" / "s.h5"
    elif case == "itself":
        out = features
    elif case == "wrong backbone":
        with h5py.File(features, "a") as file:
            print_of = {**load_backbone("efficientnet-lite0").fingerprint(2.0).as_dict(), "weights_digest": "0" * 64}
            for key, value in print_of.items():
                file.attrs[f"fingerprint_{key}"] = value
        flags = ["--backbone", "efficientnet-lite0"]
    before = sorted(tmp_path.rglob("*"))
    capfd.readouterr()
    assert main(["score", str(features), "--out", str(out), *flags]) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert sorted(tmp_path.rglob("*")) == before


def test_footage_scores(shared_data: Path, tmp_path: Path) -> None:
    """Real features in half precision without picks are scored too."""
    out = tmp_path / "s.h5"
    assert main(["score", str(shared_data / "footage/footage.h5"), "--out", str(out), "--combine", "a"]) == 0
    with h5py.File(shared_data / "footage/footage.h5") as features:
        assert sorted(read_scores(out)) == sorted(features)
