"""What a summary's clip looks like, apart from what it shows: crossfades, shape, and how the rest is passed over."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from operator import itemgetter
from typing import Any

import numpy as np

from sspvs.schema import NotNegative, Settings, mistakes, parameters, refuse
from sspvs.selection.material import Material
from sspvs.selection.overview import LEAST_FILLED
from sspvs.selection.pauses import walls_around, walls_of
from sspvs.selection.shots import runs
from sspvs.selection.summary import Budget, Selection, split_at
from sspvs.selection.unwanted import unwanted_frames
from sspvs.types import BoolArray, FloatArray, IntArray, Summary, Timeline
from sspvs.video import Footage, Resize, open_video
from sspvs.video.camera import camera_path
from sspvs.video.footage import JUMP_SECONDS, LONGEST_CROSSFADE, Stretch, cut_size
from sspvs.video.takes import film_seconds, takes_of

SOUND_CROSSFADE = 0.04  # seconds between pieces: no click, and no word is heard twice
CAMERA_HZ = 5.0  # pictures a second that the camera is led by
CAMERA_PIXELS = 160
MOST_PICTURES = 300  # of a shot
WHOLE = 0.98  # a cut-out that has more of the picture is not moved
SEEN_SECONDS = 0.2  # what is fast and shorter is a flicker: it is jumped over
ROUND_OFF = 1e-6
MOST_CHOICES = 4  # of pieces, until those and what lies between them fill the length
_SHAPE = re.compile(r"([1-9]\d{0,3})\s*[:/x]\s*([1-9]\d{0,3})", re.ASCII)
_MOST_UNEVEN = 10  # a shape that is so many times longer than wide is a slip of the pen


@dataclass(frozen=True)
class ClipLook(Settings):
    """How a summary's clip looks; wrong values are reported all at once.

    Attributes:
        crossfade: Seconds in which a piece fades into the next one, pictures and sound; 0 cuts.
        aspect: Shape that is cut out of the picture, such as `9:16`; the cut-out follows what stands out. Empty: all.
        speed: How many times faster what lies between the pieces is shown; 0 jumps over it.
    """

    group = ""

    crossfade: NotNegative = 0.0
    aspect: str = ""
    speed: NotNegative = 0.0

    def __post_init__(self) -> None:
        refuse(self.group, [*mistakes(type(self), vars(self)), *self.conflicts()])

    def conflicts(self) -> list[str]:
        """A shape, a speed or a crossfade that cannot be."""
        wrong = []
        if isinstance(self.aspect, str) and self.aspect:
            found = _SHAPE.fullmatch(self.aspect.strip())
            sides = sorted(int(side) for side in found.groups()) if found else []
            if not sides or sides[1] > _MOST_UNEVEN * sides[0]:
                wrong.append(f"aspect must be width:height, such as 9:16 or 1:1, got {self.aspect!r}")
        if isinstance(self.speed, (int, float)) and 0 < self.speed <= 1:
            wrong.append(f"speed must be above 1, such as 8, got {self.speed:g}")
        if isinstance(self.crossfade, (int, float)) and self.crossfade > LONGEST_CROSSFADE:
            wrong.append(f"crossfade must be at most {LONGEST_CROSSFADE:g} seconds, got {self.crossfade:g}")
        return wrong

    @property
    def shape(self) -> tuple[int, int] | None:
        """Width and height of `aspect`."""
        found = _SHAPE.fullmatch(self.aspect.strip())
        return (int(found[1]), int(found[2])) if found else None

    @property
    def chosen(self) -> dict[str, Any]:
        """Those that are not the defaults, by name."""
        return {name: value for name, value in vars(self).items() if value}

    def film(self, summary: Summary) -> dict[str, Any]:
        """Settings of `write_film` for a summary's clip; the field's selection fades only on demand."""
        sound = SOUND_CROSSFADE if summary.of_pieces or self.chosen else 0.0
        return {"crossfade": self.crossfade, "sound_crossfade": sound, "aspect": self.shape}

    @classmethod
    def of(cls, settings: dict[str, Any]) -> "ClipLook":
        """The look among a summary's settings."""
        return cls(**{field.name: settings[field.name] for field in fields(cls) if field.name in settings})

    def budget(self, budget: Budget, seconds: float, shortest: float) -> Budget:
        """What is left of a budget for pieces when the rest of `seconds` of video is shown too, only faster.

        Raises:
            ValueError: Nothing is left for a piece of `shortest` seconds; the message names the least speed that works.
        """
        if not self.speed or budget.max_shots is not None:
            return budget
        wanted = budget.duration_seconds if budget.ratio is None else budget.ratio * seconds
        assert wanted is not None
        if wanted >= seconds:
            return budget
        left = (wanted - seconds / self.speed) / (1 - 1 / self.speed)
        if left < shortest - ROUND_OFF:
            least = (seconds - shortest) / (wanted - shortest) if wanted > shortest else math.inf
            remedy = f"a speed of at least {math.ceil(10 * least) / 10:g}, or a longer summary" if least < 1e4 else ""
            raise ValueError(
                f"at {self.speed:g} times the speed {seconds:.1f} s of video leave no room for a piece in a summary of "
                f"{wanted:.1f} s: choose {remedy or 'a longer summary'}"
            )
        return Budget(duration_seconds=left)

    def fill(
        self, choose: Callable[[Budget], Selection], material: Material, budget: Budget, shortest: float
    ) -> Selection:
        """Choose pieces so that the clip lasts as long as it may, with what crossfades take and what is shown fast.

        Args:
            choose: Chooses pieces within a budget.
            material: What they are of.
            budget: That of the clip.
            shortest: Seconds of the shortest piece.
        """
        timeline, seen = material.timeline, float(np.diff(material.edges)[~material.avoid].sum())
        left = self.budget(budget, seen, shortest)
        if budget.max_shots is not None or (left is budget and not self.crossfade):
            return choose(budget)
        total = float(timeline.shown_seconds[-1])
        wanted = budget.duration_seconds if budget.ratio is None else budget.ratio * total
        assert wanted is not None
        seconds, found = left.duration_seconds or wanted, list[tuple[float, Selection]]()
        while len(found) < MOST_CHOICES and not (found and LEAST_FILLED * wanted <= found[-1][0] <= wanted):
            if found:
                more = (wanted - found[-1][0]) / (1 - 1 / self.speed if self.speed else 1)
                seconds = min(max(seconds + more, seconds / 2), wanted if self.speed else total)
            chosen = choose(Budget(duration_seconds=seconds))
            spans = [(timeline.seconds_of(a), timeline.end_of(b - 1)) for a, b in chosen.segments.tolist()]
            stretches = self.stretches(timeline, material.walls, material.avoid, chosen.segments, spans)
            takes = takes_of([(0, one) for one in stretches], [timeline.end_seconds], self.crossfade, SOUND_CROSSFADE)
            found.append((film_seconds(takes), chosen))
        fitting = [one for one in found if one[0] <= wanted]
        best = max(fitting, key=itemgetter(0))[1] if fitting else min(found, key=itemgetter(0))[1]
        return replace(best, budget_frames=int(wanted * timeline.n_frames / total), budget_seconds=wanted)

    def stretches(
        self,
        timeline: Timeline,
        walls: IntArray,
        avoid: BoolArray,
        segments: IntArray,
        spans: Sequence[tuple[float, float]],
    ) -> list[Stretch]:
        """What a clip shows of a video, in order: its pieces and, at `speed`, what lies between them.

        Args:
            timeline: Of the video.
            walls: As of `walls_of`.
            avoid: (N,) frames that are not shown fast.
            segments: (M, 2) frame ranges of the pieces.
            spans: Start and end of each piece in seconds.
        """
        rooms = _rooms(timeline, walls, segments)
        stretches = [Stretch(*span, *room) for span, room in zip(spans, rooms, strict=True)]
        return sorted([*stretches, *_between(timeline, segments, avoid, self.speed)]) if self.speed else stretches


