"""Things of the sky and the sea. Each lies within -1 and 1 both ways."""

from __future__ import annotations

import math

from sspvs.video.drawing.canvas import Brush, mixed
from sspvs.video.drawing.look import Look

_BLACK = (0.1, 0.1, 0.12)
_RED, _ORANGE, _YELLOW = (0.85, 0.2, 0.2), (0.95, 0.6, 0.15), (0.95, 0.9, 0.3)
_GREEN, _BLUE, _VIOLET = (0.3, 0.75, 0.35), (0.25, 0.45, 0.85), (0.5, 0.3, 0.7)
_BOWS = (_RED, _ORANGE, _YELLOW, _GREEN, _BLUE, _VIOLET)
_FLUKES = ((-0.5, 0.2), (-0.85, -0.15), (-1.0, -0.4), (-0.75, -0.3), (-0.6, -0.42), (-0.62, -0.1), (-0.35, 0.05))


def kite(brush: Brush, look: Look, t: float) -> None:
    """A lozenge in quarters, with a tail that swings."""
    tip = 0.55 + 0.2 * look.knobs[0]
    brush.polygon([(0, -0.95), (tip, -0.25), (0, -0.25)], look.main)
    brush.polygon([(0, -0.95), (-tip, -0.25), (0, -0.25)], look.second)
    brush.polygon([(0, 0.45), (tip, -0.25), (0, -0.25)], look.second)
    brush.polygon([(0, 0.45), (-tip, -0.25), (0, -0.25)], look.main)
    tail = [(0.15 * math.sin(3 * t + 4 * s) * s, 0.45 + 0.6 * s) for s in (0, 0.25, 0.5, 0.75, 1)]
    brush.line(tail, 0.03, _BLACK)
    for x, y in tail[1:]:
        for side in (-0.12, 0.12):
            brush.polygon([(x, y), (x + side, y - 0.07), (x + side, y + 0.07)], look.third)


def balloon(brush: Brush, look: Look, t: float) -> None:
    """A hot-air balloon in stripes, with its basket."""
    del t
    wide = 0.6 + 0.15 * look.knobs[0]
    brush.line([(-0.45 * wide, 0.05), (-0.14, 0.7)], 0.025, _BLACK)
    brush.line([(0.45 * wide, 0.05), (0.14, 0.7)], 0.025, _BLACK)
    for stripe in range(4):
        colour = look.main if stripe % 2 == 0 else look.second
        share = 1 - stripe / 4
        brush.ellipse((0, -0.35), (wide * share, 0.6), colour)
    brush.polygon([(-0.55 * wide, 0.02), (0.55 * wide, 0.02), (0.16, 0.45), (-0.16, 0.45)], look.main)
    brush.rectangle(-0.17, 0.68, 0.17, 0.95, (0.5, 0.32, 0.15))


def rainbow(brush: Brush, look: Look, t: float) -> None:
    """Bows of six colours over each other, which are always the same, over rain or a cloud."""
    del t
    width = 0.07 + 0.03 * look.knobs[0]
    for number, colour in enumerate(_BOWS):
        radius = 1.0 - number * width
        points = [(radius * math.cos(a / 20 * math.pi), 0.4 - radius * math.sin(a / 20 * math.pi)) for a in range(21)]
        brush.line(points, 1.25 * width, colour)
    for x in (-0.75, 0.75):
        for dx in (-0.2, 0.0, 0.2):
            brush.disc((x + dx, 0.42 - 0.08 * (dx == 0)), 0.19, (0.95, 0.95, 0.97))


def plane(brush: Brush, look: Look, t: float) -> None:
    """An aircraft from the side, with wing, tail and windows."""
    del t
    brush.ellipse((0, 0), (0.95, 0.17 + 0.05 * look.knobs[0]), look.pale)
    brush.polygon([(-0.7, -0.05), (-0.95, -0.5), (-0.7, -0.5), (-0.4, -0.1)], look.main)
    brush.polygon([(0.2, 0.02), (-0.25, 0.55), (-0.45, 0.55), (-0.15, 0.02)], look.main)
    brush.polygon([(0.15, -0.12), (-0.1, -0.35), (-0.22, -0.35), (-0.05, -0.12)], look.second)
    for number in range(6):
        brush.disc((-0.4 + 0.18 * number, -0.05), 0.045, _BLACK)
    brush.polygon([(0.72, -0.1), (0.9, -0.04), (0.72, -0.02)], (0.75, 0.87, 0.93))


