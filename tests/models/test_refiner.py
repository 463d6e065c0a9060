"""The refiner against its equations, and what padding, order, precision and length may not change."""

from __future__ import annotations

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from sspvs.models.fast_linear import use_fast_linears
from sspvs.models.refiner import Refiner
from sspvs.models.settings import RefinerSettings

DIM = 12
TINY = {"feature_dim": DIM, "embed_dim": 8, "num_layers": 2, "head_dim": 5, "feedforward_dim": 11, "uniqueness_dim": 6}


def tiny(seed: int = 0, **settings) -> Refiner:
    torch.manual_seed(seed)
    model = Refiner(RefinerSettings(**{**TINY, **settings})).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # layer norms that do something
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def test_rows_of_any_length_where_it_was_trained_on_unit_length() -> None:
    model = tiny()
    frames, mask = clips()
    units = torch.nn.functional.normalize(frames, dim=-1)
    expected = model(units, mask)
    model.unit_length = True
    for length in (1.0, 17.0):
        for found, known in zip(model(length * frames, mask), expected, strict=True):
            torch.testing.assert_close(found, known, atol=1e-5, rtol=0)
    long = model(17 * frames, mask)
    model.scored_as_given = True
    assert (model(17 * frames, mask).features - long.features).abs().max() > 0.01
    model.unit_length = False
    as_they_are = model(17 * frames, mask).features
    model.unit_length = True
    torch.testing.assert_close(model(17 * frames, mask).features, as_they_are)
    torch.testing.assert_close(model.train()(17 * frames, mask).features, long.features)  # nothing is dropped here


def clips(seed: int = 0, lengths: tuple[int, ...] = (9, 5, 1)) -> tuple[torch.Tensor, torch.Tensor]:
    frames = torch.randn(len(lengths), max(lengths), DIM, generator=torch.Generator().manual_seed(seed))
    return frames, torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def norm(x, weights, name):
    centred = x - x.mean(-1, keepdim=True)
    return (
        centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weights[f"{name}.weight"]
        + weights[f"{name}.bias"]
    )


def linear(x, weights, name):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def plain_layer(x, weights, name, heads, head_dim):
    """One clip, (T, E), without a mask; softmax, heads and norms written out."""
    q, k, v = (x @ weights[f"{name}.attention.in_projection.weight"].T).split(heads * head_dim, dim=-1)
    mixed = []
    for head in range(heads):
        columns = slice(head * head_dim, (head + 1) * head_dim)
        weight = torch.exp(q[:, columns] @ k[:, columns].T / math.sqrt(head_dim))
        mixed.append(weight / weight.sum(-1, keepdim=True) @ v[:, columns])
    attended = torch.cat(mixed, -1) @ weights[f"{name}.attention.out_projection.weight"].T
    x = norm(x + attended, weights, f"{name}.norm1")
    hidden = linear(x, weights, f"{name}.linear1").clamp(min=0)
    return norm(x + linear(hidden, weights, f"{name}.linear2"), weights, f"{name}.norm2")