def with_look(summary: Summary, look: ClipLook) -> Summary:
    """A summary whose clip looks otherwise."""
    others = {name: value for name, value in summary.settings.items() if name not in parameters(ClipLook)}
    return replace(summary, settings={**others, **look.chosen}, played=())


def plays_of(footage: Footage, film: dict[str, Any]) -> tuple[tuple[float, float, float, float], ...]:
    """What a film of one source plays, as `Summary.played`, by its settings for `write_film`."""
    assert footage.timeline is not None
    stretches = [(0, stretch) for stretch in footage.stretches]
    takes = takes_of(stretches, [footage.timeline.end_seconds], film["crossfade"], film["sound_crossfade"])
    starts = np.cumsum([0.0, *(take.seconds - take.tail for take in takes)]).tolist()
    return tuple((at, take.start, take.end, take.speed) for at, take in zip(starts, takes, strict=False))


def footage_of(summary: Summary, look: ClipLook) -> Footage:
    """What a summary's clip shows."""
    timeline, avoid = summary.timeline, unwanted_frames(summary.avoided, summary.timeline.n_frames)
    walls = walls_of(summary.shots, avoid, timeline.gaps)
    stretches = look.stretches(timeline, walls, avoid, summary.segments, summary.segment_seconds)
    camera = _camera(summary, look.shape, stretches) if look.shape else None
    return Footage(summary.info.path, stretches, timeline, camera)


