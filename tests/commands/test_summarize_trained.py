"""`sspvs summarize --scorer CHECKPOINT` through the real command line, on drawn and on real videos."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.tiny_summarizers import saved_summarizer

from sspvs.cli import main
from sspvs.features.backbones import load_backbone
from sspvs.table import read_scores
from sspvs.table.text import TextSettings
from sspvs.types import Fingerprint
from sspvs.world.film import SCENES, draw_video


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of four drawn scenes with sound."""
    scenes = tuple(replace(scene, seconds=3.0) for scene in (SCENES[0], SCENES[2], SCENES[4], SCENES[6]))
    return draw_video(tmp_path_factory.mktemp("drawn") / "scenes.mp4", scenes=scenes, width=160, height=90)


@pytest.fixture(scope="module")
def looks_like() -> Fingerprint:
    """What a checkpoint says that was trained on features of the offline backbone, once a second."""
    return load_backbone("efficientnet-lite0").fingerprint(1.0)


@pytest.fixture(scope="module")
def trained(looks_like: Fingerprint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "mine" / "version_0" / "pretrained" / "best"
    return saved_summarizer(folder, feature_dim=1280, fingerprint=looks_like)


@pytest.fixture(scope="module")
def reading(looks_like: Fingerprint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "reading"
    return saved_summarizer(folder, feature_dim=1280, fingerprint=looks_like, guidance="gate", num_stages=2)


def _result(out: Path) -> dict[str, Any]:
    return json.loads((out / "summary.json").read_text())  # type: ignore[no-any-return]


def test_a_trained_checkpoint_summarises(
    trained: Path, drawn: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    flags = ["--scorer", str(trained), "--ratio", "0.3"]
    assert main(["summarize", str(drawn), "--out", str(tmp_path / "out"), *flags]) == 0
    assert "backbone: efficientnet-lite0 (what mine/version_0/best was trained on)" in capfd.readouterr().out
    result = _result(tmp_path / "out")
    assert result["scorer"] == "mine/version_0/best"
    assert result["settings"]["checkpoint"] == "mine/version_0/best"
    assert len(result["settings"]["checkpoint_sha256"]) == 64
    assert result["settings"]["rate_hz"] == 1.0
    assert result["settings"]["stages"] == 3
    assert not {"combine", "post", "scorer"} & set(result["settings"])
    assert result["picks"] == [25 * second for second in range(12)]
    assert 0 < result["selected_seconds"] <= 3.6 + 1e-6
    rows = list(csv.DictReader((tmp_path / "out" / "scores.csv").open()))
    product = [math.prod(float(row[f"stage_{stage}"]) for stage in (1, 2, 3)) for row in rows]
    np.testing.assert_allclose([float(row["score"]) for row in rows], product, rtol=1e-6)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "product of the stages" in page
    assert "mine/version_0/best" in page


def test_the_scores_are_those_of_the_extracted_features(trained: Path, drawn: Path, tmp_path: Path) -> None:
    features, scores, out = tmp_path / "f.h5", tmp_path / "s.h5", tmp_path / "out"
    flags = ["--backbone", "efficientnet-lite0", "--rate", "1"]
    assert main(["extract", str(drawn), "--out", str(features), *flags]) == 0
    assert main(["score", str(features), "--out", str(scores), "--scorer", str(trained)]) == 0
    assert main(["summarize", str(drawn), "--out", str(out), "--scorer", str(trained), *flags]) == 0
    (video,) = read_scores(scores).values()
    np.testing.assert_allclose(_result(out)["scores"], video.scores, rtol=1e-5)


def test_a_trained_checkpoint_reads_text(reading: Path, drawn: Path, tmp_path: Path) -> None:
    flags = ["--scorer", str(reading), "--title", "A <b>boat</b>", "--category", "sea"]
    assert main(["summarize", str(drawn), "--out", str(tmp_path / "with"), *flags]) == 0
    assert main(["summarize", str(drawn), "--out", str(tmp_path / "without"), "--scorer", str(reading)]) == 0
    guided, plain = _result(tmp_path / "with"), _result(tmp_path / "without")
    assert guided["title"] == "A <b>boat</b>"
    assert guided["settings"]["category"] == "sea"
    assert guided["warnings"] == []
    assert "reads text, and none was given" in plain["warnings"][0]
    assert not np.allclose(guided["scores"], plain["scores"])
    columns = csv.DictReader((tmp_path / "with" / "scores.csv").open()).fieldnames
    assert columns == ["pick", "seconds", "score", "stage_1", "stage_2", "text_fit", "shot_index", "selected"]
    page = (tmp_path / "with" / "report.html").read_text()
    assert "text <q>A &lt;b&gt;boat&lt;/b&gt;</q>, category <q>sea</q>" in page


@pytest.mark.parametrize("name", ["sample_demo_3.mp4", "pancake.mkv"])
def test_a_trained_checkpoint_on_real_videos(name: str, trained: Path, shared_data: Path, tmp_path: Path) -> None:
    flags = ["--scorer", str(trained)]
    assert main(["summarize", str(shared_data / "videos" / name), "--out", str(tmp_path), *flags]) == 0
    result = _result(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} >= {"summary.mp4", "report.html", "scores.csv", "keyframes"}
    assert 0 < result["selected_seconds"] <= 0.15 * result["video"]["duration_seconds"] + 1e-6
    assert result["warnings"] == []


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("title", "was trained without text"),
        ("rate", "leave --backbone and --rate out"),
        ("backbone", "leave --backbone and --rate out"),
        ("combine", "combine and post belong to --scorer contrastive"),
        ("world", "cannot look at real videos"),
        ("nobody knows", "name it with --backbone"),
        ("other width", "features 1280 wide, those narrow was trained on 7"),
        ("no checkpoint", "neither a checkpoint folder nor a hub model"),
        ("unread field", "does not read query: it was trained with title"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_one_line(
    case: str,
    words: str,
    trained: Path,
    looks_like: Fingerprint,
    drawn: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    checkpoint, flags = trained, []
    if case == "world":
        fingerprint = replace(looks_like, backbone="synthetic:drawn")
        checkpoint = saved_summarizer(tmp_path / "world", feature_dim=1280, fingerprint=fingerprint)
    elif case == "nobody knows":
        checkpoint = saved_summarizer(tmp_path / "unknown", feature_dim=1280)
    elif case == "other width":
        checkpoint = saved_summarizer(tmp_path / "narrow", feature_dim=7)
        flags = ["--backbone", "efficientnet-lite0"]
    elif case == "unread field":
        only_titles = TextSettings(category=0, query=0, title=5, description=0)
        checkpoint = saved_summarizer(tmp_path / "t", feature_dim=1280, guidance="added", fields=only_titles)
        flags = ["--query", "boat"]
    elif case == "no checkpoint":
        checkpoint = Path("runs/gone")
    else:
        flags = {
            "title": ["--title", "A boat"],
            "rate": ["--rate", "2"],
            "backbone": ["--backbone", "open_clip:RN50/random"],
            "combine": ["--combine", "a"],
        }[case]
    before = sorted(tmp_path.rglob("*"))
    arguments = ["summarize", str(drawn), "--out", str(tmp_path / "out"), "--scorer", str(checkpoint), *flags]
    assert main(arguments) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert words in lines[0]
    assert sorted(tmp_path.rglob("*")) == before
