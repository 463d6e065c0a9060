"""`sspvs summarize`: videos in, summaries out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from sspvs.commands.arguments import (
    add_extraction_arguments,
    add_importance_arguments,
    add_scorer_argument,
    add_text_arguments,
    add_videos_arguments,
    options_for,
    search,
    seconds,
    share,
    span,
)
from sspvs.errors import about, reason
from sspvs.overwriting import read_summary

if TYPE_CHECKING:
    from sspvs.pipeline import Tools, VideoSummary
    from sspvs.video.files import FoundVideos

DESCRIPTION = (
    "Shorten videos, without training or with a trained checkpoint: writes summary.mp4 (with sound), report.html, "
    "summary.json, scores.csv, scores.png, pictures and an edit list. One video goes straight into --out, several "
    "into a folder each, or with --total into one film; what is finished with the same settings is left out when it "
    "runs again. TIME is seconds, or 1:30, 1:02:03.5, 90s, 1m30s."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_videos_arguments(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder to write into (default: here, VIDEO-summary; of a folder FOLDER-summaries, of several summaries; "
        "with --total FOLDER-film or film)",
    )
    parser.add_argument("--again", action="store_true", help="of several, make those anew that are finished")
    length = parser.add_argument_group("length (one of them; default --ratio 0.15)")
    length.add_argument("--ratio", type=share, help="longest summary as a part of the video, such as 0.15 or 15%%")
    length.add_argument("--duration", type=seconds, metavar="TIME", help="longest summary, such as 30 or 0:30")
    length.add_argument(
        "--total",
        type=seconds,
        metavar="TIME",
        help="one film from all videos, no longer than this, a chapter for each; of one video as --duration",
    )
    length.add_argument("--max-shots", type=int, metavar="K", help="most pieces in the summary")
    scores = parser.add_argument_group("scores")
    add_scorer_argument(scores)
    add_text_arguments(scores)
    add_importance_arguments(scores)
    choice = parser.add_argument_group("choice")
    choice.add_argument(
        "--select",
        default="overview",
        help="overview (default): pieces that show all the video has; highlights: the most important pieces; "
        "knapsack: whole shots, as published",
    )
    choice.add_argument("--piece-seconds", type=span, metavar="A-B", help="shortest and longest piece (default: 1.5-6)")
    choice.add_argument(
        "--keep-titles", action="store_true", help="title, logo and end cards may be shown; otherwise they are avoided"
    )
    choice.add_argument(
        "--subtitles",
        metavar="FILE",
        help="what is spoken, SRT, WebVTT or ASS (default: VIDEO.srt or such beside the video, or those inside it); "
        "none: none are read",
    )
    choice.add_argument(
        "--captions",
        metavar="C.jsonl",
        help="sentences about parts of the videos, for a checkpoint that was trained with captions: JSON lines, a file "
        "of subtitles or a folder of them (default: what is spoken)",
    )
    choice.add_argument(
        "--sound",
        type=float,
        metavar="WEIGHT",
        help="how much loud moments, laughter and applause count in the scores, from 0 (default, not at all) to 1",
    )
    shots = parser.add_argument_group("shots")
    shots.add_argument("--segmenter", default="auto", help="auto (default), kts, uniform, given or transnet")
    shots.add_argument("--kts-penalty", type=float, help="larger: fewer, longer shots")
    shots.add_argument(
        "--shot-seconds", type=seconds, default=5.0, metavar="TIME", help="length of uniform shots (default: 5)"
    )
    shots.add_argument("--shots", type=Path, metavar="FILE", help="JSON file of shots for --segmenter given")
    shots.add_argument("--shots-unit", choices=("frames", "seconds"), default="frames", help="default: frames")
    shots.add_argument(
        "--min-shot-seconds",
        type=seconds,
        default=1.0,
        metavar="TIME",
        help="knapsack: join shorter shots (default: 1)",
    )
    look = parser.add_argument_group("look of the clip")
    look.add_argument(
        "--crossfade",
        type=float,
        metavar="SECONDS",
        help="each piece fades into the next one, such as 0.3 (default: 0)",
    )
    look.add_argument(
        "--aspect",
        metavar="W:H",
        help="cut this shape out of the picture where what stands out is, such as 9:16 or 1:1",
    )
    look.add_argument(
        "--speed",
        type=float,
        metavar="TIMES",
        help="show what lies between the pieces too, so many times faster and silent, such as 16; it counts too",
    )
    add_extraction_arguments(parser.add_argument_group("looking at the video"), rate_hz=None)


def run(args: argparse.Namespace) -> int:
    """Summarise each video; of several, a bad one is reported and the rest go on."""
    from sspvs.pipeline import ClipLook, SummarySettings, load_tools
    from sspvs.pipeline.output import check_folder, check_writable
    from sspvs.pipeline.summarizing_many import film_settings

    options = options_for(SummarySettings, args)
    settings = SummarySettings(**options) if args.total is None else film_settings(args.total, **options)
    look = ClipLook(**options_for(ClipLook, args))
    film = args.total is not None and (len(args.videos) > 1 or args.videos[0].is_dir())
    args.out = args.out or (default_film_out(args.videos) if film else default_out(args.videos))
    found = search(args)
    one = found.videos[0] if len(found.videos) == 1 and not args.videos[0].is_dir() else None
    inputs = [*found.videos, *(Path(path) for path in (args.shots, args.subtitles, args.captions) if path)]
    if one is not None or film:
        check_folder(args.out, inputs)
    else:
        check_writable(args.out)
    tools = load_tools(settings, args.backbone, precision=args.precision, download=args.download, look=look)
    print(f"backbone: {tools.backbone.name} ({tools.backbone.reason})")
    if film:
        return _summarize_film(found.videos, args.out, tools, again=args.again)
    if one is not None:
        _summarize_one(one, args.out, tools)
        return 0
    return _summarize_many(found, args.out, inputs, tools, again=args.again)


def default_out(paths: Sequence[Path]) -> Path:
    """Where summaries go when `--out` is not given: a folder in the current one, named after what is summarised."""
    if len(paths) > 1:
        return Path("summaries")
    (path,) = paths
    if path.is_dir():
        return Path(f"{path.resolve().name}-summaries")
    places = (Path(f"{path.stem}-summary" + (f"-{number}" if number > 1 else "")) for number in count(1))
    return next(out for out in places if not _is_of_another(out, path))


def default_film_out(paths: Sequence[Path]) -> Path:
    """Likewise where a film goes: past those of other videos."""
    stem = f"{paths[0].resolve().name}-film" if len(paths) == 1 else "film"
    places = (Path(stem + (f"-{number}" if number > 1 else "")) for number in count(1))
    return next(out for out in places if not _is_film_of_others(out, paths))


def _is_film_of_others(folder: Path, paths: Sequence[Path]) -> bool:
    """Whether a folder holds a summary, with no video that is among these, or in one of these folders."""
    made = read_summary(folder)
    if made is None:
        return False
    from sspvs.pipeline.summarizing_many import sources_of
    from sspvs.table import SourceStamp
    from sspvs.video.files import find_videos

    places = {SourceStamp.of(path).place for path in find_videos(paths, recursive=True).videos}
    return places.isdisjoint(stamp.place for stamp in sources_of(made) if stamp is not None)


def _is_of_another(folder: Path, video: Path) -> bool:
    """Whether a folder holds the summary of another video."""
    source = (read_summary(folder) or {}).get("source")
    if not isinstance(source, dict) or not video.is_file():
        return False
    from sspvs.table import SourceStamp

    known = SourceStamp.from_dict(source)
    return known is None or known.place != SourceStamp.of(video).place


def _summarize_one(video: Path, out: Path, tools: Tools) -> None:
    from sspvs.pipeline import summarize_with
    from sspvs.pipeline.output import write_outputs
    from sspvs.report.sentences import headline

    summary = write_outputs(summarize_with(video, tools, progress=True), out, progress=True)
    for warning in summary.warnings:
        sys.stderr.write(f"warning: {video.name}: {warning}\n")
    print(f"{headline(summary)} Open {out / 'report.html'}")


def _summarize_many(found: FoundVideos, out: Path, inputs: list[Path], tools: Tools, *, again: bool) -> int:
    """Each video into its own folder under `out`; 0 when all went well, 1 when some failed, 2 when all did."""
    from sspvs.pipeline import is_summarized
    from sspvs.pipeline.output import check_folder

    failed = kept = 0
    names = unique_names([str(folder / video.stem) for video, folder in found.folders.items()])
    for video, name in zip(found.videos, names, strict=True):
        try:
            if not again and is_summarized(video, out / name, tools):
                kept += 1
                print(f"{video.name}: finished before, in {out / name}; --again makes it anew")
                continue
            check_folder(out / name, inputs)
            _summarize_one(video, out / name, tools)
        except Exception as error:  # whatever one video meets, the rest go on
            failed += 1
            sys.stderr.write(f"error: {about(video, reason(error))}\n")
    total = len(names)
    before = f" ({kept} of them before)" if kept else ""
    print(f"{total - failed} of {total} videos summarised{before}, in {out}")
    return 0 if not failed else 1 if failed < total else 2


def _summarize_film(videos: Sequence[Path], out: Path, tools: Tools, *, again: bool) -> int:
    """One film from all videos; 0 when all could be used, otherwise 1."""
    from sspvs.pipeline.film import LeftOut, write_film_outputs
    from sspvs.pipeline.summarizing_many import is_made, make_film

    number = count(1)

    def report(video: VideoSummary | LeftOut) -> None:
        at = f"[{next(number)}/{len(videos)}]"
        if not isinstance(video, LeftOut):
            shots = len(video.shots)
            length = f"{video.timeline.end_seconds:.1f} s, {shots} shot{'s' if shots > 1 else ''}"
            print(f"{at} {Path(video.info.path).name}: {length}")
        elif video.is_error:
            sys.stderr.write(f"error: {about(Path(video.path.name), video.reason)}\n")
        else:
            print(f"{at} {video.path.name}: {video.reason}, left out")

    if not again and is_made(videos, out, tools):
        made = read_summary(out) or {}
        errors = [one for one in made["left_out"] if one["error"]]
        for one in errors:
            sys.stderr.write(f"error: {about(Path(one['file']), one['reason'])}\n")
        print(f"finished before, in {out}; --again makes it anew")
        return 1 if errors else 0
    film = write_film_outputs(make_film(videos, tools, progress=True, report=report), out, progress=True)
    for warning in film.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    print(f"{film}\nopen {out / 'report.html'}")
    return 1 if any(one.is_error for one in film.left_out) else 0


def unique_names(stems: list[str]) -> list[str]:
    """The stems, with `-2`, `-3` ... after those that occur before, in whatever case: some file systems see none."""
    names: list[str] = []
    taken: set[str] = set()
    for stem in stems:
        name, count = stem, 1
        while name.casefold() in taken:
            count += 1
            name = f"{stem}-{count}"
        taken.add(name.casefold())
        names.append(name)
    return names
