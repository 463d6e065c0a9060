"""Every head: padding, gradients, and what each of them computes."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch
from helpers.tiny_summarizer import DIM, GUIDANCES, HEADS, tiny, videos
from torch import nn

from sspvs.models.settings import VideoEncoderSettings
from sspvs.models.summarizer import Summarizer, SummarizerSettings
from sspvs.models.summarizer_heads import SmallCstaHead
from sspvs.models.text_guidance import Guide
from sspvs.models.video_encoder import VideoEncoder
from sspvs.tasks.saved_task import freeze_unused

EVERY = [(head, guidance) for head in HEADS for guidance in GUIDANCES]


@pytest.mark.parametrize(("head", "guidance"), EVERY)
def test_padding_changes_nothing(head: str, guidance: str) -> None:
    model, given = tiny(head, guidance), videos()
    before = model(*given)
    more = torch.full((3, 6, DIM), 50.0)
    frames = torch.where(given.frame_mask[..., None], given.frames, -30.0)
    mask = torch.cat([given.frame_mask, torch.zeros(3, 6).bool()], 1)
    after = model(torch.cat([frames, more], 1), mask, *given[2:])
    torch.testing.assert_close(after.stage_logits[:, :, :11], before.stage_logits, atol=1e-5, rtol=1e-5)
    assert not after.stage_logits[:, :, 11:].any()
    if guidance == "gate":
        torch.testing.assert_close(after.text_fit[:, :11], before.text_fit, atol=1e-5, rtol=1e-5)
    alone = model(given.frames[1:2, :7], given.frame_mask[1:2, :7], given.tokens[1:2, :4], given.token_mask[1:2, :4])
    torch.testing.assert_close(alone.stage_logits[0], before.stage_logits[1, :, :7], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("head", "guidance"), EVERY)
def test_gradients_reach_everything_that_is_used(head: str, guidance: str) -> None:
    model, given = tiny(head, guidance), videos()
    frozen = freeze_unused(model, [model(*given).log_scores.sum()])
    (model(*given).log_scores.cos() * given.frame_mask).sum().backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == (name in frozen), name
        assert name in frozen or parameter.grad.abs().max() > 0, name
    expected = {"video_encoder.pooler"}
    if not model.uses_transformer:
        expected |= {"video_encoder.cls", "video_encoder.transformer"}
    if guidance in ("gate", "cross-attention"):
        expected.add("text_encoder.pooler")
    assert {".".join(name.split(".")[:2]) for name in frozen} == expected
    assert model.uses_transformer == (head == "progressive" or guidance == "gate")


@pytest.mark.parametrize(("head", "guidance"), EVERY)
def test_an_empty_video_gives_finite_numbers(head: str, guidance: str) -> None:
    model, given = tiny(head, guidance).train(), videos()
    given.frame_mask[2] = False
    out = model(*given)
    assert out.stage_logits.isfinite().all()
    assert not out.stage_logits[2].any()
    out.log_scores.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_an_empty_video_attends_to_something() -> None:
    """Some of torch's kernels make NaN of a row without anything to attend to, others zeros."""
    model, given = tiny("attention"), videos()
    masks = []
    model.head.attention.register_forward_pre_hook(lambda _, args: masks.append(args[1]))
    given.frame_mask[2] = False
    model(*given)
    assert masks[0].any(dim=1).all()
    assert torch.equal(masks[0][:2], given.frame_mask[:2])


@pytest.mark.parametrize("head", HEADS)
def test_twenty_steps_lower_the_loss(head: str) -> None:
    model, given = tiny(head, dropout=0.0, video={"dropout": 0.0}).train(), videos()
    target = torch.rand(given.frame_mask.shape, generator=torch.Generator().manual_seed(3))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(21):
        loss = (model(*given).scores - target)[given.frame_mask].square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_stages_share_the_encoder() -> None:
    model, given = tiny(num_stages=4), videos()
    calls = []
    model.video_encoder.transformer.register_forward_hook(lambda *_: calls.append(1))
    model(*given)
    assert len(calls) == 4
    for head in HEADS[1:]:
        other = tiny(head)
        other.video_encoder.transformer.register_forward_hook(lambda *_: calls.append(1))
        other(*given)
    assert len(calls) == 4


def test_linear_is_a_product_with_the_features() -> None:
    model, given = tiny("linear"), videos()
    out = model(*given).stage_logits[:, 0]
    layer = model.head.stages[0]
    expected = (given.frames * layer.weight[0]).sum(dim=-1) + layer.bias
    torch.testing.assert_close(out, expected * given.frame_mask)


