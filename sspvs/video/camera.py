"""Where a narrower or lower picture is cut out of a film: at what stands out, as calmly as that allows.

What stands out is what moves against the rest, differs in colour from the borders of the picture and from its mean
(Achanta et al. 2009, "Frequency-tuned salient region detection"), and has detail. Inside a shot the camera stands still
where one place serves all of it; where that loses what is shown, it follows on the path that holds most of it for the
least way (by dynamic programming), smoothed.
"""

import numpy as np
from scipy.ndimage import uniform_filter

from sspvs.types import FloatArray, ImageArray

STEPS = 64  # places across the picture
ENOUGH = 0.88  # of what stands out and could be shown: with as much, the camera stands still
_WAY_COST = 0.4  # of moving once across the picture, in seconds of all that stands out being lost
_FASTEST = 0.3  # of the picture that the camera passes in a second
_CALM_SECONDS = 1.2  # over which its path is smoothed
_STEADY_SECONDS = 0.8  # over which what stands out is averaged
_WEIGHTS = 1.0, 1.5, 0.5  # of contrast, motion and detail
_DARK = 0.1  # columns and rows that are never brighter are bars beside the picture
_CENTRE = 0.6  # weight at the edge of the picture of what weighs 1 in its middle


def camera_path(pictures: ImageArray, seconds: FloatArray, shown: float, *, upright: bool) -> FloatArray:
    """Where the middle of the cut-out lies in one shot.

    Args:
        pictures: (F, H, W, 3) uint8 RGB, some times a second.
        seconds: (F,) when they are shown.
        shown: Share of the width, or height, that the cut-out has, in (0, 1).
        upright: Whether the cut-out is narrower than the picture; else lower.

    Returns:
        (F,) the middle of the cut-out as a share of the width, or height.
    """
    profile = _steady(_profiles(salience(pictures), upright=upright), seconds, _STEADY_SECONDS)  # (F, STEPS)
    width = max(1, min(STEPS, round(shown * STEPS)))
    summed = np.pad(np.cumsum(profile, axis=1), ((0, 0), (1, 0)))
    held = summed[:, width:] - summed[:, :-width]  # (F, P) share of what stands out in a cut-out at each place
    place = int(held.mean(axis=0).argmax())
    steps = np.full(len(seconds), float(place))
    if len(seconds) > 1 and (held[:, place] < ENOUGH * held.max(axis=1)).mean() > 1 - ENOUGH:
        steps = _steady(_least_way(held, seconds)[:, None].astype(float), seconds, _CALM_SECONDS)[:, 0]
    middles: FloatArray = shown / 2 + (1 - shown) * steps / max(1, STEPS - width)
    return middles


