"""The terms of contrastive refinement against loops written from their definitions, with their gradients."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.importance.terms import pairwise_terms
from sspvs.losses.contrastive import (
    alignment,
    clip_mean,
    clip_means,
    commonness,
    uniformity,
    uniqueness_entropy,
    uniqueness_target,
    video_segments,
)
from sspvs.losses.gather import gather_texts

EXACT = {"atol": 1e-11, "rtol": 1e-10}
SINGLE = {"atol": 1e-6, "rtol": 1e-6}


def local_dissimilarity(features, fraction=0.1, **how):
    return pairwise_terms(features, neighbour_fraction=fraction, consistency=False, **how).dissimilarity


def global_consistency(features, **how):
    return pairwise_terms(features, local=False, **how).consistency


def drawn(seed: int = 0, lengths=(13, 7, 1), dtype=torch.float64, holes: bool = True):
    """(B, T, E) refined, (B, T, D) raw, (B, T) mask; valid frames stand anywhere, what is in the padding is huge."""
    g = torch.Generator().manual_seed(seed)
    longest = max(lengths) + 2 * holes
    refined = torch.randn(len(lengths), longest, 4, generator=g, dtype=torch.float64) + 0.3
    raw = torch.randn(len(lengths), longest, 6, generator=g, dtype=torch.float64) + 0.5
    mask = torch.zeros(len(lengths), longest, dtype=torch.bool)
    for row, length in enumerate(lengths):
        places = torch.randperm(longest, generator=g)[:length] if holes else torch.arange(length)
        mask[row, places] = True
    refined = refined.masked_fill(~mask[..., None], 1e6)
    raw = raw.masked_fill(~mask[..., None], -1e6)
    return refined.to(dtype).requires_grad_(), raw.to(dtype), mask


def dot(first, second):
    return sum(a * b for a, b in zip(first, second, strict=True))


def unit(row):
    """As a list of scalars, so that autograd sees every step."""
    values = list(row.double())
    length = dot(values, values) ** 0.5
    return [value / length for value in values]


def squared_distance(first, second):
    return sum((a - b) ** 2 for a, b in zip(first, second, strict=True))


def plain_alignment(refined, raw, fraction):
    z, anchors = [unit(row) for row in refined], [unit(row.detach()) for row in raw]
    count = len(z)
    number = max(math.floor(round(fraction * count, 9)), 1)
    values = []
    for t in range(count):
        others = sorted((j for j in range(count) if j != t), key=lambda j: -float(dot(anchors[t], anchors[j])))
        nearest = [t, *others][:number]
        values.append(sum(squared_distance(z[t], z[j]) for j in nearest) / number)
    return values


def plain_uniformity(refined):
    z = [unit(row) for row in refined]
    return [
        torch.log(sum(torch.exp(-2 * squared_distance(one, other)) for other in z) / len(z) + torch.zeros(()))
        for one in z
    ]


def plain_segments(refined, segments, means="unit"):
    z = [unit(row) if means == "unit" else list(row.double()) for row in refined]
    number = min(segments, len(z))
    parts = [[z[r] for r in range(len(z)) if r * number // len(z) == part] for part in range(number)]
    means = [[sum(column) / len(part) for column in zip(*part, strict=True)] for part in parts]
    return [[value / dot(mean, mean) ** 0.5 for value in mean] for mean in means]


def plain_commonness(refined, segments):
    z = [unit(row) for row in refined]
    return [torch.log(sum(torch.exp(4 * dot(one, part)) for part in segments) / len(segments)) for one in z]


def plain_target(values):
    low, high = min(values), max(values)
    return [1 - (0.25 + 0.5 * (value - low) / (high - low + 1e-9)) for value in values]


def clips_of(values, mask):
    """The valid rows of each clip."""
    return [row[valid] for row, valid in zip(values, mask, strict=True) if valid.any()]


def mean_of_means(clips):
    return sum(sum(clip) / len(clip) for clip in clips) / len(clips)


def all_segments(refined, mask, number, means="unit"):
    return [part for clip in clips_of(refined, mask) for part in plain_segments(clip, number, means)]


def mean_commonness(x, m, means):
    return clip_mean(commonness(x, m, *gather_texts(*video_segments(x, m, segments=3, means=means))), m)


TERMS = {
    "alignment": (
        lambda x, raw, m: alignment(x, raw, m, neighbour_fraction=0.3),
        lambda x, raw, m: [
            plain_alignment(a, b, 0.3) for a, b in zip(clips_of(x, m), clips_of(raw, m), strict=True)
        ],
    ),
    "uniformity": (
        lambda x, raw, m: uniformity(x, m),
        lambda x, raw, m: [plain_uniformity(a) for a in clips_of(x, m)],
    ),
    "commonness": (
        lambda x, raw, m: mean_commonness(x, m, "unit"),
        lambda x, raw, m: [plain_commonness(a, all_segments(x, m, 3)) for a in clips_of(x, m)],
    ),
    "commonness of raw means": (
        lambda x, raw, m: mean_commonness(x, m, "raw"),
        lambda x, raw, m: [plain_commonness(a, all_segments(x, m, 3, "raw")) for a in clips_of(x, m)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("lengths", [(13, 7, 1), (13, 0, 2), (8, 8)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_terms_and_gradients_equal_the_loop(name: str, lengths: tuple[int, ...], dtype: torch.dtype) -> None:
    ours, plain = TERMS[name]
    refined, raw, mask = drawn(1, lengths, dtype)
    found = ours(refined, raw, mask)
    found.backward()
    twin = refined.detach().double().requires_grad_()
    expected = mean_of_means(plain(twin, raw.double(), mask))
    expected.backward()
    close = EXACT if dtype == torch.float64 else SINGLE
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, **close)
    torch.testing.assert_close(refined.grad.double(), twin.grad, **close)
    assert expected.grad_fn is not None
    assert not refined.grad[~mask].any()


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.29, 1.0])
@pytest.mark.parametrize("length", [1, 9, 10, 70, 100])
def test_neighbours_are_a_share_of_the_frames(fraction: float, length: int) -> None:
    refined, raw, mask = drawn(2, (length, 5), holes=False)
    found = alignment(refined, raw, mask, neighbour_fraction=fraction, reduction="none")
    expected = plain_alignment(refined[0, :length].detach(), raw[0, :length], fraction)
    torch.testing.assert_close(found[0, :length].detach(), torch.stack(expected), **EXACT)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), length=st.integers(1, 60))
def test_terms_are_those_of_the_importance(seed: int, length: int) -> None:
    """What is trained is what scores are made of, in another implementation."""
    refined, raw, mask = (values.detach() for values in drawn(seed, (length, 3)))
    kept = refined[0][mask[0]].numpy(), raw[0][mask[0]].numpy()
    dissimilarity = torch.from_numpy(local_dissimilarity(kept[0], raw=kept[1]))
    torch.testing.assert_close(alignment(refined, raw, mask, reduction="none")[0][mask[0]], dissimilarity, **EXACT)
    consistency = torch.from_numpy(global_consistency(kept[0]))
    torch.testing.assert_close(uniformity(refined, mask, reduction="none")[0][mask[0]], consistency, **EXACT)


def test_neighbours_come_from_the_raw_features() -> None:
    refined, raw, mask = drawn(3, (20,))
    raw.requires_grad_()
    own = alignment(refined, refined.detach(), mask, neighbour_fraction=0.3)
    found = alignment(refined, raw, mask, neighbour_fraction=0.3)
    assert float((found - own).detach()) > 0.1  # nearest by another measure is farther
    found.backward()
    assert raw.grad is None


def test_a_frame_is_its_own_neighbour_also_among_equal_frames() -> None:
    refined, _, mask = drawn(4, (30,))
    found = alignment(refined, torch.ones(1, 32, 3), mask, neighbour_fraction=1 / 30, reduction="none")
    torch.testing.assert_close(found, torch.zeros_like(found), **EXACT)


@pytest.mark.parametrize("segments", [1, 4, 20])
@pytest.mark.parametrize("lengths", [(13, 7, 1), (40, 0)])
@pytest.mark.parametrize("means", ["unit", "raw"])
def test_segments_equal_the_loop(segments: int, lengths: tuple[int, ...], means: str) -> None:
    refined, _, mask = drawn(5, lengths)
    found, valid = video_segments(refined, mask, segments=segments, means=means)
    assert found.shape == (len(lengths), segments, 4)
    assert valid.sum(dim=1).tolist() == [min(segments, length) for length in lengths]
    assert not found[~valid].any()
    expected = all_segments(refined.detach(), mask, segments, means)
    torch.testing.assert_close(found[valid].detach(), torch.tensor(expected, dtype=torch.float64), **EXACT)


def test_a_clip_of_200_has_20_segments_of_10() -> None:
    refined, _, mask = drawn(6, (200,), holes=False)
    found, valid = video_segments(refined, mask)
    unit_rows = torch.nn.functional.normalize(refined, dim=-1)
    means = torch.nn.functional.normalize(unit_rows.unflatten(1, (20, 10)).mean(dim=2), dim=-1)
    torch.testing.assert_close(found, means, **EXACT)
    assert valid.all()
    raw = torch.nn.functional.normalize(refined.unflatten(1, (20, 10)).mean(dim=2), dim=-1)
    torch.testing.assert_close(video_segments(refined, mask, means="raw")[0], raw, **EXACT)
    assert (raw - means).abs().max() > 0.01


def test_commonness_is_with_the_segments_of_all_clips() -> None:
    refined, _, mask = drawn(7)
    segments = video_segments(refined, mask, segments=3)
    found = commonness(refined, mask, *segments).detach()
    expected = plain_commonness(refined[1][mask[1]].detach(), all_segments(refined.detach(), mask, 3))
    torch.testing.assert_close(found[1][mask[1]], torch.stack(expected), **EXACT)
    assert not found[~mask].any()
    own = commonness(refined[1:2], mask[1:2], segments[0][1:2], segments[1][1:2]).detach()
    assert (found[1] - own[0]).abs().max() > 0.1


def in_blocks(name: str, refined, raw, mask, max_elements: int):
    """(B, T) of a term."""
    if name == "alignment":
        return alignment(refined, raw, mask, neighbour_fraction=0.3, reduction="none", max_elements=max_elements)
    if name == "uniformity":
        return uniformity(refined, mask, reduction="none", max_elements=max_elements)
    means = "raw" if "raw" in name else "unit"
    parts = video_segments(refined, mask, segments=3, means=means)
    return commonness(refined, mask, *parts, max_elements=max_elements)


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("max_elements", [1, 15 * 3 * 4])
def test_blocks_change_nothing(name: str, max_elements: int) -> None:
    results = []
    for most in (max_elements, 1 << 26):
        refined, raw, mask = drawn(8)
        values = in_blocks(name, refined, raw, mask, most)
        values.cos().sum().backward()
        results.append((values.detach(), refined.grad))
        with torch.no_grad():
            torch.testing.assert_close(in_blocks(name, refined, raw, mask, most), values.detach(), **EXACT)
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, **EXACT)


@pytest.mark.parametrize("name", TERMS)
def test_blocks_bound_what_the_backward_pass_keeps(name: str) -> None:
    def kept(max_elements: int) -> int:
        refined, raw, mask = drawn(9, (60,) * 6, holes=False)
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):
            in_blocks(name, refined, raw, mask, max_elements).sum()
        return max(sizes)

    assert kept(1 << 26) >= 6 * 60 * 6 * 3
    assert kept(1) <= 6 * 60 * 6  # those of the features, raw ones too


@pytest.mark.parametrize("lengths", [(13, 7, 1), (5, 0)])
def test_the_target_equals_the_loop_and_passes_no_gradient(lengths: tuple[int, ...]) -> None:
    refined, _, mask = drawn(10, lengths)
    values = commonness(refined, mask, *video_segments(refined, mask, segments=3))
    target = uniqueness_target(values.masked_fill(~mask, 1e6), mask)
    assert not target.requires_grad
    assert not target[~mask].any()
    for row, valid in zip(range(len(lengths)), mask, strict=True):
        if valid.any():
            expected = plain_target([float(value.detach()) for value in values[row][valid]])
            torch.testing.assert_close(target[row][valid], torch.tensor(expected, dtype=torch.float64), **EXACT)
    most_common = int(values[0].masked_fill(~mask[0], -torch.inf).argmax())
    assert float(target[0, most_common]) == pytest.approx(0.25)
    assert float(target[0].max()) == pytest.approx(0.75)


@pytest.mark.parametrize("lengths", [(13, 7, 1), (5, 0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_cross_entropy_equals_the_loop_and_reaches_the_logits_alone(
    lengths: tuple[int, ...], dtype: torch.dtype
) -> None:
    refined, _, mask = drawn(15, lengths)
    common = commonness(refined, mask, *video_segments(refined, mask, segments=3))
    logits = (3 * torch.randn(mask.shape, generator=torch.Generator().manual_seed(1))).masked_fill(~mask, torch.nan)
    logits = logits.to(dtype).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = uniqueness_entropy(logits, common, mask)
    found.backward()
    assert found.dtype == torch.float32
    assert refined.grad is None
    total, gradients = 0.0, torch.zeros(mask.shape, dtype=torch.float64)
    for row, valid in enumerate(mask):
        targets = plain_target([float(value.detach()) for value in common[row][valid]]) if valid.any() else []
        for place, target in zip(valid.nonzero().flatten().tolist(), targets, strict=True):
            said = 1 / (1 + math.exp(-float(logits[row, place].detach())))
            share = 1 / len(targets) / len(clips_of(mask, mask))
            total -= share * (target * math.log(said) + (1 - target) * math.log(1 - said))
            gradients[row, place] = share * (said - target)
    assert float(found.detach()) == pytest.approx(total, abs=1e-6)
    torch.testing.assert_close(logits.grad, gradients.to(dtype), atol=1e-6, rtol=1e-2 if dtype != torch.float32 else 0)


def test_means_of_clips() -> None:
    values, mask = torch.tensor([[1.0, 3.0], [5.0, 9.0], [2.0, 2.0]]), torch.tensor([[1, 1], [1, 0], [0, 0]]).bool()
    assert clip_means(values, mask).tolist()[:2] == [2, 5]
    assert math.isnan(clip_means(values, mask)[2])
    assert float(clip_mean(values, mask)) == 3.5
    broken = values.masked_fill(values == 3, torch.nan)
    assert math.isnan(clip_mean(broken, mask))  # a frame that is no number is no empty clip


def test_frames_that_are_all_alike_are_finite() -> None:
    refined = torch.ones(2, 6, 4, requires_grad=True)
    mask = torch.ones(2, 6, dtype=torch.bool)
    values = commonness(refined, mask, *video_segments(refined, mask, segments=3))
    torch.testing.assert_close(uniqueness_target(values, mask), torch.full((2, 6), 0.75))
    total = alignment(refined, refined, mask) + uniformity(refined, mask) + clip_mean(values, mask)
    total.backward()
    assert float(total.detach()) == pytest.approx(0 + 0 + 4, abs=1e-6)
    torch.testing.assert_close(refined.grad, torch.zeros_like(refined), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", TERMS)
def test_a_masked_batch_is_the_clips_alone(name: str) -> None:
    """Padding and its place change nothing; each clip alone, but for commonness, which is with the others' segments."""
    ours, _ = TERMS[name]
    refined, raw, mask = drawn(11, (9, 9))
    kept = [torch.stack(clips_of(values, mask)) for values in (refined.detach(), raw)]
    whole = torch.ones(2, 9, dtype=torch.bool)
    torch.testing.assert_close(ours(refined, raw, mask).detach(), ours(*kept, whole), **EXACT)
    if "commonness" not in name:
        alone = [ours(kept[0][row : row + 1], kept[1][row : row + 1], whole[:1]) for row in range(2)]
        torch.testing.assert_close(ours(refined, raw, mask).detach(), sum(alone) / 2, **EXACT)


