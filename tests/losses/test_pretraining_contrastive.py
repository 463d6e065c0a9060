"""The contrastive losses against naive double loops."""

from __future__ import annotations

import math

import pytest
import torch

from sspvs.losses.pretraining import (
    HausdorffLoss,
    InfoNceLoss,
    LateInteractionLoss,
    SigmoidContrastiveLoss,
    hausdorff_contrastive_loss,
    late_interaction,
    masked_frame_loss,
    pair_scores,
)


def dot(a, b) -> float:
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def cosine(a, b) -> float:
    return dot(a, b) / math.sqrt(dot(a, a) * dot(b, b))


def draw(seed: int = 0, batch: int = 5, picks: int = 6, tokens: int = 4, dim: int = 7):
    g = torch.Generator().manual_seed(seed)
    video, text = torch.randn(batch, picks, dim, generator=g), torch.randn(batch, tokens, dim, generator=g)
    video_mask = torch.arange(picks) < torch.randint(1, picks + 1, (batch, 1), generator=g)
    text_mask = torch.arange(tokens) < torch.randint(1, tokens + 1, (batch, 1), generator=g)
    return video, text, video_mask, text_mask


def naive_softmax(scores: list[list[float]], matches: list[bool]) -> float:
    """Mean over the matching rows of both cross-entropies of the diagonal."""
    n, total = len(scores), 0.0
    for i in range(n):
        if matches[i]:
            row = -scores[i][i] + math.log(sum(math.exp(scores[i][j]) for j in range(n)))
            column = -scores[i][i] + math.log(sum(math.exp(scores[j][i]) for j in range(n)))
            total += (row + column) / 2
    return total / sum(matches)


@pytest.mark.parametrize("matches", [[True] * 5, [True, False, True, True, False]])
def test_infonce_equals_the_double_loop(matches: list[bool]) -> None:
    video, text = (x[:, 0] for x in draw(1)[:2])
    ours = InfoNceLoss(temperature=0.3)(video, text, torch.tensor(matches))
    scores = [[cosine(v, t) / 0.3 for t in text] for v in video]
    assert float(ours) == pytest.approx(naive_softmax(scores, matches), abs=1e-5)
    if all(matches):
        assert float(InfoNceLoss(temperature=0.3)(video, text)) == pytest.approx(float(ours), abs=1e-6)


@pytest.mark.parametrize("matches", [[True] * 5, [True, False, True, True, False]])
def test_sigmoid_equals_the_double_loop(matches: list[bool]) -> None:
    video, text = (x[:, 0] for x in draw(2)[:2])
    ours = SigmoidContrastiveLoss(scale=4.0, bias=-2.0)(video, text, torch.tensor(matches))
    total = 0.0
    for i in range(5):
        for j in range(5):
            sign = 1.0 if i == j and matches[i] else -1.0
            total += math.log(1 + math.exp(-sign * (4.0 * cosine(video[i], text[j]) - 2.0)))
    assert float(ours) == pytest.approx(total / 5, abs=1e-5)


def naive_pair_scores(video, text, video_mask, text_mask) -> list[list[float]]:
    scores = []
    for v, vm in zip(video, video_mask, strict=True):
        row = []
        for t, tm in zip(text, text_mask, strict=True):
            best = [max(cosine(x, y) for x in v[vm]) for y in t[tm]]
            row.append(sum(best) / len(best))
        scores.append(row)
    return scores


@pytest.mark.parametrize("max_elements", [1, 6 * 4 * 5 * 2, 1 << 20])
def test_late_interaction_equals_the_double_loop(max_elements: int) -> None:
    given = draw(3)
    naive = naive_pair_scores(*given)
    video, text, video_mask, text_mask = given
    ours = pair_scores(video, text, video_mask, text_mask, max_elements=max_elements)
    torch.testing.assert_close(ours, torch.tensor(naive), atol=1e-6, rtol=0)
    torch.testing.assert_close(ours.diagonal(), late_interaction(*given), atol=1e-6, rtol=0)
    loss = LateInteractionLoss(temperature=0.2, max_elements=max_elements)(*given)
    expected = naive_softmax([[s / 0.2 for s in row] for row in naive], [True] * 5)
    assert float(loss) == pytest.approx(expected, abs=1e-5)


