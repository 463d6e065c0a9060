"""What is behind things: a place a category, tinted and furnished by a look."""

from __future__ import annotations

import math

from sspvs.video.drawing.canvas import WIDTH, Brush, Canvas, Colour, mixed
from sspvs.video.drawing.look import Look, tinted


def sky(canvas: Canvas, look: Look, t: float) -> None:
    """Sky over low hills, with clouds that drift."""
    high, low = tinted((0.35, 0.6, 0.95), look), tinted((0.85, 0.9, 1.0), look, 0.15)
    canvas.shade(high, low)
    brush = canvas.brush()
    for cloud in range(2 + int(3 * look.knobs[0])):
        x = (0.37 * cloud + look.knobs[1] + 0.03 * t) % 1.4 * WIDTH / 1.2 - 0.2
        _cloud(brush, x, 0.12 + 0.17 * ((cloud * 0.618 + look.knobs[2]) % 1) * 3, 0.07 + 0.05 * look.knobs[3])
    _hills(brush, 0.86, 0.06, tinted((0.25, 0.5, 0.25), look), look.knobs[0])


def sea(canvas: Canvas, look: Look, t: float) -> None:
    """Water up to a horizon, with rows of waves."""
    horizon = 0.3 + 0.2 * look.knobs[0]
    canvas.shade(tinted((0.6, 0.8, 0.95), look), tinted((0.95, 0.92, 0.85), look, 0.15), 0, horizon)
    near = tinted((0.05, 0.25, 0.5), look)
    canvas.shade(tinted((0.15, 0.5, 0.65), look), near, horizon, 1)
    brush = canvas.brush()
    foam = mixed(near, (1.0, 1.0, 1.0), 0.35)
    for row in range(7):
        y = horizon + (1 - horizon) * (row + 0.7) / 7
        shift = 0.3 * row + 0.25 * t * (1 if row % 2 else -1) + look.knobs[1]
        points = [(x / 14, y + 0.012 * math.sin(x * 1.3 + 6 * shift)) for x in range(26)]
        brush.line(points, 0.006 + 0.002 * row, foam)


def street(canvas: Canvas, look: Look, t: float) -> None:
    """House fronts with windows, a pavement and a road."""
    del t
    wall = tinted((0.72, 0.62, 0.55), look, 0.35)
    canvas.shade(wall, mixed(wall, (0.0, 0.0, 0.0), 0.15), 0, 0.66)
    brush = canvas.brush()
    glass = tinted((0.3, 0.38, 0.48), look, 0.15)
    columns, rows = 5 + int(3 * look.knobs[0]), 2 + int(2 * look.knobs[1])
    for column in range(columns):
        for row in range(rows):
            x, y = WIDTH * (column + 0.3) / columns, 0.58 * (row + 0.3) / rows
            brush.rectangle(x, y, x + 0.4 * WIDTH / columns, y + 0.33 / rows, glass)
    canvas.shade((0.7, 0.7, 0.68), (0.62, 0.62, 0.6), 0.66, 0.74)
    canvas.shade((0.33, 0.33, 0.35), (0.25, 0.25, 0.27), 0.74, 1)
    for dash in range(6):
        x = 0.32 * dash + 0.2 * look.knobs[2]
        brush.rectangle(x, 0.86, x + 0.16, 0.88, (0.9, 0.9, 0.85))


