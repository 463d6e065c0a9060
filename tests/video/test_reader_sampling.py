from __future__ import annotations

import numpy as np
import pytest
from helpers.drawn_videos import picks_by_hand
from hypothesis import given
from hypothesis import strategies as st

from sspvs.types import Resize
from sspvs.video.reader import choose_picks, is_pick


@given(
    steps=st.lists(st.integers(1, 400), min_size=1, max_size=60),
    rate=st.sampled_from([0.3, 0.5, 1.0, 2.0, 3.0, 10.0, 29.97, 120.0]),
)
def test_picks_are_the_frames_on_screen(steps: list[int], rate: float) -> None:
    edges = np.cumsum([0, *steps]) / 1000
    seconds, end = edges[:-1], float(edges[-1])
    expected = picks_by_hand(list(seconds), end, rate)
    assert choose_picks(seconds, end, rate).tolist() == expected
    streamed = [i for i in range(len(seconds)) if is_pick(edges[i], edges[i + 1], rate)]
    assert streamed == expected


def test_every_frame_without_a_rate() -> None:
    assert choose_picks(np.array([0.0, 0.1, 5.0]), 5.1, None).tolist() == [0, 1, 2]


def test_ticks_on_frame_times_survive_rounding() -> None:
    seconds = np.arange(3000) / 30.0
    assert choose_picks(seconds, 100.0, 2.0).tolist() == list(range(0, 3000, 15))


@pytest.mark.parametrize(
    ("resize", "size", "expected"),
    [
        (Resize("squash", 224), (640, 360), (224, 224)),
        (Resize("squash", 48, height=27), (640, 360), (48, 27)),
        (Resize("short_side", 180), (640, 360), (320, 180)),
        (Resize("short_side", 720), (360, 640), (720, 1280)),
        (Resize("long_side", 160), (640, 360), (160, 90)),
        (Resize("long_side", 160), (100, 50), (100, 50)),
        (Resize("long_side", 10), (1000, 2), (10, 1)),
        (Resize("none"), (33, 17), (33, 17)),
    ],
)
def test_target_size(resize: Resize, size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert resize.target_size(*size) == expected


@pytest.mark.parametrize("wrong", [{"mode": "stretch"}, {"pixels": 0}, {"filter": "nearest"}])
def test_nonsense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must be"):
        Resize(**wrong)  # type: ignore[arg-type]