def test_chunks_do_not_change_gradients() -> None:
    gradients = []
    for max_elements in (1, 1 << 20):
        video, text, video_mask, text_mask = draw(4)
        video.requires_grad_()
        text.requires_grad_()
        LateInteractionLoss(max_elements=max_elements)(video, text, video_mask, text_mask).backward()
        gradients.append((video.grad, text.grad))
    for one, other in zip(*gradients, strict=True):
        assert float(one.abs().sum()) > 0
        torch.testing.assert_close(one, other)


def test_the_backward_pass_holds_few_cosines() -> None:
    """What autograd keeps of the scores does not grow with the batch's pairs when chunks are small."""

    def kept(max_elements: int) -> int:
        video, text, video_mask, text_mask = draw(5, batch=16, picks=20, tokens=8, dim=4)
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):
            pair_scores(video.requires_grad_(), text, video_mask, text_mask, max_elements=max_elements).sum()
        return max(sizes)

    assert kept(1 << 24) >= 16 * 20 * 16 * 8
    assert kept(16 * 20 * 8) <= 16 * 20 * 8


def test_hausdorff_negatives_of_the_batch() -> None:
    video, text, video_mask, text_mask = draw(6)
    everything = torch.ones(5, dtype=torch.bool)
    ours = HausdorffLoss(1.2, in_batch_negatives=True)(video, text, video_mask, text_mask, everything)
    own = hausdorff_contrastive_loss(video, text, video_mask, text_mask, everything, margin=1.2)
    others = [
        hausdorff_contrastive_loss(
            video[i : i + 1],
            text[(i + 1) % 5][None],
            video_mask[i : i + 1],
            text_mask[(i + 1) % 5][None],
            ~everything[:1],
            margin=1.2,
        )
        for i in range(5)
    ]
    assert float(ours) == pytest.approx((float(own) + sum(map(float, others)) / 5) / 2, abs=1e-6)
    alone = HausdorffLoss(1.2, in_batch_negatives=True)(
        video[:1], text[:1], video_mask[:1], text_mask[:1], everything[:1]
    )
    published = HausdorffLoss(1.2)(video[:1], text[:1], video_mask[:1], text_mask[:1], everything[:1])
    assert float(alone) == float(published)  # a batch of one has no other text


@pytest.mark.parametrize("kind", ["infonce", "sigmoid", "hausdorff", "late"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_inputs_are_computed_in_float32(kind: str, dtype: torch.dtype) -> None:
    video, text, video_mask, text_mask = draw(7)
    video, text = video.to(dtype), text.to(dtype)
    loss = {
        "infonce": InfoNceLoss(), "sigmoid": SigmoidContrastiveLoss(), "hausdorff": HausdorffLoss(1.4, True),
        "late": LateInteractionLoss(),
    }[kind]  # fmt: skip
    everything = torch.ones(5, dtype=torch.bool)

    def run(v, t):
        if kind in ("infonce", "sigmoid"):
            return loss(v[:, 0], t[:, 0])
        return loss(v, t, video_mask, text_mask, everything)

    with torch.autocast("cpu", dtype=dtype):
        low = run(video, text)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, run(video.float(), text.float()))


def test_masked_frames_that_do_not_count() -> None:
    recovered, original = torch.randn(3, 2, 4), torch.randn(3, 2, 4)
    counted = torch.tensor([[True, True], [True, False], [False, False]])
    terms = [
        sum((float(a) - float(b)) ** 2 for a, b in zip(recovered[i, m], original[i, m], strict=True)) / 4
        for i in range(3)
        for m in range(2)
        if counted[i, m]
    ]
    assert float(masked_frame_loss(recovered, original, counted)) == pytest.approx(sum(terms) / 3, abs=1e-6)
    assert float(masked_frame_loss(recovered, original, torch.zeros(3, 2, dtype=torch.bool))) == 0.0
