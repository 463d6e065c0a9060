"""The videos of the demo: of different scenes, for the short one; of things that the training learns, for the whole."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sspvs.demo.folder import BACKBONE
from sspvs.pipeline import SummarySettings, VideoSummary, summarize
from sspvs.table.text import TextFields
from sspvs.world.film import draw_video
from sspvs.world.painted import PLACES, PaintedClip
from sspvs.world.things import THINGS

_SHOTS = (
    ("sailboat", 4.0), ("fish", 3.5), ("kite", 4.0), ("sailboat", 3.0), ("lighthouse", 4.5), ("car", 3.5),
    ("fish", 4.0), ("sailboat", 4.5), ("whale", 4.5), ("lamp", 3.5), ("sailboat", 3.0), ("fish", 3.0),
    ("balloon", 4.0), ("sailboat", 3.5),
)  # fmt: skip
_NAMED = ("lighthouse", "whale")
_FPS = 24  # half seconds are whole frames
_FIRST_VARIANT = 1_000_000  # no clip file has as many: the training never saw these


class Shown(NamedTuple):
    """A stretch of the video, in seconds."""

    thing: str
    start: float
    end: float


SHOWN = tuple(
    Shown(thing, sum(seconds for _, seconds in _SHOTS[:number]), sum(seconds for _, seconds in _SHOTS[: number + 1]))
    for number, (thing, _) in enumerate(_SHOTS)
)
"""What is seen when."""
TEXT = TextFields(category=PLACES[1].name, title=" and ".join(_NAMED))
"""Text of the video; the title names what matters."""


def draw_film(path: Path, seed: int, *, progress: bool = False) -> Path:
    """Write the whole demo's video, with sound; `seed` is that of the painted clips."""
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


def run_short(out: Path, ratio: float, *, progress: bool = False) -> VideoSummary:
    """Draw a video of different scenes with sound, summarise it, write everything.

    Args:
        out: Folder to write into; made when it does not exist.
        ratio: Longest summary as a part of the video.
        progress: Show progress bars.

    Raises:
        ValueError: The ratio is out of range.
        OutputError: The folder cannot be written to.
    """
    SummarySettings(ratio=ratio)
    out.mkdir(parents=True, exist_ok=True)
    video = draw_video(out / "demo.mp4", progress=progress)
    summary = summarize(video, ratio=ratio, backbone=BACKBONE, title="", progress=progress)
    summary.save(out, progress=progress)
    return summary
