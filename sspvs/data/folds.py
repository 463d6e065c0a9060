"""Dataset files by name, and one fold of a split: which videos train, choose the checkpoint, are tested."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from sspvs.annotations.splits import DEFAULT_FOLDS, Fold, Splits, held_out, make_splits, quoted, read_splits
from sspvs.annotations.video_names import VideoFinder, VideoRef, short_name
from sspvs.errors import DatasetError
from sspvs.table import DatasetStore, read_dataset

logger = logging.getLogger(__name__)

ValidateOn = Literal["held-out", "test", "nothing"]
DrawnSetting = Literal["canonical", "augmented", "transfer"]


class Stores(Mapping[str, DatasetStore]):
    """Opened dataset files by their own names, the tested one first; `find` takes the spellings of split files."""

    def __init__(self, tested: Path, others: Sequence[Path] = ()) -> None:
        opened = [read_dataset(path) for path in (tested, *others)]
        self._by_name = {store.name: store for store in opened}
        self._by_short = {short_name(store.name): store for store in opened}
        if len(self._by_short) < len(opened):
            shown = ", ".join(f"{store.path} ('{store.name}')" for store in opened)
            raise ValueError(f"two of the datasets have the same name: {shown}; each may be given once")
        self.tested = opened[0]
        self.others = tuple(opened[1:])
        self._finders: dict[str, VideoFinder] = {}

    def __getitem__(self, name: str) -> DatasetStore:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def find(self, ref: VideoRef) -> VideoRef | None:
        """A video under its dataset's own name and key; None when none of the datasets has it."""
        store = self.dataset_of(ref)
        if store is None:
            return None
        finder = self._finders.setdefault(store.name, VideoFinder(store))
        key = finder.find(ref.key)
        return None if key is None else VideoRef(store.name, key)

    def dataset_of(self, ref: VideoRef) -> DatasetStore | None:
        """The dataset that a reference names; None when it was not given."""
        if not ref.dataset:
            return self.tested
        return self._by_name.get(ref.dataset) or self._by_short.get(short_name(ref.dataset))


class FoldVideos(NamedTuple):
    """A fold's videos as `dataset/key`; no video is in two parts, but for validation on the tested ones."""

    train: tuple[str, ...]  # what is trained on
    val: tuple[str, ...]  # what chooses the checkpoint; may be empty
    test: tuple[str, ...]  # what is tested


def split_of(stores: Stores, path: Path | None, *, setting: DrawnSetting, seed: int) -> Splits:
    """The folds of a split file, or drawn ones, with every video under its dataset's own name and key.

    A canonical split file becomes an augmented or transfer one by `setting`: see `_with_others`.
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
    splits = replace(splits, folds=folds)
    return splits if setting in ("canonical", splits.setting) else _with_others(splits, stores, setting)


def plan_fold(
    split: Splits, number: int, stores: Stores, validate_on: ValidateOn, val_share: float, seed: int
) -> FoldVideos:
    """The videos of one fold of `split_of`.

    `validate_on` `held-out` takes the split's validation videos, or else `val_share` of the training videos of the
    tested dataset (of the others, where none of it is trained on). `test` takes the tested videos, as figures whose
    checkpoint was chosen so; `nothing` none: with both the split's validation videos are trained on.
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
    return FoldVideos(*(tuple(map(str, refs)) for refs in (train, val, fold.test)))


def plan_everything(stores: Stores, validate_on: ValidateOn, val_share: float, seed: int) -> FoldVideos:
    """All videos of all datasets, to train a model that is to be used and not tested."""
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
    return FoldVideos(tuple(str(ref) for ref in every if ref not in chosen), tuple(map(str, val)), ())


def log_fold(split: Splits, number: int, fold: FoldVideos, stores: Stores) -> None:
    """Log how many videos a fold has, and warn of datasets that were given and that it does not train on."""
    counts = ", ".join(f"{name} {len(ids)}" for name, ids in zip(fold._fields, fold, strict=True))
    logger.info("%s, fold %d of %d: %s videos", _called(split), number, len(split.folds), counts)
    trained = {name.rpartition("/")[0] for name in fold.train}
    unused = [store.name for store in stores.others if store.name not in trained]
    if unused:
        logger.warning("%s, fold %d: nothing of %s is trained on", _called(split), number, ", ".join(unused))


def _with_others(split: Splits, stores: Stores, setting: DrawnSetting) -> Splits:
    """A canonical split whose folds also train on all videos of the other datasets (augmented), or on them alone."""
    if split.setting != "canonical":
        raise ValueError(
            f"data.setting {setting}: {_called(split)} is {split.setting}; give a canonical split, or leave it out"
        )
    others = tuple(VideoRef(store.name, key) for store in stores.others for key in store)
    if not others:
        raise ValueError(f"data.setting {setting} trains on other datasets too: name at least one in data.others")
    kept = setting == "augmented"
    folds = [
        Fold((*fold.train, *others) if kept else others, fold.test, fold.val if kept else ()) for fold in split.folds
    ]
    return replace(split, folds=tuple(folds))


def _named(refs: Sequence[VideoRef], stores: Stores, name: str) -> tuple[VideoRef, ...]:
    """References under the datasets' own names and keys, each once; those of other datasets unchanged."""
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
            f"{name or 'splits'}: {quoted(unknown)} not in the datasets {quoted(stores)}; is this the split of other "
            "files?"
        )
    return tuple(found)


def _refuse_missing(refs: Sequence[VideoRef], stores: Stores, where: str) -> None:
    missing = Counter(short_name(ref.dataset) for ref in refs if stores.dataset_of(ref) is None)
    if missing:
        shown = " and ".join(f"'{name}' ({count} video{'s'[: count - 1]})" for name, count in sorted(missing.items()))
        raise DatasetError(
            f"{where}: trains on {shown}, which {'was' if len(missing) == 1 else 'were'} not given (given: "
            f"{quoted(stores)}); add the dataset file{'s' if len(missing) > 1 else ''} to data.others, or leave "
            "data.splits out to draw folds of the datasets at hand (data.setting says which kind)"
        )


def _called(split: Splits) -> str:
    return split.name or "the drawn split"