def salience(pictures: ImageArray) -> FloatArray:
    """(F, H, W) how much each point of (F, H, W, 3) pictures stands out; each picture sums to 1."""
    values = pictures.astype(np.float32) / 255
    lit = values.max(axis=(0, 1, 3)) > _DARK, values.max(axis=(0, 2, 3)) > _DARK  # columns and rows that are no bars
    if all(one.any() for one in lit):
        values = values[:, lit[1]][:, :, lit[0]]
    smooth = _blurred(values, 2)
    margin = max(1, smooth.shape[2] // 16)
    border = np.concatenate([smooth[:, :, :margin], smooth[:, :, -margin:]], axis=2)
    means = smooth.mean(axis=(1, 2)), np.median(border, axis=(1, 2))
    contrast: FloatArray = sum(np.linalg.norm(smooth - mean[:, None, None], axis=-1) for mean in means)
    gray = smooth.mean(axis=-1)
    change = np.abs(np.diff(gray, axis=0))
    motion = np.maximum(np.concatenate([change, 0 * gray[:1]]), np.concatenate([0 * gray[:1], change]))
    motion = np.maximum(motion - np.median(motion, axis=(1, 2), keepdims=True), 0)  # what moves against the rest
    detail = np.abs(np.diff(values.mean(axis=-1), axis=2, append=values[:, :, -1:].mean(axis=-1)))
    weighed = sum(
        weight * _standing_out(_blurred(part[..., None], 3)[..., 0])
        for weight, part in zip(_WEIGHTS, (contrast * contrast, motion, detail), strict=True)
    )
    maps = np.zeros(pictures.shape[:3], np.float32)
    if all(one.any() for one in lit):
        maps[:, np.flatnonzero(lit[1])[:, None], np.flatnonzero(lit[0])] = weighed
    else:
        maps[:] = weighed
    shares: FloatArray = maps / maps.sum(axis=(1, 2), keepdims=True)
    return shares


def _standing_out(maps: FloatArray) -> FloatArray:
    """(F, H, W) maps as shares of their sums, those that are in few places weighed more; even ones where all is 0."""
    flat = maps.reshape(len(maps), -1)
    total = flat.sum(axis=1, keepdims=True)
    share = np.where(total > 1e-6 * flat.shape[1], flat / np.maximum(total, 1e-9), 1 / flat.shape[1])
    few = max(1, flat.shape[1] // 10)
    concentration = np.partition(share, -few, axis=1)[:, -few:].sum(axis=1, keepdims=True)  # from 0.1 to 1
    weighed: FloatArray = (share * concentration).reshape(maps.shape)
    return weighed


def _blurred(values: FloatArray, radius: int) -> FloatArray:
    """(F, H, W, C) means of squares of 2 `radius` + 1 points."""
    width = 2 * radius + 1
    blurred: FloatArray = uniform_filter(values, (1, width, width, 1), mode="nearest")
    return blurred


def _profiles(maps: FloatArray, *, upright: bool) -> FloatArray:
    """(F, STEPS) what stands out in each strip of the picture, the middle ones favoured."""
    along = maps.sum(axis=1 if upright else 2)  # (F, columns or rows)
    edges = np.linspace(0, along.shape[1], STEPS + 1)
    summed = np.pad(np.cumsum(along, axis=1), ((0, 0), (1, 0)))
    at_edges = np.stack([np.interp(edges, np.arange(summed.shape[1]), row) for row in summed])
    from_middle = np.abs(np.linspace(-1, 1, STEPS))
    profile = np.diff(at_edges, axis=1) * (1 - (1 - _CENTRE) * from_middle**2)
    shares: FloatArray = profile / np.maximum(profile.sum(axis=1, keepdims=True), 1e-9)
    return shares


def _steady(rows: FloatArray, seconds: FloatArray, over: float) -> FloatArray:
    """(F, ...) weighted means of the rows within `over` seconds, as a hill over them."""
    apart = np.abs(seconds[:, None] - seconds[None]) / over
    weights = np.where(apart < 1, 1 + np.cos(np.pi * np.minimum(apart, 1)), 0)
    means: FloatArray = (weights / weights.sum(axis=1, keepdims=True)) @ rows
    return means


def _least_way(held: FloatArray, seconds: FloatArray) -> FloatArray:
    """(F,) places that hold most, for the least way, none faster than the camera may be."""
    holds, places = np.diff(seconds, append=2 * seconds[-1] - seconds[-2]), np.arange(held.shape[1])
    away = np.abs(places[:, None] - places[None])  # (P, P)
    best, came_from = held[0] * holds[0], []
    for row, hold, step in zip(held[1:], holds[1:], np.diff(seconds), strict=True):
        reach = np.where(away <= max(1.0, _FASTEST * step * STEPS), _WAY_COST * away / STEPS, np.inf)
        worth = best[None] - reach  # (P now, P before)
        came_from.append(worth.argmax(axis=1))
        best = worth.max(axis=1) + row * hold
    path = [int(best.argmax())]
    for before in reversed(came_from):
        path.append(int(before[path[-1]]))
    return np.array(path[::-1])
