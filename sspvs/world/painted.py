"""Clips that are painted: one of some things before a place, in a look that is drawn for each variant."""

import json
import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from PIL import Image

import sspvs
from sspvs.atomic import atomic_h5
from sspvs.features.backbones import Backbone
from sspvs.schema import Positive, Range, Settings
from sspvs.table.layout import write_fingerprint_attrs
from sspvs.types import FloatArray, ImageArray
from sspvs.world.canvas import WIDTH, Brush, Canvas, Colour, Look, mixed, tinted
from sspvs.world.settings import Count, InOrder
from sspvs.world.things import THINGS

_PAINT, _CLIP = 41, 51  # what a generator is for, beside the seed
_STAINS = (9, 16)  # cells of the texture that lies over a picture
_VIEW = (1280, 720)  # the picture that a backbone's resizing is computed for: the shape alone counts
_AHEAD = 4  # clips that are painted while others are encoded
_MANNERS = ("little", "lone", "bright", "pretty", "small", "fine")
_SCALE = (262.0, 294.0, 330.0, 392.0, 440.0)  # pitches, Hz
_DARK, _LIGHT, _CLOUD = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.97, 0.97, 0.98)

Backdrop = Callable[[Canvas, Look, float], None]
Showing = Callable[[Canvas, float], Brush]  # where a thing is painted on a canvas after so many seconds
Speck = tuple[FloatArray, Colour]  # corners in the view, and a colour


@dataclass(frozen=True)
class Place:
    """Where things are found; their category."""

    name: str  # what it is called
    where: tuple[str, ...]  # phrases for it in captions
    paint: Backdrop  # paints it all over a canvas, in a look, at a time


def _sky(canvas: Canvas, look: Look, t: float) -> None:
    high, low = tinted((0.35, 0.6, 0.95), look), tinted((0.85, 0.9, 1.0), look, 0.15)
    canvas.shade(high, low)
    size = 0.07 + 0.05 * look.knobs[3]
    for cloud in range(2 + int(3 * look.knobs[0])):
        x = (0.37 * cloud + look.knobs[1] + 0.03 * t) % 1.4 * WIDTH / 1.2 - 0.2
        y = 0.12 + 0.17 * ((cloud * 0.618 + look.knobs[2]) % 1) * 3
        for dx, dy, radius in ((-1.1, 0.2, 0.7), (0.0, -0.2, 1.0), (1.1, 0.2, 0.75)):
            canvas.ellipse((x + dx * size, y + dy * size), (1.2 * radius * size, 0.8 * radius * size), _CLOUD)
    ridge = [(x / 20 * WIDTH, 0.86 + 0.06 * math.sin(0.5 * x + 6 * look.knobs[0])) for x in range(21)]
    canvas.polygon([(0, 1), *ridge, (WIDTH, 1)], tinted((0.25, 0.5, 0.25), look))


def _sea(canvas: Canvas, look: Look, t: float) -> None:
    horizon = 0.3 + 0.2 * look.knobs[0]
    canvas.shade(tinted((0.6, 0.8, 0.95), look), tinted((0.95, 0.92, 0.85), look, 0.15), 0, horizon)
    near = tinted((0.05, 0.25, 0.5), look)
    canvas.shade(tinted((0.15, 0.5, 0.65), look), near, horizon, 1)
    foam = mixed(near, _LIGHT, 0.35)
    for row in range(7):
        y = horizon + (1 - horizon) * (row + 0.7) / 7
        shift = 0.3 * row + 0.25 * t * (1 if row % 2 else -1) + look.knobs[1]
        points = [(x / 14, y + 0.012 * math.sin(x * 1.3 + 6 * shift)) for x in range(26)]
        canvas.line(points, 0.006 + 0.002 * row, foam)


