"""Visibly different scenes, painted by formula: for the quick demo and for tests.

Nothing is random: the same call gives the same pictures. The scenes differ in colour, texture and motion, one of
them comes back, and one is long and still, so that a summary has something to choose and something to leave.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from tqdm import tqdm

from sspvs.atomic import atomic_file
from sspvs.overwriting import DRAWN
from sspvs.types import FloatArray, ImageArray
from sspvs.world.canvas import Colour

if TYPE_CHECKING:
    from sspvs.world.painted import PaintedClip

SAMPLE_RATE = 48_000


@dataclass(frozen=True)
class Scene:
    """One drawn scene."""

    name: str  # what it shows
    seconds: float  # how long it lasts
    # from pixel coordinates x, y in [0, 1] (each (H, W)) and the time in seconds to (H, W, 3) in [0, 1]
    paint: Callable[[FloatArray, FloatArray, float], FloatArray]
    tone_hz: float  # pitch of its sound

    def picture(self, width: int, height: int, seconds: float) -> ImageArray:
        """(H, W, 3) uint8 at a time."""
        x, y = _coordinates(width, height)
        picture = self.paint(x, y, seconds)
        return (np.clip(picture, 0.0, 1.0) * 255 + 0.5).astype(np.uint8)


@lru_cache(maxsize=2)
def _coordinates(width: int, height: int) -> tuple[FloatArray, FloatArray]:
    """X and y of each pixel, both (H, W), from 0 to 1."""
    columns = (np.arange(width, dtype=np.float32) + 0.5) / width
    rows = (np.arange(height, dtype=np.float32) + 0.5) / height
    x, y = np.meshgrid(columns, rows)
    return x, y


def _rgb(red: FloatArray, green: FloatArray, blue: FloatArray) -> FloatArray:
    return np.stack([red, green, blue], axis=-1)


def _add_disc(
    picture: FloatArray, x: FloatArray, y: FloatArray, at: tuple[float, float], radius: float, colour: Colour
) -> None:
    """Paint a soft-edged disc, round on a 16:9 picture, in place and only where it is."""
    reach = radius + 0.02
    left, right = np.searchsorted(x[0], [at[0] - reach * 9 / 16, at[0] + reach * 9 / 16])
    top, bottom = np.searchsorted(y[:, 0], [at[1] - reach, at[1] + reach])
    spot = np.s_[top:bottom, left:right]
    distance = np.hypot((x[spot] - at[0]) * 16 / 9, y[spot] - at[1])
    mask = np.clip((radius - distance) * 60, 0.0, 1.0)[..., None]
    picture[spot] = picture[spot] * (1 - mask) + np.asarray(colour, dtype=np.float32) * mask


def _sunrise(x: FloatArray, y: FloatArray, t: float) -> FloatArray:
    picture = _rgb(0.95 - 0.3 * y, 0.5 + 0.2 * y, 0.35 + 0.5 * (1 - y))
    _add_disc(picture, x, y, (0.5 + 0.02 * t, 0.75 - 0.07 * t), 0.14, (1.0, 0.9, 0.4))
    picture[y > 0.72 + 0.06 * np.sin(9 * x) + 0.03 * np.sin(23 * x)] = (0.16, 0.3, 0.16)
    return picture


def _sea(x: FloatArray, y: FloatArray, t: float) -> FloatArray:
    wave = 0.5 + 0.5 * np.sin(40 * y + 6 * np.sin(5 * x + t) + 2 * t)
    picture = _rgb(0.05 + 0.1 * wave, 0.3 + 0.25 * wave, 0.5 + 0.3 * wave)
    boat_x = 0.2 + 0.08 * t
    picture[(np.abs(x - boat_x) < 0.09) & (np.abs(y - 0.5) < 0.04)] = (0.4, 0.15, 0.1)
    picture[(x > boat_x) & (x - boat_x < (y - 0.15) * 0.35) & (y > 0.15) & (y < 0.45)] = (0.97, 0.97, 0.92)
    return picture


def _board(x: FloatArray, y: FloatArray, t: float) -> FloatArray:
    angle = 0.4 * t
    u = (x - 0.5) * 16 / 9 * np.cos(angle) - (y - 0.5) * np.sin(angle)
    v = (x - 0.5) * 16 / 9 * np.sin(angle) + (y - 0.5) * np.cos(angle)
    dark = (np.floor(u * 6) + np.floor(v * 6)) % 2
    return _rgb(0.85 - 0.7 * dark, 0.1 + 0.05 * dark, 0.15 + 0.1 * dark)


def _night(x: FloatArray, y: FloatArray, t: float) -> FloatArray:
    picture = _rgb(0.02 + 0 * x, 0.02 + 0.02 * y, 0.1 + 0.12 * y)
    for k in range(40):
        at = ((0.618 * k + 0.01 * t * (k % 3 + 1)) % 1.0, (0.414 * k * k) % 0.9)
        _add_disc(picture, x, y, at, 0.008 + 0.004 * (k % 4), (1.0, 1.0, 0.85))
    return picture


def _balls(x: FloatArray, y: FloatArray, t: float) -> FloatArray:
    picture = _rgb(0.93 + 0 * x, 0.93 + 0 * x, 0.88 + 0 * x)
    colours = [(0.9, 0.2, 0.2), (0.2, 0.5, 0.9), (0.2, 0.7, 0.3), (0.95, 0.7, 0.1), (0.6, 0.3, 0.8)]
    for k, colour in enumerate(colours):
        height = abs(np.sin(2.2 * t + k))
        _add_disc(picture, x, y, (0.12 + 0.19 * k, 0.85 - 0.65 * height), 0.11, colour)
    return picture


def _card(x: FloatArray, y: FloatArray, t: float) -> FloatArray:
    del t  # it stands still
    picture = _rgb(0.55 + 0 * x, 0.56 + 0 * x, 0.58 + 0 * x)
    lines = (np.abs(x - 0.5) < 0.3) & ((np.floor(y * 12) % 2) == 0) & (np.abs(y - 0.5) < 0.3)
    picture[lines] = (0.62, 0.63, 0.65)
    return picture


SCENES: tuple[Scene, ...] = (
    Scene("sunrise over hills", 6.0, _sunrise, 262.0),
    Scene("grey title card", 9.0, _card, 131.0),
    Scene("boat on the sea", 6.0, _sea, 330.0),
    Scene("grey title card again", 5.0, _card, 131.0),
    Scene("turning chequerboard", 5.0, _board, 392.0),
    Scene("night sky", 6.0, _night, 196.0),
    Scene("bouncing balls", 5.0, _balls, 523.0),
)
"""Forty-two seconds; the cuts fall at 6, 15, 21, 26, 31 and 37 s."""


def _tones(scenes: Sequence[Scene | PaintedClip]) -> FloatArray:
    """(samples,) float32 soft tone of each scene, with a click at each scene's start to check the sync by ear."""
    parts = []
    for scene in scenes:
        t = np.arange(round(scene.seconds * SAMPLE_RATE)) / SAMPLE_RATE
        tone = 0.2 * np.sin(2 * np.pi * scene.tone_hz * t) * (0.6 + 0.4 * np.cos(2 * np.pi * t))
        tone[: SAMPLE_RATE // 100] = 0.8 * np.sin(2 * np.pi * 1500 * t[: SAMPLE_RATE // 100])
        parts.append(tone)
    return np.concatenate(parts).astype(np.float32)


def draw_video(
    path: str | Path,
    *,
    scenes: Sequence[Scene | PaintedClip] = SCENES,
    width: int = 480,
    height: int = 270,
    fps: int = 25,
    progress: bool = False,
) -> Path:
    """Write scenes or painted clips as an H.264 + AAC file of even width and height, in a folder that exists."""
    path = Path(path)
    samples = _tones(scenes)
    with (
        atomic_file(path) as temporary,
        av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"}) as container,
    ):
        container.metadata["comment"] = DRAWN
        video = container.add_stream("libx264", rate=fps, options={"crf": "20", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = container.add_stream("aac", rate=SAMPLE_RATE)
        audio.layout = "mono"
        written = 0
        moments = [(scene, index / fps) for scene in scenes for index in range(round(scene.seconds * fps))]
        shown = tqdm(moments, desc="drawing", unit="frame", disable=None if progress else True)
        for index, (scene, seconds) in enumerate(shown):
            frame = av.VideoFrame.from_ndarray(scene.picture(width, height, seconds), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(video.encode(frame))
            until = round((index + 1) / fps * SAMPLE_RATE)
            sound = av.AudioFrame.from_ndarray(samples[None, written:until], format="fltp", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = SAMPLE_RATE, written, Fraction(1, SAMPLE_RATE)
            container.mux(audio.encode(sound))
            written = until
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path
