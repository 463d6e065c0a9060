"""The summarizer against loops over stages and frames, and what its text may do."""

from __future__ import annotations

import math

import pytest
import torch
from helpers.tiny_summarizer import DIM, GUIDANCES, tiny, videos
from torch import nn

from sspvs.models.pretrain_model import PretrainModel
from sspvs.models.settings import SmallTextSettings, VideoEncoderSettings
from sspvs.models.summarizer import Summarizer, SummarizerOutput, SummarizerSettings
from sspvs.models.text_guidance import GuidingText, framing
from sspvs.models.text_towers import SmallTextEncoder, TextEncoder, TextEncoding
from sspvs.models.video_encoder import VideoEncoder


def torch_layers(model: Summarizer) -> list[nn.TransformerEncoderLayer]:
    """torch's own layers with the tower's weights."""
    layers = []
    for ours in model.video_encoder.transformer.layers:
        layer = nn.TransformerEncoderLayer(DIM, 4, 32, dropout=0.0, batch_first=True).eval()
        layer.self_attn.in_proj_weight = ours.attention.in_projection.weight
        layer.self_attn.in_proj_bias = ours.attention.in_projection.bias
        layer.self_attn.out_proj = ours.attention.out_projection
        layer.linear1, layer.linear2, layer.norm1, layer.norm2 = ours.linear1, ours.linear2, ours.norm1, ours.norm2
        layers.append(layer)
    return layers


def naive_scores(model: Summarizer, features: list[list[float]], text: torch.Tensor | None) -> tuple[list, list]:
    """One video, frame by frame, as methods.md section 2 has it: scores, and each stage's."""
    layers, count = torch_layers(model), len(features)
    x = [torch.tensor(frame) for frame in features]
    stages = []
    for i, linear in enumerate(model.head.stages):
        rows = []
        for place, vector in enumerate([model.video_encoder.cls, *x]):
            position = torch.zeros(DIM)
            for column in range(0, DIM, 2):
                angle = place / 10000 ** (column / DIM)
                position[column], position[column + 1] = math.sin(angle), math.cos(angle)
            rows.append(vector + 0.1 * position)
        encoded = torch.stack(rows)[None]
        for layer in layers:
            encoded = layer(encoded)
        s = []
        for t in range(count):
            h = encoded[0, 1 + t] + x[t]
            if i == 0 and text is not None:
                h = h + text
            logit = float(linear.weight[0] @ h + linear.bias[0])
            s.append(1 / (1 + math.exp(-logit)))
        x = [x[t] * s[t] + x[t] for t in range(count)]
        stages.append(s)
    return [math.prod(stage[t] for stage in stages) for t in range(count)], stages


