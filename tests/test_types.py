"""Shots, timelines and fingerprints: what they refuse and how they count."""

from __future__ import annotations

import numpy as np
import pytest

from sspvs.types import Fingerprint, Shots, Timeline


def test_timeline_finds_the_frame_on_screen_under_variable_frame_rate() -> None:
    timeline = Timeline(np.array([0.0, 0.1, 0.5, 0.6]), 1.0)
    assert [timeline.frame_at(t) for t in (-1.0, 0.0, 0.09, 0.1, 0.49, 0.55, 0.99, 5.0)] == [0, 0, 0, 1, 1, 2, 3, 3]
    assert timeline.seconds_of(2) == 0.5
    assert timeline.seconds_of(4) == 1.0


@pytest.mark.parametrize(
    "bounds",
    [
        [[1, 5], [5, 10]],  # does not start at 0
        [[0, 5], [5, 9]],  # does not reach the end
        [[0, 4], [5, 10]],  # gap
        [[0, 6], [5, 10]],  # overlap
        [[0, 5], [5, 5], [5, 10]],  # empty shot
    ],
)
def test_shots_must_cover_the_video(bounds: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="shot"):
        Shots(np.array(bounds), 10)


def test_shots_from_starts() -> None:
    shots = Shots.from_starts(np.array([0, 3, 7]), 10)
    assert list(shots) == [(0, 3), (3, 7), (7, 10)]
    assert shots.lengths.tolist() == [3, 4, 3]


def test_every_field_of_a_fingerprint_counts() -> None:
    base = {"backbone": "b", "weights_digest": "0", "transform": "t", "normalisation": "n", "rate_hz": 2.0}
    digests = {Fingerprint(**base).digest}  # type: ignore[arg-type]
    for name in base:
        changed = {**base, name: 3.0 if name == "rate_hz" else "other"}
        digests.add(Fingerprint(**changed).digest)  # type: ignore[arg-type]
    assert len(digests) == 6
