"""Things of the street and the garden. Each lies within -1 and 1 both ways."""

from __future__ import annotations

import math

from sspvs.video.drawing.canvas import Brush, mixed
from sspvs.video.drawing.look import Look

_BLACK, _GREY, _GLASS = (0.1, 0.1, 0.12), (0.55, 0.55, 0.58), (0.75, 0.87, 0.93)
_SPOTS = ((-0.45, -0.2, 0.12), (0.0, -0.5, 0.16), (0.42, -0.15, 0.13), (-0.1, -0.08, 0.09), (0.35, -0.52, 0.08))


def car(brush: Brush, look: Look, t: float) -> None:
    """A saloon from the side."""
    brush.polygon([(-0.5, 0.05), (-0.3, -0.4), (0.25, -0.4), (0.55, 0.05)], look.main)
    brush.polygon([(-0.38, 0.02), (-0.25, -0.3), (-0.02, -0.3), (-0.02, 0.02)], _GLASS)
    brush.polygon([(0.05, 0.02), (0.05, -0.3), (0.2, -0.3), (0.4, 0.02)], _GLASS)
    brush.polygon([(-0.95, 0.08), (-0.85, 0.0), (0.75, 0.0), (0.97, 0.12), (0.97, 0.4), (-0.95, 0.4)], look.main)
    brush.rectangle(-0.95, 0.3, 0.97, 0.36, look.deep)
    brush.rectangle(0.85, 0.12, 0.97, 0.2, (1.0, 0.95, 0.6))
    for x in (-0.55, 0.55):
        _wheel(brush, x, 0.42, 0.22, t)


def bus(brush: Brush, look: Look, t: float) -> None:
    """A long box with a row of windows."""
    brush.rectangle(-0.97, -0.55, 0.97, 0.45, look.main)
    brush.rectangle(-0.97, 0.1, 0.97, 0.2, look.second)
    for number in range(5):
        brush.rectangle(-0.88 + 0.33 * number, -0.42, -0.62 + 0.33 * number, -0.02, _GLASS)
    brush.rectangle(0.77, -0.42, 0.93, 0.42, mixed(_GLASS, look.main, 0.3))
    for x in (-0.6, 0.55):
        _wheel(brush, x, 0.45, 0.2, t)


def bicycle(brush: Brush, look: Look, t: float) -> None:
    """Two wheels with spokes and a frame between them."""
    for x in (-0.55, 0.55):
        brush.ring((x, 0.35), 0.4, 0.06, _BLACK)
        for spoke in range(4):
            angle = spoke * math.pi / 4 + 2 * t
            dx, dy = 0.38 * math.cos(angle), 0.38 * math.sin(angle)
            brush.line([(x - dx, 0.35 - dy), (x + dx, 0.35 + dy)], 0.02, _GREY)
    frame = [(-0.55, 0.35), (-0.2, -0.25), (0.4, -0.25), (0.0, 0.35), (-0.55, 0.35)]
    brush.line(frame, 0.07, look.main)
    brush.line([(0.0, 0.35), (-0.25, -0.4)], 0.06, look.main)
    brush.line([(0.55, 0.35), (0.35, -0.5), (0.6, -0.6)], 0.06, look.main)
    brush.line([(-0.4, -0.43), (-0.1, -0.43)], 0.1, _BLACK)


def signal(brush: Brush, look: Look, t: float) -> None:
    """A traffic light, of which one lamp is on."""
    brush.rectangle(-0.06, 0.3, 0.06, 1.0, _GREY)
    brush.rectangle(-0.32, -0.95, 0.32, 0.4, (0.15, 0.17, 0.17))
    lit = int(t / 1.5 + 3 * look.knobs[0]) % 3
    for number, colour in enumerate(((0.95, 0.15, 0.1), (0.98, 0.75, 0.1), (0.15, 0.85, 0.3))):
        shown = colour if number == lit else mixed(colour, (0.1, 0.1, 0.1), 0.75)
        brush.disc((0, -0.7 + 0.42 * number), 0.17, shown)


