"""Shapes on a picture, in coordinates that do not depend on its size.

x goes from 0 (left) to 16/9 (right) and y from 0 (top) to 1, whatever the pixels are: on a square picture the view is
squashed as a backbone squashes it. A brush has coordinates of its own, placed, turned and scaled in the view.
"""

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from sspvs.types import FloatArray, ImageArray

Colour = tuple[float, float, float]  # red, green, blue, each from 0 to 1
Point = tuple[float, float]

WIDTH = 16 / 9  # of the view; its height is 1
_FINER = 2  # pictures are painted so many times finer, and averaged: edges are smooth
_CORNERS = 40  # of what looks like an ellipse
_WHITE, _BLACK = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)


class Brush:
    """Paints in coordinates of its own, on a canvas; made by `brush` of the canvas or of another brush."""

    def __init__(self, canvas: "Canvas", matrix: FloatArray, origin: FloatArray) -> None:
        self._canvas, self._matrix, self._origin = canvas, matrix, origin

    def brush(self, at: Point, size: float = 1.0, angle: float = 0.0, *, flipped: bool = False) -> "Brush":
        """A brush whose (0, 0) is at a point in the coordinates of this one."""
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        matrix = size * self._matrix @ turn @ np.diag([-1.0 if flipped else 1.0, 1.0])
        return Brush(self._canvas, matrix, self._origin + self._matrix @ np.asarray(at))

    def polygon(self, points: FloatArray | Sequence[Point], colour: Colour) -> None:
        """Fill a polygon, given by (P, 2) corners."""
        self._canvas.polygon(np.asarray(points) @ self._matrix.T + self._origin, colour)

    def rectangle(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """Fill a rectangle."""
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def ellipse(
        self, at: Point, radii: tuple[float, float], colour: Colour, start: float = 0.0, end: float = 360.0
    ) -> None:
        """Fill an ellipse, or what a chord cuts off: from one angle to another, degrees clockwise from the right."""
        angles = np.radians(np.linspace(start, end, _CORNERS))
        self.polygon(np.column_stack([at[0] + radii[0] * np.cos(angles), at[1] + radii[1] * np.sin(angles)]), colour)

    def disc(self, at: Point, radius: float, colour: Colour) -> None:
        """Fill a circle."""
        self.ellipse(at, (radius, radius), colour)

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """Draw straight strokes from point to point."""
        for (x0, y0), (x1, y1) in pairwise(points):
            length = math.hypot(x1 - x0, y1 - y0) or 1.0
            dx, dy = -(y1 - y0) / length * width / 2, (x1 - x0) / length * width / 2
            self.polygon([(x0 + dx, y0 + dy), (x1 + dx, y1 + dy), (x1 - dx, y1 - dy), (x0 - dx, y0 - dy)], colour)

    def ring(self, at: Point, radius: float, width: float, colour: Colour) -> None:
        """Draw a circle."""
        angles = np.linspace(0.0, 2 * math.pi, _CORNERS)
        self.line([(at[0] + radius * math.cos(a), at[1] + radius * math.sin(a)) for a in angles], width, colour)


class Canvas(Brush):
    """A picture to paint on, in the coordinates of the view."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(self, np.eye(2), np.zeros(2))
        self._image = Image.new("RGB", (_FINER * width, _FINER * height))
        self._draw = ImageDraw.Draw(self._image)
        self._scale = np.array([_FINER * width / WIDTH, _FINER * height])

    def shade(self, top: Colour, bottom: Colour, start: float = 0.0, end: float = 1.0) -> None:
        """Fill the view between two heights, from one colour to another."""
        first, last = round(start * self._scale[1]), round(end * self._scale[1])
        if last <= first:
            return
        steps = np.linspace(0.0, 1.0, last - first)[:, None]
        strip = Image.fromarray(_as_bytes((1 - steps) * top + steps * np.asarray(bottom))[:, None])  # (rows, 1, 3)
        self._image.paste(strip.resize((self._image.width, last - first)), (0, first))

    def polygon(self, points: FloatArray | Sequence[Point], colour: Colour) -> None:
        corners = (np.asarray(points) * self._scale).tolist()
        self._draw.polygon([tuple(corner) for corner in corners], fill=tuple(_as_bytes(colour).tolist()))

    def pixels(self) -> ImageArray:
        """(H, W, 3) uint8."""
        return np.asarray(self._image.reduce(_FINER))


def _as_bytes(colours: FloatArray | Colour) -> ImageArray:
    return (np.clip(colours, 0.0, 1.0) * 255 + 0.5).astype(np.uint8)


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """A colour between two: `share` of the other one."""
    red, green, blue = ((1 - share) * a + share * b for a, b in zip(one, other, strict=True))
    return red, green, blue


@dataclass(frozen=True)
class Look:
    """Colours and proportions, which are independent of what is painted."""

    main: Colour  # most of it
    second: Colour  # the rest
    third: Colour  # details
    knobs: tuple[float, ...]  # four numbers from 0 to 1; each painter turns something with them

    @classmethod
    def draw(cls, generator: np.random.Generator) -> "Look":
        """Draw one; colours have any hue."""

        def colour() -> Colour:
            hue, saturation, value = generator.random(), generator.uniform(0.35, 0.95), generator.uniform(0.35, 1.0)
            return colorsys.hsv_to_rgb(hue, saturation, value)

        return cls(colour(), colour(), colour(), tuple(generator.random(4).tolist()))

    @property
    def pale(self) -> Colour:
        """The main colour, nearly white."""
        return mixed(self.main, _WHITE, 0.75)

    @property
    def deep(self) -> Colour:
        """The main colour, nearly black."""
        return mixed(self.main, _BLACK, 0.7)


def tinted(colour: Colour, look: Look, share: float = 0.25) -> Colour:
    """A colour that a place has, changed a little by the look."""
    return mixed(colour, look.main, share)