def sailboat(brush: Brush, look: Look, t: float) -> None:
    """A hull with two sails."""
    del t
    brush.line([(0, 0.5), (0, -0.95)], 0.04, (0.35, 0.22, 0.1))
    brush.polygon([(0.04, -0.9), (0.04, 0.3), (0.65 + 0.15 * look.knobs[0], 0.3)], look.pale)
    brush.polygon([(-0.05, -0.75), (-0.05, 0.3), (-0.5, 0.3)], look.second)
    brush.polygon([(-0.8, 0.42), (0.85, 0.42), (0.55, 0.8), (-0.55, 0.8)], look.main)
    brush.rectangle(-0.74, 0.5, 0.78, 0.55, look.third)


def lighthouse(brush: Brush, look: Look, t: float) -> None:
    """A tower in bands on a rock, whose lamp comes and goes."""
    brush.polygon([(-0.8, 1), (-0.5, 0.65), (0.5, 0.62), (0.85, 1)], (0.35, 0.33, 0.3))
    for band in range(5):
        top, bottom = 0.66 - 0.24 * (band + 1), 0.66 - 0.24 * band
        wide, narrow = 0.3 - 0.03 * band, 0.3 - 0.03 * (band + 1)
        colour = look.main if band % 2 == 0 else (0.95, 0.94, 0.9)
        brush.polygon([(-wide, bottom), (wide, bottom), (narrow, top), (-narrow, top)], colour)
    glow = 0.5 + 0.5 * math.sin(2 * t + 6 * look.knobs[0])
    brush.rectangle(-0.13, -0.72, 0.13, -0.54, mixed((0.5, 0.5, 0.4), (1.0, 0.95, 0.5), glow))
    brush.polygon([(-0.19, -0.72), (0.19, -0.72), (0, -0.95)], look.deep)
    if glow > 0.6:
        brush.polygon([(0.13, -0.64), (1.0, -0.85), (1.0, -0.45)], (1.0, 0.97, 0.75))


def whale(brush: Brush, look: Look, t: float) -> None:
    """A big back with a tail and a spout."""
    skin = mixed(look.main, (0.3, 0.35, 0.45), 0.5)
    brush.ellipse((0.1, 0.2), (0.75, 0.42), skin)
    brush.ellipse((0.15, 0.36), (0.62, 0.25), mixed(skin, (1.0, 1.0, 1.0), 0.5), 0, 180)
    brush.polygon(_FLUKES, skin)
    brush.disc((0.55, 0.12), 0.05, _BLACK)
    height = 0.35 + 0.2 * abs(math.sin(1.5 * t + 3 * look.knobs[0]))
    for lean in (-0.25, 0.0, 0.25):
        top = (0.3 + 0.5 * lean, -0.2 - 0.7 * height)
        brush.line([(0.3, -0.2), top, (0.3 + lean, -0.2 - height + abs(lean))], 0.05, (0.9, 0.95, 1.0))


def fish(brush: Brush, look: Look, t: float) -> None:
    """A fish with fins and stripes, whose tail beats."""
    beat = 0.15 * math.sin(6 * t)
    brush.polygon([(-0.45, 0), (-0.95, -0.4 + beat), (-0.8, beat), (-0.95, 0.4 + beat)], look.second)
    brush.polygon([(-0.2, -0.3), (0.05, -0.65), (0.3, -0.3)], look.second)
    brush.polygon([(-0.1, 0.3), (-0.2, 0.6), (0.2, 0.3)], look.second)
    brush.ellipse((0.1, 0), (0.68, 0.36 + 0.1 * look.knobs[0]), look.main)
    for stripe in range(3):
        brush.ellipse((-0.2 + 0.22 * stripe, 0), (0.05, 0.27), look.third)
    brush.disc((0.55, -0.08), 0.09, (1.0, 1.0, 1.0))
    brush.disc((0.57, -0.08), 0.045, _BLACK)