def garden(canvas: Canvas, look: Look, t: float) -> None:
    """A meadow with tufts under an open sky, and a fence or none."""
    edge = 0.4 + 0.2 * look.knobs[0]
    canvas.shade(tinted((0.65, 0.85, 1.0), look, 0.2), tinted((0.9, 0.95, 0.95), look, 0.1), 0, edge)
    grass = tinted((0.3, 0.6, 0.2), look)
    canvas.shade(mixed(grass, (1.0, 1.0, 0.8), 0.25), mixed(grass, (0.0, 0.0, 0.0), 0.25), edge, 1)
    brush = canvas.brush()
    if look.knobs[1] > 0.5:
        for post in range(9):
            brush.rectangle(0.22 * post, edge - 0.14, 0.22 * post + 0.05, edge + 0.03, (0.85, 0.8, 0.7))
        brush.rectangle(0, edge - 0.1, WIDTH, edge - 0.07, (0.8, 0.75, 0.65))
    blade = mixed(grass, (0.0, 0.15, 0.0), 0.4)
    for tuft in range(26):
        x, y = (tuft * 0.618 + look.knobs[2]) % 1 * WIDTH, edge + (1 - edge) * ((tuft * 0.414) % 1)
        lean = 0.01 * math.sin(2 * t + tuft)
        brush.polygon([(x - 0.01, y + 0.03), (x + lean, y - 0.03), (x + 0.01, y + 0.03)], blade)


def home(canvas: Canvas, look: Look, t: float) -> None:
    """A papered wall and a table top."""
    del t
    edge = 0.62 + 0.12 * look.knobs[0]
    paper = tinted((0.88, 0.84, 0.74), look, 0.3)
    canvas.shade(paper, mixed(paper, (0.0, 0.0, 0.0), 0.12), 0, edge)
    brush = canvas.brush()
    stripe = mixed(paper, look.second, 0.2)
    for number in range(4 + int(6 * look.knobs[1])):
        x = WIDTH * (number + 0.5) / (4 + int(6 * look.knobs[1]))
        brush.rectangle(x - 0.02, 0, x + 0.02, edge, stripe)
    wood = tinted((0.55, 0.36, 0.2), look, 0.2)
    canvas.shade(wood, mixed(wood, (0.0, 0.0, 0.0), 0.3), edge, 1)
    brush.rectangle(0, edge, WIDTH, edge + 0.015, mixed(wood, (1.0, 1.0, 1.0), 0.3))


def playroom(canvas: Canvas, look: Look, t: float) -> None:
    """A plain wall with a shelf, and a floor with a rug."""
    del t
    edge = 0.55 + 0.1 * look.knobs[0]
    wall = tinted((0.8, 0.88, 0.92), look, 0.35)
    canvas.shade(wall, mixed(wall, (1.0, 1.0, 1.0), 0.2), 0, edge)
    floor = tinted((0.75, 0.6, 0.42), look, 0.15)
    canvas.shade(floor, mixed(floor, (0.0, 0.0, 0.0), 0.2), edge, 1)
    brush = canvas.brush()
    brush.rectangle(0.1 + 0.3 * look.knobs[1], 0.2, 0.9 + 0.3 * look.knobs[1], 0.23, (0.5, 0.4, 0.3))
    for number, colour in enumerate((look.second, look.third, look.pale, look.deep)):
        x = 0.16 + 0.3 * look.knobs[1] + 0.16 * number
        brush.rectangle(x, 0.2 - 0.05 - 0.06 * ((number + look.knobs[2]) % 1), x + 0.07, 0.2, colour)
    brush.ellipse((WIDTH / 2, 0.88), (0.65, 0.16), mixed(look.second, floor, 0.5))


def _cloud(brush: Brush, x: float, y: float, size: float) -> None:
    white: Colour = (0.97, 0.97, 0.98)
    for dx, dy, radius in ((-1.1, 0.2, 0.7), (0.0, -0.2, 1.0), (1.1, 0.2, 0.75)):
        brush.ellipse((x + dx * size, y + dy * size), (1.2 * radius * size, 0.8 * radius * size), white)


def _hills(brush: Brush, y: float, height: float, colour: Colour, phase: float) -> None:
    ridge = [(x / 20 * WIDTH, y + height * math.sin(0.5 * x + 6 * phase)) for x in range(21)]
    brush.polygon([(0, 1), *ridge, (WIDTH, 1)], colour)
