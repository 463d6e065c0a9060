"""`sspvs score --scorer CHECKPOINT` through the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from helpers.drawn_dataset import drawn_features, drawn_video
from helpers.official_checkpoint import HEADS, fine_tuned, held_back, plain_model, plain_scores
from helpers.tiny_summarizers import saved_summarizer

import sspvs
from sspvs.cli import main
from sspvs.table import read_features, read_score_facts, read_scores, write_dataset
from sspvs.table.text import TextFields
from sspvs.types import Fingerprint

MADE_BY = Fingerprint("efficientnet-lite0", "ab" * 32, "resize 224x224 area", "(x - 127) / 128", 2.0)
OWN = {
    "video_1": TextFields(query="Air Force One"),
    "video_2": TextFields(category="sport", title="Two jumpers"),
}


@pytest.fixture
def annotated(tmp_path: Path) -> Path:
    """Two annotated videos with features of width 8: one has a name alone, one a title and a category."""
    videos = [drawn_video(1, name="Air_Force_One"), replace(drawn_video(2), title="Two jumpers", category="sport")]
    rows = [(video, replace(drawn_features(video), fingerprint=MADE_BY)) for video in videos]
    path = tmp_path / "mine.h5"
    write_dataset(path, rows, name="mine", made_by={}, fingerprint=MADE_BY)
    return path


@pytest.fixture
def community(tmp_path: Path) -> Path:
    """A file as the community has them: no fingerprint, names by number."""
    path = tmp_path / "eccv16_dataset.h5"
    generator = np.random.default_rng(3)
    with h5py.File(path, "w") as file:
        for name, count in (("video_1", 40), ("video_10", 63), ("video_2", 25)):
            group = file.create_group(name)
            group["features"] = generator.random((count, 64), dtype=np.float32)
            group["picks"] = np.arange(count, dtype=np.float64) * 15
            group["n_frames"] = count * 15 - 3
    return path


def _scored(features: Path, out: Path, checkpoint: Path, *flags: str) -> dict[str, np.ndarray]:
    assert main(["score", str(features), "--out", str(out), "--scorer", str(checkpoint), *flags]) == 0
    return {name: video.scores for name, video in read_scores(out).items()}


def test_a_checkpoint_scores_a_file(annotated: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    checkpoint = saved_summarizer(tmp_path / "trained", feature_dim=8, fingerprint=MADE_BY)
    out = tmp_path / "s.h5"
    found = _scored(annotated, out, checkpoint)
    assert "warning" not in capfd.readouterr().err
    scorer = sspvs.load_scorer(checkpoint)
    for name, video in read_features(annotated).items():
        np.testing.assert_array_equal(found[name], scorer.score(video).scores)
    facts = read_score_facts(out)
    assert (facts.scorer, facts.fingerprint) == ("trained", MADE_BY)
    assert facts.settings == {**scorer.settings, "title": ""}


def test_a_checkpoint_reads_the_text_that_is_given_or_each_videos_own(
    annotated: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    checkpoint = saved_summarizer(tmp_path / "trained", feature_dim=8, fingerprint=MADE_BY, guidance="gate")
    scorer, features, out = sspvs.load_scorer(checkpoint), read_features(annotated), tmp_path / "s.h5"
    found = _scored(annotated, out, checkpoint)
    assert "warning: trained reads text, and none was given" in capfd.readouterr().err
    for name, video in features.items():
        np.testing.assert_array_equal(found[name], scorer.score(video).scores)
    found = _scored(annotated, out, checkpoint, "--title", "Two jumpers", "--query", "jump", "--category", "sport")
    for name, video in features.items():
        expected = scorer.score(video, TextFields("sport", "jump", "Two jumpers"))
        np.testing.assert_array_equal(found[name], expected.scores)
    assert read_score_facts(out).settings["query"] == "jump"
    found = _scored(annotated, out, checkpoint, "--use-text")
    for name, video in features.items():
        np.testing.assert_array_equal(found[name], scorer.score(video, OWN[name]).scores)
    assert read_score_facts(out).settings["text"] == "each video's own"
    found = _scored(annotated, out, checkpoint, "--use-text", "--title-as-query")
    expected = scorer.score(features["video_2"], TextFields(category="sport", query="Two jumpers"))
    np.testing.assert_array_equal(found["video_2"], expected.scores)
    assert "warning" not in capfd.readouterr().err
    # One that was trained so needs no telling.
    config = json.loads((checkpoint / "config.json").read_text())
    config["settings"]["title_as_query"] = True
    (checkpoint / "config.json").write_text(json.dumps(config))
    again = _scored(annotated, out, checkpoint, "--use-text")
    np.testing.assert_array_equal(again["video_2"], found["video_2"])
    assert read_score_facts(out).settings["text"] == "each video's own, title as query"
    again = _scored(annotated, out, checkpoint, "--title", "Two jumpers", "--category", "sport")
    np.testing.assert_array_equal(again["video_2"], found["video_2"])
    assert "--query" in _model_card(checkpoint)


def test_text_without_tokens_is_no_text(annotated: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """As in training: a checkpoint that reads the query alone has nothing of a title and a category."""
    checkpoint = saved_summarizer(tmp_path / "trained", feature_dim=8, fingerprint=MADE_BY, guidance="gate")
    config = json.loads((checkpoint / "config.json").read_text())
    config["settings"]["text_fields"].update(category=0, title=0, description=0)
    (checkpoint / "config.json").write_text(json.dumps(config))
    out = tmp_path / "s.h5"
    without, found = _scored(annotated, out, checkpoint), _scored(annotated, out, checkpoint, "--use-text")
    assert "warning: 1 of 2 videos have no text in" in capfd.readouterr().err
    np.testing.assert_array_equal(found["video_2"], without["video_2"])
    assert np.abs(found["video_1"] - without["video_1"]).max() > 1e-6  # its name is a query


def _model_card(checkpoint: Path) -> str:
    card = checkpoint.parent / "card.md"
    assert main(["export", str(checkpoint), "--card", str(card)]) == 0
    return card.read_text()


def test_videos_without_text_of_their_own_are_told(
    community: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A plain feature file has keys, which are no text."""
    checkpoint = saved_summarizer(tmp_path / "trained", feature_dim=64, guidance="gate")
    found = _scored(community, tmp_path / "s.h5", checkpoint, "--use-text")
    assert "warning: 3 of 3 videos have no text in" in capfd.readouterr().err
    scorer = sspvs.load_scorer(checkpoint)
    for name, video in read_features(community).items():
        np.testing.assert_array_equal(found[name], scorer.score(video).scores)


