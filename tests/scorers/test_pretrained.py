"""`Summarizer`, `VideoTextModel` and `score` give what the scorers and the tasks behind them give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.summarization_material import fingerprint_of
from helpers.tiny_pretraining import DIM, tiny_batch, tiny_task
from helpers.tiny_summarizers import saved_summarizer

import sspvs
from sspvs.cli import main
from sspvs.errors import FeatureFileError
from sspvs.scorers import load_scorer
from sspvs.scorers.pretrained import frame_features
from sspvs.table import read_scores, write_features
from sspvs.table.text import TextFields, TextSettings, assemble_tokens
from sspvs.types import FrameFeatures


def _frames(count: int, seed: int = 0, width: int = DIM) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)


@pytest.mark.parametrize("losses", [{"coarse": "infonce"}, {"coarse": "matching"}, {"coarse": "none"}])
def test_vectors_are_those_of_prediction(losses: dict[str, str]) -> None:
    task = tiny_task(**losses).eval()
    batch = tiny_batch(matches=True, batch=4)
    with torch.inference_mode():
        expected = task.predict_step(batch, 0)
    model = sspvs.VideoTextModel(task, text=TextSettings(title=4), device="cpu")
    lengths = batch.frame_mask.sum(dim=1)
    videos = [batch.frames[row, :length] for row, length in enumerate(lengths)]  # tensors, of different lengths
    np.testing.assert_allclose(model.encode_video(videos), expected.video, atol=1e-5)
    np.testing.assert_allclose(model.encode_video(videos[1].numpy()), expected.video[1], atol=1e-5)


def test_texts_are_tokens_of_the_fields() -> None:
    task = tiny_task(coarse="infonce").eval()
    fields = TextSettings(title=6, description=3)
    model = sspvs.VideoTextModel(task, text=fields, device="cpu")
    texts = [TextFields(title="a dog on the beach"), TextFields(category="pets", description="it runs")]
    rows = [assemble_tokens(text, model._tokenizer, fields) for text in texts]
    with torch.inference_mode():
        tokens, mask = (torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True))
        pooled = task.model.text_encoder(tokens, mask).pooled
        expected = torch.nn.functional.normalize(task.model.contrastive_text(pooled), dim=-1)
    found = model.encode_text(texts)
    np.testing.assert_allclose(found / np.linalg.norm(found, axis=1, keepdims=True), expected, atol=1e-5)
    np.testing.assert_allclose(model.encode_text("a dog on the beach"), found[0], atol=1e-6)
    videos = model.encode_video([_frames(5), _frames(7, 1)])
    cosine = (videos / np.linalg.norm(videos, axis=1, keepdims=True)) @ expected.numpy().T
    np.testing.assert_allclose(model.similarity(videos, found), cosine, atol=1e-5)


def test_a_model_without_a_common_space_has_no_similarity() -> None:
    model = sspvs.VideoTextModel(tiny_task(coarse="none", fine="none"), device="cpu")
    with pytest.raises(ValueError, match="without an objective that compares"):
        model.similarity(np.zeros((1, 2), np.float32), np.zeros((1, 2), np.float32))


def test_scores_are_the_scorer_s(tmp_path: Path) -> None:
    checkpoint = saved_summarizer(tmp_path / "summarizer", feature_dim=DIM)
    features = _frames(9)
    expected = load_scorer(checkpoint, device="cpu").score(frame_features(features)).scores
    summarizer = sspvs.Summarizer.from_pretrained(checkpoint, device="cpu")
    np.testing.assert_array_equal(summarizer.score(features), expected)
    np.testing.assert_array_equal(summarizer.score(torch.from_numpy(features)), expected)
    np.testing.assert_array_equal(sspvs.score(features, checkpoint, device="cpu"), expected)
    with pytest.raises(FeatureFileError, match=r"wide|width"):
        summarizer.score(_frames(9, width=DIM + 1))
    with pytest.raises(ValueError, match="without text"):
        summarizer.score(features, title="a dog")


@pytest.mark.parametrize("wrong", [np.zeros(3), np.zeros((0, 4)), np.full((2, 4), np.nan), [["a"]]])
def test_what_is_no_features_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"\(T, D\) finite features|could not convert"):
        sspvs.score(wrong)


def test_a_file_is_scored_as_the_command_does(tmp_path: Path) -> None:
    picks = np.arange(0, 60, 5)
    videos = [FrameFeatures(f"v{number}", _frames(12, number), picks, 60) for number in range(2)]
    write_features(tmp_path / "features.h5", videos)
    found = sspvs.score(tmp_path / "features.h5", out=tmp_path / "ours.h5", device="cpu")
    assert main(["score", str(tmp_path / "features.h5"), "--out", str(tmp_path / "theirs.h5"), "--device", "cpu"]) == 0
    ours, theirs = (read_scores(tmp_path / name) for name in ("ours.h5", "theirs.h5"))
    assert sorted(found) == sorted(ours) == sorted(theirs)
    for key, scores in found.items():
        np.testing.assert_array_equal(scores, ours[key].scores)
        np.testing.assert_array_equal(scores, theirs[key].scores)
    with pytest.raises(ValueError, match="out is for feature files"):
        sspvs.score(_frames(4), out=tmp_path / "no.h5")  # type: ignore[call-overload]


def test_features_of_unknown_origin_are_used_with_a_warning(tmp_path: Path) -> None:
    checkpoint = saved_summarizer(tmp_path / "summarizer", feature_dim=DIM, fingerprint=fingerprint_of())
    write_features(tmp_path / "features.h5", [FrameFeatures("v", _frames(4), np.arange(4), 4)])
    with pytest.warns(UserWarning, match="no fingerprint"):
        one = sspvs.score(_frames(4), checkpoint, device="cpu")
    with pytest.warns(UserWarning, match="no fingerprint"):
        found = sspvs.score(tmp_path / "features.h5", checkpoint, device="cpu")
    np.testing.assert_array_equal(found["v"], one)