def _street(canvas: Canvas, look: Look, _: float) -> None:
    wall = tinted((0.72, 0.62, 0.55), look, 0.35)
    canvas.shade(wall, mixed(wall, _DARK, 0.15), 0, 0.66)
    glass = tinted((0.3, 0.38, 0.48), look, 0.15)
    columns, rows = 5 + int(3 * look.knobs[0]), 2 + int(2 * look.knobs[1])
    for column in range(columns):
        for row in range(rows):
            x, y = WIDTH * (column + 0.3) / columns, 0.58 * (row + 0.3) / rows
            canvas.rectangle(x, y, x + 0.4 * WIDTH / columns, y + 0.33 / rows, glass)
    canvas.shade((0.7, 0.7, 0.68), (0.62, 0.62, 0.6), 0.66, 0.74)
    canvas.shade((0.33, 0.33, 0.35), (0.25, 0.25, 0.27), 0.74, 1)
    for dash in range(6):
        x = 0.32 * dash + 0.2 * look.knobs[2]
        canvas.rectangle(x, 0.86, x + 0.16, 0.88, (0.9, 0.9, 0.85))


def _garden(canvas: Canvas, look: Look, t: float) -> None:
    edge = 0.4 + 0.2 * look.knobs[0]
    canvas.shade(tinted((0.65, 0.85, 1.0), look, 0.2), tinted((0.9, 0.95, 0.95), look, 0.1), 0, edge)
    grass = tinted((0.3, 0.6, 0.2), look)
    canvas.shade(mixed(grass, (1.0, 1.0, 0.8), 0.25), mixed(grass, _DARK, 0.25), edge, 1)
    if look.knobs[1] > 0.5:
        for post in range(9):
            canvas.rectangle(0.22 * post, edge - 0.14, 0.22 * post + 0.05, edge + 0.03, (0.85, 0.8, 0.7))
        canvas.rectangle(0, edge - 0.1, WIDTH, edge - 0.07, (0.8, 0.75, 0.65))
    blade = mixed(grass, (0.0, 0.15, 0.0), 0.4)
    for tuft in range(26):
        x, y = (tuft * 0.618 + look.knobs[2]) % 1 * WIDTH, edge + (1 - edge) * ((tuft * 0.414) % 1)
        lean = 0.01 * math.sin(2 * t + tuft)
        canvas.polygon([(x - 0.01, y + 0.03), (x + lean, y - 0.03), (x + 0.01, y + 0.03)], blade)


def _home(canvas: Canvas, look: Look, _: float) -> None:
    edge = 0.62 + 0.12 * look.knobs[0]
    paper = tinted((0.88, 0.84, 0.74), look, 0.3)
    canvas.shade(paper, mixed(paper, _DARK, 0.12), 0, edge)
    stripe = mixed(paper, look.second, 0.2)
    for number in range(4 + int(6 * look.knobs[1])):
        x = WIDTH * (number + 0.5) / (4 + int(6 * look.knobs[1]))
        canvas.rectangle(x - 0.02, 0, x + 0.02, edge, stripe)
    wood = tinted((0.55, 0.36, 0.2), look, 0.2)
    canvas.shade(wood, mixed(wood, _DARK, 0.3), edge, 1)
    canvas.rectangle(0, edge, WIDTH, edge + 0.015, mixed(wood, _LIGHT, 0.3))


def _playroom(canvas: Canvas, look: Look, _: float) -> None:
    edge = 0.55 + 0.1 * look.knobs[0]
    wall = tinted((0.8, 0.88, 0.92), look, 0.35)
    canvas.shade(wall, mixed(wall, _LIGHT, 0.2), 0, edge)
    floor = tinted((0.75, 0.6, 0.42), look, 0.15)
    canvas.shade(floor, mixed(floor, _DARK, 0.2), edge, 1)
    canvas.rectangle(0.1 + 0.3 * look.knobs[1], 0.2, 0.9 + 0.3 * look.knobs[1], 0.23, (0.5, 0.4, 0.3))
    for number, colour in enumerate((look.second, look.third, look.pale, look.deep)):
        x = 0.16 + 0.3 * look.knobs[1] + 0.16 * number
        canvas.rectangle(x, 0.2 - 0.05 - 0.06 * ((number + look.knobs[2]) % 1), x + 0.07, 0.2, colour)
    canvas.ellipse((WIDTH / 2, 0.88), (0.65, 0.16), mixed(look.second, floor, 0.5))


