"""The short demo: a drawn video, summarised without training."""

from __future__ import annotations

from pathlib import Path

from sspvs.demo.settings import BACKBONE
from sspvs.pipeline import SummarySettings, VideoSummary, summarize
from sspvs.video.drawing import draw_video


def run_short(out: Path, ratio: float, *, progress: bool = False) -> VideoSummary:
    """Draw a video of different scenes with sound, summarise it, write everything.

    Args:
        out: Folder to write into; made when it does not exist.
        ratio: Longest summary as a part of the video.
        progress: Show progress bars.

    Raises:
        ValueError: The ratio is out of range.
        OutputError: The folder cannot be written to.
    """
    SummarySettings(ratio=ratio)
    out.mkdir(parents=True, exist_ok=True)
    video = draw_video(out / "demo.mp4", progress=progress)
    summary = summarize(video, ratio=ratio, backbone=BACKBONE, title="", progress=progress)
    summary.save(out, progress=progress)
    return summary
