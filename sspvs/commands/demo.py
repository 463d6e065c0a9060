"""`sspvs demo`: draw a small video with sound, summarise it, say where to look. Needs no file and no download."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = "Draw a small video of different scenes with sound, summarise it, and say where to look."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--out", type=Path, default=Path("sspvs-demo"), help="folder to write into (default: sspvs-demo)"
    )
    parser.add_argument(
        "--ratio", type=float, default=0.3, help="longest summary as a part of the video (default: 0.3)"
    )


def run(args: argparse.Namespace) -> int:
    """Draw, summarise, point."""
    from sspvs.output import check_writable
    from sspvs.pipeline import SummarySettings, summarize
    from sspvs.video.drawing import SCENES, draw_video

    SummarySettings(ratio=args.ratio)
    check_writable(args.out)
    args.out.mkdir(parents=True, exist_ok=True)
    seconds = sum(scene.seconds for scene in SCENES)
    print(f"drawing a video of {len(SCENES)} scenes, {seconds:.0f} s with sound ...")
    video = draw_video(args.out / "demo.mp4", progress=True)
    print("summarising it ...")
    summary = summarize(video, ratio=args.ratio, backbone="efficientnet-lite0", title="", progress=True)
    summary.save(args.out, progress=True)
    print(f"{'shot':>6}  {'seconds':<15}{'score':>6}")
    for number, ((start, end), score, selected) in enumerate(
        zip(summary.shots, summary.shot_scores, summary.selected, strict=True), start=1
    ):
        times = f"{summary.timeline.seconds_of(start):5.1f} - {summary.timeline.seconds_of(end):5.1f}"
        print(f"{number:>6}  {times:<15}{score:>6.2f}  {'kept' if selected else ''}".rstrip())
    print(f"{seconds:.0f} s became {summary.selected_seconds:.1f} s. Look at:")
    print(f"  {args.out / 'report.html'}   in a browser: the summary, the curve, why")
    print(f"  {args.out / 'summary.mp4'}   the summary itself, with its sound")
    print("then: sspvs summarize YOUR_VIDEO.mp4 --out summary/")
    return 0