def plain(model: Refiner, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Refined features and uniqueness logits of one clip, in float64."""
    weights = {name: value.double() for name, value in model.state_dict().items()}
    sizes = model.settings
    x = norm(linear(frames.double(), weights, "input_projection"), weights, "input_norm")
    for number in range(sizes.num_layers):
        x = plain_layer(x, weights, f"layers.{number}", sizes.num_heads, sizes.head_dim)
    judged = plain_layer(x, weights, "uniqueness_head.layer", sizes.num_heads, sizes.head_dim)
    hidden = linear(judged, weights, "uniqueness_head.hidden").clamp(min=0)
    return x, linear(hidden, weights, "uniqueness_head.out")[:, 0]


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("layers", [0, 2])
@pytest.mark.parametrize("training", [False, True])
def test_equals_the_equations(heads: int, layers: int, training: bool) -> None:
    model = tiny(num_heads=heads, num_layers=layers).train(training)
    frames, mask = clips(lengths=(9, 9))
    out = model(frames, mask)
    for row in range(2):
        features, logits = plain(model, frames[row])
        torch.testing.assert_close(out.features[row].double(), features, atol=2e-6, rtol=1e-5)
        torch.testing.assert_close(out.uniqueness_logits[row].double(), logits, atol=2e-6, rtol=1e-5)


def test_published_sizes() -> None:
    model = Refiner()
    e, inner, hidden = 256, 64, 512
    layer = 4 * e * inner + (e * hidden + hidden) + (hidden * e + e) + 4 * e
    for width, sized in ((128, model), (256, Refiner(RefinerSettings(uniqueness_dim=256)))):
        head = layer + (e * width + width) + (width + 1)
        assert sum(p.numel() for p in sized.parameters()) == (1024 * e + e) + 2 * e + 4 * layer + head
    assert len(model.layers) == 4
    eight = Refiner(RefinerSettings(num_heads=8)).layers[0].attention
    assert eight.in_projection.weight.shape == (3 * 8 * 64, 256)
    assert eight.out_projection.weight.shape == (256, 8 * 64)
    assert all(layer.attention.in_projection.bias is None for layer in model.layers)
    assert all(layer.attention.out_projection.bias is None for layer in model.layers)
    assert {m.eps for m in model.modules() if isinstance(m, torch.nn.LayerNorm)} == {1e-6}


def test_dropout_of_the_attention_weights_acts_in_training_and_there_alone() -> None:
    model, (frames, mask) = tiny(attention_dropout=0.4), clips(lengths=(9, 9))
    plain_features = torch.stack([plain(model, row)[0] for row in frames])
    torch.testing.assert_close(model(frames, mask).features.double(), plain_features, atol=2e-6, rtol=1e-5)
    torch.manual_seed(0)
    trained = [model.train()(frames, mask) for _ in range(2)]
    for found in (out.features for out in trained):
        assert (found - plain_features).abs().max() > 0.05
    assert (trained[0].features - trained[1].features).abs().max() > 0.05
    assert (trained[0].uniqueness_logits - trained[1].uniqueness_logits).abs().max() > 0.01
    with torch.no_grad():  # where attention gives nothing, nothing else is dropped
        for layer in (*model.layers, model.uniqueness_head.layer):
            layer.attention.out_projection.weight.zero_()
    assert torch.equal(model.train()(frames, mask).features, model.eval()(frames, mask).features)


def test_the_share_of_attention_weights_that_is_dropped() -> None:
    """Of single frames, whose one weight is 1: dropped, or divided by what is kept."""
    model = tiny(num_layers=1, attention_dropout=0.1).train()
    attention = model.layers[0].attention
    states = torch.randn(4000, 1, 8, generator=torch.Generator().manual_seed(2))
    mask = torch.ones(4000, 1, dtype=torch.bool)
    torch.manual_seed(3)
    found, whole = attention(states, mask), attention.eval()(states, mask)
    dropped = (found == 0).all(dim=-1)[:, 0]
    assert 0.08 < float(dropped.float().mean()) < 0.12
    torch.testing.assert_close(found[~dropped], whole[~dropped] / 0.9)


@pytest.mark.parametrize("garbage", [50.0, float("nan"), float("inf")])
def test_padding_changes_nothing(garbage: float) -> None:
    model, (frames, mask) = tiny(num_heads=2), clips()
    before = model(frames, mask)
    padded = torch.cat([frames, torch.zeros(3, 4, DIM)], 1)
    longer = torch.cat([mask, torch.zeros(3, 4).bool()], 1)
    after = model(padded.masked_fill(~longer[..., None], garbage), longer)
    torch.testing.assert_close(after.features[:, :9], before.features, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(after.uniqueness_logits[:, :9], before.uniqueness_logits, atol=1e-6, rtol=1e-5)
    assert not after.features[~longer].any()
    assert not after.uniqueness_logits[~longer].any()
    alone = model(frames[1:2, :5], mask[1:2, :5])
    torch.testing.assert_close(alone.features[0], before.features[1, :5], atol=1e-6, rtol=1e-5)
    (after.features.cos().sum() + after.uniqueness_logits.sum()).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_holes_are_padding_too() -> None:
    model, (frames, _) = tiny(), clips(lengths=(9,))
    mask = torch.tensor([[1, 0, 1, 1, 0, 0, 1, 0, 1]]).bool()
    kept = model(frames[:, mask[0]], mask[:, mask[0]])
    torch.testing.assert_close(model(frames, mask).features[:, mask[0]], kept.features, atol=1e-6, rtol=1e-5)


def test_order_does_not_matter() -> None:
    model, (frames, mask) = tiny(), clips(lengths=(9, 9))
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    out, turned = model(frames, mask), model(frames[:, order], mask)
    torch.testing.assert_close(turned.features, out.features[:, order], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(turned.uniqueness_logits, out.uniqueness_logits[:, order], atol=1e-6, rtol=1e-5)


def test_uniqueness_trains_its_head_alone() -> None:
    model, (frames, mask) = tiny(), clips()
    model(frames, mask).uniqueness_logits.cos().sum().backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == name.startswith("uniqueness_head."), name
    model.zero_grad()
    model(frames, mask).features.cos().sum().backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == name.startswith("uniqueness_head."), name
        assert parameter.grad is None or parameter.grad.abs().max() > 0, name


def test_without_a_uniqueness_head() -> None:
    model, (frames, mask) = tiny(uniqueness=False), clips()
    assert model(frames, mask).uniqueness_logits is None
    assert not any("uniqueness" in name for name in model.state_dict())


def test_an_empty_clip_gives_finite_numbers() -> None:
    model, (frames, mask) = tiny().train(), clips()
    mask[2] = False
    out = model(frames, mask)
    assert not out.features[2].any()
    (out.features.cos().sum() + out.uniqueness_logits.sum()).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("fast", [False, True])
def test_low_precision_keeps_sums_and_norms_in_float32(fast: bool) -> None:
    model, (frames, mask) = tiny(), clips(lengths=(9, 9))
    if fast:
        use_fast_linears(model, kernels="onednn")
    seen = []
    for layer in model.layers:
        layer.register_forward_hook(lambda _, __, states: seen.append(states.dtype))
    exact = model(frames, mask)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = model(frames, mask)
    assert set(seen) == {torch.float32}
    assert low.features.dtype == low.uniqueness_logits.dtype == torch.float32
    cosines = torch.nn.functional.cosine_similarity(low.features, exact.features, dim=-1)
    assert cosines.min() > 0.999


def test_weights_of_low_precision_answer_in_float32() -> None:
    model, (frames, mask) = tiny(num_heads=2), clips()
    exact = model(frames, mask)
    low = model.bfloat16()(frames.bfloat16(), mask)
    assert low.features.dtype == low.uniqueness_logits.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(low.features, exact.features, dim=-1)[mask].min() > 0.999
    low.features.cos().sum().backward()


class LargestTensor(TorchDispatchMode):
    """The most elements that an operation gave."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for found in out if isinstance(out, tuple | list) else (out,):
            if isinstance(found, torch.Tensor):
                self.elements = max(self.elements, found.untyped_storage().nbytes() // found.element_size())
        return out


@pytest.mark.parametrize("padded", [False, True])
def test_memory_does_not_grow_with_the_square_of_the_length(padded: bool) -> None:
    model, (frames, mask) = tiny(), clips(lengths=(2000,))
    mask[0, 1990:] = not padded
    with LargestTensor() as largest:  # without gradients a composite operation would hide what it makes
        out = model(frames, mask)
        (out.features.sum() + out.uniqueness_logits.sum()).backward()
    assert 2000 * DIM <= largest.elements < 2000 * 2000 / 8


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_layers": -1}, "num_layers must be at least 0 and at most 1024, got -1"),
        (
            {"num_heads": 0, "head_dim": 0},
            r"num_heads must be at least 1 .*, got 0; head_dim must be at least 1 .*, got 0",
        ),
        ({"dropout": 1.0}, "dropout"),
        ({"uniqueness_dim": 0}, "uniqueness_dim"),
    ],
)
def test_wrong_settings(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RefinerSettings(**settings)
