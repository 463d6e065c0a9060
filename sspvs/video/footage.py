"""What a film is made of: stretches of source files, and how they travel to the process that encodes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sspvs.types import FloatArray, Timeline
from sspvs.video.isolated import pack_timeline, unpack_timeline

TOUCHING_SECONDS = 1e-4  # stretches closer than this are one: no cut is heard or seen between them
LONGEST_CROSSFADE = 10.0  # seconds
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
"""What x264 calls its trades of speed against size."""


class Stretch(NamedTuple):
    """A part of a source, half-open, in seconds from the first frame of the source's picture."""

    start: float
    end: float
    before: float = 0.0  # seconds before it that a crossfade may show
    after: float = 0.0  # and after it
    speed: float = 1.0  # seconds of the source in a second of the film; without sound unless 1


@dataclass(frozen=True)
class Footage:
    """Stretches of one source.

    Attributes:
        source: The video file.
        segments_seconds: `Stretch`es, or plain (start, end) pairs, in the order in which they are shown; what lies
            behind the end of the video is cut off.
        timeline: When each frame of the source is shown, as a pass over it found; saves another look at the file.
    """

    source: Path | str
    segments_seconds: Sequence[Stretch | tuple[float, float]]
    timeline: Timeline | None = None

    @property
    def stretches(self) -> list[Stretch]:
        """The segments, those joined that touch."""
        joined: list[Stretch] = []
        for stretch in (Stretch(*segment) for segment in self.segments_seconds):
            touches = joined and abs(joined[-1].end - stretch.start) < TOUCHING_SECONDS
            if touches and joined[-1].speed == stretch.speed:
                joined[-1] = joined[-1]._replace(end=float(stretch.end), after=float(stretch.after))
            else:
                joined.append(Stretch(*map(float, stretch)))
        return joined


@dataclass(frozen=True)
class ClipSettings:
    """How films are encoded; see `sspvs.video.writer.write_film`."""

    crf: int = 23
    preset: str = "veryfast"
    max_height: int | None = None
    chapters: Sequence[tuple[float, str]] = ()
    crossfade: float = 0.0
    sound_crossfade: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.crf <= 51:
            raise ValueError(f"crf must lie in [0, 51], got {self.crf}")
        if self.preset not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {self.preset!r}")
        if self.max_height is not None and self.max_height < 2:
            raise ValueError(f"max_height must be at least 2, got {self.max_height}")
        for name in ("crossfade", "sound_crossfade"):
            if not 0 <= getattr(self, name) <= LONGEST_CROSSFADE:
                raise ValueError(f"{name} must lie in [0, {LONGEST_CROSSFADE:g}] seconds, got {getattr(self, name)}")
        starts = [start for start, _ in self.chapters]
        if starts != sorted(starts) or not all(0 <= start < float("inf") for start in starts):
            raise ValueError(f"chapters must begin at 0 or later, in their order, got {starts}")


def check_footage(footage: Sequence[Footage]) -> None:
    """Refuse a film without stretches, and those that are empty or negative."""
    segments = [segment for part in footage for segment in part.segments_seconds]
    if not segments or not all(part.segments_seconds for part in footage):
        raise ValueError("expected at least one segment, got none")
    for start, end, *more in segments:
        if not 0 <= start < end < float("inf"):
            raise ValueError(f"a segment must have 0 <= start < end, got ({start}, {end})")
        if more and (min(more[:2]) < 0 or not 0 < Stretch(start, end, *more).speed < float("inf")):
            raise ValueError(f"what is beside a segment must be at least 0, and its speed above 0, got {more}")


def pack_footage(footage: Sequence[Footage]) -> tuple[list[dict[str, Any]], list[FloatArray]]:
    """Footage as plain fields and the arrays that go with them."""
    packed, arrays = [], []
    for part in footage:
        known, seconds = pack_timeline(part.timeline)
        packed.append({"source": str(part.source), "segments_seconds": part.stretches, "timeline": known})
        arrays += seconds
    return packed, arrays


def unpack_footage(packed: Sequence[dict[str, Any]], arrays: Sequence[FloatArray]) -> list[Footage]:
    """The inverse of `pack_footage`."""
    seconds = iter(arrays)
    return [
        Footage(
            Path(fields["source"]),
            [Stretch(*segment) for segment in fields["segments_seconds"]],
            unpack_timeline(known, next(seconds)) if (known := fields["timeline"]) is not None else None,
        )
        for fields in packed
    ]
