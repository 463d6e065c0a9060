"""Things of the home and the playroom. Each lies within -1 and 1 both ways."""

from __future__ import annotations

import math

from sspvs.video.drawing.canvas import Brush, mixed
from sspvs.video.drawing.look import Look

_BLACK, _WHITE = (0.1, 0.1, 0.12), (0.97, 0.96, 0.94)


def cup(brush: Brush, look: Look, t: float) -> None:
    """A cup with a handle, from which steam rises."""
    brush.ring((0.62, 0.2), 0.28, 0.11, look.main)
    brush.polygon([(-0.6, -0.25), (0.6, -0.25), (0.42, 0.75), (-0.42, 0.75)], look.main)
    brush.polygon([(-0.53, 0.15), (0.53, 0.15), (0.49, 0.35), (-0.49, 0.35)], look.second)
    brush.ellipse((0, -0.25), (0.6, 0.13), look.pale)
    brush.ellipse((0, -0.24), (0.5, 0.09), (0.35, 0.2, 0.1))
    brush.ellipse((0, 0.82), (0.8, 0.1), look.pale)
    for number in range(3):
        x = -0.3 + 0.3 * number
        steam = [(x + 0.07 * math.sin(2.5 * t + 5 * s + number), -0.35 - 0.55 * s) for s in (0, 0.25, 0.5, 0.75, 1)]
        brush.line(steam, 0.045, (0.93, 0.93, 0.95))


def clock(brush: Brush, look: Look, t: float) -> None:
    """A dial with marks and hands that go fast."""
    brush.disc((0, 0), 0.95, look.main)
    brush.disc((0, 0), 0.8, _WHITE)
    for hour in range(12):
        angle = hour * math.pi / 6
        x, y = math.cos(angle), math.sin(angle)
        brush.line([(0.64 * x, 0.64 * y), (0.75 * x, 0.75 * y)], 0.06, _BLACK)
    for length, width, speed in ((0.6, 0.05, 1.2), (0.42, 0.08, 0.1)):
        angle = speed * t + 6.28 * look.knobs[0] * (1 + speed)
        brush.line([(0, 0), (length * math.cos(angle), length * math.sin(angle))], width, _BLACK)
    brush.disc((0, 0), 0.08, look.second)


def lamp(brush: Brush, look: Look, t: float) -> None:
    """A shade on a foot, lit, now brighter and now darker."""
    glow = 0.5 + 0.3 * math.sin(1.7 * t + 6 * look.knobs[0])
    brush.polygon([(-0.45, -0.05), (0.45, -0.05), (0.85, 0.85), (-0.85, 0.85)], mixed((1.0, 0.97, 0.8), _WHITE, 0.3))
    brush.line([(0, -0.1), (0, 0.85)], 0.09, look.deep)
    brush.ellipse((0, 0.88), (0.4, 0.1), look.deep)
    shade = mixed(look.main, (1.0, 0.95, 0.7), glow)
    brush.polygon([(-0.28, -0.85), (0.28, -0.85), (0.62, -0.05), (-0.62, -0.05)], shade)
    brush.polygon([(-0.58, -0.13), (0.58, -0.13), (0.62, -0.05), (-0.62, -0.05)], look.second)


def cake(brush: Brush, look: Look, t: float) -> None:
    """Two layers with icing and candles that flicker."""
    brush.rectangle(-0.85, 0.2, 0.85, 0.85, look.main)
    brush.rectangle(-0.55, -0.25, 0.55, 0.22, look.second)
    for left, right, y in ((-0.85, 0.85, 0.2), (-0.55, 0.55, -0.25)):
        brush.rectangle(left, y, right, y + 0.1, _WHITE)
        drops = int((right - left) / 0.17)
        for drop in range(drops):
            brush.disc((left + 0.085 + 0.17 * drop, y + 0.12), 0.075, _WHITE)
    candles = 3 + int(2 * look.knobs[0])
    for number in range(candles):
        x = -0.4 + 0.8 * number / (candles - 1)
        brush.rectangle(x - 0.035, -0.6, x + 0.035, -0.25, look.third)
        brush.ellipse((x + 0.02 * math.sin(9 * t + number), -0.72), (0.05, 0.12), (1.0, 0.8, 0.2))


