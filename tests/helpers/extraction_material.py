"""Drawn videos and a fast, transparent backbone, for the tests of extraction."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from sspvs.features.backbones import Backbone
from sspvs.types import FloatArray, ImageArray
from sspvs.video import Resize


class MeanColour(Backbone):
    """The mean of red, green and blue: a frame's features follow from its picture."""

    def __init__(self, weights: str = "00") -> None:
        self.name = "mean-colour"
        self.feature_dim = 3
        self.resize = Resize("squash", 8, "area")
        self.transform = "resize 8x8 area"
        self.normalisation = "none"
        self.weights_digest = weights
        self.batches: list[int] = []

    def encode(self, frames: ImageArray) -> FloatArray:
        assert frames.shape[1:] == (8, 8, 3)
        self.batches.append(len(frames))
        means: FloatArray = frames.reshape(len(frames), -1, 3).mean(axis=1).astype(np.float32)
        return means


def draw_video(
    path: Path,
    colours: list[tuple[int, int, int]],
    *,
    fps: int = 10,
    seconds: float = 1.0,
    size: tuple[int, int] = (64, 48),
) -> Path:
    """A video that shows each colour for `seconds`."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, fps)
        stream.options = {"crf": "5", "preset": "ultrafast"}
        for index in range(round(len(colours) * seconds * fps)):
            colour = colours[min(int(index / (seconds * fps)), len(colours) - 1)]
            picture = np.broadcast_to(np.array(colour, np.uint8), (size[1], size[0], 3))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


RED, GREEN, BLUE, GREY = (220, 30, 30), (30, 200, 40), (20, 40, 210), (128, 128, 128)


def draw_folder(folder: Path, count: int, *, seconds: float = 1.0) -> list[Path]:
    """`count` different videos, sorted by name."""
    palette = [RED, GREEN, BLUE, GREY]
    return [
        draw_video(
            folder / f"video_{i:02d}.mp4", [palette[(i + j * (i + 1)) % 4] for j in range(2 + i % 3)], seconds=seconds
        )
        for i in range(count)
    ]
