"""Things of the home and the playroom. Each lies within -1 and 1 both ways."""

from __future__ import annotations

import math

from sspvs.world.canvas import Brush, Look, mixed

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


_SEA_BLACK = (0.1, 0.1, 0.12)
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
    brush.line(tail, 0.03, _SEA_BLACK)
    for x, y in tail[1:]:
        for side in (-0.12, 0.12):
            brush.polygon([(x, y), (x + side, y - 0.07), (x + side, y + 0.07)], look.third)


def balloon(brush: Brush, look: Look, t: float) -> None:
    """A hot-air balloon in stripes, with its basket."""
    del t
    wide = 0.6 + 0.15 * look.knobs[0]
    brush.line([(-0.45 * wide, 0.05), (-0.14, 0.7)], 0.025, _SEA_BLACK)
    brush.line([(0.45 * wide, 0.05), (0.14, 0.7)], 0.025, _SEA_BLACK)
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
        brush.disc((-0.4 + 0.18 * number, -0.05), 0.045, _SEA_BLACK)
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
    brush.disc((0.55, 0.12), 0.05, _SEA_BLACK)
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
    brush.disc((0.57, -0.08), 0.045, _SEA_BLACK)


_STREET_BLACK, _GREY, _GLASS = (0.1, 0.1, 0.12), (0.55, 0.55, 0.58), (0.75, 0.87, 0.93)
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
        brush.ring((x, 0.35), 0.4, 0.06, _STREET_BLACK)
        for spoke in range(4):
            angle = spoke * math.pi / 4 + 2 * t
            dx, dy = 0.38 * math.cos(angle), 0.38 * math.sin(angle)
            brush.line([(x - dx, 0.35 - dy), (x + dx, 0.35 + dy)], 0.02, _GREY)
    frame = [(-0.55, 0.35), (-0.2, -0.25), (0.4, -0.25), (0.0, 0.35), (-0.55, 0.35)]
    brush.line(frame, 0.07, look.main)
    brush.line([(0.0, 0.35), (-0.25, -0.4)], 0.06, look.main)
    brush.line([(0.55, 0.35), (0.35, -0.5), (0.6, -0.6)], 0.06, look.main)
    brush.line([(-0.4, -0.43), (-0.1, -0.43)], 0.1, _STREET_BLACK)


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
        brush.line([(0, -0.45), (side * 0.2, -0.85)], 0.03, _STREET_BLACK)
    brush.ellipse((0, 0), (0.08, 0.55), _STREET_BLACK)


def mushroom(brush: Brush, look: Look, t: float) -> None:
    """A cap with spots on a thick stem."""
    del t
    brush.polygon([(-0.22, 0.0), (0.22, 0.0), (0.3, 0.95), (-0.3, 0.95)], (0.93, 0.9, 0.82))
    brush.ellipse((0, 0.1), (0.85, 0.9 + 0.1 * look.knobs[0]), look.main, 180, 360)
    brush.ellipse((0, 0.1), (0.85, 0.1), mixed(look.main, _STREET_BLACK, 0.4))
    for x, y, radius in _SPOTS:
        brush.disc((x, y), radius, (0.97, 0.96, 0.92))


def _wheel(brush: Brush, x: float, y: float, radius: float, t: float) -> None:
    brush.disc((x, y), radius, _STREET_BLACK)
    brush.disc((x, y), 0.55 * radius, (0.75, 0.75, 0.77))
    dx, dy = 0.5 * radius * math.cos(4 * t), 0.5 * radius * math.sin(4 * t)
    brush.line([(x - dx, y - dy), (x + dx, y + dy)], 0.2 * radius, _STREET_BLACK)
