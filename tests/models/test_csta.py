"""CSTA as published: against plain loops, its size, its variants, and videos of any length."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from sspvs.models.csta import CNNS, Cnn, CstaHead
from sspvs.models.settings import VideoEncoderSettings
from sspvs.models.summarizer import Summarizer, SummarizerSettings
from sspvs.models.summarizer_heads import HEADS
from sspvs.models.text_guidance import Guide
from sspvs.models.video_encoder import VideoEncoder
from sspvs.registry import Registry

Rows = list[list[float]]
WIDTH = 12
STAND_IN = "stand-in"


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CNN of two convolutions, of as many channels as there are columns, and one with another number."""
    found = dict(CNNS.items())
    monkeypatch.setattr(CNNS, "_found", found)
    for name, channels in ((STAND_IN, WIDTH), ("narrow", 5)):
        CNNS.register(name)(Cnn(lambda channels=channels: small_cnn(channels), channels, 4))


def small_cnn(channels: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, channels, 3, 2, 1))


def head_of(**settings: object) -> CstaHead:
    """In evaluation mode, with running means that differ from their start."""
    torch.manual_seed(0)
    head = CstaHead(WIDTH, **{"cnn": STAND_IN, **settings})  # type: ignore[arg-type]
    for layer in head.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2.0)
            nn.init.normal_(layer.weight, 1.0)
            nn.init.normal_(layer.bias)
    return head.eval()


def scored(head: CstaHead, frames: Tensor, mask: Tensor | None = None) -> Tensor:
    """(B, T) logits."""
    mask = torch.ones(frames.shape[:2], dtype=torch.bool) if mask is None else mask
    return head(None, frames, mask, Guide())[:, 0]


# Plain loops, from the description -----------------------------------------------------------------------------------


def linear(row: list[float], layer: nn.Linear) -> list[float]:
    return [sum(w * x for w, x in zip(weights, row, strict=True)) + bias for weights, bias in
            zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)]  # fmt: skip