def flower(brush: Brush, look: Look, t: float) -> None:
    """A blossom with petals around its heart, on a stalk with leaves."""
    sway = 0.08 * math.sin(1.5 * t)
    green = (0.2, 0.5, 0.2)
    brush.line([(0, 1), (0.5 * sway, 0.4), (sway, -0.3)], 0.08, green)
    brush.ellipse((0.25, 0.55), (0.27, 0.1), green)
    brush.ellipse((-0.25, 0.72), (0.27, 0.1), green)
    petals = 5 + int(4 * look.knobs[0])
    for petal in range(petals):
        angle = 2 * math.pi * petal / petals + 0.3 * sway
        leaf = brush.brush((sway, -0.35), 1.0, angle)
        leaf.ellipse((0.36, 0), (0.27, 0.17), look.main)
    brush.disc((sway, -0.35), 0.2, mixed(look.second, (0.95, 0.8, 0.2), 0.5))


def tree(brush: Brush, look: Look, t: float) -> None:
    """A trunk under a round crown."""
    brush.polygon([(-0.13, 1), (-0.07, 0.1), (0.07, 0.1), (0.15, 1)], (0.4, 0.27, 0.15))
    brush.line([(0, 0.4), (0.3, 0.1)], 0.07, (0.4, 0.27, 0.15))
    leaves = mixed(look.main, (0.2, 0.45, 0.15), 0.7)
    for number in range(7):
        angle = number * 2 * math.pi / 7 + 3 * look.knobs[0]
        at = (0.4 * math.cos(angle) + 0.02 * math.sin(2 * t + number), -0.3 + 0.35 * math.sin(angle))
        brush.disc(at, 0.33, mixed(leaves, (1.0, 1.0, 0.6), 0.06 * (number % 3)))
    brush.disc((0, -0.35), 0.35, leaves)


def butterfly(brush: Brush, look: Look, t: float) -> None:
    """Four wings that fold and open."""
    open_ = 0.45 + 0.5 * abs(math.cos(2.5 * t + 3 * look.knobs[0]))
    for side in (-1, 1):
        upper = [(0, -0.1), (0.75, -0.85), (0.98, -0.5), (0.85, 0.0), (0, 0.1)]
        brush.polygon([(side * open_ * x, y) for x, y in upper], look.main)
        brush.ellipse((side * 0.42 * open_, 0.38), (0.4 * open_, 0.38), look.second)
        brush.disc((side * 0.65 * open_, -0.45), 0.14 * open_ + 0.02, look.third)
        brush.disc((side * 0.42 * open_, 0.42), 0.12 * open_ + 0.02, look.pale)
        brush.line([(0, -0.45), (side * 0.2, -0.85)], 0.03, _BLACK)
    brush.ellipse((0, 0), (0.08, 0.55), _BLACK)


def mushroom(brush: Brush, look: Look, t: float) -> None:
    """A cap with spots on a thick stem."""
    del t
    brush.polygon([(-0.22, 0.0), (0.22, 0.0), (0.3, 0.95), (-0.3, 0.95)], (0.93, 0.9, 0.82))
    brush.ellipse((0, 0.1), (0.85, 0.9 + 0.1 * look.knobs[0]), look.main, 180, 360)
    brush.ellipse((0, 0.1), (0.85, 0.1), mixed(look.main, _BLACK, 0.4))
    for x, y, radius in _SPOTS:
        brush.disc((x, y), radius, (0.97, 0.96, 0.92))


def _wheel(brush: Brush, x: float, y: float, radius: float, t: float) -> None:
    brush.disc((x, y), radius, _BLACK)
    brush.disc((x, y), 0.55 * radius, (0.75, 0.75, 0.77))
    dx, dy = 0.5 * radius * math.cos(4 * t), 0.5 * radius * math.sin(4 * t)
    brush.line([(x - dx, y - dy), (x + dx, y + dy)], 0.2 * radius, _BLACK)
