"""The things that clips show, with their words. Each is painted within -1 and 1 both ways."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from sspvs.world.canvas import Brush, Look, mixed

SKY, SEA, STREET, GARDEN, HOME, PLAYROOM = range(6)  # where things are: indices of `sspvs.world.painted.PLACES`
_BLACK, _WHITE, _GREY, _GLASS = (0.1, 0.1, 0.12), (0.97, 0.96, 0.94), (0.55, 0.55, 0.58), (0.75, 0.87, 0.93)
_BOWS = ((0.85, 0.2, 0.2), (0.95, 0.6, 0.15), (0.95, 0.9, 0.3), (0.3, 0.75, 0.35), (0.25, 0.45, 0.85), (0.5, 0.3, 0.7))
_FLUKES = ((-0.5, 0.2), (-0.85, -0.15), (-1.0, -0.4), (-0.75, -0.3), (-0.6, -0.42), (-0.62, -0.1), (-0.35, 0.05))
_SPOTS = ((-0.45, -0.2, 0.12), (0.0, -0.5, 0.16), (0.42, -0.15, 0.13), (-0.1, -0.08, 0.09), (0.35, -0.52, 0.08))

Painter = Callable[[Brush, Look, float], None]
"""Paints with a brush, in the colours of a look, what is seen after so many seconds."""


@dataclass(frozen=True)
class Thing:
    """What a clip shows."""

    names: tuple[str, ...]  # what it is called, its own name first; no two things share one
    doings: tuple[str, ...]  # words for what it does
    place: int  # index of its place
    paint: Painter  # paints it
    upright: bool = False  # whether it stands: it sways, and does not turn

    @property
    def name(self) -> str:
        """Its own name."""
        return self.names[0]


def _kite(brush: Brush, look: Look, t: float) -> None:
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


def _balloon(brush: Brush, look: Look, _: float) -> None:
    wide = 0.6 + 0.15 * look.knobs[0]
    brush.line([(-0.45 * wide, 0.05), (-0.14, 0.7)], 0.025, _BLACK)
    brush.line([(0.45 * wide, 0.05), (0.14, 0.7)], 0.025, _BLACK)
    for stripe in range(4):
        colour = look.main if stripe % 2 == 0 else look.second
        share = 1 - stripe / 4
        brush.ellipse((0, -0.35), (wide * share, 0.6), colour)
    brush.polygon([(-0.55 * wide, 0.02), (0.55 * wide, 0.02), (0.16, 0.45), (-0.16, 0.45)], look.main)
    brush.rectangle(-0.17, 0.68, 0.17, 0.95, (0.5, 0.32, 0.15))


def _rainbow(brush: Brush, look: Look, _: float) -> None:
    width = 0.07 + 0.03 * look.knobs[0]
    for number, colour in enumerate(_BOWS):
        radius = 1.0 - number * width
        points = [(radius * math.cos(a / 20 * math.pi), 0.4 - radius * math.sin(a / 20 * math.pi)) for a in range(21)]
        brush.line(points, 1.25 * width, colour)
    for x in (-0.75, 0.75):
        for dx in (-0.2, 0.0, 0.2):
            brush.disc((x + dx, 0.42 - 0.08 * (dx == 0)), 0.19, (0.95, 0.95, 0.97))


def _plane(brush: Brush, look: Look, _: float) -> None:
    brush.ellipse((0, 0), (0.95, 0.17 + 0.05 * look.knobs[0]), look.pale)
    brush.polygon([(-0.7, -0.05), (-0.95, -0.5), (-0.7, -0.5), (-0.4, -0.1)], look.main)
    brush.polygon([(0.2, 0.02), (-0.25, 0.55), (-0.45, 0.55), (-0.15, 0.02)], look.main)
    brush.polygon([(0.15, -0.12), (-0.1, -0.35), (-0.22, -0.35), (-0.05, -0.12)], look.second)
    for number in range(6):
        brush.disc((-0.4 + 0.18 * number, -0.05), 0.045, _BLACK)
    brush.polygon([(0.72, -0.1), (0.9, -0.04), (0.72, -0.02)], (0.75, 0.87, 0.93))


def _sailboat(brush: Brush, look: Look, _: float) -> None:
    brush.line([(0, 0.5), (0, -0.95)], 0.04, (0.35, 0.22, 0.1))
    brush.polygon([(0.04, -0.9), (0.04, 0.3), (0.65 + 0.15 * look.knobs[0], 0.3)], look.pale)
    brush.polygon([(-0.05, -0.75), (-0.05, 0.3), (-0.5, 0.3)], look.second)
    brush.polygon([(-0.8, 0.42), (0.85, 0.42), (0.55, 0.8), (-0.55, 0.8)], look.main)
    brush.rectangle(-0.74, 0.5, 0.78, 0.55, look.third)


def _lighthouse(brush: Brush, look: Look, t: float) -> None:
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


def _whale(brush: Brush, look: Look, t: float) -> None:
    skin = mixed(look.main, (0.3, 0.35, 0.45), 0.5)
    brush.ellipse((0.1, 0.2), (0.75, 0.42), skin)
    brush.ellipse((0.15, 0.36), (0.62, 0.25), mixed(skin, (1.0, 1.0, 1.0), 0.5), 0, 180)
    brush.polygon(_FLUKES, skin)
    brush.disc((0.55, 0.12), 0.05, _BLACK)
    height = 0.35 + 0.2 * abs(math.sin(1.5 * t + 3 * look.knobs[0]))
    for lean in (-0.25, 0.0, 0.25):
        top = (0.3 + 0.5 * lean, -0.2 - 0.7 * height)
        brush.line([(0.3, -0.2), top, (0.3 + lean, -0.2 - height + abs(lean))], 0.05, (0.9, 0.95, 1.0))


def _fish(brush: Brush, look: Look, t: float) -> None:
    beat = 0.15 * math.sin(6 * t)
    brush.polygon([(-0.45, 0), (-0.95, -0.4 + beat), (-0.8, beat), (-0.95, 0.4 + beat)], look.second)
    brush.polygon([(-0.2, -0.3), (0.05, -0.65), (0.3, -0.3)], look.second)
    brush.polygon([(-0.1, 0.3), (-0.2, 0.6), (0.2, 0.3)], look.second)
    brush.ellipse((0.1, 0), (0.68, 0.36 + 0.1 * look.knobs[0]), look.main)
    for stripe in range(3):
        brush.ellipse((-0.2 + 0.22 * stripe, 0), (0.05, 0.27), look.third)
    brush.disc((0.55, -0.08), 0.09, (1.0, 1.0, 1.0))
    brush.disc((0.57, -0.08), 0.045, _BLACK)


def _car(brush: Brush, look: Look, t: float) -> None:
    brush.polygon([(-0.5, 0.05), (-0.3, -0.4), (0.25, -0.4), (0.55, 0.05)], look.main)
    brush.polygon([(-0.38, 0.02), (-0.25, -0.3), (-0.02, -0.3), (-0.02, 0.02)], _GLASS)
    brush.polygon([(0.05, 0.02), (0.05, -0.3), (0.2, -0.3), (0.4, 0.02)], _GLASS)
    brush.polygon([(-0.95, 0.08), (-0.85, 0.0), (0.75, 0.0), (0.97, 0.12), (0.97, 0.4), (-0.95, 0.4)], look.main)
    brush.rectangle(-0.95, 0.3, 0.97, 0.36, look.deep)
    brush.rectangle(0.85, 0.12, 0.97, 0.2, (1.0, 0.95, 0.6))
    for x in (-0.55, 0.55):
        _wheel(brush, x, 0.42, 0.22, t)


def _bus(brush: Brush, look: Look, t: float) -> None:
    brush.rectangle(-0.97, -0.55, 0.97, 0.45, look.main)
    brush.rectangle(-0.97, 0.1, 0.97, 0.2, look.second)
    for number in range(5):
        brush.rectangle(-0.88 + 0.33 * number, -0.42, -0.62 + 0.33 * number, -0.02, _GLASS)
    brush.rectangle(0.77, -0.42, 0.93, 0.42, mixed(_GLASS, look.main, 0.3))
    for x in (-0.6, 0.55):
        _wheel(brush, x, 0.45, 0.2, t)


def _bicycle(brush: Brush, look: Look, t: float) -> None:
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


def _signal(brush: Brush, look: Look, t: float) -> None:
    brush.rectangle(-0.06, 0.3, 0.06, 1.0, _GREY)
    brush.rectangle(-0.32, -0.95, 0.32, 0.4, (0.15, 0.17, 0.17))
    lit = int(t / 1.5 + 3 * look.knobs[0]) % 3
    for number, colour in enumerate(((0.95, 0.15, 0.1), (0.98, 0.75, 0.1), (0.15, 0.85, 0.3))):
        shown = colour if number == lit else mixed(colour, (0.1, 0.1, 0.1), 0.75)
        brush.disc((0, -0.7 + 0.42 * number), 0.17, shown)


def _flower(brush: Brush, look: Look, t: float) -> None:
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


def _tree(brush: Brush, look: Look, t: float) -> None:
    brush.polygon([(-0.13, 1), (-0.07, 0.1), (0.07, 0.1), (0.15, 1)], (0.4, 0.27, 0.15))
    brush.line([(0, 0.4), (0.3, 0.1)], 0.07, (0.4, 0.27, 0.15))
    leaves = mixed(look.main, (0.2, 0.45, 0.15), 0.7)
    for number in range(7):
        angle = number * 2 * math.pi / 7 + 3 * look.knobs[0]
        at = (0.4 * math.cos(angle) + 0.02 * math.sin(2 * t + number), -0.3 + 0.35 * math.sin(angle))
        brush.disc(at, 0.33, mixed(leaves, (1.0, 1.0, 0.6), 0.06 * (number % 3)))
    brush.disc((0, -0.35), 0.35, leaves)


def _butterfly(brush: Brush, look: Look, t: float) -> None:
    open_ = 0.45 + 0.5 * abs(math.cos(2.5 * t + 3 * look.knobs[0]))
    for side in (-1, 1):
        upper = [(0, -0.1), (0.75, -0.85), (0.98, -0.5), (0.85, 0.0), (0, 0.1)]
        brush.polygon([(side * open_ * x, y) for x, y in upper], look.main)
        brush.ellipse((side * 0.42 * open_, 0.38), (0.4 * open_, 0.38), look.second)
        brush.disc((side * 0.65 * open_, -0.45), 0.14 * open_ + 0.02, look.third)
        brush.disc((side * 0.42 * open_, 0.42), 0.12 * open_ + 0.02, look.pale)
        brush.line([(0, -0.45), (side * 0.2, -0.85)], 0.03, _BLACK)
    brush.ellipse((0, 0), (0.08, 0.55), _BLACK)


def _mushroom(brush: Brush, look: Look, _: float) -> None:
    brush.polygon([(-0.22, 0.0), (0.22, 0.0), (0.3, 0.95), (-0.3, 0.95)], (0.93, 0.9, 0.82))
    brush.ellipse((0, 0.1), (0.85, 0.9 + 0.1 * look.knobs[0]), look.main, 180, 360)
    brush.ellipse((0, 0.1), (0.85, 0.1), mixed(look.main, _BLACK, 0.4))
    for x, y, radius in _SPOTS:
        brush.disc((x, y), radius, (0.97, 0.96, 0.92))


def _cup(brush: Brush, look: Look, t: float) -> None:
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


def _clock(brush: Brush, look: Look, t: float) -> None:
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


def _lamp(brush: Brush, look: Look, t: float) -> None:
    glow = 0.5 + 0.3 * math.sin(1.7 * t + 6 * look.knobs[0])
    brush.polygon([(-0.45, -0.05), (0.45, -0.05), (0.85, 0.85), (-0.85, 0.85)], mixed((1.0, 0.97, 0.8), _WHITE, 0.3))
    brush.line([(0, -0.1), (0, 0.85)], 0.09, look.deep)
    brush.ellipse((0, 0.88), (0.4, 0.1), look.deep)
    shade = mixed(look.main, (1.0, 0.95, 0.7), glow)
    brush.polygon([(-0.28, -0.85), (0.28, -0.85), (0.62, -0.05), (-0.62, -0.05)], shade)
    brush.polygon([(-0.58, -0.13), (0.58, -0.13), (0.62, -0.05), (-0.62, -0.05)], look.second)


def _cake(brush: Brush, look: Look, t: float) -> None:
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


def _ball(brush: Brush, look: Look, t: float) -> None:
    colours = (look.main, _WHITE, look.second, _WHITE, look.third, _WHITE)
    for number, colour in enumerate(colours):
        angles = [1.5 * t + number * math.pi / 3 + step * math.pi / 3 / 8 for step in range(9)]
        brush.polygon([(0, 0), *((0.9 * math.cos(angle), 0.9 * math.sin(angle)) for angle in angles)], colour)
    brush.disc((0, 0), 0.16, _WHITE)


def _blocks(brush: Brush, look: Look, t: float) -> None:
    colours = (look.main, look.second, look.third)
    for x, y, number in ((-0.5, 0.65, 0), (0.15, 0.65, 1), (-0.2, 0.05, 2)):
        _block(brush.brush((x, y), 0.3), colours[number], number)
    _block(brush.brush((-0.1 + 0.1 * look.knobs[0], -0.55), 0.3, 0.1 * math.sin(3 * t)), look.pale, 1)


def _pinwheel(brush: Brush, look: Look, t: float) -> None:
    brush.line([(0, -0.25), (0, 1)], 0.07, (0.5, 0.35, 0.2))
    for number in range(4):
        sail = brush.brush((0, -0.25), 1.0, number * math.pi / 2 + 1.8 * t + look.knobs[0])
        sail.polygon([(0, 0), (0.7, 0), (0.36, 0.36)], look.main)
        sail.polygon([(0, 0), (0.7, 0), (0.4, -0.12)], look.second)
    brush.disc((0, -0.25), 0.09, look.third)


def _robot(brush: Brush, look: Look, t: float) -> None:
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


def _block(brush: Brush, colour: tuple[float, float, float], mark: int) -> None:
    brush.rectangle(-1, -1, 1, 1, mixed(colour, _BLACK, 0.3))
    brush.rectangle(-0.85, -0.85, 0.85, 0.85, colour)
    if mark == 0:
        brush.disc((0, 0), 0.45, _WHITE)
    elif mark == 1:
        brush.polygon([(0, -0.5), (0.5, 0.4), (-0.5, 0.4)], _WHITE)
    else:
        brush.rectangle(-0.4, -0.4, 0.4, 0.4, _WHITE)


def _wheel(brush: Brush, x: float, y: float, radius: float, t: float) -> None:
    brush.disc((x, y), radius, _BLACK)
    brush.disc((x, y), 0.55 * radius, (0.75, 0.75, 0.77))
    dx, dy = 0.5 * radius * math.cos(4 * t), 0.5 * radius * math.sin(4 * t)
    brush.line([(x - dx, y - dy), (x + dx, y + dy)], 0.2 * radius, _BLACK)


THINGS = (
    Thing(("kite", "lozenge", "dragon"), ("rising", "swooping", "tugging"), SKY, _kite),
    Thing(("balloon", "airship", "aerostat"), ("floating", "climbing", "drifting"), SKY, _balloon),
    Thing(("rainbow", "arc", "spectrum"), ("shining", "fading", "glowing"), SKY, _rainbow, upright=True),
    Thing(("plane", "aircraft", "jet"), ("flying", "landing", "soaring"), SKY, _plane),
    Thing(("sailboat", "yacht", "dinghy"), ("sailing", "rocking", "tacking"), SEA, _sailboat),
    Thing(("lighthouse", "beacon", "pharos"), ("blinking", "standing", "warning"), SEA, _lighthouse, upright=True),
    Thing(("whale", "orca", "cetacean"), ("spouting", "breaching", "basking"), SEA, _whale),
    Thing(("fish", "herring", "mackerel"), ("swimming", "darting", "gliding"), SEA, _fish),
    Thing(("car", "saloon", "automobile"), ("passing", "parking", "braking"), STREET, _car, upright=True),
    Thing(("bus", "coach", "omnibus"), ("arriving", "waiting", "leaving"), STREET, _bus, upright=True),
    Thing(("bicycle", "bike", "cycle"), ("rolling", "leaning", "racing"), STREET, _bicycle, upright=True),
    Thing(("signal", "stoplight", "semaphore"), ("switching", "gleaming", "stopping"), STREET, _signal, upright=True),
    Thing(("flower", "blossom", "daisy"), ("blooming", "nodding", "opening"), GARDEN, _flower, upright=True),
    Thing(("tree", "oak", "maple"), ("swaying", "rustling", "growing"), GARDEN, _tree, upright=True),
    Thing(("butterfly", "moth", "swallowtail"), ("fluttering", "hovering", "dancing"), GARDEN, _butterfly),
    Thing(("mushroom", "toadstool", "fungus"), ("sprouting", "hiding", "swelling"), GARDEN, _mushroom, upright=True),
    Thing(("cup", "mug", "teacup"), ("steaming", "cooling", "brimming"), HOME, _cup, upright=True),
    Thing(("clock", "dial", "timepiece"), ("ticking", "striking", "hurrying"), HOME, _clock),
    Thing(("lamp", "lantern", "nightlight"), ("burning", "dimming", "brightening"), HOME, _lamp, upright=True),
    Thing(("cake", "gateau", "tart"), ("tempting", "towering", "flickering"), HOME, _cake, upright=True),
    Thing(("ball", "football", "beachball"), ("bouncing", "spinning", "tumbling"), PLAYROOM, _ball),
    Thing(("blocks", "bricks", "cubes"), ("wobbling", "stacking", "tottering"), PLAYROOM, _blocks, upright=True),
    Thing(("pinwheel", "windmill", "whirligig"), ("whirling", "turning", "humming"), PLAYROOM, _pinwheel, upright=True),
    Thing(("robot", "android", "automaton"), ("waving", "marching", "buzzing"), PLAYROOM, _robot, upright=True),
)
"""Every thing, place by place; the order is part of the world."""