def convolution(maps: list[list[list[float]]], layer: nn.Conv2d) -> list[list[list[float]]]:
    """Kernel 3, stride 2, zeros one place around."""
    height, width, weight = len(maps[0]), len(maps[0][0]), layer.weight.tolist()
    return [
        [
            [
                bias
                + sum(
                    weight[out][channel][i][j] * maps[channel][2 * y + i - 1][2 * x + j - 1]
                    for channel in range(len(maps))
                    for i in range(3)
                    for j in range(3)
                    if 0 <= 2 * y + i - 1 < height and 0 <= 2 * x + j - 1 < width
                )
                for x in range((width + 1) // 2)
            ]
            for y in range((height + 1) // 2)
        ]
        for out, bias in enumerate(layer.bias.tolist())
    ]


def normed(value: float, layer: nn.BatchNorm2d, channel: int) -> float:
    mean, var, weight, bias = (
        one.tolist()[channel] for one in (layer.running_mean, layer.running_var, layer.weight, layer.bias)
    )
    return (value - mean) / math.sqrt(var + layer.eps) * weight + bias


def adaptive(values: list[float], count: int) -> list[float]:
    """Adaptive average pooling: place i is the mean of values from floor(i n / count) to ceil((i + 1) n / count)."""
    n = len(values)
    spans = [(i * n // count, -(-(i + 1) * n // count)) for i in range(count)]
    return [sum(values[start:stop]) / (stop - start) for start, stop in spans]


def exponentials(values: list[float]) -> list[float]:
    powers = [math.exp(value) for value in values]
    return [power / sum(powers) for power in powers]


def naive(head: CstaHead, frames: Rows, positions: Rows, softmax: str = "both") -> list[float]:
    """The score of each frame of one video, in [0, 1]."""
    first, norm, _, second = head.cnn
    raw = [[0.0] * WIDTH, *frames]  # the CLS row in front
    key, values = ([linear(row, layer) for row in raw] for layer in (head.key, head.value))
    rows = range(len(raw))
    maps = convolution([key, key, key], first)
    maps = [[[max(0.0, normed(x, norm, c)) for x in row] for row in one] for c, one in enumerate(maps)]
    maps = convolution(maps, second)
    pooled = [adaptive([sum(row) / len(row) for row in one], len(raw)) for one in maps]  # channel, row
    table = [
        [pooled[d][t] + normed(key[t][d], head.skip_norm, 0) + positions[t][d] for d in range(WIDTH)] for t in rows
    ]
    over_rows = list(zip(*(exponentials([table[t][d] for t in rows]) for d in range(WIDTH)), strict=True))
    over_columns = [exponentials(row) for row in table]
    used = {"frames": [over_rows], "columns": [over_columns], "both": [over_rows, over_columns]}[softmax]
    mixed = [[sum(weights[t][d] for weights in used) * values[t][d] for d in range(WIDTH)] for t in rows]
    scores = []
    for above, below in pairwise(mixed):
        hidden = [max(0.0, x) for x in linear([(a + b) / 2 for a, b in zip(above, below, strict=True)], head.hidden)]
        mean = sum(hidden) / WIDTH
        deviation = math.sqrt(sum((x - mean) ** 2 for x in hidden) / WIDTH + 1e-6)
        norms = zip(hidden, head.hidden_norm.weight.tolist(), head.hidden_norm.bias.tolist(), strict=True)
        state = [(x - mean) / deviation * w + b for x, w, b in norms]
        scores.append(1 / (1 + math.exp(-linear(state, head.stages[0])[0])))
    return scores


def sinusoids(rows: int) -> list[list[float]]:
    angles = [[t / 10000 ** (2 * (d // 2) / WIDTH) for d in range(WIDTH)] for t in range(rows)]
    return [[math.cos(a) if d % 2 else math.sin(a) for d, a in enumerate(row)] for row in angles]


@pytest.mark.parametrize("softmax", ["both", "frames", "columns"])
@pytest.mark.parametrize("picks", [3, 8])
def test_scores_are_those_of_plain_loops(picks: int, softmax: str) -> None:
    head = head_of(softmax=softmax)
    frames = torch.randn(1, picks, WIDTH) * 2
    expected = naive(head, frames[0].tolist(), sinusoids(picks + 1), softmax)
    with torch.no_grad():
        torch.testing.assert_close(scored(head, frames).sigmoid()[0], torch.tensor(expected), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["none", "relative", "learned", "conditional"])
def test_positions_of_other_kinds(kind: str) -> None:
    head, picks = head_of(positions=kind, learned_rows=9), 6
    frames, rows = torch.randn(1, picks, WIDTH), picks + 1
    added = torch.zeros(rows, WIDTH)
    with torch.no_grad():
        if kind == "learned":
            added = head.positions.table[:rows]
        elif kind == "conditional":
            plain = head_of(positions="none")
            plain.load_state_dict({n: w for n, w in head.state_dict().items() if not n.startswith("positions")})
            without = plain.attention_map(plain.key(torch.cat([torch.zeros(1, WIDTH), frames[0]])))
            weight, bias = head.positions.convolution.weight[0, 0], head.positions.convolution.bias
            around = nn.functional.pad(without, (1, 1, 1, 1))
            for t in range(rows):
                for d in range(WIDTH):
                    added[t, d] = (weight * around[t : t + 3, d : d + 3]).sum() + bias
        elif kind == "relative":
            for t in range(rows):
                for d in range(WIDTH):
                    angle = (t - d) / 10000 ** (2 * (d // 2) / WIDTH)
                    added[t, d] = math.cos(angle) if d % 2 else math.sin(angle)
        expected = naive(head, frames[0].tolist(), added.tolist())
        torch.testing.assert_close(scored(head, frames).sigmoid()[0], torch.tensor(expected), atol=1e-5, rtol=1e-5)


def test_learned_positions_are_stretched_over_longer_videos() -> None:
    positions = head_of(positions="learned", learned_rows=3).positions
    with torch.no_grad():
        out = positions(torch.zeros(5, WIDTH))
        table = positions.table
        torch.testing.assert_close(out[[0, 2, 4]], table)
        torch.testing.assert_close(out[1], (table[0] + table[1]) / 2)


def test_other_channels_than_columns_are_brought_to_them() -> None:
    head = head_of(cnn="narrow")
    assert (head.to_width.in_features, head.to_width.out_features) == (5, WIDTH)
    assert scored(head, torch.randn(2, 7, WIDTH)).shape == (2, 7)


@pytest.mark.parametrize("training", [False, True])
def test_a_video_is_computed_by_itself(training: bool) -> None:
    """Padding and the rest of the batch change nothing, in training as well: norms are over one video."""
    head = head_of(map_dropout=0.0, hidden_dropout=0.0).train(training)
    frames, mask = torch.randn(3, 9, WIDTH), torch.ones(3, 9, dtype=torch.bool)
    mask[1, 5:], mask[2] = False, False
    frames[~mask] = 1e3
    before = head.skip_norm.running_mean.clone()
    out = scored(head, frames, mask)
    assert out.isfinite().all()
    torch.testing.assert_close(out[0], scored(head, frames[:1])[0])
    torch.testing.assert_close(out[1, :5], scored(head, frames[1:2, :5])[0])
    assert torch.equal(before, head.skip_norm.running_mean) != training


def test_nothing_moves_but_by_dropout_while_training() -> None:
    head, frames = head_of().train(), torch.randn(1, 9, WIDTH)
    assert not torch.equal(scored(head, frames), scored(head, frames))
    assert (head.map_dropout.p, head.hidden_dropout.p, head.dropout.p) == (0.6, 0.5, 0.0)


def test_the_classifier_starts_as_published() -> None:
    head = CstaHead(64, cnn="narrow")
    for layer, outputs in ((head.hidden, 64), (head.stages[0], 1)):
        bound = math.sqrt(2) * math.sqrt(6 / (64 + outputs))  # Xavier, uniform, gain sqrt 2
        assert bool((layer.bias == 0.1).all())
        assert 0.9 * bound < float(layer.weight.abs().max()) <= bound


def test_nine_point_seven_eight_million_parameters() -> None:
    with torch.device("meta"):
        head = CstaHead(1024)
    linears = 3 * (1024 * 1024 + 1024) + 1024 + 1  # key, value, hidden; the last one
    googlenet = 6_624_904  # torchvision's, with the classifier of ImageNet, without auxiliary heads
    assert sum(one.numel() for one in head.parameters()) == linears + googlenet + 2 * 1024 + 2 == 9_776_779


@pytest.mark.parametrize("cnn", ["googlenet", "resnet18", "mobilenet_v2", "efficientnet_b0"])
def test_every_cnn_takes_videos_of_any_length(cnn: str) -> None:
    head = CstaHead(64, cnn=cnn).eval()
    with torch.no_grad():
        for picks in (1, 2, 40):
            assert scored(head, torch.randn(1, picks, 64)).isfinite().all()
        maps = head._maps(torch.randn(1, 3, 40, 64))
    assert maps.shape[:2] == (1, CNNS[cnn].channels)


def test_twenty_steps_lower_the_loss() -> None:
    torch.manual_seed(1)
    tower = VideoEncoder(VideoEncoderSettings(WIDTH, WIDTH, num_layers=0, num_heads=1))
    model = Summarizer(tower, SummarizerSettings(head=f"csta(cnn='{STAND_IN}', map_dropout=0.0, hidden_dropout=0.0)"))
    frames, mask, target = torch.randn(1, 30, WIDTH), torch.ones(1, 30, dtype=torch.bool), torch.rand(1, 30)
    optimizer, losses = torch.optim.Adam(model.train().parameters(), lr=1e-2), []
    for _ in range(21):
        loss = (model(frames, mask).scores - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_settings_are_checked() -> None:
    assert isinstance(HEADS, Registry)
    tower = VideoEncoder(VideoEncoderSettings(WIDTH, WIDTH, num_layers=0, num_heads=1))
    for settings, message in (
        ("cnn='vgg'", "head.cnn must be one of googlenet, resnet18, mobilenet_v2, efficientnet_b0"),
        ("positions='rotary'", "head.positions must be one of none, sinusoidal, relative, learned, conditional"),
        ("softmax='time'", "head.softmax must be one of frames, columns, both"),
        ("map_dropout=1.0", "head.map_dropout must be at least 0 and below 1"),
    ):
        with pytest.raises(ValueError, match=message):
            Summarizer(tower, SummarizerSettings(head=f"csta({settings})"))
