"""`sspvs data build`: annotation files -> one dataset file of the community's layout."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sspvs.commands.arguments import add_extraction_arguments, check_outputs, file_name, load_backbones, options_for
from sspvs.errors import about
from sspvs.overwriting import DATASET

if TYPE_CHECKING:
    from sspvs.annotations.dataset import BuildReport
    from sspvs.annotations.record import AnnotationSet

DESCRIPTION = (
    "Make a dataset file (h5, the community's layout) from annotation files: SumMe's GT folder, TVSum's "
    "ydata-tvsum50.mat or .tsv, or your own JSON or CSV: video,annotator,start,end in seconds or HH:MM:SS, or "
    "video,annotator,second,score. Features are optional; shots come with them, from KTS, or are of equal length."
)

_SHOWN = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("dataset", choices=("summe", "tvsum", "custom"), help="whose annotation files these are")
    add("--annotations", type=Path, required=True, metavar="PATH", help="the annotation file, or SumMe's folder GT")
    add("--out", type=Path, required=True, metavar="D.h5", help="dataset file to write")
    add("--every", type=int, metavar="FRAMES", help="without features: distance of the picks (default: 15)")
    add("--fps", type=float, help="frames per second, for videos whose rate is not in the annotations")
    shots = parser.add_argument_group("shots")
    shots.add_argument(
        "--segmenter",
        choices=("auto", "kts", "uniform"),
        help="auto: those in the features' file, else KTS where there are features, else uniform (default)",
    )
    shots.add_argument(
        "--shot-seconds", type=float, help="mean length of KTS shots (default: 5), length of uniform shots (default: 2)"
    )
    shots.add_argument(
        "--max-shot-seconds", type=float, help="longest shot (default: half of what a 15%% summary may hold)"
    )
    shots.add_argument(
        "--shots", type=Path, metavar="S.json", help="shots of your own: {video: [[start, end], ...]} in frames"
    )
    features = parser.add_argument_group("features")
    features.add_argument(
        "--features",
        action="append",
        type=file_name,
        metavar="F.h5",
        help="feature file; found by video name or key. Given again as NAME=G.h5: further features of the same videos, "
        "each a stream of its own, at the picks of the first",
    )
    features.add_argument(
        "--videos", type=Path, metavar="DIR", help="extract features of the video files in DIR instead"
    )
    features.add_argument(
        "--allow-missing-features", action="store_true", help="take videos without features into the dataset too"
    )
    features.add_argument(
        "--captions",
        type=Path,
        metavar="C.jsonl",
        help="sentences about parts of the videos, as a further stream of features (MiniLM): JSON lines with id, "
        "caption and frame, seconds, or start and end; or a folder of .srt, .vtt, .ass files or of videos with "
        "subtitles",
    )
    add_extraction_arguments(parser.add_argument_group("with --videos"), several=True)


def run(args: argparse.Namespace) -> int:
    """Build, and print what was built."""
    _check(args)
    check_outputs(args, out=DATASET)
    from sspvs.annotations.captions import CaptionSource
    from sspvs.annotations.clock import COMMUNITY_STEP
    from sspvs.annotations.dataset import build_dataset
    from sspvs.annotations.shots import ShotRule, read_given_shots

    rule = ShotRule(
        segmenter=args.segmenter or "auto",
        seconds=args.shot_seconds,
        given=read_given_shots(args.shots) if args.shots else None,
        max_seconds=args.max_shot_seconds,
    )
    first, further = _feature_files(args.features or ())
    captions = CaptionSource.open(args.captions) if args.captions else None
    annotations = _read(args)
    report = build_dataset(
        annotations,
        args.out,
        features=_extracted(args, annotations) if args.videos else first,
        further=further,
        allow_missing_features=args.allow_missing_features,
        shots=rule,
        captions=captions,
        every=args.every or COMMUNITY_STEP,
        progress=True,
    )
    _print_report(report)
    return 0


def _check(args: argparse.Namespace) -> None:
    """Report every wrong setting at once, before any work is done."""
    problems = []
    if args.every is not None and args.every < 1:
        problems.append(f"--every must be at least 1, got {args.every}")
    if args.every is not None and (args.features or args.videos):
        problems.append("--every goes without features: with features, their picks are taken")
    if args.fps is not None and not 0 < args.fps < 10_000:
        problems.append(f"--fps must be a positive number, got {args.fps}")
    for option, seconds in (("--shot-seconds", args.shot_seconds), ("--max-shot-seconds", args.max_shot_seconds)):
        if seconds is not None and not 0 < seconds < float("inf"):
            problems.append(f"{option} must be a positive number, got {seconds}")
        if seconds is not None and args.shots:
            problems.append(f"give --shots or {option}, one of them")
    if args.shots and args.segmenter:
        problems.append("give --shots or --segmenter, one of them")
    if args.features and args.videos:
        problems.append("give --features or --videos, one of them")
    if args.captions and not (args.features or args.videos):
        problems.append("--captions needs --features or --videos: they become a stream beside these")
    if args.segmenter == "kts" and not (args.features or args.videos):
        problems.append("--segmenter kts needs --features or --videos")
    if not 0 < args.rate_hz <= 1000:
        problems.append(f"--rate must be in (0, 1000] Hz, got {args.rate_hz}")
    if problems:
        raise ValueError("; ".join(problems))


def _feature_files(given: Sequence[str]) -> tuple[Path | None, dict[str, Path]]:
    """The file of the first stream, and those of further ones by name."""
    further: dict[str, Path] = {}
    for text in given[1:]:
        name, _, path = text.partition("=")
        if not re.fullmatch(r"[\w.-]+", name) or not path or name in further or name in ("features", "captions"):
            raise ValueError(f"a further --features is NAME=FILE, such as audio=pann.h5, of its own name; got {text}")
        further[name] = Path(path)
    return Path(given[0]) if given else None, further


def _read(args: argparse.Namespace) -> AnnotationSet:
    from sspvs.annotations import read_custom, read_summe, read_tvsum

    if args.dataset == "summe":
        return read_summe(args.annotations)
    if args.dataset == "tvsum":
        return read_tvsum(args.annotations, fps=args.fps)
    return read_custom(args.annotations, fps=args.fps)


def _extracted(args: argparse.Namespace, annotations: AnnotationSet) -> Path:
    """The feature file beside the dataset, with the features of all annotated videos."""
    from sspvs.annotations.dataset import extract_features
    from sspvs.features.extract import Sampling

    backbone, *further = load_backbones(args)
    out: Path = args.out.with_name(f"{args.out.stem}.features.h5")
    sampling = Sampling(**options_for(Sampling, args))
    how = {"further": further, "allow_missing": args.allow_missing_features, "progress": True}
    report = extract_features(annotations, args.videos, out, backbone, sampling, **how)
    for path, reason in report.failed:
        print(f"warning: {about(path, reason)}; left without features", file=sys.stderr)
    print(f"features of {len(report.extracted)} videos extracted, {len(report.kept)} already there: {out}")
    return out


def _print_report(report: BuildReport) -> None:
    for warning in report.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    fewest, most = report.n_users
    users = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    sources = ", ".join(f"{source} in {count}" for source, count in sorted(report.shot_sources.items()))
    print(
        f"{report.n_videos} videos, {users} users each, {report.n_frames} frames, {report.n_shots} shots ({sources} "
        f"videos), features of {report.n_with_features or 'none'}: {report.out}"
    )
    if report.n_with_captions:
        print(f"{report.n_captions} captions of {report.n_with_captions} videos, in the stream `captions`")
    if report.repairs:
        print(f"{len(report.repairs)} repairs or notes:")
        for name, sentence in report.repairs[:_SHOWN]:
            print(f"  {name}: {sentence}")
        if len(report.repairs) > _SHOWN:
            print(f"  and {len(report.repairs) - _SHOWN} more, in the groups' attribute 'repairs'")
    print(f"next: sspvs evaluate --dataset {report.out} --baseline human --protocol all")
