"""`sspvs data splits`: make folds that test every video, or explain and check a split file."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from sspvs.commands.arguments import check_outputs, share
from sspvs.errors import DatasetError, one_line
from sspvs.overwriting import SPLITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sspvs.annotations.splits import Splits
    from sspvs.table import DatasetStore

DESCRIPTION = (
    "Make seeded folds of a dataset (`--dataset D.h5 --out S.json`): every video is tested exactly once, and a part of "
    "the training videos is held out to choose the checkpoint. Or explain and check a split file of any style "
    "(`--read S.json [--dataset D.h5]`): setting, folds, how much of the dataset is ever tested; exit status 1 when it "
    "is not usable."
)
_LISTED = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--dataset", type=Path, metavar="D.h5", help="the dataset that is tested")
    parser.add_argument(
        "--with", dest="others", type=Path, nargs="+", default=[], metavar="OTHER.h5", help="the others"
    )
    making = parser.add_argument_group("making folds")
    making.add_argument("--out", type=Path, metavar="S.json", help="file to write: the community's JSON list of folds")
    making.add_argument(
        "--setting",
        choices=("canonical", "augmented", "transfer"),
        default="canonical",
        help="train on the rest of the dataset (default), on the others too, or on the others alone",
    )
    making.add_argument("--folds", type=int, help="default: 5; transfer has one, which tests everything")
    making.add_argument("--seed", type=int, default=0, help="of the draw (default: 0)")
    making.add_argument(
        "--val-fraction",
        type=share,
        default=0.1,
        metavar="SHARE",
        help="of the training videos, held out to choose the checkpoint; 0 for none (default: 0.1)",
    )
    parser.add_argument_group("reading folds").add_argument(
        "--read", type=Path, metavar="FILE", help="a split file, JSON or YAML, to explain and check"
    )


def run(args: argparse.Namespace) -> int:
    """Make or read; 0 when all is well, 1 when the file that was read is not usable."""
    if (args.read is None) == (args.out is None):
        raise ValueError("give --out S.json to make folds, or --read FILE to explain a split file")
    return _read(args) if args.read is not None else _make(args)


def _make(args: argparse.Namespace) -> int:
    from sspvs.annotations.splits import make_splits, write_splits
    from sspvs.table import read_dataset

    if args.dataset is None:
        raise ValueError("give --dataset D.h5, the dataset whose videos are tested")
    check_outputs(args, out=SPLITS)
    dataset = read_dataset(args.dataset)
    others = {store.name: list(store) for store in map(read_dataset, args.others)}
    if len(others) < len(args.others):
        raise ValueError("two of the --with datasets have the same name; each may be given once")
    made = make_splits(
        dataset.name,
        list(dataset),
        setting=args.setting,
        others=others,
        folds=args.folds,
        seed=args.seed,
        val_fraction=args.val_fraction,
    )
    lines = list(_explained(made, args.out, dataset))  # before anything is written: it reads the videos' names
    write_splits(args.out, made)
    print("\n".join(lines))
    return 0


def _read(args: argparse.Namespace) -> int:
    from sspvs.annotations.splits import read_splits
    from sspvs.table import read_dataset

    if not args.read.is_file():
        raise ValueError(f"{args.read}: no such split file")
    dataset = read_dataset(args.dataset) if args.dataset is not None else None
    others = [read_dataset(path) for path in args.others]
    try:
        splits = read_splits(args.read)
        if dataset is not None:
            splits = splits.resolve(dataset, dataset.name)
        for other in others:
            if unknown := splits.unknown_keys(other, other.name):
                raise DatasetError(f"{args.read}: not in dataset '{other.name}': {', '.join(unknown[:8])}")
    except DatasetError as error:
        sys.stderr.write(f"error: {one_line(error)}\n")
        return 1
    print("\n".join(_explained(splits, args.read, dataset)))
    return 0


def _explained(splits: Splits, path: Path, dataset: DatasetStore | None) -> Iterator[str]:
    yield f"{path}: {splits.setting}, {len(splits.folds)} {'fold' if len(splits.folds) == 1 else 'folds'}"
    yield f"sha256 {splits.sha256}"
    for number, fold in enumerate(splits.folds):
        parts = f"train {len(fold.train):>4}  val {len(fold.val):>3}  test {len(fold.test):>4}"
        names = ", ".join(_name(ref.key, dataset) for ref in fold.test[:_LISTED])
        more = ", ..." if len(fold.test) > _LISTED else ""
        yield f"fold {number}: {parts}  ({names}{more})"
    if dataset is not None:
        coverage = splits.coverage(dataset, dataset.name)
        yield f"{coverage.sentence} in dataset '{dataset.name}'"
        if coverage.untested:
            untested = ", ".join(_name(key, dataset) for key in coverage.untested)
            yield f"never tested: {untested}"
            yield "numbers of this file are on another test set than those of files that test all videos"
    else:
        counts = Counter(fold_ref for fold in splits.folds for fold_ref in fold.test)
        repeated = sum(count > 1 for count in counts.values())
        yield f"{len(counts)} videos are ever tested, {repeated} of them more than once; --dataset shows of how many"
    if not any(fold.val for fold in splits.folds):
        yield "no part of it chooses the checkpoint: hold out training videos for that, never choose on the tested ones"
    for sentence in splits.repairs:
        yield f"note: {sentence}"


def _name(key: str, dataset: DatasetStore | None) -> str:
    """A key and whose it is, where that is known and cheap."""
    if dataset is None or len(dataset) > 200:
        return key
    name = dataset[key].video_name
    return key if name == key else f"{key} {name}"
