"""Fine alignment against a naive double loop from the paper."""

from __future__ import annotations

import math

import pytest
import torch

from sspvs.losses.pretraining import hausdorff_contrastive_loss, late_interaction, squared_hausdorff


def _unit(vector: torch.Tensor) -> list[float]:
    norm = math.sqrt(sum(float(x) ** 2 for x in vector))
    return [float(x) / norm for x in vector]


def naive_hausdorff(video: torch.Tensor, text: torch.Tensor) -> float:
    """Two nested loops over vectors, distances component by component."""
    xs, ys = [_unit(x) for x in video], [_unit(y) for y in text]

    def distance(a: list[float], b: list[float]) -> float:
        return math.sqrt(sum((p - q) ** 2 for p, q in zip(a, b, strict=True)))

    there = max(min(distance(x, y) for y in ys) for x in xs)
    back = max(min(distance(x, y) for x in xs) for y in ys)
    return max(there, back)


def naive_loss(video, text, video_mask, text_mask, is_match, margin: float) -> float:
    terms = []
    for v, t, vm, tm, match in zip(video, text, video_mask, text_mask, is_match, strict=True):
        distance = naive_hausdorff(v[vm], t[tm])
        terms.append(distance**2 if match else max(0.0, margin - distance) ** 2)
    return sum(terms) / len(terms)


def draw(seed: int = 0, batch: int = 4, picks: int = 7, tokens: int = 5, dim: int = 6):
    g = torch.Generator().manual_seed(seed)
    video, text = torch.randn(batch, picks, dim, generator=g), torch.randn(batch, tokens, dim, generator=g)
    video_mask = torch.arange(picks) < torch.randint(1, picks + 1, (batch, 1), generator=g)
    text_mask = torch.arange(tokens) < torch.randint(1, tokens + 1, (batch, 1), generator=g)
    return video, text, video_mask, text_mask, torch.rand(batch, generator=g) < 0.5


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("margin", [1.414, 0.3, 2.0])
def test_equals_the_double_loop(seed: int, margin: float) -> None:
    video, text, video_mask, text_mask, is_match = draw(seed)
    ours = hausdorff_contrastive_loss(video, text, video_mask, text_mask, is_match, margin=margin)
    assert float(ours) == pytest.approx(naive_loss(video, text, video_mask, text_mask, is_match, margin), abs=1e-6)


def test_padding_changes_nothing() -> None:
    video, text, video_mask, text_mask, _ = draw(1)
    before = squared_hausdorff(video, text, video_mask, text_mask)
    video[~video_mask], text[~text_mask] = 100.0, -3.0
    after = squared_hausdorff(
        torch.cat([video, torch.ones(4, 3, 6)], 1),
        text,
        torch.cat([video_mask, torch.zeros(4, 3, dtype=torch.bool)], 1),
        text_mask,
    )
    torch.testing.assert_close(before, after)


def test_gradients_are_finite_where_sets_coincide() -> None:
    video = torch.randn(2, 3, 4).requires_grad_()
    everything = torch.ones(2, 3, dtype=torch.bool)
    loss = hausdorff_contrastive_loss(
        video, video.detach().clone(), everything, everything, torch.tensor([True, False])
    )
    loss.backward()
    assert torch.isfinite(video.grad).all()


def test_bfloat16_inputs_are_computed_in_float32() -> None:
    video, text, video_mask, text_mask, is_match = draw(2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = hausdorff_contrastive_loss(video.bfloat16(), text.bfloat16(), video_mask, text_mask, is_match)
    full = hausdorff_contrastive_loss(
        video.bfloat16().float(), text.bfloat16().float(), video_mask, text_mask, is_match
    )
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, full)


def test_late_interaction_equals_the_double_loop() -> None:
    video, text, video_mask, text_mask, _ = draw(3)
    ours = late_interaction(video, text, video_mask, text_mask)
    for row in range(4):
        frames = [_unit(x) for x in video[row][video_mask[row]]]
        words = [_unit(y) for y in text[row][text_mask[row]]]
        best = [max(sum(a * b for a, b in zip(x, y, strict=True)) for x in frames) for y in words]
        assert float(ours[row]) == pytest.approx(sum(best) / len(best), abs=1e-6)
