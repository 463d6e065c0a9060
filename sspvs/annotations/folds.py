"""Folds of a split: who trains, who tests, under which setting, and how much of a dataset is ever tested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sspvs.annotations.video_names import KNOWN_DATASETS, VideoFinder, VideoRef, short_name
from sspvs.errors import DatasetError
from sspvs.types import Annotations

Setting = Literal["canonical", "augmented", "transfer", "unrecognised"]
_SHOWN = 8


@dataclass(frozen=True)
class Fold:
    """One fold; a video is in one of its parts at most.

    Attributes:
        train: Videos that are trained on.
        test: Videos that are tested.
        val: Videos that choose the checkpoint; empty when the file has none.
    """

    train: tuple[VideoRef, ...]
    test: tuple[VideoRef, ...]
    val: tuple[VideoRef, ...] = ()


@dataclass(frozen=True)
class Coverage:
    """How much of a dataset a split ever tests.

    Attributes:
        n_dataset: Videos of the dataset.
        tested: How many folds test each video, by key, in the dataset's order; only those that are tested.
        untested: Keys that no fold tests.
    """

    n_dataset: int
    tested: Mapping[str, int]
    untested: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """For people: `15 of 25 videos are ever tested, 6 of them more than once`."""
        repeated = sum(count > 1 for count in self.tested.values())
        more = f", {repeated} of them more than once" if repeated else ""
        return f"{len(self.tested)} of {self.n_dataset} videos are ever tested{more}"


@dataclass(frozen=True)
class Splits:
    """The folds of a split file.

    Attributes:
        folds: At least one; checked: no video is in the train and test, or val and test, part of one.
        name: The file's name.
        sha256: Of the file's bytes, hexadecimal: published numbers of different files are on different test sets.
        repairs: Sentences about what was repaired while reading.
        made_by: How `make_splits` drew them; empty for files of others.
    """

    folds: tuple[Fold, ...]
    name: str = ""
    sha256: str = ""
    repairs: tuple[str, ...] = ()
    made_by: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.folds:
            raise DatasetError(f"{self.name or 'splits'}: expected at least one fold, found none")
        for number, fold in enumerate(self.folds):
            _check_disjoint(fold, f"{self.name or 'splits'}, fold {number}")

    @property
    def setting(self) -> Setting:
        """Canonical: train and test from one dataset. Augmented: train on others too. Transfer: on others only."""
        found = {_setting(fold) for fold in self.folds}
        return found.pop() if len(found) == 1 else "unrecognised"

    def as_dict(self) -> dict[str, Any]:
        """Plain types that say which split this is."""
        return {"file": self.name, "sha256": self.sha256, "setting": self.setting, "folds": len(self.folds)}

    def resolve(self, dataset: Mapping[str, Annotations], name: str) -> Splits:
        """The same folds in a dataset's own words: its videos by key and under its name, others' as they stand.

        Args:
            dataset: Key -> annotations.
            name: Its name; file names of it will do.

        Raises:
            DatasetError: A fold tests no video of this dataset, names one that it does not have, or has one in two
                parts under two names.
        """
        own, renamed = self._own_name(name)
        if unknown := self.unknown_keys(dataset, own):
            raise DatasetError(
                f"{self.name}: {_listed(unknown)} not in dataset '{name}', which has {_listed(dataset)}; "
                "is this the split of another dataset?"
            )
        finder = VideoFinder(dataset)
        repairs = [*self.repairs, *([renamed] if renamed else [])]

        def resolved(refs: tuple[VideoRef, ...]) -> tuple[VideoRef, ...]:
            found = [VideoRef(name, finder.find(ref.key) or "") if _is_of(ref, own) else ref for ref in refs]
            once = tuple(dict.fromkeys(found))
            if len(once) < len(found):
                repairs.append(f"{len(found) - len(once)} videos stood in a list by key and by name; taken once")
            return once

        folds = [Fold(resolved(fold.train), resolved(fold.test), resolved(fold.val)) for fold in self.folds]
        for number, fold in enumerate(folds):
            others = [ref for ref in fold.test if ref.dataset != name]
            if len(others) == len(fold.test):
                raise DatasetError(
                    f"{self.name}, fold {number}: tests {_listed(map(str, fold.test))}, nothing of dataset '{name}'; "
                    f"give the dataset that it is for, or another split file"
                )
            if others:
                repairs.append(f"fold {number} also tests {len(others)} videos of other datasets; they are left out")
                folds[number] = replace(fold, test=tuple(ref for ref in fold.test if ref.dataset == name))
        return replace(self, folds=tuple(folds), repairs=tuple(repairs))

    def unknown_keys(self, dataset: Mapping[str, Annotations], name: str) -> tuple[str, ...]:
        """What the folds call a video of this dataset and the dataset does not have."""
        finder, own = VideoFinder(dataset), short_name(name)
        named = {ref.key: None for fold in self.folds for ref in _everyone(fold) if _is_of(ref, own)}
        return tuple(key for key in named if finder.find(key) is None)

    def test_keys(self, dataset: Mapping[str, Annotations], name: str) -> tuple[tuple[str, ...], ...]:
        """Each fold's tested videos, by key.

        Raises:
            DatasetError: As `resolve`.
        """
        return tuple(tuple(ref.key for ref in fold.test) for fold in self.resolve(dataset, name).folds)

    def coverage(self, dataset: Mapping[str, Annotations], name: str) -> Coverage:
        """How much of a dataset is ever tested.

        Raises:
            DatasetError: As `resolve`.
        """
        counts = Counter(key for keys in self.test_keys(dataset, name) for key in keys)
        tested = {key: counts[key] for key in dataset if key in counts}
        return Coverage(len(dataset), tested, tuple(key for key in dataset if key not in counts))

    def _own_name(self, name: str) -> tuple[str, str]:
        """The short name under which the file knows the dataset, and a sentence where the two differ."""
        own = short_name(name)
        tested = {short_name(ref.dataset) for fold in self.folds for ref in fold.test if ref.dataset}
        if own in tested or len(tested) != 1 or own in KNOWN_DATASETS:
            return own, ""
        called = tested.pop()
        return called, f"the split calls the dataset '{called}', which calls itself '{name}'; taken as the same"


def _everyone(fold: Fold) -> tuple[VideoRef, ...]:
    return (*fold.train, *fold.val, *fold.test)


def _is_of(ref: VideoRef, own: str) -> bool:
    """Whether a reference is one of the dataset of a short name; without a dataset it is."""
    return not ref.dataset or short_name(ref.dataset) == own


def _setting(fold: Fold) -> Setting:
    train = {short_name(ref.dataset) for ref in fold.train}
    test = {short_name(ref.dataset) for ref in fold.test}
    if len(test) != 1 or not train:
        return "unrecognised"
    if train == test:
        return "canonical"
    return "augmented" if test <= train else "transfer"


def _check_disjoint(fold: Fold, where: str) -> None:
    test = {_identity(ref) for ref in fold.test}
    for part, refs in (("train", fold.train), ("val", fold.val)):
        shared = [str(ref) for ref in refs if _identity(ref) in test]
        if shared:
            raise DatasetError(
                f"{where}: {_listed(shared)} in both {part} and test; what is tested must not be {_USED[part]}: take "
                "it out of one of the two"
            )
    if not fold.test:
        raise DatasetError(f"{where}: expected videos to test, found none")


_USED = {"train": "trained on", "val": "used to choose the checkpoint"}


def _identity(ref: VideoRef) -> tuple[str, str]:
    return short_name(ref.dataset), ref.key


def _listed(names: Iterable[str]) -> str:
    """A few names in quotes, then how many more."""
    known = list(dict.fromkeys(names))
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return ", ".join(f"'{name}'" for name in known[:_SHOWN]) + more
