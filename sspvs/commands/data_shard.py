"""`sspvs data shard`: video-text pairs as WebDataset shards."""

import argparse
import sys
from pathlib import Path

from sspvs.errors import printable

DESCRIPTION = (
    "Write video-text pairs (a manifest of features or raw videos with text, or an SSPVS release folder) as WebDataset "
    "shards with an index, to pretrain from: data.train = the folder. Features of raw videos are extracted first. A "
    "video that cannot be used is reported and the rest go on. Run it again after an interruption and it goes on where "
    "it stopped."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("pairs", type=Path, metavar="MANIFEST", help="manifest (.csv, .jsonl) or SSPVS release folder")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the shards; made when missing")
    add("--shard-size", type=int, default=256, metavar="N", help="videos of a shard (default: 256)")
    add("--dtype", choices=("float16", "float32"), default="float16", help="of the features (default: float16)")
    add("--seed", type=int, default=0, help="of the videos' order (default: 0)")
    add("--overwrite", action="store_true", help="replace shards of other videos or settings")
    raw = parser.add_argument_group("raw videos")
    raw.add_argument("--backbone", default="auto", help="frame encoder (default: auto; see `sspvs doctor`)")
    raw.add_argument("--rate", type=float, default=2.0, metavar="HZ", help="frames looked at per second (default: 2)")
    raw.add_argument("--device", default="auto", help="auto, cpu, cuda (default: auto)")
    raw.add_argument("--download", action="store_true", help="fetch weights that are not on this machine")


def run(args: argparse.Namespace) -> int:
    """Write the shards, and print what was done; 0 when all went well, 1 when videos were left out."""
    from sspvs.data.pairs import ExtractionSettings, load_pairs
    from sspvs.formats.shards import write_shards

    problems = []
    if args.shard_size < 1:
        problems.append(f"--shard-size must be at least 1, got {args.shard_size}")
    if args.seed < 0:
        problems.append(f"--seed must not be negative, got {args.seed}")
    if not 0 < args.rate <= 1000:
        problems.append(f"--rate must be in (0, 1000] Hz, got {args.rate}")
    if problems:
        raise ValueError("; ".join(problems))
    extraction = ExtractionSettings(args.backbone, args.rate, args.device, args.download)
    pairs = load_pairs(args.pairs, extraction, skip_bad=True, progress=True)
    for where, sentence in pairs.problems:
        print(f"error: {printable(f'{where}: {sentence}')}; left out", file=sys.stderr)
    report = write_shards(
        pairs,
        args.out,
        shard_size=args.shard_size,
        dtype=args.dtype,
        seed=args.seed,
        overwrite=args.overwrite,
        progress=True,
    )
    shards = report.written + report.kept
    print(
        f"{report.folder}: {report.n_items} videos of {pairs.feature_dim}-D features in {shards} "
        f"{'shard' if shards == 1 else 'shards'}, {report.n_bytes / 1e6:.1f} MB ({report.written} written, "
        f"{report.kept} kept)"
    )
    return 1 if pairs.problems else 0
