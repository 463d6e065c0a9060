from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sspvs.video.camera import camera_path, salience

SECONDS = np.arange(30) / 5


def drawn(middle: Callable[[float], float], *, bars: int = 0) -> np.ndarray:
    """(30, 90, 160, 3) a bright square before a grey wall with grain, its middle at a share of the width."""
    pictures = np.random.default_rng(0).integers(90, 110, (1, 90, 160, 3)).astype(np.uint8).repeat(30, axis=0)
    for picture, second in zip(pictures, SECONDS, strict=True):
        at = round(middle(float(second)) * 160)
        picture[30:60, max(0, at - 12) : at + 12] = (230, 60, 40)
        if bars:
            picture[:, :bars] = picture[:, -bars:] = 0
    return pictures


@pytest.mark.parametrize("place", [0.2, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("bars", [0, 12])
def test_it_stands_still_at_what_stands_out(place: float, bars: int) -> None:
    middles = camera_path(drawn(lambda _: place, bars=bars), SECONDS, 0.32, upright=True)
    assert np.ptp(middles) == 0
    assert abs(middles[0] - place) < 0.16 - 0.05  # all of the square is inside


def test_it_follows_what_moves_calmly() -> None:
    pictures = drawn(lambda second: 0.2 + 0.1 * second)  # from a fifth to four fifths of the width
    middles = camera_path(pictures, SECONDS, 0.32, upright=True)
    places = 0.2 + 0.1 * SECONDS
    assert (np.abs(middles - places) < 0.16).mean() > 0.9  # the middle of the square is inside
    assert np.diff(middles).min() > -0.01
    speed = np.diff(middles) * 5
    assert speed.max() < 0.31
    assert np.abs(np.diff(speed)).max() < 0.12  # no jerks


def test_small_moves_do_not_move_it() -> None:
    middles = camera_path(drawn(lambda second: 0.6 + 0.02 * np.sin(9 * second)), SECONDS, 0.32, upright=True)
    assert np.ptp(middles) == 0


def test_a_lower_picture_moves_up_and_down() -> None:
    pictures = drawn(lambda _: 0.5)
    pictures[:, 30:60, 68:92] = pictures[:, 30:60, :24]
    pictures[:, 65:85, 68:92] = (230, 60, 40)
    middles = camera_path(pictures, SECONDS, 0.4, upright=False)
    assert middles == pytest.approx(np.full(30, 75 / 90), abs=0.1)


@pytest.mark.parametrize("level", [0, 128])
@pytest.mark.parametrize("count", [1, 2, 30])
def test_nothing_stands_out(level: int, count: int) -> None:
    pictures = np.full((count, 90, 160, 3), level, np.uint8)
    maps = salience(pictures)
    assert maps.sum(axis=(1, 2)) == pytest.approx(np.ones(count), rel=1e-4)
    assert camera_path(pictures, SECONDS[:count], 0.32, upright=True) == pytest.approx(np.full(count, 0.5), abs=0.02)


@pytest.mark.parametrize("shape", [(2, 2), (1, 160), (90, 1), (90, 3)])
@pytest.mark.parametrize("shown", [0.001, 0.5, 0.979])
def test_pictures_of_a_few_pixels(shape: tuple[int, int], shown: float) -> None:
    pictures = np.random.default_rng(1).integers(0, 255, (4, *shape, 3)).astype(np.uint8)
    middles = camera_path(pictures, SECONDS[:4], shown, upright=True)
    assert np.isfinite(middles).all()
    assert (middles >= shown / 2 - 1e-9).all()
    assert (middles <= 1 - shown / 2 + 1e-9).all()
