"""`sspvs data convert`: from one of the field's file formats to another."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DESCRIPTION = (
    "Convert between the field's formats, a video at a time: community (dataset h5), sspvs (release folder), mrhisum "
    "(h5), youtube8m (bytes: a folder of .npy, or h5 where --out ends in .h5), videoxum (JSON), dsnet (folder of "
    "labels), custom (JSON of one's own). What the target has no place for is listed; what it needs and the source "
    "lacks stops the conversion, and nothing is written."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("source", type=Path, metavar="SOURCE", help="file or folder to read")
    parser.add_argument("--to", required=True, metavar="KIND", help="what to write: community, sspvs, mrhisum, ...")
    parser.add_argument("--out", required=True, type=Path, metavar="TARGET", help="file or folder to write")
    parser.add_argument("--from", dest="kind", metavar="KIND", help="what SOURCE is (default: recognised)")
    parser.add_argument("--name", default="", help="the dataset's name (default: the source's)")
    parser.add_argument("--force", action="store_true", help="replace a target that exists, if it is of the same kind")
    parser.add_argument("--skip-bad", action="store_true", help="leave out videos that cannot be converted")
    clock = parser.add_argument_group("what the source does not say")
    clock.add_argument("--fps", metavar="FPS|JSON", help="frames per second, or a JSON file {video: fps}")
    clock.add_argument("--pick-step", type=int, default=15, metavar="FRAMES", help="distance of picks (default: 15)")
    clock.add_argument("--subset", choices=("train", "val", "test"), default="", help="which subset the videos are of")
    clock.add_argument(
        "--resample",
        choices=("mean", "hold"),
        default="mean",
        help="to one value a second: the mean over the second (default), or the value at its start",
    )
    clock.add_argument("--no-check", action="store_true", help="do not compare TFRecord records with their checksums")
    clock.add_argument("--keep-scale", action="store_true", help="do not L2-normalise YouTube-8M features")


def run(args: argparse.Namespace) -> int:
    """Convert; 0 when all videos were, 1 when some were left out (--skip-bad)."""
    from tqdm import tqdm

    from sspvs.formats import Settings, convert

    if args.pick_step < 1:
        raise ValueError(f"--pick-step must be at least 1, got {args.pick_step}")
    settings = Settings(
        name=args.name,
        fps=_fps(args.fps),
        pick_step=args.pick_step,
        resample=args.resample,
        keep_scale=args.keep_scale,
        check=not args.no_check,
        skip_bad=args.skip_bad,
        subset=args.subset,
    )
    ledger = convert(
        args.source,
        args.out,
        to=args.to,
        kind=args.kind,
        settings=settings,
        force=args.force,
        watch=lambda items, total: tqdm(items, desc="converting", unit="video", total=total, disable=None),
    )
    total = len(ledger.written) + len(ledger.skipped)
    print(f"{len(ledger.written)} of {total} {'video' if total == 1 else 'videos'} written to {args.out} ({ledger.to})")
    print("\n".join(ledger.lines()))
    return 1 if ledger.skipped else 0


def _fps(text: str | None) -> float | Mapping[str, float] | None:
    from sspvs.files import WrongFileError, read_json

    if text is None:
        return None
    try:
        rate: Any = float(text)
    except ValueError:
        try:
            rate = {key: float(value) for key, value in read_json(text).items()}
        except WrongFileError as error:
            raise ValueError(f"--fps {text}: {error}; expected a JSON file {{video: fps}}") from error
        except (OSError, ValueError, AttributeError, TypeError, OverflowError) as error:
            raise ValueError(f"--fps: expected a number or a JSON file {{video: fps}}, got '{text}'") from error
    rates = rate.values() if isinstance(rate, dict) else [rate]
    if not all(0 < value < float("inf") for value in rates):
        raise ValueError(f"--fps must be above 0, got '{text}'")
    known: float | Mapping[str, float] = rate
    return known
