"""Summaries made by hand, and small real videos to go with them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sspvs.types import DecodeReport, Fingerprint, Shots, Summary, Timeline, VideoInfo

HOSTILE = (
    "<script>alert(1)</script></script </script><!--<script <img src=x onerror=alert(2)> \"quoted\" 'single' & $5 {x}"
)
COLOURS = [(200, 40, 40), (40, 160, 60), (40, 70, 200), (220, 180, 40), (150, 60, 170), (40, 180, 190)]

SummaryBuilder = Callable[..., Summary]


def build_summary(
    *,
    n_frames: int = 300,
    fps: float = 25.0,
    starts: tuple[int, ...] = (0, 50, 100, 150, 200, 250),
    chosen: tuple[int, ...] = (1, 3, 4),
    step: int = 12,
    frame_seconds: np.ndarray[Any, Any] | None = None,
    thumbnails: bool = True,
    **changes: Any,
) -> Summary:
    """A consistent summary; `changes` replace fields at the end."""
    rng = np.random.default_rng(n_frames + len(starts))
    shots = Shots.from_starts(np.array(starts, dtype=np.int64), n_frames)
    picks = np.arange(0, n_frames, step, dtype=np.int64)
    scores = np.abs(np.sin(picks / n_frames * 9)) + 0.1 * rng.random(len(picks))
    selected = np.isin(np.arange(len(shots)), chosen)
    if frame_seconds is None:
        frame_seconds = np.arange(n_frames) / fps
    last = frame_seconds[-1] - frame_seconds[-2] if n_frames > 1 else 1 / fps
    pictures = []
    for pick in picks if thumbnails else []:
        shot = int(np.searchsorted(shots.bounds[:, 0], pick, side="right")) - 1
        data = io.BytesIO()
        Image.new("RGB", (160, 90), COLOURS[shot % len(COLOURS)]).save(data, format="JPEG")
        pictures.append(data.getvalue())
    summary = Summary(
        info=VideoInfo("clips/holiday.mp4", 160, 90, fps, n_frames / fps, n_frames, has_audio=True, codec="h264"),
        timeline=Timeline(frame_seconds, float(frame_seconds[-1] + last)),
        decode=DecodeReport(n_frames, n_frames, 0, "pyav"),
        scorer="contrastive",
        fingerprint=Fingerprint("efficientnet-lite0", "ab" * 32, "resize 224x224 area", "(x - 127) / 128", 2.0),
        picks=picks,
        scores=scores,
        shots=shots,
        shot_scores=np.array(
            [scores[(picks >= a) & (picks < b)].mean() if ((picks >= a) & (picks < b)).any() else 0.0 for a, b in shots]
        ),
        selected=selected,
        segments=shots.bounds[selected],
        keyframes=shots.bounds.mean(axis=1).astype(np.int64),
        budget_frames=int(shots.lengths[selected].sum()),
        settings={"ratio": 0.5, "segmenter": "kts", "title": None},
        curves={"local_dissimilarity": rng.random(len(picks)) * 2, "global_consistency": -rng.random(len(picks))},
        thumbnails=tuple(pictures),
    )
    return replace(summary, **changes)


def write_colours(path: Path, frames: list[tuple[int, int, int]], fps: int = 25) -> None:
    """An H.264 video of plain colours, one a frame."""
    import av

    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(fps), options={"crf": "30", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        for colour in frames:
            picture = np.full((90, 160, 3), colour, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
