"""A refined checkpoint through `sspvs score`, `sspvs evaluate` and `sspvs summarize`."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_dataset import drawn_video
from helpers.summarization_material import features_for, fingerprint_of
from helpers.tiny_refined import saved_refined
from helpers.tiny_summarizers import saved_summarizer

import sspvs
from sspvs.cli import main
from sspvs.features.backbones import load_backbone
from sspvs.importance.contrastive import contrastive_importance
from sspvs.pipeline import SummarySettings
from sspvs.table import read_features, read_score_facts, read_scores, write_dataset
from sspvs.world.film import SCENES, draw_video

MADE_BY = fingerprint_of()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five annotated videos with features of width 16."""
    path = tmp_path_factory.mktemp("refined") / "mine.h5"
    videos = [drawn_video(number, ratings=True) for number in range(1, 6)]
    rows = [(video, features_for(video, number)) for number, video in enumerate(videos, start=1)]
    write_dataset(path, rows, name="mine", made_by={}, fingerprint=MADE_BY)
    return path


@pytest.fixture(scope="module")
def refined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_refined(tmp_path_factory.mktemp("models") / "refined", feature_dim=16, fingerprint=MADE_BY)


@pytest.mark.parametrize("flags", [[], ["--combine", "ag"], ["--combine", "agh", "--post", "none"]], ids=" ".join)
def test_scores_are_those_of_the_library(flags: list[str], dataset: Path, refined: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.h5"
    assert main(["score", str(dataset), "--out", str(out), "--scorer", str(refined), *flags]) == 0
    how = dict(zip((flag.removeprefix("--") for flag in flags[::2]), flags[1::2], strict=True))
    scorer, scores = sspvs.load_scorer(refined, **how), read_scores(out)
    for name, video in read_features(dataset).items():
        np.testing.assert_array_equal(scores[name].scores, scorer.score(video).scores)
    facts = read_score_facts(out)
    assert (facts.scorer, facts.fingerprint) == ("refined", MADE_BY)
    assert facts.settings == {**scorer.settings, "title": ""}


def test_what_does_not_go_with_a_scorer_is_one_line(
    dataset: Path, refined: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summarizer, plain = saved_summarizer(tmp_path / "trained", feature_dim=16), tmp_path / "plain"
    saved_refined(plain, feature_dim=16, uniqueness=False)
    other = saved_refined(tmp_path / "other", feature_dim=16, fingerprint=fingerprint_of("other"))
    for flags, told in (
        (["--scorer", str(summarizer), "--combine", "ag"], "is a summarizer, which has neither"),
        (["--scorer", str(plain), "--combine", "agh"], "needs uniqueness, which plain did not learn"),
        (["--combine", "gh"], "combine must be of a and g without training, got gh: h, uniqueness, needs a refined"),
        (["--scorer", str(refined), "--title", "sea"], "refined reads no text"),
        (["--scorer", str(refined), "--use-text"], "checkpoints that were trained with text, which refined was not"),
        (["--scorer", str(refined), "--backbone", "googlenet"], "--backbone belongs to --scorer contrastive"),
        (["--scorer", str(other)], "drawn"),
    ):
        capsys.readouterr()
        assert main(["score", str(dataset), "--out", str(tmp_path / "s.h5"), *flags]) == 2, flags
        err = capsys.readouterr().err
        assert told in err, flags
        assert len(err.splitlines()) == 1


@pytest.mark.parametrize(("flags", "row"), [([], "refined A*G*H"), (["--combine", "a"], "refined A")])
def test_the_baseline_from_refined_features(
    flags: list[str], row: str, dataset: Path, refined: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same figures as of the score file that `sspvs score` writes."""
    scores, out = tmp_path / "s.h5", tmp_path / "r.json"
    words = ["evaluate", "--dataset", str(dataset), "--protocol", "all", "--out", str(out)]
    more = ["--baseline", "contrastive", "--scorer", str(refined), "--contrastive", "--checkpoint-rule", "last"]
    assert main([*words, *more, *flags]) == 0
    shown = capsys.readouterr().out
    assert f"{row}: of refined features: local dissimilarity" in shown
    found = json.loads(out.read_text())
    assert found["method"] == row
    for entry in found["protocols"].values():
        assert (entry["settings"]["checkpoint"], entry["settings"]["checkpoint_rule"]) == ("refined", "last")
    assert set(found["baselines"]) == {"contrastive", "human", "random", "consensus"}
    assert main(["score", str(dataset), "--out", str(scores), "--scorer", str(refined), *flags]) == 0
    written = sspvs.evaluate(dataset, scores, protocol="all")
    (results,) = written.methods.values()
    same = sspvs.evaluate(
        dataset, baseline="contrastive", scorer=refined, protocol="all", combine=flags[1] if flags else None
    )
    for protocol, result in same.methods[row].items():
        for mine, other in zip(result.videos, results[protocol].videos, strict=True):
            np.testing.assert_equal((mine.kendall_tau, mine.f_score_avg), (other.kendall_tau, other.f_score_avg))
    plain = sspvs.evaluate(dataset, baseline="contrastive").methods["contrastive"]["per-user"]
    beside = found["baselines"]["contrastive"]["protocols"]["per-user"]
    assert beside["kendall_tau"]["mean"] == pytest.approx(plain.spreads["kendall_tau"].mean)
    assert beside["settings"]["combine"] == "ag"


def test_global_consistency_alone_needs_no_training(dataset: Path, tmp_path: Path) -> None:
    scores = tmp_path / "s.h5"
    assert main(["score", str(dataset), "--out", str(scores), "--combine", "g"]) == 0
    written = read_scores(scores)
    for name, video in read_features(dataset).items():
        expected = contrastive_importance(video.features, combine="g").scores
        np.testing.assert_allclose(written[name].scores, expected, atol=1e-6)
    assert main(["evaluate", "--dataset", str(dataset), "--baseline", "contrastive", "--combine", "g"]) == 0
    (results,) = sspvs.evaluate(dataset, scores).methods.values()
    found = sspvs.evaluate(dataset, baseline="contrastive", combine="g").methods["contrastive"]["per-user"]
    assert found.settings["combine"] == "g"
    assert found.spreads["kendall_tau"].mean == pytest.approx(results["per-user"].spreads["kendall_tau"].mean)
    assert SummarySettings(combine="g").combine == "g"


def test_mistakes_of_the_baseline(
    dataset: Path, refined: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summarizer = saved_summarizer(tmp_path / "trained", feature_dim=16)
    for flags, told in (
        (["--baseline", "random", "--scorer", str(refined)], "--baseline contrastive --scorer CHECKPOINT"),
        (["--baseline", "contrastive", "--scorer", str(summarizer)], "is no refined checkpoint: score the dataset"),
        (["--baseline", "contrastive", "--scorer", "contrastive"], "is no refined checkpoint"),
        (["--baseline", "contrastive", "--combine", "agh"], "combine must be of a and g without training"),
    ):
        capsys.readouterr()
        assert main(["evaluate", "--dataset", str(dataset), *flags]) == 2, flags
        assert told in capsys.readouterr().err, flags


def test_a_summary_shows_the_terms_and_their_product(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    scenes = tuple(replace(scene, seconds=3.0) for scene in (SCENES[0], SCENES[2], SCENES[4], SCENES[6]))
    drawn = draw_video(tmp_path / "scenes.mp4", scenes=scenes, width=160, height=90)
    looks_like = load_backbone("efficientnet-lite0").fingerprint(2.0)
    checkpoint = saved_refined(tmp_path / "refined", feature_dim=1280, fingerprint=looks_like)
    words = ["summarize", str(drawn), "--scorer", str(checkpoint), "--ratio", "0.3"]
    assert main([*words, "--post", "none", "--out", str(tmp_path / "out")]) == 0
    assert "backbone: efficientnet-lite0 (what refined was trained on)" in capfd.readouterr().out
    result = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert result["scorer"] == "refined"
    assert (result["settings"]["combine"], result["settings"]["post"]) == ("agh", "none")
    assert result["settings"]["checkpoint"] == checkpoint.name
    terms = ("local_dissimilarity", "global_consistency", "uniqueness")
    for row in csv.DictReader((tmp_path / "out" / "scores.csv").open()):
        assert float(row["score"]) == pytest.approx(math.prod(float(row[term]) for term in terms), rel=1e-5, abs=1e-9)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "The importance is the product of the three" in page
    assert "what other videos show" in page
    assert main([*words, "--combine", "a", "--out", str(tmp_path / "one")]) == 0
    columns = csv.DictReader((tmp_path / "one" / "scores.csv").open()).fieldnames
    assert columns == ["pick", "seconds", "score", "local_dissimilarity", "shot_index", "selected"]
    assert main([*words, "--title", "sea", "--out", str(tmp_path / "none")]) == 2
    assert "refined reads no text" in capfd.readouterr().err
