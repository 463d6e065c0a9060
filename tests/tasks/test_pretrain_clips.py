"""Pretraining on few clips (configs/pretrain/clips.yaml): the closed form, whole videos, texts in common, residuals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.pair_sets import pairs_of
from helpers.tiny_pretraining import tiny_batch, tiny_task
from torch.nn import functional

from sspvs.data.drawing import captions_of
from sspvs.data.loader import Pick
from sspvs.data.pretrain import PretrainDataset
from sspvs.formats.manifest import read_manifest
from sspvs.losses.pretraining import InfoNceLoss, LateInteractionLoss, SigmoidContrastiveLoss
from sspvs.models.pretrain_model import copied_neighbours
from sspvs.models.settings import TextEncoderSettings, VideoEncoderSettings
from sspvs.models.tokenizers import load_tokenizer
from sspvs.table.text import TextFields, TokenFields
from sspvs.tasks.objectives import LossSettings
from sspvs.tasks.pretrain import PretrainTask

CLIPS = {"coarse": "infonce", "fine": "none", "linear_path": "canonical", "mask_target": "residual"}


def clips_task(**losses) -> PretrainTask:
    torch.manual_seed(0)
    return PretrainTask(
        VideoEncoderSettings(16, 8, num_heads=2, num_layers=1, feedforward_dim=16, dropout=0.0),
        TextEncoderSettings(encoder="small", frozen=True, small={"vocab_size": 40, "text_dim": 12, "num_heads": 2}),
        LossSettings(**{"contrastive_dim": 8, **CLIPS, **losses}),
    )


def test_the_closed_form_is_what_retrieval_starts_from() -> None:
    task = clips_task().eval()
    batch = tiny_batch(batch=20, matches=True)
    texts = task.model.text_encoder(batch.tokens, batch.token_mask).pooled
    correlations = task.model.start_canonical([(batch.frames, batch.frame_mask)], texts)
    assert (correlations > 0).all()
    _, terms = task._forward(batch)
    assert all(term.isfinite() for term in terms.values())
    out = task.model(batch.frames, batch.frame_mask, batch.tokens, batch.token_mask, batch.masked_index[:, :0])
    video, text = task.model.contrastive_vectors(out.pooled_text, out.video)
    ranks = functional.normalize(video, dim=1) @ functional.normalize(text, dim=1).T
    own = torch.diagonal(ranks)[:, None]
    assert (ranks > own).sum(dim=1).float().mean() < 3, "pairs do not find each other"
    # The mean of the embedded frames is the embedded mean of the frames.
    mean = (batch.frames * batch.frame_mask[..., None]).sum(1) / batch.frame_mask.sum(1, keepdim=True)
    torch.testing.assert_close(video, task.model.video_encoder.input_projection(mean), atol=1e-4, rtol=1e-4)
    trained = {name for name, one in task.named_parameters() if one.requires_grad}
    assert not any("input_projection" in name or "contrastive_text" in name for name in trained)
    assert "model.contrastive_video.weight" in trained


def test_the_closed_form_needs_a_projection_and_a_space() -> None:
    with pytest.raises(ValueError, match="linear_path must be none with coarse 'matching'"):
        LossSettings(linear_path="drawn")
    task = tiny_task(coarse="infonce", linear_path="canonical")  # as wide as the features
    with pytest.raises(ValueError, match=r"set it to another, such as 4"):
        task.model.start_canonical([], torch.zeros(0, 12))


def test_alignment_sees_the_whole_video() -> None:
    batch = tiny_batch(matches=True)
    vectors = {}
    for seen in ("masked", "whole"):
        task = tiny_task(coarse="infonce", aligned_video=seen).eval()
        with torch.no_grad():
            out, _ = task._forward(batch)
            open_video = task.model(
                batch.frames, batch.frame_mask, batch.tokens, batch.token_mask, batch.masked_index[:, :0]
            )
        vectors[seen] = out
        assert torch.equal(out.video.pooled, open_video.video.pooled) == (seen == "whole")
    torch.testing.assert_close(vectors["masked"].recovered, vectors["whole"].recovered)


def test_a_residual_starts_from_copying() -> None:
    task = tiny_task(mask_target="residual").eval()
    batch = tiny_batch(masked=2)
    with torch.no_grad():
        out, _ = task._forward(batch)
        copied = copied_neighbours(batch.frames, batch.frame_mask, batch.masked_index).mean
        torch.testing.assert_close(out.recovered, copied)
        task.model.mask_head.pull.bias.fill_(1.0)  # all the way: the mean of what is not masked
        out, _ = task._forward(batch)
    for row in range(len(batch.frames)):
        hidden = set(batch.masked_index[row].tolist())
        places = [place for place in range(int(batch.frame_mask[row].sum())) if place not in hidden]
        expected = batch.frames[row, places].mean(dim=0).expand(2, -1)
        torch.testing.assert_close(out.recovered[row], expected)


def test_videos_of_one_frame_are_trained_on() -> None:
    task = tiny_task(coarse="infonce")
    batch = tiny_batch(matches=True)
    single = batch._replace(
        frames=batch.frames[:, :1], frame_mask=batch.frame_mask[:, :1], masked_index=batch.masked_index[:, :0],
        masked_counted=batch.masked_counted[:, :0],
    )  # fmt: skip
    terms = task.batch_terms(single)
    assert terms["mask_loss"] == 0
    task.total(terms).backward()
    reached = {name for name, one in task.named_parameters() if one.grad is not None}
    assert {name for name, one in task.named_parameters() if one.requires_grad} == reached, "DDP would wait"
    changed = single._replace(frames=single.frames + 1.0)
    assert task.batch_terms(changed)["coarse_loss"] != terms["coarse_loss"], "the only frame is masked"


def test_texts_in_common_are_left_out() -> None:
    draw = torch.Generator().manual_seed(0)
    video, text = (torch.randn(6, 5, generator=draw) for _ in range(2))
    group = torch.tensor([0, 1, 0, 2, 1, 3])
    loss = InfoNceLoss(temperature=0.5)
    logits = functional.normalize(video, dim=1) @ functional.normalize(text, dim=1).T / 0.5
    terms = []
    for row in range(6):
        kept = [other for other in range(6) if other == row or group[other] != group[row]]
        for scores in (logits[row], logits[:, row]):
            terms.append(torch.logsumexp(scores[kept], 0) - scores[row])
    torch.testing.assert_close(loss(video, text, None, group), torch.stack(terms).mean())
    alone = torch.arange(6)
    words, masks = torch.randn(6, 3, 5, generator=draw), torch.ones(6, 3, dtype=torch.bool)
    fine = LateInteractionLoss()
    torch.testing.assert_close(fine(words, words, masks, masks, None, alone), fine(words, words, masks, masks))
    assert fine(words, words, masks, masks, None, group) < fine(words, words, masks, masks)
    sigmoid = SigmoidContrastiveLoss()
    assert sigmoid(video, text, None, alone) == sigmoid(video, text)
    assert sigmoid(video, text, None, group) < sigmoid(video, text)


def test_captions_are_used_in_turn(tmp_path: Path) -> None:
    text = TextFields("cat", "", "first one", "second one\n\n third one ")
    expected = [("first one", ""), ("", "second one"), ("", "third one")]
    assert [(one.title, one.description) for one in captions_of(text)] == expected
    assert {one.category for one in captions_of(text)} == {"cat"}
    assert captions_of(TextFields("cat")) == [TextFields("cat")]
    assert captions_of(TokenFields(title=(5,), description=(6, 7))) == [
        TokenFields(title=(5,)), TokenFields(description=(6, 7)),
    ]  # fmt: skip
    items = [replace(item, text=text) for item in pairs_of(tmp_path, [4] * 3)]
    tokenizer = load_tokenizer("small")
    turns = PretrainDataset(items, tokenizer, negative_probability=0.0, captions="in-turn")
    known = {tuple(one[0].tolist()) for one in turns.texts_of(0)}
    drawn = {tuple(turns.example(Pick(draw, 0)).text[0].tolist()) for draw in range(40)}
    assert drawn == known


def test_a_manifest_with_captions(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((1, 3), np.float32))
    manifest = tmp_path / "pairs.jsonl"
    manifest.write_text(
        '{"id": "a", "path": "a.npy", "captions": ["one", "two", "three"]}\n'
        '{"id": "b", "path": "a.npy", "title": "zero", "captions": ["one"], "description": "two"}\n'
    )
    first, second = read_manifest(manifest)
    assert first.text == TextFields(title="one", description="two\nthree")
    assert second.text == TextFields(title="zero", description="one\ntwo")


def test_a_frozen_tower_encodes_each_text_once(monkeypatch: pytest.MonkeyPatch) -> None:
    task = clips_task()
    tower, batch = task.model.text_encoder, tiny_batch()
    expected = tower(batch.tokens, batch.token_mask)
    found = tower.encode(batch.tokens, batch.token_mask)
    torch.testing.assert_close(found.pooled, expected.pooled)
    valid = batch.token_mask[..., None]
    torch.testing.assert_close(found.states * valid, expected.states * valid)
    calls = []
    monkeypatch.setattr(tower, "forward", lambda *_: calls.append(1))
    again = tower.encode(batch.tokens.flip(0), batch.token_mask.flip(0))
    torch.testing.assert_close(again.pooled, expected.pooled.flip(0))
    assert not calls
    monkeypatch.undo()
    tower.load_state_dict({name: one * 2 for name, one in tower.state_dict().items()})
    assert not torch.allclose(tower.encode(batch.tokens, batch.token_mask).pooled, expected.pooled)
