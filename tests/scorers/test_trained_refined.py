"""A refined checkpoint as a scorer: the importance of what it makes of features, and of no others than its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from helpers.tiny_refined import saved_refined, tiny_refined
from helpers.tiny_summarizers import saved_summarizer

from sspvs.errors import CheckpointError, FeatureFileError, FingerprintMismatchError
from sspvs.importance.contrastive import contrastive_importance
from sspvs.scorers import load_scorer
from sspvs.table.reader import dequantise
from sspvs.table.text import TextFields
from sspvs.types import Fingerprint, FrameFeatures
from sspvs.weights.digest import file_digest

MADE_BY = Fingerprint("efficientnet-lite0", "ab" * 32, "resize 224x224 area", "(x - 127) / 128", 2.0)
OTHER = replace(MADE_BY, backbone="googlenet", transform="resize 256, centre 224")
CURVES = {"a": "local_dissimilarity", "g": "global_consistency", "h": "uniqueness"}


def drawn(picks: int = 40, width: int = 24, fingerprint: Fingerprint | None = MADE_BY) -> FrameFeatures:
    features = np.random.default_rng(picks).standard_normal((picks, width), dtype=np.float32)
    return FrameFeatures("a video", features, np.arange(picks) * 15, picks * 15, fingerprint=fingerprint)


@pytest.mark.parametrize("combine", [None, "a", "ag", "gh", "agh"])
@pytest.mark.parametrize("post", [None, "tvsum", "none"])
def test_it_is_the_contrastive_importance_of_refined_features(
    combine: str | None, post: str | None, tmp_path: Path
) -> None:
    task, video = tiny_refined(fingerprint=MADE_BY, combine="ah"), drawn()
    scorer = load_scorer(task.save_pretrained(tmp_path / "mine"), combine=combine, post=post)
    with torch.no_grad():
        out = task.model(torch.from_numpy(video.features)[None], torch.ones(1, 40, dtype=torch.bool))
    expected = contrastive_importance(
        out.features[0].numpy(),
        raw=video.features,
        uniqueness=out.uniqueness_logits[0].sigmoid().numpy(),
        combine=combine or "ah",
        post=post or "summe",
    )
    found = scorer.score(video)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
    assert list(found.curves) == [CURVES[term] for term in combine or "ah"]
    if post == "none":
        np.testing.assert_allclose(np.prod(list(found.curves.values()), axis=0), found.scores)
    assert scorer.name == "mine"
    assert scorer.settings == {
        "checkpoint": "mine",
        "checkpoint_sha256": file_digest(tmp_path / "mine" / "model.safetensors"),
        "combine": combine or "ah",
        "post": post or "summe",
    }


def test_a_file_of_training_scores_as_the_folder(tmp_path: Path) -> None:
    task = tiny_refined(fingerprint=MADE_BY)
    trainer = pl.Trainer(logger=False, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(tmp_path / "best.ckpt")
    folder = task.save_pretrained(tmp_path / "folder")
    file = load_scorer(tmp_path / "best.ckpt")
    np.testing.assert_array_equal(file.score(drawn()).scores, load_scorer(folder).score(drawn()).scores)
    assert file.expects == MADE_BY


def test_only_features_like_those_it_was_trained_on(tmp_path: Path) -> None:
    scorer = load_scorer(saved_refined(tmp_path / "known", fingerprint=MADE_BY))
    with pytest.raises(FingerprintMismatchError, match="--backbone efficientnet-lite0 --rate 2"):
        scorer.score(drawn(fingerprint=OTHER))
    with pytest.raises(FeatureFileError, match="features 20 wide, those known was trained on 24"):
        scorer.score(drawn(width=20))
    assert "no fingerprint" in scorer.check_features(None, "f.h5")
    unknown = load_scorer(saved_refined(tmp_path / "unknown"))
    assert "unknown does not say what made the features" in unknown.check_features(MADE_BY, "f.h5")


def test_what_it_has_not_learned_is_refused(tmp_path: Path) -> None:
    folder = saved_refined(tmp_path / "plain", uniqueness=False)
    assert list(load_scorer(folder).score(drawn()).curves) == ["local_dissimilarity", "global_consistency"]
    with pytest.raises(ValueError, match="combine agh needs uniqueness, which plain did not learn; take one of a, g"):
        load_scorer(folder, combine="agh")
    with pytest.raises(ValueError, match="combine must be of a and g without training, got agh: h"):
        load_scorer("contrastive", combine="agh")
    for how in ({"combine": "ag"}, {"post": "none"}):
        with pytest.raises(ValueError, match="is a summarizer, which has neither"):
            load_scorer(saved_summarizer(tmp_path / "summarizer"), **how)


def test_it_reads_no_text(tmp_path: Path) -> None:
    scorer = load_scorer(saved_refined(tmp_path / "silent"))
    assert scorer.text_fields == ()
    assert scorer.notes(TextFields()) == ()
    scorer.check_text(TextFields(title=" "))
    for refused in (scorer.check_text, lambda text: scorer.score(drawn(), text)):
        with pytest.raises(ValueError, match="silent reads no text"):
            refused(TextFields(title="sea"))


def test_a_frame_alone_and_frames_that_are_all_alike(tmp_path: Path) -> None:
    scorer = load_scorer(saved_refined(tmp_path / "mine"), post="none")
    np.testing.assert_array_equal(scorer.score(drawn(1)).scores, [1.0])
    alike = replace(drawn(30), features=np.ones((30, 24), np.float32))
    np.testing.assert_allclose(scorer.score(alike).scores, 1.0)


@pytest.mark.parametrize("damaged", ["input_projection", "uniqueness_head.out"])
def test_damaged_weights_are_told(damaged: str, tmp_path: Path) -> None:
    task = tiny_refined()
    with torch.no_grad():
        task.model.get_submodule(damaged).bias.fill_(torch.nan)
    with pytest.raises(CheckpointError, match=f"model.{damaged}.bias has NaN"):
        load_scorer(task.save_pretrained(tmp_path))


@pytest.mark.slow
def test_memory_grows_with_the_length_and_not_its_square(tmp_path: Path) -> None:
    """12,000 frames: one matrix of all pairs would take 1.1 GB, and there would be several."""
    folder = saved_refined(tmp_path / "mine")
    code = (
        "import resource, sys, numpy as np\n"
        "from sspvs.scorers import load_scorer; from sspvs.types import FrameFeatures\n"
        "scorer = load_scorer(sys.argv[1], device='cpu')\n"
        "def video(n): return FrameFeatures('v', np.random.default_rng(0).standard_normal((n, 24), dtype=np.float32),"
        " np.arange(n) * 15, n * 15)\n"
        "scorer.score(video(300)); before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert np.isfinite(scorer.score(video(12000)).scores).all()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], check=True, capture_output=True, text=True)
    kilobytes = int(done.stdout.split()[-1]) // (1024 if sys.platform == "darwin" else 1)
    assert kilobytes < 500_000


def test_the_same_scores_whatever_length_the_rows_have_where_it_was_trained_on_unit_length(tmp_path: Path) -> None:
    stored = np.random.default_rng(0).integers(0, 256, (60, 24), dtype=np.uint8)
    units, long = (replace(drawn(60), features=dequantise(stored, unit_length=length)) for length in (True, False))
    knows = load_scorer(saved_refined(tmp_path / "knows", unit_length=True))
    np.testing.assert_allclose(knows.score(long).scores, knows.score(units).scores, atol=1e-5)
    given = tiny_refined(unit_length=True, scored_as_given=True)
    as_given = load_scorer(given.save_pretrained(tmp_path / "as_given"))
    with torch.no_grad():
        plain = tiny_refined().model(torch.from_numpy(long.features)[None], torch.ones(1, 60, dtype=torch.bool))
    refined, unique = plain.features[0].numpy(), plain.uniqueness_logits[0].sigmoid().numpy()
    expected = contrastive_importance(refined, raw=long.features, uniqueness=unique, combine="agh")
    np.testing.assert_allclose(as_given.score(long).scores, expected.scores, atol=1e-5)
    assert np.abs(as_given.score(long).scores - as_given.score(units).scores).max() > 0.01
    task = tiny_refined()
    del task.hparams["unit_length"]  # as older ones
    old = load_scorer(task.save_pretrained(tmp_path / "old"))
    np.testing.assert_allclose(old.score(units).scores, knows.score(units).scores, atol=1e-5)
    assert np.abs(old.score(long).scores - old.score(units).scores).max() > 0.01
