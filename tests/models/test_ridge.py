"""Ridge regression against its normal equations, and videos left out against fits without them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sspvs.models.ridge import Ridge, RidgePath, frames_only


def videos(width: int, lengths: tuple[int, ...] = (9, 1, 14, 6)) -> tuple[list[torch.Tensor], torch.Tensor]:
    g = torch.Generator().manual_seed(width)
    rows = [torch.randn(length, width, generator=g) / width**0.5 for length in lengths]
    return [one - one.mean(dim=0) for one in rows], torch.randn(sum(lengths), 3, generator=g)


def normal_equations(rows: np.ndarray, targets: np.ndarray, strength: float) -> np.ndarray:
    return np.linalg.solve(rows.T @ rows + strength * np.eye(rows.shape[1]), rows.T @ targets)


@pytest.mark.parametrize("width", [4, 30, 70])  # fewer columns than rows, as many, more
@pytest.mark.parametrize("strength", [0.1, 3.0, 1000.0])
def test_the_normal_equations(width: int, strength: float) -> None:
    given, targets = videos(width)
    path, rows = RidgePath(given), [one.double().numpy() for one in given]
    weights = path.weights(targets, strength).numpy()
    expected = normal_equations(np.concatenate(rows), targets.double().numpy(), strength)
    np.testing.assert_allclose(weights, expected, atol=2e-4)
    left_out, start = path.left_out(targets, strength).numpy(), 0
    for number, own in enumerate(rows):
        stop = start + len(own)
        others = np.concatenate(rows[:number] + rows[number + 1 :])
        kept = np.delete(targets.double().numpy(), slice(start, stop), axis=0)
        without = own @ normal_equations(others, kept, strength)
        np.testing.assert_allclose(left_out[start:stop], without, atol=5e-4)
        start = stop


def test_rows_are_in_the_same_unit_whatever_the_stream() -> None:
    g = torch.Generator().manual_seed(0)
    features = torch.cat([torch.rand(20, 6, generator=g) * 50, torch.randn(20, 4, generator=g) * 0.01], dim=1)
    ridge = Ridge((6, 4), frames_only([True, False]))
    rows, others = (
        ridge.rows(one[None], torch.ones(1, 20, dtype=torch.bool))[0]
        for one in (features, features * torch.tensor([4.0] * 6 + [9.0] * 4))
    )
    assert rows.shape == (20, 2 * 10)
    torch.testing.assert_close(rows.mean(dim=0), torch.zeros(20), atol=1e-6, rtol=0)
    torch.testing.assert_close(others, rows)
