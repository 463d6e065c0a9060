"""`sspvs summarize`: videos in, summaries out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sspvs.commands.arguments import (
    add_extraction_arguments,
    add_importance_arguments,
    add_scorer_argument,
    add_text_arguments,
    seconds,
    share,
)
from sspvs.errors import SspvsError, one_line

if TYPE_CHECKING:
    from sspvs.pipeline import Tools

DESCRIPTION = (
    "Shorten videos, without training or with a trained checkpoint: writes summary.mp4 (with sound), report.html, "
    "summary.json, scores.csv, scores.png, key frames and an edit list. One video goes straight into --out, several "
    "into a folder each. TIME is seconds, or 1:30, 1:02:03.5, 90s, 1m30s."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO", help="video files, or folders of them")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder to write into (default: here, VIDEO-summary; of a folder FOLDER-summaries, of several summaries)",
    )
    length = parser.add_argument_group("length (one of them; default --ratio 0.15)")
    length.add_argument("--ratio", type=share, help="longest summary as a part of the video, such as 0.15 or 15%%")
    length.add_argument("--duration", type=seconds, metavar="TIME", help="longest summary, such as 30 or 0:30")
    length.add_argument("--max-shots", type=int, metavar="K", help="most shots in the summary")
    scores = parser.add_argument_group("scores")
    add_scorer_argument(scores)
    add_text_arguments(scores)
    add_importance_arguments(scores)
    shots = parser.add_argument_group("shots")
    shots.add_argument("--segmenter", default="kts", help="kts (default), uniform, given or transnet")
    shots.add_argument("--kts-penalty", type=float, help="larger: fewer, longer shots")
    shots.add_argument(
        "--shot-seconds", type=seconds, default=5.0, metavar="TIME", help="length of uniform shots (default: 5)"
    )
    shots.add_argument("--shots", type=Path, metavar="FILE", help="JSON file of shots for --segmenter given")
    shots.add_argument("--shots-unit", choices=("frames", "seconds"), default="frames", help="default: frames")
    shots.add_argument(
        "--min-shot-seconds", type=seconds, default=1.0, metavar="TIME", help="join shorter shots (default: 1)"
    )
    add_extraction_arguments(parser.add_argument_group("looking at the video"), rate_hz=None)


def run(args: argparse.Namespace) -> int:
    """Summarise each video; of several, a bad one is reported and the rest go on."""
    from sspvs.output import check_writable
    from sspvs.pipeline import SummarySettings, load_tools
    from sspvs.video import list_videos

    settings = SummarySettings(
        ratio=args.ratio,
        duration=args.duration,
        max_shots=args.max_shots,
        min_shot_seconds=args.min_shot_seconds,
        title=args.title,
        query=args.query,
        category=args.category,
        scorer=args.scorer,
        combine=args.combine,
        post=args.post,
        segmenter=args.segmenter,
        **_given(kts_penalty=args.kts_penalty, max_damaged=args.max_damaged),
        shot_seconds=args.shot_seconds,
        shots=args.shots,
        shots_unit=args.shots_unit,
        rate_hz=args.rate,
        decoder=args.decoder,
        time_limit_seconds=args.time_limit,
        device=args.device,
    )
    videos = list_videos(args.videos)
    args.out = args.out or default_out(args.videos)
    check_writable(args.out)
    tools = load_tools(settings, args.backbone, precision=args.precision, download=args.download)
    print(f"backbone: {tools.backbone.name} ({tools.backbone.reason})")
    if len(videos) == 1 and not args.videos[0].is_dir():
        _summarize_one(videos[0], args.out, tools)
        return 0
    return _summarize_many(videos, args.out, tools)


def default_out(paths: Sequence[Path]) -> Path:
    """Where summaries go when `--out` is not given: a folder in the current one, named after what is summarised."""
    if len(paths) > 1:
        return Path("summaries")
    (path,) = paths
    return Path(f"{path.resolve().name}-summaries" if path.is_dir() else f"{path.stem}-summary")


def _given(**values: float | None) -> dict[str, Any]:
    """The options that were given; the others keep the defaults of `SummarySettings`."""
    return {name: value for name, value in values.items() if value is not None}


def _summarize_one(video: Path, out: Path, tools: Tools) -> None:
    from sspvs.pipeline import summarize_with

    summary = summarize_with(video, tools, progress=True)
    summary.save(out, progress=True)
    for warning in summary.warnings:
        sys.stderr.write(f"warning: {video.name}: {warning}\n")
    print(
        f"{video.name}: {summary.timeline.end_seconds:.1f} s -> {summary.selected_seconds:.1f} s "
        f"({int(summary.selected.sum())} of {len(summary.shots)} shots); open {out / 'report.html'}"
    )


def _summarize_many(videos: list[Path], out: Path, tools: Tools) -> int:
    """Each video into its own folder under `out`; 0 when all went well, 1 when some failed, 2 when all did."""
    failed = 0
    for video, name in zip(videos, unique_names([video.stem for video in videos]), strict=True):
        try:
            _summarize_one(video, out / name, tools)
        except SspvsError as error:
            failed += 1
            sys.stderr.write(f"error: {one_line(error)}\n")
    print(f"{len(videos) - failed} of {len(videos)} videos summarised, in {out}")
    return 0 if not failed else 1 if failed < len(videos) else 2


def unique_names(stems: list[str]) -> list[str]:
    """The stems, with `-2`, `-3` ... after those that occur before."""
    names: list[str] = []
    for stem in stems:
        name, count = stem, 1
        while name in names:
            count += 1
            name = f"{stem}-{count}"
        names.append(name)
    return names