def test_features_of_another_width_are_projected() -> None:
    for head in HEADS:
        tower = VideoEncoder(VideoEncoderSettings(feature_dim=6, embed_dim=20, num_heads=2, feedforward_dim=8))
        model = Summarizer(tower, SummarizerSettings(head=head)).eval()
        out = model(torch.randn(2, 5, 6), torch.ones(2, 5, dtype=torch.bool))
        assert out.stage_logits.shape == (2, 3 if head == "progressive" else 1, 5)


@pytest.mark.parametrize("head", HEADS)
def test_the_stages_follow_the_head(head: str) -> None:
    """Unless they are stated; what a checkpoint holds is always a number."""
    stages = 3 if head == "progressive" else 1
    assert asdict(SummarizerSettings(head))["num_stages"] == SummarizerSettings(head, stages).stages == stages
    with pytest.raises(ValueError, match="num_stages must be at least 1 and at most 1024, got 0"):
        SummarizerSettings(head, 0)
    if head == "progressive":
        assert SummarizerSettings(head, 1).stages == 1
    else:
        with pytest.raises(ValueError, match=f"the {head} head has one stage, got num_stages 4: leave num_stages out"):
            SummarizerSettings(head, 4)


def test_attention_against_a_loop() -> None:
    model, given = tiny("attention"), videos()
    head = model.head
    with torch.no_grad():
        out = model(*given).stage_logits[:, 0]
        for row, mask in enumerate(given.frame_mask):
            x = given.frames[row, mask]
            q, k, v = (x @ head.attention.in_projection.weight.T + head.attention.in_projection.bias).split(DIM, dim=1)
            for t in range(len(x)):
                mixed = torch.zeros(DIM)
                for start in range(0, DIM, DIM // 4):
                    part = slice(start, start + DIM // 4)
                    weights = torch.softmax(k[:, part] @ q[t, part] / (DIM // 4) ** 0.5, dim=0)
                    mixed[part] = sum(w * row_v for w, row_v in zip(weights, v[:, part], strict=True))
                state = head.norm(x[t] + head.attention.out_projection(mixed))
                assert float(out[row, t]) == pytest.approx(float(head.stages[0](state)), abs=1e-5)


def naive_convolution(maps: torch.Tensor, layer: nn.Conv2d) -> torch.Tensor:
    """(C, T, W) -> (C', T', W'), place by place."""
    (rows, columns), (dt, dw), (pt, pw) = layer.kernel_size, layer.dilation, layer.padding
    (st, sw), (_, height, width) = layer.stride, maps.shape
    out = torch.zeros(
        layer.out_channels, (height + 2 * pt - dt * (rows - 1) - 1) // st + 1,
        (width + 2 * pw - dw * (columns - 1) - 1) // sw + 1,
    )  # fmt: skip
    for t in range(out.shape[1]):
        for w in range(out.shape[2]):
            total = layer.bias.clone()
            for i in range(rows):
                for j in range(columns):
                    at, across = t * st + i * dt - pt, w * sw + j * dw - pw
                    if 0 <= at < height and 0 <= across < width:
                        total += layer.weight[:, :, i, j] @ maps[:, at, across]
            out[:, t, w] = total
    return out


def test_csta_small_against_loops() -> None:
    torch.manual_seed(4)
    head = SmallCstaHead(20, channels=4, num_blocks=2).eval()
    frames, mask = torch.randn(2, 6, 20), torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    with torch.no_grad():
        out = head(None, frames, mask, Guide())[:, 0]
        for row in range(2):
            x = frames[row, mask[row]]
            image = head.image_norm(x) + head.positions.table(len(x))
            maps = naive_convolution(torch.cat([image, torch.zeros(len(x), 4)], 1)[None], head.stem).relu()
            for block in head.blocks:
                maps = (maps + naive_convolution(naive_convolution(maps, block.spread).relu(), block.gather)).relu()
            pieces = naive_convolution(maps, head.attention)  # (8, T, W): 8 columns a place
            logits = torch.stack([pieces[column % 8, :, column // 8] for column in range(20)], dim=1)
            weights = torch.exp(logits) / torch.exp(logits).sum(dim=0) * len(x)
            states = head.hidden_norm(head.hidden(weights * head.value(image)).relu())
            torch.testing.assert_close(out[row, : len(x)], head.stages[0](states)[:, 0], atol=1e-5, rtol=1e-5)


def test_csta_small_weights_are_one_on_average_and_none_in_the_padding() -> None:
    model, given = tiny("csta-small"), videos()
    weights = model.head.attention_map(given.frames, given.frame_mask)
    assert not weights[~given.frame_mask].any()
    means = weights.sum(dim=1) / given.frame_mask.sum(dim=1, keepdim=True)
    torch.testing.assert_close(means, torch.ones(3, DIM))