@pytest.mark.parametrize("guidance", ["none", "added"])
def test_equals_the_loops(guidance: str) -> None:
    model, given = tiny(guidance=guidance, num_stages=4), videos()
    with torch.no_grad():
        out = model(*given)
        text = [None] * 3
        if guidance == "added":
            text = model.text_projection(model.text_encoder(given.tokens, given.token_mask).pooled)
        for row, mask in enumerate(given.frame_mask):
            scores, stages = naive_scores(model, given.frames[row, mask].tolist(), text[row])
            torch.testing.assert_close(out.scores[row, mask], torch.tensor(scores), atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(out.stage_scores[row][:, mask], torch.tensor(stages), atol=1e-5, rtol=1e-5)


def test_what_the_output_says() -> None:
    logits = torch.tensor([[[0.0, 2.0, -60.0], [1.0, -1.0, -70.0]]])
    out = SummarizerOutput(logits, torch.ones(1, 3, dtype=torch.bool))
    torch.testing.assert_close(out.scores, (1 / (1 + (-logits).exp())).prod(dim=1))
    torch.testing.assert_close(out.log_scores[0, 2], torch.tensor(-130.0))
    out = tiny()(*videos())
    assert out.stage_logits.shape == (3, 3, 11)
    assert not out.stage_logits[1, :, 7:].any()
    assert out.text_fit is None


def test_names_are_those_of_pretraining() -> None:
    model = tiny(guidance="gate")
    pretrain = PretrainModel(model.video_encoder, model.text_encoder).state_dict()
    mine = {name: tensor.shape for name, tensor in model.state_dict().items()}
    shared = {name for name in mine if not name.startswith(("head.", "guidance."))}
    assert {name.split(".")[0] for name in shared} == {"video_encoder", "text_encoder", "text_projection"}
    assert all(pretrain[name].shape == mine[name] for name in shared)
    assert {name for name in mine if name.startswith("head.")} == {
        f"head.stages.{stage}.{part}" for stage in range(3) for part in ("weight", "bias")
    }
    assert {name.split(".")[0] for name in tiny().state_dict()} == {"video_encoder", "head"}


def test_added_text_shifts_all_frames_of_the_first_stage_alike() -> None:
    model, given = tiny(guidance="added"), videos()
    with torch.no_grad():
        shift = model(*given).stage_logits - model(*given[:2]).stage_logits
    for row, mask in enumerate(given.frame_mask):
        first = shift[row, 0, mask]
        assert first.abs().min() > 1e-3
        torch.testing.assert_close(first, first[:1].expand_as(first), atol=1e-5, rtol=0)
        assert shift[row, 1, mask].std() > 1e-6


@pytest.mark.parametrize("guidance", GUIDANCES[1:])
def test_videos_without_text_are_scored_as_without_guidance(guidance: str) -> None:
    model, given = tiny(guidance=guidance), videos()
    has_text = torch.tensor([True, False, False])
    tokens, token_mask = given.tokens, given.token_mask.clone()
    token_mask[2] = False  # not even a [CLS]
    out = model(given.frames, given.frame_mask, tokens, token_mask, has_text)
    without = model(given.frames, given.frame_mask)
    plain = tiny()
    plain.load_state_dict(model.state_dict(), strict=False)
    assert torch.equal(without.stage_logits, plain(given.frames, given.frame_mask).stage_logits)
    assert torch.equal(out.stage_logits[1:], without.stage_logits[1:])
    assert (out.stage_logits[0] - without.stage_logits[0]).abs().max() > 1e-4
    assert without.text_fit is None
    assert (out.text_fit is None) == (guidance != "gate")
    out.stage_logits.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    # A mask without a token says the same as has_text.
    again = model(given.frames, given.frame_mask, tokens, token_mask)
    assert torch.equal(again.stage_logits[2], without.stage_logits[2])


@pytest.mark.parametrize("guidance", GUIDANCES[1:])
def test_padding_of_texts_changes_nothing(guidance: str) -> None:
    model, given = tiny(guidance=guidance), videos()
    more, no = torch.full((3, 5), 7), torch.zeros(3, 5, dtype=torch.bool)
    before = model(*given)
    after = model(*given[:2], torch.cat([given.tokens, more], 1), torch.cat([given.token_mask, no], 1))
    torch.testing.assert_close(after.stage_logits, before.stage_logits, atol=1e-6, rtol=1e-5)


def test_cross_attention_starts_as_without_text() -> None:
    given = videos()
    model = Summarizer(
        tiny().video_encoder,
        SummarizerSettings(text_guidance="cross-attention"),
        SmallTextEncoder(SmallTextSettings(40, text_dim=12)),
    ).eval()
    assert torch.equal(model(*given).stage_logits, model(*given[:2]).stage_logits)


class _Lookup(TextEncoder):
    """Words are rows of a table."""

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__(table.shape[1], len(table))
        self.register_buffer("rows", table)

    def forward(self, tokens: torch.Tensor, token_mask: torch.Tensor) -> TextEncoding:
        states = self.rows[tokens]
        return TextEncoding(states, states[:, 0])


def test_the_gate_finds_the_frame_that_a_word_is_about() -> None:
    torch.manual_seed(2)
    table = torch.randn(5, DIM)
    # Without layers and positions the tower's states are the features, [CLS] aside.
    tower = VideoEncoder(VideoEncoderSettings(DIM, DIM, num_heads=4, num_layers=0, position_weight=0.0))
    model = Summarizer(tower, SummarizerSettings(num_stages=2, text_guidance="gate"), _Lookup(table)).eval()
    model.text_projection = nn.Identity()
    model.requires_grad_(False)
    for stage in model.head.stages:
        nn.init.zeros_(stage.weight)
    common, frames = table[4], torch.randn(1, 9, DIM) * 0.1
    frames = frames + common  # word 4 fits every frame
    frames[0, 6] += 2 * table[1]
    mask = torch.arange(9)[None] < 8
    out = model(frames, mask, torch.tensor([[0, 1, 3]]), torch.ones(1, 3, dtype=torch.bool))
    assert out.scores[0, :8].argmax() == 6
    fit = out.text_fit[0]
    assert fit.argmax() == 6
    assert float(fit[8]) == 0
    assert float(fit[:8].mean()) == pytest.approx(0, abs=1e-6)
    cosine = nn.functional.cosine_similarity(frames[0, :8, None], table[[0, 1, 3]][None], dim=-1)  # (8, 3)
    expected = 5 * (cosine - cosine.mean(dim=0)).mean(dim=1)
    torch.testing.assert_close(fit[:8], expected, atol=1e-5, rtol=1e-5)
    # Counted once over the stages: each adds half of it.
    biases = torch.stack([stage.bias for stage in model.head.stages])
    torch.testing.assert_close((out.stage_logits[0] - biases)[:, :8], fit[:8].expand(2, -1) / 2, atol=1e-5, rtol=1e-5)
    alike = (common * torch.linspace(1, 3, 8)[:, None])[None]
    same = model(alike, mask[:, :8], torch.tensor([[4, 1]]), torch.tensor([[True, False]]))
    assert same.text_fit.abs().max() < 1e-5, "a word that fits everywhere says nothing"


def test_the_words_of_the_gate_can_be_weighed() -> None:
    model, given = tiny(guidance="gate"), videos()
    before = model(*given).text_fit
    fits = []
    for word in range(4):
        only = torch.zeros_like(given.token_mask)
        only[:, word] = True
        text = model.read(given.tokens, given.token_mask, None)
        states = model._encode(given.frames, given.frame_mask)
        fits.append(model.guidance.text_fit(states, given.frame_mask, text._replace(mask=only)))
    text = model.read(given.tokens, given.token_mask, None)
    weights = model.guidance.word_weight(text.vectors)[1, :4, 0].softmax(dim=0)  # the second text has four words
    torch.testing.assert_close(sum(w * fit[1] for w, fit in zip(weights, fits, strict=True)), before[1])
    assert weights.max() - weights.min() > 1e-3


def test_framing_tokens_are_the_first_and_those_that_end_a_field() -> None:
    tokens = torch.tensor([[101, 7, 102, 8, 9, 102, 0, 0], [5, 6, 7, 8, 9, 6, 4, 3]])
    mask = torch.tensor([[True] * 6 + [False] * 2, [True] * 8])
    found = framing(tokens, mask)
    for row in range(2):
        last = [int(token) for token, valid in zip(tokens[row], mask[row], strict=True) if valid][-1]
        expected = [int(token) in (int(tokens[row, 0]), last) for token in tokens[row]]
        assert found[row].tolist() == expected


def test_a_gate_may_leave_out_the_framing_tokens() -> None:
    model, given = tiny(guidance="gate(framing=False)"), videos()
    tokens = torch.tensor([[1, 4, 2, 5, 2, 0], [1, 2, 2, 2, 2, 2], [1, 6, 2, 7, 8, 2]])
    mask = tokens > 0
    fit = model(given.frames, given.frame_mask, tokens, mask).text_fit
    text = model.read(tokens, mask, None)
    assert text.given.tolist() == [True, False, True]  # the second text has no word
    assert text.mask[[0, 2]].tolist() == ((tokens > 2) & mask)[[0, 2]].tolist()
    states = model._encode(given.frames, given.frame_mask)
    words = GuidingText(text.vectors[:, [1, 3]], torch.ones(3, 2, dtype=torch.bool), text.given)  # of the first text
    expected = model.guidance.text_fit(states, given.frame_mask, words)
    torch.testing.assert_close(fit[0], expected[0])
    assert not fit[1].any()


@pytest.mark.parametrize("guidance", GUIDANCES)
def test_twenty_steps_lower_the_loss(guidance: str) -> None:
    model, given = tiny(guidance=guidance).train(), videos()
    target = torch.rand(given.frame_mask.shape, generator=torch.Generator().manual_seed(3))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(21):
        out = model(*given)
        loss = (out.scores - target)[given.frame_mask].square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("guidance", GUIDANCES)
def test_logits_stay_float32_under_autocast(guidance: str) -> None:
    model, given = tiny(guidance=guidance), videos()
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        out = model(*given)
    assert out.stage_logits.dtype == torch.float32
    assert not torch.equal(out.stage_logits, out.stage_logits.bfloat16().float()), "rounded on the way"
    torch.testing.assert_close(out.stage_logits, model(*given).stage_logits, atol=0.1, rtol=0.1)


def test_the_gate_is_float32_whatever_the_rest_is() -> None:
    model, given = tiny(guidance="gate"), videos()
    text, states = model.read(given.tokens, given.token_mask, None), torch.randn(3, 11, DIM)
    expected = model.guidance.text_fit(states, given.frame_mask, text)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model.guidance.text_fit(states, given.frame_mask, text)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_the_whole_model_in_bfloat16() -> None:
    for guidance in GUIDANCES:
        model, given = tiny(guidance=guidance).bfloat16(), videos()
        out = model(given.frames.bfloat16(), *given[1:])
        assert out.stage_logits.dtype == torch.float32
        assert out.stage_logits.isfinite().all()


def test_mistakes_are_told() -> None:
    with pytest.raises(ValueError, match="needs a text encoder"):
        Summarizer(VideoEncoder(VideoEncoderSettings(DIM, DIM)), SummarizerSettings(text_guidance="gate"))
    given = videos()
    with pytest.raises(ValueError, match="token_mask"):
        tiny(guidance="added")(given.frames, given.frame_mask, given.tokens)
