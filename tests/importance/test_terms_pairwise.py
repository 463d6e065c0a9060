"""Bounded memory, and the GPU path (on a CPU when there is no GPU)."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from sspvs.importance import terms as pairwise
from sspvs.importance import terms as pairwise_gpu
from sspvs.importance.contrastive import contrastive_importance
from sspvs.importance.terms import _points, pairwise_terms


def local_dissimilarity(features, fraction=0.1, **how):
    return pairwise_terms(features, neighbour_fraction=fraction, consistency=False, **how).dissimilarity


def global_consistency(features, **how):
    return pairwise_terms(features, local=False, **how).consistency


def drawn(count, width, seed=0):
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32) + 0.5


@pytest.mark.parametrize("refined", [False, True])
def test_memory_is_bounded(refined):
    features, raw = drawn(2000, 8), drawn(2000, 8, seed=1) if refined else None
    limit = 2 * 2**20
    tracemalloc.start()
    try:
        pairwise_terms(features, raw=raw, memory_bytes=limit)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit + 20 * features.nbytes  # 2000 x 2000 distances alone are 32 MB
    assert peak > limit / 4


@pytest.mark.parametrize("kind", ["plain", "refined", "with zeros"])
def test_torch_gives_the_same_numbers(kind):
    torch = pytest.importorskip("torch")
    from sspvs.importance.terms import terms_on_gpu

    features, raw = drawn(300, 16), drawn(300, 9, seed=1) if kind == "refined" else None
    if kind == "with zeros":
        features[[7, 200]] = 0
    expected = pairwise_terms(features, raw=raw)
    anchors = None if raw is None else _points("raw", raw)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    terms = terms_on_gpu(_points("features", features), anchors, 30, True, 77, device)
    np.testing.assert_allclose(terms.dissimilarity, expected.dissimilarity, rtol=0, atol=1e-12)
    np.testing.assert_allclose(terms.consistency, expected.consistency, rtol=0, atol=1e-12)


def test_devices(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    features = drawn(10, 3)
    expected = pairwise_terms(features).consistency
    for device in ("auto", "cpu"):
        np.testing.assert_array_equal(pairwise_terms(features, device=device).consistency, expected)
    with pytest.raises(ValueError, match="no GPU"):
        pairwise_terms(features, device="cuda:1")


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize(("device", "count"), [("cuda:1", 10), ("auto", 40)])
def test_what_a_gpu_is_given(device, count, raw, monkeypatch):
    """Long videos go to a GPU that there is, in its own sizes of blocks; here it is played by the CPU."""
    torch = pytest.importorskip("torch")
    given, compute = [], pairwise_gpu.terms_on_gpu
    features, other = drawn(count, 3), drawn(count, 4, seed=1) if raw else None
    asked = [{"raw": other, "neighbour_fraction": 0.3}, {"local": False}, {"consistency": False}]
    expected = [pairwise_terms(features, **settings) for settings in asked]

    def on_cpu(points, anchors, neighbours, consistency, block_rows, place):
        given.append((neighbours, consistency, block_rows, place))
        return compute(points, anchors, neighbours, consistency, block_rows, "cpu")

    monkeypatch.setattr(pairwise_gpu, "terms_on_gpu", on_cpu)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(pairwise, "GPU_FROM_FRAMES", 40)
    monkeypatch.setattr(pairwise, "_CPU_BLOCK_ROWS", 4)
    monkeypatch.setattr(pairwise, "_GPU_BLOCK_ROWS", 7)
    found = [pairwise_terms(features, **settings, device=device) for settings in asked]
    assert given == [(3 * count // 10, True, 7, device), (0, True, 7, device), (count // 10, False, 7, device)]
    for ours, plain in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours.dissimilarity, plain.dissimilarity, rtol=0, atol=1e-12)
        np.testing.assert_allclose(ours.consistency, plain.consistency, rtol=0, atol=1e-12)
    given.clear()
    global_consistency(features, device=device, memory_bytes=48 * count)
    local_dissimilarity(features, 0.2, device=device, block_rows=5)
    contrastive_importance(features, device=device, neighbour_fraction=0.4, block_rows=6)
    assert given == [(0, True, 3, device), (count // 5, False, 5, device), (4 * count // 10, True, 6, device)]
    pairwise_terms(features[:39], device="auto")
    pairwise_terms(features, device="cpu:0")
    assert len(given) == 3


def test_only_what_is_asked_for():
    features = drawn(10, 3)
    assert len(pairwise_terms(features, local=False).dissimilarity) == 0
    assert len(pairwise_terms(features, consistency=False).consistency) == 0
