"""What a summary avoids: drawn traces whose reasons are known."""

import numpy as np
import pytest

from sspvs.selection.shots import shots_from_cuts
from sspvs.selection.transitions import find_transitions
from sspvs.selection.unwanted import find_unwanted, unwanted_frames
from sspvs.types import FrameTrace, Timeline

FPS = 25


def part(seconds, *, level=None, seed=0, flat=0.1, change=2.0, detail=3.0):
    """Trace of a stretch: of one level, or a scene of its own."""
    n_frames = int(seconds * FPS)
    rng = np.random.default_rng(seed)
    scene = np.full(208, level) if level is not None else rng.uniform(40, 220, 208)
    noise = rng.normal(0, 1.0 * (change >= 0.3), (n_frames, 208))
    blocks = np.clip(scene + noise, 0, 255).astype(np.uint8)
    return [np.full(n_frames, change), blocks, np.full(n_frames, flat), np.full(n_frames, detail)]


def card(seconds, *, seed=0):
    """A dark card with a line of text, standing still."""
    change, blocks, flat, detail = part(seconds, level=16, flat=0.9, change=0.0, detail=1.0)
    blocks[:, 64:74] = 150
    return [change, blocks, flat, detail]


def reasons(*parts, titles=True):
    """{reason: frames} of a video of these parts."""
    trace = FrameTrace(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    n_frames = len(trace.change)
    timeline = Timeline(np.arange(n_frames) / FPS, n_frames / FPS)
    transitions = find_transitions(trace, timeline)
    shots = shots_from_cuts(transitions.starts, n_frames)
    found = find_unwanted(trace, shots, transitions, timeline, titles=titles)
    frames = {reason: [] for _, _, reason in found}
    for start, end, reason in found:
        frames[reason] += range(start, end)
    assert unwanted_frames(found, n_frames).sum() == len(set().union(*frames.values(), ()))
    return frames


def test_black_and_even_pictures():
    found = reasons(part(4, seed=1), part(1, level=16, flat=1.0, change=0), part(4, seed=2), part(1, level=200, flat=1))
    assert found["black frames"] == list(range(100, 125))
    assert found["blank frames"] == list(range(225, 250))
    assert reasons(part(4, seed=1), part(4, seed=2)) == {}


def test_title_and_end_cards_unless_they_are_kept():
    parts = (card(3), part(10, seed=1), part(10, seed=2), card(4))
    found = reasons(*parts)
    assert found["titles"] == [*range(75), *range(575, 675)]
    assert "titles" not in reasons(*parts, titles=False)


def test_slides_that_are_talked_about_are_no_titles():
    slides = (part(30, seed=1), card(40), part(30, seed=2))
    assert "titles" not in reasons(*slides)
    assert "titles" not in reasons(card(9), card(9), part(4, seed=1))  # most of the video


def test_letterbox_bars_are_no_flat_background():
    scene = part(5, seed=1, flat=0.55, change=0.1)
    scene[1][:, [*range(32), *range(112, 144)]] = 16
    assert reasons(part(10, seed=3), scene, part(10, seed=2)).get("titles") is not None
    everywhere = [part(5, seed=seed, flat=0.55, change=0.1) for seed in (1, 2, 3)]
    for one in everywhere:
        one[1][:, [*range(32), *range(112, 144)]] = 16
    assert reasons(*everywhere) == {}


def test_a_fade_and_a_dissolve():
    one, other = part(4, seed=1), part(4, seed=2)
    ramp = np.linspace(0, 1, 20)[:, None]
    black = np.full((20, 208), 16.0)
    black[:, 144:] = 128
    for end, reason in ((black[0], "fades"), (other[1][0].astype(float), "dissolves")):
        blocks = ((1 - ramp) * one[1][-1] + ramp * end).astype(np.uint8)
        between = [np.full(20, 5.0), blocks, np.full(20, 0.1), np.full(20, 3.0)]
        last = part(4, level=16) if reason == "fades" else other
        if reason == "fades":
            last[1][:, 144:] = 128
        found = reasons(one, between, last)
        assert len(set(found[reason]) & set(range(100, 120))) >= 15


@pytest.mark.parametrize("seconds", [0.1, 1.0])
def test_a_blurred_moment_within_a_shot(seconds):
    whole = part(8, seed=1)
    first = 100
    whole[3][first : first + int(seconds * FPS)] = 0.5
    found = reasons(whole)
    assert found.get("blurred moments", []) == (list(range(first, first + 25)) if seconds == 1 else [])


def test_darkness_unless_the_video_is_dark():
    dark = part(2, level=30)
    dark[1][:, ::3] = 38
    assert len(reasons(part(8, seed=1), dark)["dark moments"]) == 50
    assert "dark moments" not in reasons(part(2, seed=1), dark, dark, dark)
