"""Losses of scores against double loops, scipy and what must not change them."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import pearsonr

from sspvs.losses.score import correlation_loss, mse_score_loss, pairwise_ranking_loss

LOSSES = {
    "mse": mse_score_loss,
    "pairwise": lambda *given, **how: pairwise_ranking_loss(*given, margin=0.05, **how),
    "correlation": correlation_loss,
}


def draw(seed: int = 0, batch: int = 5, picks: int = 9) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logarithms of scores, importance in steps of a tenth (so that there are ties), videos of 2 frames and more."""
    g = torch.Generator().manual_seed(seed)
    logs = torch.nn.functional.logsigmoid(torch.randn(batch, picks, generator=g))
    target = torch.randint(0, 11, (batch, picks), generator=g) / 10
    target[:, :2] = torch.tensor([0.0, 1.0])
    mask = torch.arange(picks) < torch.randint(2, picks + 1, (batch, 1), generator=g)
    return logs, target, mask


def naive(name: str, logs, target, mask, margin: float = 0.05) -> float:
    """One video after the other, one frame or pair after the other, in Python's doubles."""
    videos = []
    for row in range(len(logs)):
        s = [float(x) for x, valid in zip(logs[row], mask[row], strict=True) if valid]
        y = [float(x) for x, valid in zip(target[row], mask[row], strict=True) if valid]
        if name == "mse":
            terms = [(math.exp(a) - b) ** 2 for a, b in zip(s, y, strict=True)]
        elif name == "pairwise":
            terms = [
                math.log1p(math.exp(s[j] - s[i]))
                for i in range(len(s))
                for j in range(len(s))
                if y[i] > y[j] and y[i] - y[j] >= margin
            ]
        else:
            x = [math.exp(a) for a in s]
            terms = [1.0 - float(pearsonr(x, y).statistic)] if len(set(x)) > 1 and len(set(y)) > 1 else []
        if terms:
            videos.append(sum(terms) / len(terms))
    return sum(videos) / len(videos) if videos else 0.0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", LOSSES)
def test_equals_the_double_loop(name: str, seed: int) -> None:
    given = draw(seed)
    assert float(LOSSES[name](*given)) == pytest.approx(naive(name, *given), abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_one_value_a_video_on_request(name: str) -> None:
    logs, target, mask = draw(8)
    target[2] = 0.3
    each = LOSSES[name](logs, target, mask, reduction="none")
    expected = [naive(name, logs[row : row + 1], target[row : row + 1], mask[row : row + 1]) for row in range(5)]
    if name != "mse":
        expected[2] = math.nan
    assert each.tolist() == pytest.approx(expected, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("margin", [0.0, 0.15, 0.55, 0.95, 1.5])
def test_pairs_below_the_margin_and_ties_are_not_counted(margin: float) -> None:
    given = draw(7)
    found = float(pairwise_ranking_loss(*given, margin=margin))
    assert found == pytest.approx(naive("pairwise", *given, margin=margin), abs=1e-6)
    assert (found == 0.0) == (margin > 1)


def test_a_negative_margin_is_refused() -> None:
    with pytest.raises(ValueError, match=r"margin must not be negative, got -0\.1"):
        pairwise_ranking_loss(*draw(), margin=-0.1)


@pytest.mark.parametrize("name", LOSSES)
def test_padding_changes_neither_loss_nor_gradients(name: str) -> None:
    logs, target, mask = draw(1)
    logs.requires_grad_()
    before = LOSSES[name](logs, target, mask)
    (expected,) = torch.autograd.grad(before, logs)
    assert torch.equal(expected[~mask], torch.zeros_like(expected[~mask]))
    wider = [
        torch.cat([torch.where(mask, values.detach(), filling), torch.full((5, 4), filling)], dim=1)
        for values, filling in ((logs, float("nan")), (target, 33.0))
    ]
    wider[0].requires_grad_()
    after = LOSSES[name](*wider, torch.cat([mask, torch.zeros(5, 4, dtype=torch.bool)], dim=1))
    torch.testing.assert_close(after, before, atol=1e-7, rtol=1e-6)
    (gradient,) = torch.autograd.grad(after, wider[0])
    torch.testing.assert_close(gradient[:, :9], expected, atol=1e-7, rtol=1e-5)
    assert not gradient[:, 9:].any()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("constant", ["target", "scores", "one frame", "no frame"])
def test_what_is_constant_counts_nothing_and_breaks_nothing(name: str, constant: str) -> None:
    logs, target, mask = draw(2)
    if constant == "target":
        target[0] = 0.7
    elif constant == "scores":
        logs[0] = -40.3
    else:
        mask[0] = False
        mask[0, 0] = constant == "one frame"
    logs.requires_grad_()
    loss = LOSSES[name](logs, target, mask)
    (gradient,) = torch.autograd.grad(loss, logs)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()
    assert float(loss.detach()) == pytest.approx(naive(name, logs.detach(), target, mask), abs=1e-6)
    counted = {"mse": {"target", "scores", "one frame"}, "pairwise": {"scores"}, "correlation": set()}[name]
    assert bool(gradient[0].any()) == (constant in counted)
    assert gradient[1:].any()
    alone = LOSSES[name](logs[:1], target[:1], mask[:1])
    (gradient,) = torch.autograd.grad(alone, logs)
    assert torch.isfinite(gradient).all()
    if constant not in counted:
        assert float(alone.detach()) == 0.0
        assert not gradient.any()


@pytest.mark.parametrize("name", LOSSES)
def test_bfloat16_inputs_are_computed_in_float32(name: str) -> None:
    logs, target, mask = draw(3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = LOSSES[name](logs.bfloat16(), target.bfloat16(), mask)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, LOSSES[name](logs.bfloat16().float(), target.bfloat16().float(), mask))


@pytest.mark.parametrize("most", [1, 45, 100, 404])
def test_pairs_in_parts_are_the_same_pairs(most: int) -> None:
    logs, target, mask = draw(4)
    logs.requires_grad_()
    whole, parts = (LOSSES["pairwise"](logs, target, mask, max_elements=size) for size in (10**6, most))
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(torch.autograd.grad(parts, logs), torch.autograd.grad(whole, logs))


def test_small_scores_keep_their_correlation() -> None:
    """Scores of 1e-20 vary too little for a float32 variance; a factor must change nothing, one for each video."""
    logs, target, mask = draw(5)
    shifts = torch.tensor([46.0, 0.0, 23.0, -30.0, 46.0])[:, None]
    torch.testing.assert_close(correlation_loss(logs - shifts, target, mask), correlation_loss(logs, target, mask))
    perfect = correlation_loss((0.1 + 0.8 * target).log(), target, mask)
    assert float(perfect) == pytest.approx(0.0, abs=1e-6)
    assert float(correlation_loss((0.9 - 0.8 * target).log(), target, mask)) == pytest.approx(2.0, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_differences(name: str) -> None:
    logs, target, mask = (part.double() if part.is_floating_point() else part for part in draw(6, batch=2, picks=4))
    logs.requires_grad_()
    (gradient,) = torch.autograd.grad(LOSSES[name](logs, target, mask), logs)
    step = 1e-4
    for row, frame in mask.nonzero().tolist():
        sides = []
        for sign in (1, -1):
            moved = logs.detach().clone()
            moved[row, frame] += sign * step
            sides.append(naive(name, moved, target, mask))
        assert float(gradient[row, frame]) == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=1e-5)
