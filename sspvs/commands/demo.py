"""`sspvs demo`: the whole line on painted pictures, or a short video summarised; needs no file and no download."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sspvs.commands.arguments import share
from sspvs.training.signals import exit_status, interruptible_imports

if TYPE_CHECKING:
    from sspvs.demo import WholeDemo
    from sspvs.pipeline import VideoSummary

DESCRIPTION = (
    "The whole line, offline, in minutes on a CPU: paint clips of things, pretrain on videos made of them, fine-tune a "
    "summarizer with and without pretraining, compare with contrastive importance, random scores and people, and "
    "summarise a drawn video. The same command goes on where it was interrupted. With --quick a drawn video is "
    "summarised without training, in seconds."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--out", type=Path, default=Path("sspvs-demo"), help="folder to write into (default: sspvs-demo)"
    )
    parser.add_argument(
        "--ratio", type=share, default=0.15, help="longest summary as a part of the video (default: 0.15)"
    )
    parser.add_argument(
        "--quick", "--no-training", action="store_true", help="only draw a video and summarise it without training"
    )


def run(args: argparse.Namespace) -> int:
    """Make the demo and print where to look; see `exit_status`."""
    from sspvs.demo.folder import DemoFolder
    from sspvs.pipeline import SummarySettings

    SummarySettings(ratio=args.ratio)
    DemoFolder(args.out).check(whole=not args.quick)
    if not args.quick:
        return exit_status(
            lambda: _run_whole(args), stopped="what is finished is kept: the same command makes the rest"
        )
    _run_short(args)
    return 0


def _run_short(args: argparse.Namespace) -> None:
    from sspvs.demo.folder import run_short
    from sspvs.world.film import SCENES

    seconds = sum(scene.seconds for scene in SCENES)
    print(f"drawing a video of {len(SCENES)} scenes, {seconds:.0f} s with sound, and summarising it ...")
    summary = run_short(args.out, args.ratio, progress=True)
    _print_shots(summary)
    print(f"{seconds:.0f} s became {summary.selected_seconds:.1f} s. Look at:")
    print(f"  {args.out / 'report.html'}   in a browser: the summary, the curve, why")
    print(f"  {args.out / 'summary.mp4'}   the summary itself, with its sound")
    print("then: sspvs summarize YOUR_VIDEO.mp4 --out summary/, or sspvs demo: with training")


def _run_whole(args: argparse.Namespace) -> None:
    with interruptible_imports():
        from sspvs.demo import DemoSettings, run_whole

    demo = run_whole(DemoSettings(args.out, args.ratio), show=lambda line: print(line, flush=True), progress=True)
    print(f"\n{demo.table}")
    _print_index(demo)


def _print_index(demo: WholeDemo) -> None:
    folder, trained = demo.folder, demo.trained
    print(f"The trained summary: {trained.warnings[0]}.")
    print("\nLook at:")
    for path, what in (
        (folder.report, "in a browser: the trained model's summary, its stages, why"),
        (folder.contrastive_report, "the same video without training"),
        (folder.comparison("html"), "the table, video by video; comparison.txt and .json have it too"),
        (folder.out / "summary.mp4", "the summary itself, with its sound; demo.mp4 is the whole video"),
        (folder.training, "clips, world, checkpoints: used when the demo runs again, or delete it"),
    ):
        print(f"  {path!s:<40}  {what}")
    print("then: sspvs summarize YOUR_VIDEO.mp4 --out summary/")


def _print_shots(summary: VideoSummary) -> None:
    print(f"{'shot':>6}  {'seconds':<15}{'score':>6}")
    for number, ((start, end), score, selected) in enumerate(
        zip(summary.shots, summary.shot_scores, summary.selected, strict=True), start=1
    ):
        times = f"{summary.timeline.seconds_of(start):5.1f} - {summary.timeline.seconds_of(end):5.1f}"
        print(f"{number:>6}  {times:<15}{score:>6.2f}  {'kept' if selected else ''}".rstrip())