def ball(brush: Brush, look: Look, t: float) -> None:
    """A beach ball in sectors, which rolls."""
    colours = (look.main, _WHITE, look.second, _WHITE, look.third, _WHITE)
    for number, colour in enumerate(colours):
        sector = [(0.9 * math.cos(a), 0.9 * math.sin(a)) for a in _angles(1.5 * t + number * math.pi / 3)]
        brush.polygon([(0, 0), *sector], colour)
    brush.disc((0, 0), 0.16, _WHITE)


def blocks(brush: Brush, look: Look, t: float) -> None:
    """A tower of blocks with marks, of which the uppermost rocks."""
    colours = (look.main, look.second, look.third)
    for x, y, number in ((-0.5, 0.65, 0), (0.15, 0.65, 1), (-0.2, 0.05, 2)):
        _block(brush.brush((x, y), 0.3), colours[number], number)
    _block(brush.brush((-0.1 + 0.1 * look.knobs[0], -0.55), 0.3, 0.1 * math.sin(3 * t)), look.pale, 1)


def pinwheel(brush: Brush, look: Look, t: float) -> None:
    """Four sails that turn on a stick."""
    brush.line([(0, -0.25), (0, 1)], 0.07, (0.5, 0.35, 0.2))
    for number in range(4):
        sail = brush.brush((0, -0.25), 1.0, number * math.pi / 2 + 1.8 * t + look.knobs[0])
        sail.polygon([(0, 0), (0.7, 0), (0.36, 0.36)], look.main)
        sail.polygon([(0, 0), (0.7, 0), (0.4, -0.12)], look.second)
    brush.disc((0, -0.25), 0.09, look.third)


def robot(brush: Brush, look: Look, t: float) -> None:
    """A box with a head, lamps and arms that wave."""
    wave = 0.25 * math.sin(3 * t + 3 * look.knobs[0])
    brush.line([(-0.42, -0.05), (-0.8, 0.25 + wave)], 0.12, look.second)
    brush.line([(0.42, -0.05), (0.8, 0.25 - wave)], 0.12, look.second)
    brush.rectangle(-0.3, 0.6, -0.1, 0.98, look.second)
    brush.rectangle(0.1, 0.6, 0.3, 0.98, look.second)
    brush.rectangle(-0.45, -0.15, 0.45, 0.65, look.main)
    brush.rectangle(-0.27, 0.05, 0.27, 0.4, look.deep)
    for number in range(3):
        brush.disc((-0.16 + 0.16 * number, 0.22), 0.06, look.third)
    brush.rectangle(-0.33, -0.72, 0.33, -0.2, mixed(look.main, _WHITE, 0.3))
    for x in (-0.15, 0.15):
        brush.disc((x, -0.5), 0.1, _WHITE)
        brush.disc((x, -0.5), 0.05, _BLACK)
    brush.rectangle(-0.17, -0.34, 0.17, -0.28, _BLACK)
    brush.line([(0, -0.72), (0, -0.9)], 0.04, _BLACK)
    brush.disc((0, -0.92), 0.07, look.third)


def _angles(start: float) -> list[float]:
    return [start + step * math.pi / 3 / 8 for step in range(9)]


def _block(brush: Brush, colour: tuple[float, float, float], mark: int) -> None:
    brush.rectangle(-1, -1, 1, 1, mixed(colour, _BLACK, 0.3))
    brush.rectangle(-0.85, -0.85, 0.85, 0.85, colour)
    if mark == 0:
        brush.disc((0, 0), 0.45, _WHITE)
    elif mark == 1:
        brush.polygon([(0, -0.5), (0.5, 0.4), (-0.5, 0.4)], _WHITE)
    else:
        brush.rectangle(-0.4, -0.4, 0.4, 0.4, _WHITE)