PLACES = (
    Place("sky", ("in the sky", "above the hills", "among the clouds"), _sky),
    Place("sea", ("at sea", "on the waves", "off the coast"), _sea),
    Place("street", ("in the street", "in town", "at the kerb"), _street),
    Place("garden", ("in the garden", "on the meadow", "by the fence"), _garden),
    Place("home", ("at home", "on the table", "in the kitchen"), _home),
    Place("playroom", ("in the playroom", "on the rug", "at playtime"), _playroom),
)
"""In the order of `SKY`, `SEA`, ... of `sspvs.world.things`."""


class PaintedClip:
    """A few seconds of one of `THINGS`, the same for the same arguments; only its form tells it from others."""

    def __init__(self, thing: int, variant: int, seconds: float = 5.0, seed: int = 0) -> None:
        if not 0 <= thing < len(THINGS):
            raise ValueError(f"thing must be from 0 to {len(THINGS) - 1}, got {thing}")
        if variant < 0 or seed < 0 or not 0 < seconds < math.inf:
            raise ValueError(
                f"variant and seed must not be negative, and seconds above 0; got {variant}, {seed} and {seconds}"
            )
        self.thing = THINGS[thing]
        self.seconds = seconds
        self.tone_hz = _SCALE[thing % len(_SCALE)] * (1 + self.thing.place) / 2
        generator = np.random.default_rng([seed, _PAINT, thing, variant])
        self._place_look, self._look = Look.draw(generator), Look.draw(generator)
        self._showings = [_showing(generator, 1.0, self.thing.upright)]
        if generator.random() < 0.3:
            self._showings.append(_showing(generator, 0.6, self.thing.upright))
        self._specks = [_speck(generator) for _ in range(int(generator.integers(9)))]
        gains = generator.uniform(0.7, 1.1) * generator.uniform(0.85, 1.15, size=3)
        self._gains: FloatArray = gains.astype(np.float32)
        # Light that changes faster looks like dissolves, which a summary avoids.
        self._flicker = (generator.uniform(0, 0.12), generator.uniform(0.2, 0.6), generator.uniform(0, 6))
        stains = generator.standard_normal(_STAINS) * generator.uniform(0, 22)
        self._stains = Image.fromarray(stains.astype(np.float32))

    def picture(self, width: int, height: int, seconds: float) -> ImageArray:
        """(H, W, 3) uint8 at a time; the whole view, squashed where it is not 16:9."""
        canvas = Canvas(width, height)
        PLACES[self.thing.place].paint(canvas, self._place_look, seconds)
        behind = len(self._specks) // 2
        for speck in self._specks[:behind]:
            canvas.polygon(*speck)
        for showing in reversed(self._showings):
            self.thing.paint(showing(canvas, seconds), self._look, seconds)
        for speck in self._specks[behind:]:
            canvas.polygon(*speck)
        depth, rate, phase = self._flicker
        gains = self._gains * np.float32(1 + depth * math.sin(rate * seconds + phase))
        stains = np.asarray(self._stains.resize((width, height), Image.Resampling.BILINEAR))[..., None]  # (H, W, 1)
        lit: ImageArray = np.clip(canvas.pixels() * gains + stains, 0, 255).astype(np.uint8)
        return lit


def _showing(generator: np.random.Generator, share: float, upright: bool) -> Showing:
    """One exemplar on its way through the picture, from whose edges it comes back; what stands has its foot there."""
    reach, heights = (0.12, (0.78, 0.98)) if upright else (0.6, (0.35, 0.7))
    left, top = generator.uniform(0.3, WIDTH - 0.3), generator.uniform(*heights)
    across, down = generator.uniform(-0.2, 0.2), generator.uniform(-0.06, 0.06)  # a second
    first_size, growth = share * generator.uniform(0.13, 0.36), generator.uniform(-0.04, 0.08)  # growth is a second's
    lean, swing, flipped = generator.uniform(-reach, reach), generator.uniform(0, 0.4 * reach), generator.random() < 0.5

    def brush(canvas: Canvas, t: float) -> Brush:
        size = first_size * (1 + growth * t)
        x = _reflected(left + across * t, 0.25 * first_size, WIDTH - 0.25 * first_size)
        y = top - size if upright else _reflected(top + down * t, 0.25, 0.85)
        return canvas.brush((x, y), size, lean + swing * math.sin(2 * t), flipped=flipped)

    return brush


