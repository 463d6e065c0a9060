"""What a film is made of: stretches of source files, and how they travel to the process that encodes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sspvs.types import FloatArray, Timeline
from sspvs.video.isolated import pack_timeline, unpack_timeline

TOUCHING_SECONDS = 1e-4  # stretches closer than this are one: no cut is heard or seen between them
JUMP_SECONDS = 1e-5  # two points of a camera's path that are no further apart: it jumps there
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
        camera: (K, 2) seconds, and the middle there of what is cut out, as a share of the width or height; on straight
            lines between. None: the middle of the picture. Only where the film has an `aspect`.
    """

    source: Path | str
    segments_seconds: Sequence[Stretch | tuple[float, float]]
    timeline: Timeline | None = None
    camera: FloatArray | None = None

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
    aspect: tuple[int, int] | None = None

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
        if self.aspect is not None and not min(self.aspect) > 0:
            raise ValueError(f"aspect must be width and height, both above 0, got {self.aspect}")
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
    packed, arrays = [], list[FloatArray]()
    for part in footage:
        known, seconds = pack_timeline(part.timeline)
        seconds += () if part.camera is None else (part.camera,)
        fields = {"source": str(part.source), "segments_seconds": part.stretches, "timeline": known}
        packed.append({**fields, "camera": part.camera is not None})
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
            next(seconds) if fields["camera"] else None,
        )
        for fields in packed
    ]


def film_size(width: int, height: int, max_height: int | None = None) -> tuple[int, int]:
    """Width and height, both even, of what is written of pictures of `width` x `height`."""
    if max_height is not None and height > max_height:
        width, height = round(width * max_height / height), max_height
    return _even(width), _even(height)


def cut_size(width: int, height: int, aspect: tuple[int, int]) -> tuple[int, int]:
    """Width and height, both even, of the largest part of a picture that has the shape `aspect`."""
    wide, high = aspect
    if width * high > height * wide:
        return _even(round(height * wide / high)), height
    return width, _even(round(width * high / wide))


def inside_size(width: int, height: int, size: tuple[int, int], *, cut: bool) -> tuple[int, int]:
    """What a picture of `width` x `height` is scaled to, both even, so that it fits into `size`, or covers it."""
    scales = size[0] / width, size[1] / height
    scale = max(scales) if cut else min(scales)
    sides = [2 * round(side * scale / 2) for side in (width, height)]
    limit = max if cut else min
    one, other = (limit(least, max(2, side)) for least, side in zip(size, sides, strict=True))
    return one, other


def _even(pixels: int) -> int:
    return max(2, pixels - pixels % 2)
