"""`sspvs.models.canonical`: canonical correlations against their generalised eigenvalue problem."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch

from sspvs.models.canonical import canonical_maps


def pairs(n: int = 200, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Videos and texts that have three directions in common, and noise."""
    draw = np.random.default_rng(seed)
    common = draw.normal(size=(n, 3))
    video = common @ draw.normal(size=(3, 9)) + draw.normal(size=(n, 9)) + 5.0
    text = common @ draw.normal(size=(3, 6)) + draw.normal(size=(n, 6)) - 2.0
    return torch.from_numpy(video), torch.from_numpy(text)


def test_correlations_are_roots_of_the_generalised_eigenvalue_problem() -> None:
    """Without shrinkage: S_xy S_yy^-1 S_yx w = r^2 S_xx w (Hotelling, 1936)."""
    video, text = pairs()
    maps = canonical_maps(video, text, 6, video_shrinkage=0.0, text_shrinkage=0.0)
    joint = np.cov(np.hstack([video, text]).T, bias=True)
    xx, xy, yy = joint[:9, :9], joint[:9, 9:], joint[9:, 9:]
    squared = scipy.linalg.eigh(xy @ np.linalg.solve(yy, xy.T), xx, eigvals_only=True)[::-1][:6]
    np.testing.assert_allclose(maps.correlations.numpy() ** 2, squared, atol=1e-5)
    mapped = video.float() @ maps.video_weight.T + maps.video_bias, text.float() @ maps.text_weight.T + maps.text_bias
    for one in mapped:
        np.testing.assert_allclose(one.mean(dim=0).numpy(), 0.0, atol=1e-4)
    found = [np.corrcoef(a, b)[0, 1] for a, b in zip(*(one.T.numpy() for one in mapped), strict=True)]
    np.testing.assert_allclose(found, maps.correlations.numpy(), atol=1e-4)
    assert mapped[0].square().sum(dim=1).mean().item() == pytest.approx(6.0, rel=1e-3)


def test_shrinkage_adds_to_the_variances() -> None:
    video, text = pairs()
    maps = canonical_maps(video, text, 6, video_shrinkage=10.0, text_shrinkage=3.0)
    joint = np.cov(np.hstack([video, text]).T, bias=True)
    xx, xy, yy = joint[:9, :9], joint[:9, 9:], joint[9:, 9:]
    xx = xx + 10.0 * np.trace(xx) / 9 * np.eye(9)
    yy = yy + 3.0 * np.trace(yy) / 6 * np.eye(6)
    squared = scipy.linalg.eigh(xy @ np.linalg.solve(yy, xy.T), xx, eigvals_only=True)[::-1][:6]
    np.testing.assert_allclose(maps.correlations.numpy() ** 2, squared, atol=1e-6)


def test_more_directions_than_pairs_and_than_there_are() -> None:
    draw = torch.Generator().manual_seed(0)
    video, text = torch.randn(12, 40, generator=draw), torch.randn(12, 30, generator=draw)
    maps = canonical_maps(video, text, 64)
    assert len(maps.correlations) == 11
    assert maps.video_weight.shape == (64, 40)
    assert not maps.video_weight[11:].any()
    assert not maps.text_bias[11:].any()
    cosines = torch.nn.functional.normalize(video @ maps.video_weight.T + maps.video_bias, dim=1) @ (
        torch.nn.functional.normalize(text @ maps.text_weight.T + maps.text_bias, dim=1).T
    )
    assert cosines.argmax(dim=1).tolist() == list(range(12)), "pairs that it was made of do not find each other"


@pytest.mark.parametrize(
    ("video", "text", "expected"),
    [
        (torch.ones(1, 3), torch.ones(1, 2), "two pairs or more, got 1 videos"),
        (torch.ones(4, 3), torch.randn(4, 2), "need videos that differ"),
        (torch.randn(4, 3), torch.ones(4, 2), "need texts that differ"),
    ],
)
def test_what_has_no_correlations(video: torch.Tensor, text: torch.Tensor, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        canonical_maps(video, text, 2)
