"""`sspvs data inspect`: what a file is, what each key means, what is wrong, what it is good for."""

from __future__ import annotations

import argparse
import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sspvs.formats import Inspection

DESCRIPTION = (
    "Say what a file or folder is, explain every key, check all of its videos, and say what it can be used for. Known "
    "are dataset files in the community's layout, feature and score files, the SSPVS release, MR.HiSum, YouTube-8M "
    "(bytes, TFRecord), VideoXum, QVHighlights, DSNet labels, the official SumMe and TVSum annotations, annotations "
    "of one's own, manifests, WebDataset shards, score JSON and split files. Exit status 1 when it is not usable."
)
_WIDTH, _LISTED, _SHOWN = 100, 60, 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("path", type=Path, metavar="FILE|FOLDER", help="what to look at")
    parser.add_argument("--video", metavar="KEY", help="say more about one video, by key or by name")
    parser.add_argument("--json", action="store_true", help="the same as data, with all names and all problems")


def run(args: argparse.Namespace) -> int:
    """Look at a file; 0 when it is usable, 1 when it is not."""
    from tqdm import tqdm

    from sspvs.formats import inspect_file

    inspection = inspect_file(
        args.path,
        args.video,
        watch=lambda items, total: tqdm(items, desc="looking", unit="video", total=total, disable=None),
    )
    if args.json:
        print(json.dumps(inspection.to_dict(), indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(inspection, args.video)))
    return 0 if inspection.usable else 1


def _lines(inspection: Inspection, video: str | None) -> Iterator[str]:
    from sspvs.formats.inspection import number_of

    count = "" if inspection.n_videos is None else f", {number_of(inspection.n_videos, 'video')}"
    yield f"{inspection.path}: {inspection.what}{count}"
    for name, fact in inspection.facts.items():
        yield f"  {name}: {fact}"
    yield from _keys(inspection)
    yield from _names(inspection)
    if video is not None and inspection.detail:
        yield f"\n{video}"
        yield from (f"  {name}: {text}" for name, text in inspection.detail.items())
    yield from _problems(inspection)
    if inspection.uses:
        yield "\nWhat it is good for"
        for use in inspection.uses:
            yield from _wrapped(
                f"  {'yes' if use.possible else 'no '} {use.what}" + (f": {use.why}" if use.why else "")
            )
    for sentence in inspection.advice:
        yield f"-> {sentence}"  # in one line, to be copied
    yield "usable" if inspection.usable else "not usable"


def _keys(inspection: Inspection) -> Iterator[str]:
    if not inspection.keys:
        return
    yield "\nKeys"
    for key in inspection.keys:
        stored = key.dtype if key.shape in ("", key.dtype) else f"{key.shape} {key.dtype}"
        some = f", in {key.count} of {inspection.n_videos} videos" if key.count < (inspection.n_videos or 0) else ""
        yield f"  {key.name}  {stored}{some}"
        yield from _wrapped(f"      {key.meaning}" + (f"; made by: {key.made}" if key.made else ""))


def _names(inspection: Inspection) -> Iterator[str]:
    names = list(inspection.names.items())
    if not names:
        return
    shown = names if len(names) <= _LISTED else names[:_SHOWN]
    yield "\nWhich video is which"
    yield from (f"  {key}  {name}" for key, name in shown)
    if len(shown) < len(names):
        yield f"  ... and {len(names) - len(shown)} more (--json has all)"


def _problems(inspection: Inspection) -> Iterator[str]:
    if inspection.problems:
        yield "\nWhat is wrong" if any(problem.blocking for problem in inspection.problems) else "\nNotes"
    for problem in inspection.problems:
        mark = "error" if problem.blocking else "note"
        where = f"{_videos(problem.videos)}: " if problem.videos else ""
        remedy = f" -> {problem.remedy}" if problem.remedy else ""
        yield from _wrapped(f"  {mark}: {where}{problem.text}{remedy}")
    if inspection.repaired:
        yield "\nWhat is repaired when it is read"
    for sentence, videos in inspection.repaired.items():
        yield from _wrapped(f"  {_videos(videos)}: {sentence}")


def _videos(videos: list[str]) -> str:
    """`video_3`; `12 videos (video_1, video_2, video_3, ...)`, whose first is the example."""
    if len(videos) == 1:
        return videos[0]
    return f"{len(videos)} videos ({', '.join(videos[:3])}{', ...' if len(videos) > 3 else ''})"


def _wrapped(line: str) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    return textwrap.wrap(line, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