def test_what_nobody_checked_is_told(community: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    known = saved_summarizer(tmp_path / "known", feature_dim=64, fingerprint=MADE_BY)
    unknown = saved_summarizer(tmp_path / "unknown", feature_dim=64)
    for checkpoint, words in ((known, "the features have no fingerprint"), (unknown, "unknown does not say what made")):
        _scored(community, tmp_path / "s.h5", checkpoint)
        warnings = [line for line in capfd.readouterr().err.splitlines() if line.startswith("warning: ")]
        assert len(warnings) == 1
        assert words in warnings[0]


def test_a_video_of_other_features_is_reported_and_the_rest_go_on(
    annotated: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    checkpoint = saved_summarizer(tmp_path / "trained", feature_dim=8, fingerprint=MADE_BY)
    with h5py.File(annotated, "a") as file:
        for key, value in replace(MADE_BY, rate_hz=1.0).as_dict().items():
            file["video_2"].attrs[f"fingerprint_{key}"] = value
    out = tmp_path / "s.h5"
    assert main(["score", str(annotated), "--out", str(out), "--scorer", str(checkpoint)]) == 1
    assert "error: video_2" in capfd.readouterr().err
    assert list(read_scores(out)) == ["video_1"]


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("pretraining", "Fine-tune it first"),
        ("no checkpoint", "no config.json"),
        ("cut short", "no whole safetensors file"),
        ("other features", "extract them again with --backbone efficientnet-lite0 --rate 1"),
        ("a world", "scores that world's features only"),
        ("other width", "features 8 wide, those trained was trained on 20"),
        ("text without text", "trained without text"),
        ("own text without text", "--use-text is for checkpoints that were trained with text"),
        ("own text and another", "leave --title, --query and --category out"),
        ("combine", "belong to --scorer contrastive"),
        ("no such device", "device must be auto, cpu or cuda"),
        ("query for contrastive", "reads a title and nothing else"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_one_line(
    case: str, words: str, annotated: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fingerprint = {
        "other features": replace(MADE_BY, rate_hz=1.0),
        "a world": replace(MADE_BY, backbone="synthetic:drawn"),
    }.get(case, MADE_BY)
    guidance = "added" if case == "own text and another" else "none"
    folder = saved_summarizer(
        tmp_path / "trained", feature_dim=20 if case == "other width" else 8, fingerprint=fingerprint, guidance=guidance
    )
    flags = {
        "text without text": ["--title", "A dog"],
        "own text without text": ["--use-text"],
        "own text and another": ["--use-text", "--query", "dog"],
        "combine": ["--combine", "a"],
        "no such device": ["--device", "abacus"],
        "query for contrastive": ["--scorer", "contrastive", "--query", "dog"],
    }.get(case, [])
    if case == "pretraining":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "kind": "sspvs.pretrain"}))
    elif case == "no checkpoint":
        (folder / "config.json").unlink()
    elif case == "cut short":
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:1000])
    before = sorted(tmp_path.rglob("*"))
    arguments = ["score", str(annotated), "--out", str(tmp_path / "s.h5"), "--scorer", str(folder), *flags]
    assert main(arguments) == 2
    lines = capfd.readouterr().err.splitlines()
    assert words in lines[-1]
    assert [line.partition(":")[0] for line in lines] == ["error"]
    assert sorted(tmp_path.rglob("*")) == before


def test_an_imported_official_checkpoint_scores_as_the_original(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Three stages, no text, features held back: within 1e-5 of the formulas written out with the official tensors."""
    model = plain_model(3)
    checkpoint = fine_tuned(model, 3)
    torch.save(checkpoint, tmp_path / "official.ckpt")
    assert main(["import", str(tmp_path / "official.ckpt"), "--out", str(tmp_path / "imported"), *HEADS]) == 0
    videos = {f"video_{count}": video for count, video in enumerate(held_back((17, 1, 40), 32), start=1)}
    with h5py.File(tmp_path / "f.h5", "w") as file:
        for name, video in videos.items():
            group = file.create_group(name)
            group["features"], group["picks"] = video.numpy(), np.arange(len(video)) * 15
            group["n_frames"] = len(video) * 15
    found = _scored(tmp_path / "f.h5", tmp_path / "s.h5", tmp_path / "imported")
    assert "imported does not say what made the features" in capfd.readouterr().err
    for name, video in videos.items():
        with torch.no_grad():
            np.testing.assert_allclose(found[name], plain_scores(checkpoint, model, video), atol=1e-5, rtol=0)