def _rooms(timeline: Timeline, walls: IntArray, pieces: IntArray) -> list[tuple[float, float]]:
    """Seconds before and after each piece that a crossfade may show: of the same shot, and half way to the next one."""
    lows, highs = (edges.tolist() for edges in walls_around(pieces, walls))
    rooms = []
    for number, (start, end) in enumerate(pieces.tolist()):
        low, high = lows[number], highs[number]
        if number:
            low = max(low, (int(pieces[number - 1, 1]) + start + 1) // 2)
        if number + 1 < len(pieces):
            high = min(high, (end + int(pieces[number + 1, 0])) // 2)
        before = timeline.seconds_of(start) - timeline.seconds_of(min(low + 1, start))  # a frame beside a cut is left
        after = timeline.end_of(max(high - 2, end - 1)) - timeline.end_of(end - 1)
        rooms.append((before, after))
    return rooms


def _between(timeline: Timeline, segments: IntArray, avoid: BoolArray, speed: float) -> Iterator[Stretch]:
    """What is neither in a piece nor avoided, as far as it is seen at that speed."""
    left = ~avoid
    for start, end in segments:
        left[start:end] = False
    after_gaps = np.asarray(timeline.gaps, np.int64) + 1
    for first, last in split_at(runs(left), after_gaps).tolist():
        stretch = Stretch(timeline.seconds_of(first), timeline.end_of(last - 1), speed=speed)
        if stretch.end - stretch.start >= SEEN_SECONDS * speed:
            yield stretch


def _camera(summary: Summary, shape: tuple[int, int], stretches: list[Stretch]) -> FloatArray | None:
    """(K, 2) where the cut-out lies, by pictures of everything that is shown; None where it is the whole picture."""
    info, timeline, bounds = summary.info, summary.timeline, summary.shots.bounds
    whole = info.width, info.height
    part = cut_size(*whole, shape)
    upright = part[0] / whole[0] < part[1] / whole[1]
    shown = min(part[0] / whole[0], part[1] / whole[1])
    if shown > WHOLE:
        return None
    points: list[FloatArray] = []
    with open_video(info.path, timeline=timeline) as video:
        for stretch in stretches:
            first = timeline.frame_at(stretch.start - stretch.before + ROUND_OFF)
            last = timeline.frame_at(stretch.end + stretch.after - ROUND_OFF) + 1
            cuts = bounds[(bounds[:, 0] > first) & (bounds[:, 0] < last), 0].tolist()
            for start, end in zip([first, *cuts], [*cuts, last], strict=True):
                step = info.fps / CAMERA_HZ * stretch.speed
                frames = np.linspace(start, end - 1, max(2, min(MOST_PICTURES, round((end - start) / step))))
                frames = np.unique(frames.round().astype(np.int64))
                pictures = video.frames_at(frames.tolist(), Resize("long_side", CAMERA_PIXELS))
                seconds = timeline.frame_seconds[frames]
                middles = camera_path(pictures, seconds, shown, upright=upright)
                if points:  # the camera stays where it is up to the next shot
                    points.append(
                        np.array([[max(seconds[0] - JUMP_SECONDS / 2, points[-1][-1, 0]), points[-1][-1, 1]]])
                    )
                points.append(np.stack([seconds, middles], axis=1))
    return np.concatenate(points)
