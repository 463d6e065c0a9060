"""The video that the demo summarises: things that the training knows, in variants that it never saw."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sspvs.data.text import TextFields
from sspvs.video.drawing import PLACES, THINGS, PaintedClip, draw_video

_SHOTS = (
    ("sailboat", 4.0), ("fish", 3.5), ("kite", 4.0), ("sailboat", 3.0), ("lighthouse", 4.5), ("car", 3.5),
    ("fish", 4.0), ("sailboat", 4.5), ("whale", 4.5), ("lamp", 3.5), ("sailboat", 3.0), ("fish", 3.0),
    ("balloon", 4.0), ("sailboat", 3.5),
)  # fmt: skip
_NAMED = ("lighthouse", "whale")
_FPS = 24  # half seconds are whole frames
_FIRST_VARIANT = 1_000_000  # no clip file has as many


class Shown(NamedTuple):
    """A stretch of the video.

    Attributes:
        thing: What it shows.
        start: Seconds.
        end: Seconds.
    """

    thing: str
    start: float
    end: float


SHOWN = tuple(
    Shown(thing, sum(seconds for _, seconds in _SHOTS[:number]), sum(seconds for _, seconds in _SHOTS[: number + 1]))
    for number, (thing, _) in enumerate(_SHOTS)
)
"""What is seen when."""
TEXT = TextFields(category=PLACES[1].name, title=" and ".join(_NAMED))
"""What is said about the video; the title names what matters."""


def draw_film(path: Path, seed: int, *, progress: bool = False) -> Path:
    """Write the video, with sound.

    Args:
        path: The file.
        seed: Of the painting, as the clips had it.
        progress: Show a progress bar.
    """
    things = {thing.name: number for number, thing in enumerate(THINGS)}
    scenes = [
        PaintedClip(things[thing], _FIRST_VARIANT + number, seconds, seed)
        for number, (thing, seconds) in enumerate(_SHOTS)
    ]
    return draw_video(path, scenes=scenes, fps=_FPS, progress=progress)


def seconds_named(segments: Iterable[tuple[float, float]]) -> float:
    """How many seconds of stretches of the video show what its title names."""
    return sum(
        max(0.0, min(end, shown.end) - max(start, shown.start))
        for start, end in segments
        for shown in SHOWN
        if shown.thing in _NAMED
    )
