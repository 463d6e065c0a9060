"""Options that several verbs have, declared once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sspvs.overwriting import Kind, check_output

if TYPE_CHECKING:
    from sspvs.video.files import FoundVideos


def add_videos_arguments(parser: argparse.ArgumentParser) -> None:
    """The videos, and how folders of them are searched."""
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO", help="video files, or folders of them")
    parser.add_argument("--recursive", action="store_true", help="search the folders within folders too")


def search(args: argparse.Namespace) -> FoundVideos:
    """Find the videos that were given, and say where nothing was searched."""
    from sspvs.video.files import find_videos, sub_folders

    found = find_videos(args.videos, recursive=args.recursive, out=args.out)
    for sentence in found.unreadable:
        print(f"warning: {sentence}", file=sys.stderr)
    if found.not_searched:
        were = "was" if found.not_searched == 1 else "were"
        print(f"{sub_folders(found.not_searched)} {were} not searched; --recursive searches them too")
    return found


def check_outputs(args: argparse.Namespace, **kinds: Kind | tuple[Kind, ...]) -> None:
    """Refuse outputs that would replace an input, or a file that is not ours, before any work is done.

    Args:
        args: Whatever names a file that exists, and is no output, counts as an input: `PATH` or `NAME=PATH`.
        **kinds: What is written, by the name of the argument that says where; one that was not given is left out.

    Raises:
        OutputError: As `check_output`.
        ValueError: An output is an input, or the same file as another output.
    """
    inputs = list(_paths({name: value for name, value in vars(args).items() if name not in kinds}))
    outputs: list[Path] = []
    for name, kind in kinds.items():
        path = getattr(args, name)
        if path is not None:
            check_output(path, *(kind if isinstance(kind, tuple) else (kind,)), inputs=inputs)
            outputs.append(path)
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise ValueError(f"two results would be the same file: {', '.join(map(str, outputs))}; choose another name")


def _paths(value: Any) -> Iterator[Path]:
    """Every path among some arguments."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for one in value:
            yield from _paths(one)
    elif isinstance(value, Path):
        yield value
    elif isinstance(value, str) and value:
        yield Path(value)
        yield Path(value.partition("=")[2])


def add_scorer_argument(parser: argparse._ActionsContainer) -> None:
    """What scores the frames."""
    parser.add_argument(
        "--scorer",
        default="contrastive",
        metavar="NAME",
        help="contrastive (default; without training), or a checkpoint, fine-tuned or refined: a folder, a .ckpt file "
        "or a hub id",
    )


def add_text_arguments(group: argparse._ArgumentGroup) -> None:
    """What is known about a video in words."""
    group.add_argument("--title", default="", help="text that says what matters; guides the scores")
    group.add_argument("--query", default="", help="search query, for a checkpoint that was trained with text")
    group.add_argument("--category", default="", help="category, for a checkpoint that was trained with text")


def add_importance_arguments(group: argparse._ArgumentGroup) -> None:
    """Options of the contrastive importance, of features as they are or refined."""
    group.add_argument(
        "--combine",
        choices=("a", "g", "h", "ag", "ah", "gh", "agh"),
        help="terms that are multiplied: a local dissimilarity, g global consistency, and, with a refined checkpoint "
        "only, h uniqueness (default: ag, or as the checkpoint says)",
    )
    group.add_argument(
        "--post",
        choices=("summe", "tvsum", "none"),
        help="after the product p: p + 0.05 (summe) or exp(p - 1) (tvsum), smoothed; or nothing (default: summe, or as "
        "the checkpoint says)",
    )


def add_extraction_arguments(group: argparse._ArgumentGroup, *, rate_hz: float | None = 2.0) -> None:
    """Options of decoding and feature extraction.

    Args:
        group: Takes them.
        rate_hz: The default rate; None leaves it to the scorer.
    """
    group.add_argument("--backbone", default="auto", help="frame encoder by name (default: auto; see `sspvs doctor`)")
    default = "2, or as the checkpoint was trained" if rate_hz is None else f"{rate_hz:g}"
    group.add_argument(
        "--rate", type=float, default=rate_hz, metavar="HZ", help=f"frames looked at per second (default: {default})"
    )
    group.add_argument("--decoder", default="auto", choices=("auto", "pyav", "decord"), help="default: auto")
    group.add_argument(
        "--time-limit", type=float, default=60.0, metavar="SECONDS", help="stop a decoder that gives nothing this long"
    )
    group.add_argument(
        "--max-damaged", type=float, metavar="SHARE", help="refuse a video with more damaged frames (default: 0.33)"
    )
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    group.add_argument("--precision", default="auto", choices=("auto", "fp32", "fp16", "bf16"), help="default: auto")
    group.add_argument("--download", action="store_true", help="fetch weights that are not on this machine")
