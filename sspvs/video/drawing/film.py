"""Drawn scenes, one after the other, as a video file with sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from tqdm import tqdm

from sspvs.atomic import atomic_file
from sspvs.overwriting import DRAWN
from sspvs.types import FloatArray, ImageArray
from sspvs.video.drawing.scenes import SCENES

SAMPLE_RATE = 48_000


class Drawable(Protocol):
    """What a video can be drawn of."""

    @property
    def seconds(self) -> float:
        """How long it lasts."""

    @property
    def tone_hz(self) -> float:
        """Pitch of its sound."""

    def picture(self, width: int, height: int, seconds: float) -> ImageArray:
        """(H, W, 3) uint8 at a time."""


def draw_scene_frames(scenes: Sequence[Drawable], width: int, height: int, fps: int) -> Iterator[ImageArray]:
    """Every frame of the scenes in order, as (H, W, 3) uint8."""
    for scene in scenes:
        for index in range(round(scene.seconds * fps)):
            yield scene.picture(width, height, index / fps)


def _tones(scenes: Sequence[Drawable]) -> FloatArray:
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
    scenes: Sequence[Drawable] = SCENES,
    width: int = 480,
    height: int = 270,
    fps: int = 25,
    progress: bool = False,
) -> Path:
    """Write drawn scenes as an H.264 + AAC file.

    Args:
        path: The file to write; its folder must exist.
        scenes: What to draw.
        width: Pixels, even.
        height: Pixels, even.
        fps: Frames per second.
        progress: Show a progress bar when stderr is a terminal.

    Returns:
        `path` as a path.
    """
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
        pictures = draw_scene_frames(scenes, width, height, fps)
        total = sum(round(scene.seconds * fps) for scene in scenes)
        shown = tqdm(pictures, desc="drawing", total=total, unit="frame", disable=None if progress else True)
        for index, picture in enumerate(shown):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
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