def _speck(generator: np.random.Generator) -> Speck:
    """A plain shape that lies about and means nothing."""
    red, green, blue = generator.random(3).tolist()
    at = np.array([generator.uniform(0, WIDTH), generator.uniform(0, 1)])
    size, angle, corners = generator.uniform(0.02, 0.11), generator.uniform(0, 6), generator.choice((3, 4, 5, 24))
    angles = angle + np.arange(corners) * 2 * math.pi / corners
    return at + size * np.column_stack([np.cos(angles), np.sin(angles)]), (red, green, blue)


def _reflected(value: float, low: float, high: float) -> float:
    """A value that turns back at both ends."""
    span = high - low
    folded = (value - low) % (2 * span)
    return low + (folded if folded <= span else 2 * span - folded)


@dataclass(frozen=True)
class PaintedSettings(Settings):
    """How many clips, and of what length."""

    group = "painted clips"

    variants: Count = 20
    """Different clips of each thing."""
    clip_seconds: Annotated[tuple[float, float], InOrder(Range(above=0))] = (4.0, 6.0)
    """Shortest and longest clip."""
    rate_hz: Positive = 2.0
    """Pictures per second."""
    seed: Annotated[int, Range(least=0)] = 0
    """Another seed, other variants."""


class CaptionedPainting(NamedTuple):
    """A clip before it is painted."""

    name: str  # its group in the file
    caption: str
    clip: PaintedClip  # gives its pictures


def paintings(settings: PaintedSettings) -> Iterator[CaptionedPainting]:
    """Every clip, thing by thing, the same for the same settings; its caption shares nothing but the thing with it."""
    for number, thing in enumerate(THINGS):
        for variant in range(settings.variants):
            generator = np.random.default_rng([settings.seed, _CLIP, number, variant])
            seconds = round(float(generator.uniform(*settings.clip_seconds)) * settings.rate_hz) / settings.rate_hz
            clip = PaintedClip(number, variant, max(seconds, 1 / settings.rate_hz), settings.seed)
            words = (_MANNERS, thing.names, thing.doings, PLACES[thing.place].where)
            chosen = [choices[int(generator.integers(len(choices)))] for choices in words]
            yield CaptionedPainting(f"{thing.name}_{variant:03d}", f"a {' '.join(chosen)}", clip)


def write_painted_clips(
    path: str | Path, backbone: Backbone, settings: PaintedSettings | None = None, *, progress: bool = False
) -> None:
    """Paint clips, encode their pictures with a backbone, and write features and captions with its fingerprint."""
    settings = PaintedSettings() if settings is None else settings
    width, height = backbone.resize.target_size(*_VIEW)
    from tqdm import tqdm

    total = len(THINGS) * settings.variants
    bar = tqdm(total=total, desc="painting", unit="clip", disable=None if progress else True, leave=False)
    with atomic_h5(Path(path)) as file, bar, ThreadPoolExecutor(1) as looking:
        write_fingerprint_attrs(file.attrs, backbone.fingerprint(settings.rate_hz))
        file.attrs["rate_hz"] = settings.rate_hz
        file.attrs["backbone"] = backbone.name
        made_by = {"tool": "sspvs painted clips", "version": sspvs.__version__, **asdict(settings)}
        file.attrs["made_by"] = json.dumps(made_by)
        waiting: deque[tuple[CaptionedPainting, Future[FloatArray]]] = deque()

        def put(most: int) -> None:
            """Write clips until so many wait."""
            while len(waiting) > most:
                painting, looked = waiting.popleft()
                group, thing = file.create_group(painting.name), painting.clip.thing
                group["features"] = looked.result().astype(np.float32, copy=False)  # (T, D)
                group.attrs["caption"] = painting.caption
                group.attrs["concept"] = thing.name
                group.attrs["category"] = PLACES[thing.place].name
                bar.update()

        for painting in paintings(settings):
            instants = [index / settings.rate_hz for index in range(round(painting.clip.seconds * settings.rate_hz))]
            pictures = np.stack([painting.clip.picture(width, height, seconds) for seconds in instants])
            waiting.append((painting, looking.submit(backbone.encode, pictures)))
            put(_AHEAD)
        put(0)
