"""A clip of a thing in its place, in one of any number of variants: colours, size, way, light."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from sspvs.types import FloatArray, ImageArray
from sspvs.video.drawing.canvas import WIDTH, Canvas, Point
from sspvs.video.drawing.look import Look
from sspvs.video.drawing.things import PLACES, THINGS

_PAINT = 41  # what the generator is for, beside the seed
_STAINS = (9, 16)  # cells of the texture that lies over a picture
_SCALE = (262.0, 294.0, 330.0, 392.0, 440.0)  # pitches, Hz


@dataclass(frozen=True)
class _Showing:
    """One exemplar on its way through the picture."""

    start: Point
    speed: Point  # a second
    grounded: bool  # then its foot is where it is
    size: float
    growth: float  # a second, as a share of the size
    lean: float
    swing: float
    flipped: bool

    def place(self, t: float) -> tuple[Point, float, float]:
        """Where it is, how big and how turned; it comes back from the edges."""
        size = self.size * (1 + self.growth * t)
        x = _reflected(self.start[0] + self.speed[0] * t, 0.25 * self.size, WIDTH - 0.25 * self.size)
        y = self.start[1] - size if self.grounded else _reflected(self.start[1] + self.speed[1] * t, 0.25, 0.85)
        return (x, y), size, self.lean + self.swing * math.sin(2 * t)


@dataclass(frozen=True)
class _Speck:
    """A plain shape that lies about and says nothing."""

    at: Point
    size: float
    angle: float
    corners: int
    colour: tuple[float, float, float]


class PaintedClip:
    """A few seconds of one thing; the same pictures for the same arguments, at any size.

    Nothing but the thing's form tells it from the other things of its place: colours have any hue, and size, way,
    light and what else lies about are drawn for each variant.

    Args:
        thing: Index in `THINGS`.
        variant: Which of its variants, 0 or more.
        seconds: How long it lasts.
        seed: Of everything that is drawn.

    Raises:
        ValueError: There is no such thing or variant, or it lasts no time.
    """

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
        self._showings = [self._draw_showing(generator, 1.0)]
        if generator.random() < 0.3:
            self._showings.append(self._draw_showing(generator, 0.6))
        self._specks = [_draw_speck(generator) for _ in range(int(generator.integers(9)))]
        gains = generator.uniform(0.7, 1.1) * generator.uniform(0.85, 1.15, size=3)
        self._gains: FloatArray = gains.astype(np.float32)
        self._flicker = (generator.uniform(0, 0.12), generator.uniform(1, 4), generator.uniform(0, 6))
        stains = generator.standard_normal(_STAINS) * generator.uniform(0, 22)
        self._stains = Image.fromarray(stains.astype(np.float32))

    def picture(self, width: int, height: int, seconds: float) -> ImageArray:
        """(H, W, 3) uint8 at a time; the whole view, squashed where it is not 16:9."""
        canvas = Canvas(width, height)
        PLACES[self.thing.place].paint(canvas, self._place_look, seconds)
        behind = len(self._specks) // 2
        self._strew(canvas, self._specks[:behind])
        for showing in reversed(self._showings):
            at, size, angle = showing.place(seconds)
            self.thing.paint(canvas.brush(at, size, angle, flipped=showing.flipped), self._look, seconds)
        self._strew(canvas, self._specks[behind:])
        return self._lit(canvas.pixels(), seconds)

    def _strew(self, canvas: Canvas, specks: list[_Speck]) -> None:
        for speck in specks:
            angles = speck.angle + np.arange(speck.corners) * 2 * math.pi / speck.corners
            canvas.brush(speck.at, speck.size).polygon(np.column_stack([np.cos(angles), np.sin(angles)]), speck.colour)

    def _draw_showing(self, generator: np.random.Generator, share: float) -> _Showing:
        upright = self.thing.upright
        reach = 0.12 if upright else 0.6
        heights = (0.78, 0.98) if upright else (0.35, 0.7)
        return _Showing(
            start=(float(generator.uniform(0.3, WIDTH - 0.3)), float(generator.uniform(*heights))),
            speed=(float(generator.uniform(-0.2, 0.2)), float(generator.uniform(-0.06, 0.06))),
            grounded=upright,
            size=share * float(generator.uniform(0.13, 0.36)),
            growth=float(generator.uniform(-0.04, 0.08)),
            lean=float(generator.uniform(-reach, reach)),
            swing=float(generator.uniform(0, 0.4 * reach)),
            flipped=bool(generator.random() < 0.5),
        )

    def _lit(self, pixels: ImageArray, seconds: float) -> ImageArray:
        """In the clip's light, under its texture."""
        height, width = pixels.shape[:2]
        depth, rate, phase = self._flicker
        gains = self._gains * np.float32(1 + depth * math.sin(rate * seconds + phase))
        stains = np.asarray(self._stains.resize((width, height), Image.Resampling.BILINEAR))[..., None]  # (H, W, 1)
        lit: ImageArray = np.clip(pixels * gains + stains, 0, 255).astype(np.uint8)
        return lit


def _draw_speck(generator: np.random.Generator) -> _Speck:
    red, green, blue = generator.random(3).tolist()
    return _Speck(
        at=(float(generator.uniform(0, WIDTH)), float(generator.uniform(0, 1))),
        size=float(generator.uniform(0.02, 0.11)),
        angle=float(generator.uniform(0, 6)),
        corners=int(generator.choice((3, 4, 5, 24))),
        colour=(red, green, blue),
    )


def _reflected(value: float, low: float, high: float) -> float:
    """A value that turns back at both ends."""
    span = high - low
    folded = (value - low) % (2 * span)
    return low + (folded if folded <= span else 2 * span - folded)
