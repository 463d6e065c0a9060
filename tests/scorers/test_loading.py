"""Scorers: what they give, against the formulas; which text and features they take; which checkpoints make one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from helpers.tiny_summarizers import FIELDS, WORDS, saved_summarizer, tiny_summarizer

import sspvs
from sspvs.cli import main
from sspvs.errors import CheckpointError, FeatureFileError, FingerprintMismatchError, WeightsNotFoundError
from sspvs.importance.contrastive import contrastive_importance
from sspvs.models.settings import TextEncoderSettings, VideoEncoderSettings
from sspvs.models.tokenizers import load_tokenizer
from sspvs.scorers import ContrastiveScorer, backbone_for, load_scorer
from sspvs.sharing import checkpoint_name
from sspvs.table import read_scores, write_features
from sspvs.table.table import FeatureWidthError
from sspvs.table.text import TextFields, TextSettings, assemble_tokens
from sspvs.tasks.checkpoint import save_folder
from sspvs.tasks.objectives import LossSettings
from sspvs.tasks.pretrain import PretrainTask
from sspvs.tasks.summarize import SummarizeTask
from sspvs.types import Fingerprint, FrameFeatures
from sspvs.weights.digest import file_digest

MADE_BY = Fingerprint("efficientnet-lite0", "ab" * 32, "resize 224x224 area", "(x - 127) / 128", 2.0)
OTHER = replace(MADE_BY, backbone="googlenet", transform="resize 256, centre 224")
DRAWN = replace(MADE_BY, backbone="synthetic:drawn")
TEXT = TextFields(category="food", query="pancake kitchen", title="Tossing a pancake")
GUIDANCES = ["added", "gate", "cross-attention"]


def drawn(picks: int = 30, width: int = 24, fingerprint: Fingerprint | None = MADE_BY) -> FrameFeatures:
    features = np.random.default_rng(picks).standard_normal((picks, width), dtype=np.float32)
    return FrameFeatures("a video", features, np.arange(picks) * 15, picks * 15, fingerprint=fingerprint)


def stages_written_out(task: SummarizeTask, features: np.ndarray) -> np.ndarray:
    """(K, T) the stages of methods.md, section 2, one after the other; the tower's width is not the features'."""
    tower, x = task.model.video_encoder, torch.from_numpy(features)[None]
    x, stages = tower.input_projection(x), []
    for linear in task.model.head.stages:
        h = tower(x, torch.ones(x.shape[:2], dtype=torch.bool)).states[:, 1:] + x
        s = torch.sigmoid(h @ linear.weight[0] + linear.bias)
        x = x * s[..., None] + x
        stages.append(s[0])
    return torch.stack(stages).detach().numpy()


@pytest.mark.parametrize("num_stages", [1, 3, 4])
def test_a_checkpoint_scores_as_the_product_of_its_stages(num_stages: int, tmp_path: Path) -> None:
    task = tiny_summarizer(fingerprint=MADE_BY, num_stages=num_stages)
    scorer = load_scorer(task.save_pretrained(tmp_path / "mine"))
    found, stages = scorer.score(drawn()), stages_written_out(task, drawn().features)
    assert list(found.curves) == [f"stage_{stage}" for stage in range(1, num_stages + 1)]
    np.testing.assert_allclose(list(found.curves.values()), stages, rtol=1e-5)
    np.testing.assert_allclose(found.scores, stages.prod(axis=0), rtol=1e-5)
    assert found.scores.dtype == np.float64
    assert scorer.name == "mine"
    assert scorer.settings == {
        "checkpoint": "mine",
        "checkpoint_sha256": file_digest(tmp_path / "mine" / "model.safetensors"),
        "head": "progressive",
        "stages": num_stages,
        "text_guidance": "none",
    }


def test_a_file_of_training_scores_as_the_folder(tmp_path: Path) -> None:
    task = tiny_summarizer(fingerprint=MADE_BY)
    trainer = pl.Trainer(logger=False, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(tmp_path / "best.ckpt")
    folder = task.save_pretrained(tmp_path / "folder")
    file = load_scorer(tmp_path / "best.ckpt")
    np.testing.assert_array_equal(file.score(drawn()).scores, load_scorer(folder).score(drawn()).scores)
    assert file.expects == MADE_BY
    assert file.settings["checkpoint_sha256"] == file_digest(tmp_path / "best.ckpt")


def test_a_hub_id_is_looked_for_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, asked = saved_summarizer(tmp_path / "snapshot"), []

    def snapshot(name: str, *, local_files_only: bool, **_: object) -> str:
        asked.append((name, local_files_only))
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    scorer = sspvs.load_scorer("somebody/summarizer")
    load_scorer("somebody/summarizer", download=True)
    assert (scorer.name, scorer.settings["checkpoint"]) == ("somebody/summarizer",) * 2
    assert asked == [("somebody/summarizer", True), ("somebody/summarizer", False)]


@pytest.mark.parametrize("guidance", GUIDANCES)
def test_text_is_read_by_the_checkpoints_tokenizer_and_lengths(guidance: str, tmp_path: Path) -> None:
    task = tiny_summarizer(fingerprint=MADE_BY, guidance=guidance)
    scorer = load_scorer(task.save_pretrained(tmp_path))
    video = drawn()
    ids, valid = assemble_tokens(TEXT, load_tokenizer("small", vocab_size=60), FIELDS)
    frames = torch.from_numpy(video.features)[None]
    with torch.no_grad():
        mask = torch.ones(1, 30, dtype=torch.bool)
        expected = task.model(frames, mask, torch.from_numpy(ids)[None], torch.from_numpy(valid)[None])
        without = task.model(frames, mask)
    scorer.check_text(TEXT)
    guided = scorer.score(video, TEXT)
    np.testing.assert_allclose(guided.scores, expected.scores[0], rtol=1e-5)
    np.testing.assert_allclose(scorer.score(video).scores, without.scores[0], rtol=1e-5)
    np.testing.assert_array_equal(scorer.score(video, TextFields(title=" ")).scores, scorer.score(video).scores)
    assert np.abs(guided.scores / scorer.score(video).scores - 1).max() > 1e-3
    assert ("text_fit" in guided.curves) == (guidance == "gate")
    assert "text_fit" not in scorer.score(video).curves
    assert scorer.notes(TEXT) == ()
    assert "none was given" in scorer.notes(TextFields())[0]


def test_text_that_would_have_no_say_is_refused(tmp_path: Path) -> None:
    silent = load_scorer(saved_summarizer(tmp_path / "silent", fingerprint=MADE_BY))
    assert silent.text_fields == ()
    assert silent.notes(TextFields()) == ()
    for refused in (silent.check_text, lambda text: silent.score(drawn(), text)):
        with pytest.raises(ValueError, match="silent was trained without text"):
            refused(TEXT)
    reading = load_scorer(saved_summarizer(tmp_path / "reading", guidance="gate"))
    assert reading.text_fields == ("category", "query", "title")
    with pytest.raises(ValueError, match="does not read description: it was trained with category, query, title"):
        reading.check_text(TextFields(description="long"))


def test_features_must_be_made_as_the_checkpoint_was_trained(tmp_path: Path) -> None:
    scorer = load_scorer(saved_summarizer(tmp_path / "known", fingerprint=MADE_BY))
    assert scorer.expects == MADE_BY
    assert scorer.check_features(MADE_BY, "f.h5") is None
    assert "no fingerprint" in scorer.check_features(None, "f.h5")
    with pytest.raises(FingerprintMismatchError, match="--backbone efficientnet-lite0 --rate 2"):
        scorer.score(drawn(fingerprint=OTHER))
    scorer.score(drawn(fingerprint=None))
    with pytest.raises(FeatureFileError, match="features 20 wide, those known was trained on 24"):
        scorer.score(drawn(width=20))
    unknown = load_scorer(saved_summarizer(tmp_path / "unknown"))
    for found in (MADE_BY, None):
        assert "unknown does not say what made the features" in unknown.check_features(found, "f.h5")
    unknown.score(drawn(fingerprint=OTHER))
    world = load_scorer(saved_summarizer(tmp_path / "world", fingerprint=DRAWN))
    world.score(drawn(fingerprint=DRAWN))
    with pytest.raises(FingerprintMismatchError, match="scores that world's features only"):
        world.check_features(MADE_BY, "f.h5")


def test_windows_and_tiny_scores(tmp_path: Path) -> None:
    task = tiny_summarizer(max_frames=16, overlap=4)
    with torch.no_grad():
        for linear in task.model.head.stages:
            linear.bias.fill_(-60.0)  # a product of 1e-78, which float32 does not have
    scorer = load_scorer(task.save_pretrained(tmp_path))
    scores = scorer.score(drawn(50)).scores
    assert ((scores > 0) & (scores < 1e-70)).all()
    assert len(np.unique(scores)) == 50


def test_damaged_weights_are_told(tmp_path: Path) -> None:
    task = tiny_summarizer()
    with torch.no_grad():
        task.model.head.stages[1].bias.fill_(torch.nan)
    with pytest.raises(CheckpointError, match=r"model\.head\.stages\.1\.bias has NaN"):
        load_scorer(task.save_pretrained(tmp_path))


def test_a_pretraining_with_a_linear_path_scores_how_well_each_frame_fits_a_title(tmp_path: Path) -> None:
    torch.manual_seed(2)
    small = TextEncoderSettings(encoder="small", small=WORDS)
    how = LossSettings(coarse="infonce", linear_path="drawn", contrastive_dim=6)
    video = VideoEncoderSettings(24, 16, num_heads=2, num_layers=1, feedforward_dim=16)
    folder = PretrainTask(video, small, how, feature_fingerprint=MADE_BY.as_dict()).save_pretrained(tmp_path)
    scorer, frames = load_scorer(folder), drawn()
    with pytest.raises(ValueError, match="pretrained alone: it scores how well frames fit a title; give one"):
        scorer.check_text(TextFields())
    scorer.check_text(TextFields(title="Tossing a pancake"))
    found = scorer.score(frames, TextFields(title="Tossing a pancake")).scores
    fields = TextSettings(category=8, query=16, title=96, description=0, pad_fields=False)
    model = sspvs.VideoTextModel.from_pretrained(folder, text=fields)
    each = model.encode_video([frames.features[t : t + 1] for t in range(30)])  # videos of one frame
    fit = model.similarity(each, model.encode_text(["Tossing a pancake"]))[:, 0]
    np.testing.assert_allclose(np.log(found / (1 - found)), (fit - fit.mean()) / fit.std(), atol=1e-3)


def test_what_does_not_score_frames_says_what_it_is(tmp_path: Path) -> None:
    small = TextEncoderSettings(encoder="small", small=WORDS)
    task = PretrainTask(VideoEncoderSettings(16, 16, num_heads=2, num_layers=1, feedforward_dim=16), small)
    folder = task.save_pretrained(tmp_path / "pretrained" / "best")
    (folder / "model.safetensors").unlink()  # the config alone is looked at
    with pytest.raises(CheckpointError, match=r"checkpoint of pretraining.*Fine-tune it first.*--model\.pretrained"):
        load_scorer(folder)
    torch.save({"state_dict": {}, "hyper_parameters": dict(task.hparams)}, tmp_path / "best.ckpt")
    with pytest.raises(CheckpointError, match="Fine-tune it first"):
        load_scorer(tmp_path / "best.ckpt")
    torch.save({"state_dict": {}, "hyper_parameters": {"width": 3}}, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match="of no task of sspvs"):
        load_scorer(tmp_path / "other.ckpt")
    save_folder(tmp_path / "cooking", "sspvs.cook", {}, {})
    with pytest.raises(CheckpointError, match=r"'sspvs\.cook'"):
        load_scorer(tmp_path / "cooking")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        load_scorer(tmp_path / "empty")
    (tmp_path / "notes.ckpt").write_text("no checkpoint")
    with pytest.raises(CheckpointError, match=r"notes\.ckpt: no checkpoint: expected a folder with config\.json"):
        load_scorer(tmp_path / "notes.ckpt")
    torch.save({"weights": {}}, tmp_path / "else.ckpt")
    with pytest.raises(CheckpointError, match="a torch file, but no Lightning checkpoint"):
        load_scorer(tmp_path / "else.ckpt")
    torch.save({"state_dict": {}, "hyper_parameters": {"path": Path("x")}}, tmp_path / "unsafe.ckpt")
    with pytest.raises(CheckpointError, match=r"has more in it than tensors and plain types$"):
        load_scorer(tmp_path / "unsafe.ckpt")
    with pytest.raises(WeightsNotFoundError, match="neither a checkpoint folder nor a hub model"):
        load_scorer("nobody/has-this")
    with pytest.raises(ValueError, match="scorer must be 'contrastive', or a checkpoint"):
        load_scorer("telepathy")


def test_a_config_of_another_version_is_refused(tmp_path: Path) -> None:
    folder = saved_summarizer(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "version": 99}))
    with pytest.raises(CheckpointError, match="version 99"):
        load_scorer(folder)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("mine", "mine"),
        ("runs/summe/version_0/pretrained/best", "summe/version_0/best"),
        ("runs/summe/version_0/checkpoints/last.ckpt", "summe/version_0/last.ckpt"),
        ("cross/tvsum/seed_1/fold_3/pretrained/best", "tvsum/seed_1/fold_3/best"),
    ],
)
def test_a_checkpoints_name_tells_it_from_others(place: str, name: str, tmp_path: Path) -> None:
    (tmp_path / place).mkdir(parents=True)
    assert checkpoint_name(tmp_path / place) == name
    assert checkpoint_name(f"{tmp_path / place}/") == name


class Reading:
    """A backbone that finds the same in every video."""

    name, reason, feature_dim = "efficientnet-lite0", "asked for by name", 24

    def text_similarity(self, features: np.ndarray, text: str) -> np.ndarray:
        return np.linspace(0, len(text), len(features))

    def check_text(self) -> None: ...

    def fingerprint(self, rate_hz: float) -> Fingerprint:
        return replace(MADE_BY, rate_hz=rate_hz)


def test_the_contrastive_scorer_is_the_contrastive_importance() -> None:
    video = drawn()
    plain = load_scorer("contrastive", combine="a", post="none")
    expected = contrastive_importance(video.features, combine="a", post="none")
    np.testing.assert_array_equal(plain.score(video).scores, expected.scores)
    assert plain.settings == {"combine": "a", "post": "none"}
    assert plain.expects is plain.feature_dim is None
    guided = ContrastiveScorer(backbone=Reading()).score(video, TextFields(title="sea"))
    expected = contrastive_importance(video.features, text_similarity=np.linspace(0, 3, 30))
    np.testing.assert_array_equal(guided.scores, expected.scores)
    assert plain.check_features(MADE_BY, "f.h5") is None
    assert "no feature fingerprint" in plain.check_features(None, "f.h5")
    with pytest.raises(ValueError, match="reads a title and nothing else, got category and query"):
        plain.check_text(TEXT)
    for refused in (plain.check_text, lambda text: plain.score(video, text)):
        with pytest.raises(ValueError, match="a title needs the backbone"):
            refused(TextFields(title="sea"))


def test_the_checkpoint_chooses_backbone_and_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def load(name: str, **_: object) -> Reading:
        asked.append(name)
        return Reading()

    monkeypatch.setattr("sspvs.scorers.loading.load_backbone", load)
    slow = load_scorer(saved_summarizer(tmp_path / "slow", fingerprint=replace(MADE_BY, rate_hz=1.0)))
    backbone, rate = backbone_for(slow)
    assert (asked, rate) == (["efficientnet-lite0"], 1.0)
    assert backbone.reason == "what slow was trained on"
    assert backbone_for(slow, Reading(), 1.0)[1] == 1.0
    with pytest.raises(FingerprintMismatchError, match=r"those slow was trained on \(rate_hz is 2.0, expected 1.0\)"):
        backbone_for(slow, "auto", 2.0)
    other = load_scorer(saved_summarizer(tmp_path / "other", fingerprint=OTHER))
    with pytest.raises(FingerprintMismatchError, match="leave --backbone and --rate out"):
        backbone_for(other, "efficientnet-lite0")
    unknown = load_scorer(saved_summarizer(tmp_path / "unknown"))
    with pytest.raises(ValueError, match="does not say which backbone made the 24-D features"):
        backbone_for(unknown)
    assert backbone_for(unknown, "efficientnet-lite0")[1] == 2.0
    wide = load_scorer(saved_summarizer(tmp_path / "wide", feature_dim=20))
    with pytest.raises(FeatureWidthError, match="efficientnet-lite0: features 24 wide, those wide was trained on 20"):
        backbone_for(wide, "efficientnet-lite0")
    assert backbone_for(load_scorer("contrastive"), "auto", 4.0)[1] == 4.0


@pytest.mark.parametrize(("made_by", "words"), [("drawn", "drawn features"), ("clips of x", "composed of clips")])
def test_a_world_is_no_video(made_by: str, words: str, tmp_path: Path) -> None:
    fingerprint = replace(MADE_BY, backbone=f"synthetic:{made_by}")
    scorer = load_scorer(saved_summarizer(tmp_path / "world", fingerprint=fingerprint))
    for backbone in ("auto", "efficientnet-lite0"):
        with pytest.raises(FingerprintMismatchError, match=f"trained on .*{words}.*cannot look at real videos"):
            backbone_for(scorer, backbone)


def test_a_title_is_compared_by_the_backbone_of_the_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []

    def load(name: str, **_: object) -> Reading:
        loaded.append(name)
        return Reading()

    monkeypatch.setattr("sspvs.scorers.loading.load_backbone", load)
    video = drawn()
    expected = contrastive_importance(video.features, text_similarity=np.linspace(0, 3, 30)).scores
    path, out = tmp_path / "f.h5", tmp_path / "s.h5"
    write_features(path, [video], fingerprint=MADE_BY)
    np.testing.assert_array_equal(sspvs.score(path, title="sea")["a video"], expected)
    assert main(["score", str(path), "--out", str(out), "--title", "sea"]) == 0
    np.testing.assert_array_equal(read_scores(out)["a video"].scores, expected)
    np.testing.assert_array_equal(sspvs.score(video, title="sea"), expected)
    assert loaded == [MADE_BY.backbone] * 3
    with pytest.raises(ValueError, match="does not say which backbone made it"):
        sspvs.score(drawn().features, title="sea")
    with pytest.warns(UserWarning, match="no fingerprint"):
        named = sspvs.score(video.features, title="sea", backbone="efficientnet-lite0")
    np.testing.assert_array_equal(named, expected)
    other = replace(MADE_BY, weights_digest="0" * 64)
    write_features(path, [replace(video, fingerprint=other)], fingerprint=other)
    with pytest.raises(FingerprintMismatchError):
        sspvs.score(path, title="sea")
