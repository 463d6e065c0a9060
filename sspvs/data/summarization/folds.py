"""One fold of a split: which videos train, which choose the checkpoint, which are tested."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from sspvs.annotations.splits import DEFAULT_FOLDS, Fold, Splits, held_out, make_splits, read_splits
from sspvs.annotations.video_names import VideoRef, short_name
from sspvs.data.summarization.stores import Stores
from sspvs.errors import DatasetError

logger = logging.getLogger(__name__)

ValidateOn = Literal["held-out", "test", "nothing"]
DrawnSetting = Literal["canonical", "augmented", "transfer"]
_LISTED = 8


class FoldVideos(NamedTuple):
    """A fold's videos as `dataset/key`; no video is in two parts, but for validation on the tested ones.

    Attributes:
        train: What is trained on.
        val: What chooses the checkpoint; may be empty.
        test: What is tested.
    """

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]


def split_of(stores: Stores, path: Path | None, *, setting: DrawnSetting, seed: int) -> Splits:
    """The folds of a split file, or drawn ones, with every video under its dataset's own name and key.

    Args:
        stores: The datasets.
        path: A split file of any style; None: folds are drawn (`make_splits`), five or one a video where there are
            fewer, without videos held out.
        setting: Of folds that are drawn; a file has its own.
        seed: Of the draw.

    Returns:
        The folds; videos of datasets that were not given stand as the file has them.

    Raises:
        DatasetError: The file cannot be read or is of other datasets.
        ValueError: Folds cannot be drawn so.
    """
    own = stores.tested
    if path is None:
        splits = make_splits(
            own.name,
            list(own),
            setting=setting,
            others={store.name: list(store) for store in stores.others},
            folds=None if setting == "transfer" else min(DEFAULT_FOLDS, len(own)),
            seed=seed,
            val_fraction=0.0,
        )
    else:
        splits = read_splits(path)
    splits = splits.resolve(own, own.name)
    folds = tuple(
        Fold(*(_named(part, stores, splits.name) for part in (fold.train, fold.test, fold.val)))
        for fold in splits.folds
    )
    return replace(splits, folds=folds)


def plan_fold(
    split: Splits, number: int, stores: Stores, *, validate_on: ValidateOn, val_share: float, seed: int
) -> FoldVideos:
    """The videos of one fold.

    Args:
        split: From `split_of`.
        number: Which fold.
        stores: The datasets.
        validate_on: `held-out`: the split's own validation videos; where it has none, a share of the training videos of
            the tested dataset (of the others, where none of it is trained on). `test`: the tested videos, to compare
            with published figures whose checkpoint was chosen so. `nothing`: none. With the last two the split's
            validation videos are trained on.
        val_share: Of those videos; at least one, and never all.
        seed: Draws which ones.

    Raises:
        ValueError: There is no such fold.
        DatasetError: It trains on datasets that were not given, on nothing, or on one video that cannot be shared.
    """
    if validate_on not in get_args(ValidateOn):
        raise ValueError(f"validate_on must be one of {', '.join(get_args(ValidateOn))}, got {validate_on!r}")
    if not 0 <= number < len(split.folds):
        raise ValueError(f"fold must be from 0 to {len(split.folds) - 1}, as {_called(split)} has, got {number}")
    fold = split.folds[number]
    where = f"{_called(split)}, fold {number}"
    _refuse_missing([*fold.train, *fold.val], stores, where)
    chosen = set(fold.val)
    train, val = [ref for ref in fold.train if ref not in chosen], list(fold.val)
    if validate_on != "held-out":
        if val:
            logger.info("%s: its %d validation videos are trained on (validate_on %s)", where, len(val), validate_on)
        train, val = [*train, *val], list(fold.test) if validate_on == "test" else []
    elif not val:
        own = [ref for ref in train if ref.dataset == stores.tested.name]
        val = held_out(own or train, val_share, f"{seed}/val/{number}")
        if not val:
            raise DatasetError(
                f"{where}: expected two training videos or more, to hold one out that chooses the checkpoint, found "
                f"{len(own or train)}; set validate_on to nothing (crossval: --checkpoint-rule last), or give a split "
                "with validation videos"
            )
        chosen = set(val)
        train = [ref for ref in train if ref not in chosen]
    if not train:
        raise DatasetError(f"{where}: expected videos to train on, found none; give another split")
    return FoldVideos(_ids(train), _ids(val), _ids(fold.test))


def plan_everything(stores: Stores, *, validate_on: ValidateOn, val_share: float, seed: int) -> FoldVideos:
    """All videos of all datasets, to train a model that is to be used and not tested.

    Args:
        stores: The datasets.
        validate_on: `held-out`, a share of the first dataset's videos, or `nothing`.
        val_share: Of those videos; at least one, and never all.
        seed: Draws which ones.

    Raises:
        ValueError: `validate_on` is `test`: there is nothing that is tested.
        DatasetError: There is one video alone, which cannot be shared.
    """
    if validate_on not in ("held-out", "nothing"):
        raise ValueError(
            f"with fold null nothing is tested: validate_on must be held-out or nothing, got {validate_on!r}"
        )
    every = [VideoRef(store.name, key) for store in stores.values() for key in store]
    own = [ref for ref in every if ref.dataset == stores.tested.name]
    val = held_out(own, val_share, f"{seed}/val/all") if validate_on == "held-out" else []
    if validate_on == "held-out" and not val:
        raise DatasetError(
            f"{stores.tested.path}: expected two videos or more, to hold one out that chooses the checkpoint, found "
            f"{len(own)}; set validate_on to nothing"
        )
    chosen = set(val)
    return FoldVideos(_ids([ref for ref in every if ref not in chosen]), _ids(val), ())


def tell_fold(split: Splits, number: int, fold: FoldVideos, stores: Stores) -> None:
    """Log how many videos a fold has, and warn of datasets that were given and that it does not train on."""
    counts = ", ".join(f"{name} {len(ids)}" for name, ids in zip(fold._fields, fold, strict=True))
    logger.info("%s, fold %d of %d: %s videos", _called(split), number, len(split.folds), counts)
    trained = {name.rpartition("/")[0] for name in fold.train}
    unused = [store.name for store in stores.others if store.name not in trained]
    if unused:
        logger.warning("%s, fold %d: nothing of %s is trained on", _called(split), number, ", ".join(unused))


def _named(refs: Sequence[VideoRef], stores: Stores, name: str) -> tuple[VideoRef, ...]:
    """References in the datasets' own words, each once; those of datasets that were not given as they are."""
    found: dict[VideoRef, None] = {}
    unknown: list[str] = []
    for ref in refs:
        known = stores.find(ref) if stores.dataset_of(ref) else ref
        if known is None:
            unknown.append(str(ref))
        else:
            found[known] = None
    if unknown:
        raise DatasetError(
            f"{name or 'splits'}: {_listed(unknown)} not in the datasets {_listed(stores)}; is this the split of other "
            "files?"
        )
    return tuple(found)


def _refuse_missing(refs: Sequence[VideoRef], stores: Stores, where: str) -> None:
    missing = Counter(short_name(ref.dataset) for ref in refs if stores.dataset_of(ref) is None)
    if missing:
        told = " and ".join(f"'{name}' ({count} video{'s'[: count - 1]})" for name, count in sorted(missing.items()))
        raise DatasetError(
            f"{where}: trains on {told}, which {'was' if len(missing) == 1 else 'were'} not given (given: "
            f"{_listed(stores)}); add the dataset file{'s' if len(missing) > 1 else ''} to data.others, or leave "
            "data.splits out to draw folds of the datasets at hand (data.setting says which kind)"
        )


def _ids(refs: Sequence[VideoRef]) -> tuple[str, ...]:
    return tuple(f"{ref.dataset}/{ref.key}" for ref in refs)


def _called(split: Splits) -> str:
    return split.name or "the drawn split"


def _listed(names: Sequence[str] | Stores) -> str:
    known = list(names)
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return ", ".join(f"'{name}'" for name in known[:_LISTED]) + more