@pytest.mark.parametrize("name", TERMS)
def test_nan_in_the_padding_goes_nowhere(name: str) -> None:
    ours, _ = TERMS[name]
    refined, raw, mask = drawn(12)
    expected = ours(refined, raw, mask).detach()
    spoilt = refined.detach().masked_fill(~mask[..., None], float("nan")).requires_grad_()
    found = ours(spoilt, raw.masked_fill(~mask[..., None], float("nan")), mask)
    found.backward()
    torch.testing.assert_close(found.detach(), expected, **EXACT)
    assert spoilt.grad.isfinite().all()


@pytest.mark.parametrize("name", TERMS)
def test_no_frame_at_all(name: str) -> None:
    refined, raw, mask = drawn(13, (3, 3))
    found = TERMS[name][0](refined, raw, torch.zeros_like(mask))
    found.backward()
    assert float(found.detach()) == 0
    assert not refined.grad.any()


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(name: str, dtype: torch.dtype) -> None:
    ours, _ = TERMS[name]
    refined, raw, mask = drawn(14, dtype=torch.float32)
    padding = ~mask[..., None]
    refined, raw = (values.detach().masked_fill(padding, 0.0).to(dtype) for values in (refined, raw))
    with torch.autocast("cpu", dtype=dtype):
        low = ours(refined, raw, mask)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, ours(refined.float(), raw.float(), mask), atol=0, rtol=0)


def test_wrong_arguments() -> None:
    refined, raw, mask = drawn()
    for fraction in (0, -0.1, 1.1):
        with pytest.raises(ValueError, match="neighbour_fraction"):
            alignment(refined, raw, mask, neighbour_fraction=fraction)
    with pytest.raises(ValueError, match="segments"):
        video_segments(refined, mask, segments=0)
