"""The pretraining model against the plain one, and its promises on padding and length."""

from __future__ import annotations

import pytest
import torch
from helpers.plain_sspvs import PlainSspvs
from transformers import BertConfig, BertModel

from sspvs.losses.pretraining import hausdorff_contrastive_loss, masked_frame_loss, matching_loss
from sspvs.models.pretrain_model import PretrainModel
from sspvs.models.settings import TextEncoderSettings, VideoEncoderSettings
from sspvs.models.text_towers import HuggingFaceTextEncoder
from sspvs.models.video_encoder import VideoEncoder
from sspvs.tasks.official_import import translate

BERT = {
    "vocab_size": 60, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
}  # fmt: skip


def both(dim: int = 32) -> tuple[PlainSspvs, PretrainModel]:
    torch.manual_seed(0)
    plain = PlainSspvs(BertModel(BertConfig(**BERT)), dim, 4, 64, mixing=dim // 2).eval()
    video = VideoEncoder(VideoEncoderSettings(dim, dim, num_heads=4, num_layers=3, feedforward_dim=64))
    text = HuggingFaceTextEncoder(TextEncoderSettings(config={"model_type": "bert", **BERT}))
    ours = PretrainModel(video, text).eval()
    state = translate({f"video_model.{name}": tensor for name, tensor in plain.state_dict().items()})
    assert not state.unknown
    result = ours.load_state_dict(state.pretrain, strict=True)
    assert not result.missing_keys
    return plain, ours


def inputs(dim: int = 32, batch: int = 5, picks: int = 11, length: int = 7):
    g = torch.Generator().manual_seed(1)
    frames = torch.randn(batch, picks, dim, generator=g)
    tokens = torch.randint(0, 60, (batch, length), generator=g)
    masked_index = torch.tensor([0, 3, 10, 8, 5])
    return frames, tokens, masked_index, torch.tensor([True, False, True, False, True])


def our_terms(model: PretrainModel, frames, tokens, masked_index, is_match, frame_mask=None, token_mask=None):
    frame_mask = torch.ones(frames.shape[:2], dtype=torch.bool) if frame_mask is None else frame_mask
    token_mask = torch.ones(tokens.shape, dtype=torch.bool) if token_mask is None else token_mask
    index = masked_index[:, None]
    out = model(frames, frame_mask, tokens, token_mask, index)
    original = frames.gather(1, index[..., None].expand(-1, -1, frames.shape[-1]))
    return {
        "coarse_loss": matching_loss(out.matching_logits, is_match),
        "fine_loss": hausdorff_contrastive_loss(out.video.states, out.words, out.video.mask, token_mask, is_match),
        "mask_loss": masked_frame_loss(out.recovered, original),
    }


def test_losses_equal_the_plain_model() -> None:
    plain, ours = both()
    given = inputs()
    theirs, mine = plain.loss_terms(*given), our_terms(ours, *given)
    for name, value in theirs.items():
        assert float(mine[name]) == pytest.approx(float(value), abs=1e-5), name


def test_gradients_equal_the_plain_model() -> None:
    plain, ours = both()
    given = inputs()
    sum(plain.loss_terms(*given).values()).backward()
    sum(our_terms(ours, *given).values()).backward()
    theirs = translate({name: p.grad for name, p in plain.named_parameters() if p.grad is not None}).pretrain
    mine = {name: p.grad for name, p in ours.named_parameters() if p.grad is not None}
    assert set(theirs) == set(mine)
    for name, gradient in theirs.items():
        torch.testing.assert_close(mine[name], gradient, atol=1e-5, rtol=1e-3)


def test_padding_changes_nothing() -> None:
    _, ours = both()
    frames, tokens, masked_index, is_match = inputs()
    before = our_terms(ours, frames, tokens, masked_index, is_match)
    batch = len(frames)
    more = torch.full((batch, 6, frames.shape[-1]), 50.0)
    mask = torch.cat([torch.ones(batch, 11), torch.zeros(batch, 6)], 1).bool()
    words = torch.cat([tokens, torch.full((batch, 4), 9)], 1)
    word_mask = torch.cat([torch.ones(batch, 7), torch.zeros(batch, 4)], 1).bool()
    after = our_terms(ours, torch.cat([frames, more], 1), words, masked_index, is_match, mask, word_mask)
    for name in before:
        torch.testing.assert_close(after[name], before[name], atol=1e-5, rtol=1e-5)


def test_a_masked_frame_is_not_seen() -> None:
    _, ours = both()
    frames, tokens, masked_index, _ = inputs()
    changed = frames.clone()
    changed[torch.arange(5), masked_index] += 10.0
    full = torch.ones(frames.shape[:2], dtype=torch.bool), tokens, torch.ones(tokens.shape, dtype=torch.bool)
    first = ours(frames, *full, masked_index[:, None])
    second = ours(changed, *full, masked_index[:, None])
    torch.testing.assert_close(first.recovered, second.recovered)
    torch.testing.assert_close(first.video.states, second.video.states)
