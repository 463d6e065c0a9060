"""How one variant of a thing or a place looks: its colours and proportions."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sspvs.video.drawing.canvas import Brush, Colour, mixed

_WHITE, _BLACK = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Look:
    """Colours and proportions, which say nothing about what it is.

    Attributes:
        main: Most of it.
        second: The rest.
        third: Details.
        knobs: Four numbers from 0 to 1; each painter turns something with them.
    """

    main: Colour
    second: Colour
    third: Colour
    knobs: tuple[float, float, float, float]

    @classmethod
    def draw(cls, generator: np.random.Generator) -> Look:
        """Draw one; colours have any hue."""
        colours = [_colour(generator) for _ in range(3)]
        one, two, three, four = generator.random(4).tolist()
        return cls(colours[0], colours[1], colours[2], (one, two, three, four))

    @property
    def pale(self) -> Colour:
        """The main colour, nearly white."""
        return mixed(self.main, _WHITE, 0.75)

    @property
    def deep(self) -> Colour:
        """The main colour, nearly black."""
        return mixed(self.main, _BLACK, 0.7)


Painter = Callable[[Brush, Look, float], None]
"""Paints with a brush, in the colours of a look, what is seen after so many seconds.

Things lie within -1 and 1 both ways; places fill the view.
"""


def tinted(colour: Colour, look: Look, share: float = 0.25) -> Colour:
    """A colour that a place has, changed a little by the look."""
    return mixed(colour, look.main, share)


def _colour(generator: np.random.Generator) -> Colour:
    hue, saturation, value = generator.random(), generator.uniform(0.35, 0.95), generator.uniform(0.35, 1.0)
    return colorsys.hsv_to_rgb(float(hue), float(saturation), float(value))
