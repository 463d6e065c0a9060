"""Splits: folds of a dataset's videos to train on and to test; read from files of every style, drawn, and written.

Files are JSON or YAML: a list of folds, one fold, or folds by name; or text with the lists of one fold after the other.
"""

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from sspvs.annotations.video_names import KNOWN_DATASETS, VideoFinder, VideoRef, short_name
from sspvs.atomic import write_text
from sspvs.errors import DatasetError, first_line, listed, local_only
from sspvs.files import decode_text, read_content
from sspvs.parsing import parse_json, parse_yaml
from sspvs.types import Annotations

Setting = Literal["canonical", "augmented", "transfer", "unrecognised"]
_PARTS = {
    "train": ("train_keys", "train"),
    "test": ("test_keys", "test"),
    "val": ("val_keys", "val", "valid_keys", "validation_keys"),
}
MADE_BY = "made_by"  # what `make_splits` adds to a fold: how it was made
DEFAULT_FOLDS, DEFAULT_VAL_FRACTION = 5, 0.1
_USED = {"train": "trained on", "val": "used to choose the checkpoint"}
_EXPECTED = 'a JSON or YAML list of {"train_keys": [...], "test_keys": [...]}, or one such dict, or such lists as text'
_LIST = re.compile(rf"\b({'|'.join(chain.from_iterable(_PARTS.values()))})\b['\"]?\s*[:=]?\s*[\[(]([^\])]*)[\])]")
_KEY = re.compile(r"""'([^']*)'|"([^"]*)"|([^\s,'"]+)""")
_PICKLE = b"\x80"


@dataclass(frozen=True)
class Fold:
    """One fold; a video is in one of its parts at most."""

    train: tuple[VideoRef, ...]  # videos that are trained on
    test: tuple[VideoRef, ...]  # videos that are tested
    val: tuple[VideoRef, ...] = ()  # videos that choose the checkpoint; empty when the file has none


@dataclass(frozen=True)
class Coverage:
    """How much of a dataset a split ever tests."""

    n_dataset: int  # videos of the dataset
    # how many folds test each video, by key, in the dataset's order; only those that are tested
    tested: Mapping[str, int]
    untested: tuple[str, ...]  # keys that no fold tests

    @property
    def sentence(self) -> str:
        """For people: `15 of 25 videos are ever tested, 6 of them more than once`."""
        repeated = sum(count > 1 for count in self.tested.values())
        more = f", {repeated} of them more than once" if repeated else ""
        return f"{len(self.tested)} of {self.n_dataset} videos are ever tested{more}"


@dataclass(frozen=True)
class Splits:
    """The folds of a split file."""

    folds: tuple[Fold, ...]  # at least one; checked: no video is in the train and test, or val and test, part of one
    name: str = ""  # the file's name
    # of the file's bytes, hexadecimal: published numbers of different files are on different test sets
    sha256: str = ""
    repairs: tuple[str, ...] = ()  # sentences about what was repaired while reading
    made_by: Mapping[str, Any] = field(default_factory=dict)  # how `make_splits` drew them; empty for files of others

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
        """Plain types that identify the split."""
        return {"file": self.name, "sha256": self.sha256, "setting": self.setting, "folds": len(self.folds)}

    def resolve(self, dataset: Mapping[str, Annotations], name: str) -> "Splits":
        """The folds with a dataset's videos by key, others' as they stand; DatasetError where a fold does not fit."""
        own, renamed = self._own_name(name)
        if unknown := self.unknown_keys(dataset, own):
            raise DatasetError(
                f"{self.name}: {quoted(unknown)} not in dataset '{name}', which has {quoted(dataset)}; "
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
                    f"{self.name}, fold {number}: tests {quoted(map(str, fold.test))}, nothing of dataset '{name}'; "
                    f"give the dataset that it is for, or another split file"
                )
            if others:
                repairs.append(f"fold {number} also tests {len(others)} videos of other datasets; they are left out")
                folds[number] = replace(fold, test=tuple(ref for ref in fold.test if ref.dataset == name))
        return replace(self, folds=tuple(folds), repairs=tuple(repairs))

    def unknown_keys(self, dataset: Mapping[str, Annotations], name: str) -> tuple[str, ...]:
        """Names of videos of this dataset in the folds that the dataset does not have."""
        finder, own = VideoFinder(dataset), short_name(name)
        named = {
            ref.key: None for fold in self.folds for ref in (*fold.train, *fold.val, *fold.test) if _is_of(ref, own)
        }
        return tuple(key for key in named if finder.find(key) is None)

    def test_keys(self, dataset: Mapping[str, Annotations], name: str) -> tuple[tuple[str, ...], ...]:
        """Each fold's tested videos, by key."""
        return tuple(tuple(ref.key for ref in fold.test) for fold in self.resolve(dataset, name).folds)

    def coverage(self, dataset: Mapping[str, Annotations], name: str) -> Coverage:
        """How much of a dataset is ever tested."""
        counts = Counter(key for keys in self.test_keys(dataset, name) for key in keys)
        tested = {key: counts[key] for key in dataset if key in counts}
        return Coverage(len(dataset), tested, tuple(key for key in dataset if key not in counts))

    def _own_name(self, name: str) -> tuple[str, str]:
        """The short name of the dataset in the file, and a sentence where the two differ."""
        own = short_name(name)
        tested = {short_name(ref.dataset) for fold in self.folds for ref in fold.test if ref.dataset}
        if own in tested or len(tested) != 1 or own in KNOWN_DATASETS:
            return own, ""
        called = tested.pop()
        return called, f"the split calls the dataset '{called}', which calls itself '{name}'; taken as the same"


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
    test = {(short_name(ref.dataset), ref.key) for ref in fold.test}
    for part, refs in (("train", fold.train), ("val", fold.val)):
        shared = [str(ref) for ref in refs if (short_name(ref.dataset), ref.key) in test]
        if shared:
            raise DatasetError(
                f"{where}: {quoted(shared)} in both {part} and test; what is tested must not be {_USED[part]}: take "
                "it out of one of the two"
            )
    if not fold.test:
        raise DatasetError(f"{where}: expected videos to test, found none")


def quoted(names: Iterable[str]) -> str:
    """A few names in quotes, then how many more."""
    return listed(f"'{name}'" for name in dict.fromkeys(names))


def read_splits(path: str | os.PathLike[str]) -> Splits:
    """Read a split file: a list of folds, one fold, or folds by name; a repeated key is taken once."""
    path = Path(local_only(path))
    try:
        content = read_content(path, "pickle")
    except OSError as error:
        raise DatasetError(f"{path}: cannot read the split file: {error.strerror or error}") from error
    if content.startswith(_PICKLE):
        raise DatasetError(f"{path}: expected {_EXPECTED}, found a pickle, which is never opened; save it as JSON")
    repairs: list[str] = []
    entries = _fold_entries(_parse(content, path), path)
    folds = [_fold(entry, f"{path}, fold {number}", number, repairs) for number, entry in enumerate(entries)]
    made_by = entries[0].get(MADE_BY)
    return Splits(
        tuple(folds),
        path.name,
        hashlib.sha256(content).hexdigest(),
        tuple(repairs),
        made_by if isinstance(made_by, dict) else {},
    )


def _parse(content: bytes, path: Path) -> Any:
    if path.suffix.lower() == ".txt" and (folds := _of_text(content)):
        return folds
    is_json = path.suffix.lower() == ".json" or content.lstrip()[:1] in (b"[", b"{")
    is_yaml = path.suffix.lower() in (".yml", ".yaml") or not is_json
    try:
        text = decode_text(content)
        return parse_yaml(text) if is_yaml else parse_json(text)
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: expected {_EXPECTED}, found a file that is no text") from error
    except ValueError as error:
        kind = "YAML" if is_yaml else "JSON"
        raise DatasetError(f"{path}: no whole {kind} file: {first_line(error)}; expected {_EXPECTED}") from error


def _of_text(content: bytes) -> list[dict[str, list[str]]]:
    """The folds of a text with lists called `train_keys` and `test_keys`, as CSTA's: a name that repeats begins one."""
    folds: list[dict[str, list[str]]] = []
    with suppress(UnicodeDecodeError):
        for name, keys in _LIST.findall(decode_text(content)):
            if not folds or name in folds[-1]:
                folds.append({})
            folds[-1][name] = ["".join(key) for key in _KEY.findall(keys)]
    return folds


def _fold_entries(content: Any, path: Path) -> list[Any]:
    """The folds of whichever style, each a dict still to be checked."""
    if isinstance(content, dict) and not _is_fold(content) and all(isinstance(v, dict) for v in content.values()):
        content = list(content.values())  # folds by name
    entries = content if isinstance(content, list) else [content]
    if not entries or not all(isinstance(entry, dict) and _is_fold(entry) for entry in entries):
        raise DatasetError(f"{path}: expected {_EXPECTED}, found {_described(content)}")
    return entries


def _is_fold(entry: dict[Any, Any]) -> bool:
    return any(key in entry for keys in _PARTS.values() for key in keys)


def _fold(entry: dict[Any, Any], where: str, number: int, repairs: list[str]) -> Fold:
    parts: dict[str, tuple[VideoRef, ...]] = {"val": ()}
    for part, spellings in _PARTS.items():
        found = [key for key in spellings if key in entry]
        if len(found) > 1:
            raise DatasetError(f"{where}: both '{found[0]}' and '{found[1]}'; keep one")
        if found:
            parts[part] = _references(entry[found[0]], f"{where}, '{found[0]}'", f"fold {number}", repairs)
        elif part != "val":
            raise DatasetError(f"{where}: expected '{spellings[0]}', found {', '.join(map(repr, entry))}")
    known = {MADE_BY, *(key for keys in _PARTS.values() for key in keys)}
    unread = [repr(key) for key in entry if key not in known]
    if unread:
        repairs.append(f"fold {number}: not read: {', '.join(unread)}")
    return Fold(parts["train"], parts["test"], parts["val"])


def _references(given: Any, where: str, fold: str, repairs: list[str]) -> tuple[VideoRef, ...]:
    if given is None:  # an empty YAML list without brackets
        given = []
    if not isinstance(given, list):
        raise DatasetError(f"{where}: expected a list of video keys, found {_described(given)}")
    for place, text in enumerate(given):
        if not isinstance(text, str) or not VideoRef.parse(text).key:
            raise DatasetError(f"{where}, entry {place}: expected a key in quotes, found {_described(text)}")
    references = [VideoRef.parse(text) for text in given]
    once = tuple(dict.fromkeys(references))
    if len(once) < len(references):
        twice = [str(ref) for ref, count in Counter(references).items() if count > 1]
        repairs.append(f"{fold}: {', '.join(twice[:8])} stood more than once in a list; taken once")
    return once


def _described(value: Any) -> str:
    if isinstance(value, dict):
        return f"a dict of {', '.join(map(repr, list(value)[:6])) or 'nothing'}"
    if isinstance(value, list):
        return f"a list of {len(value)}" + (f" that starts with {_described(value[0])}" if value else "")
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"


def make_splits(
    name: str,
    keys: Sequence[str],
    *,
    setting: Literal["canonical", "augmented", "transfer"] = "canonical",
    others: Mapping[str, Sequence[str]] | None = None,
    folds: int | None = None,
    seed: int = 0,
    val_fraction: float = DEFAULT_VAL_FRACTION,
) -> Splits:
    """Draw folds; every video of the dataset is tested exactly once, under `transfer` in one fold.

    Videos are ordered by a hash of the seed, the dataset's short name and the key: no random generator that could
    differ between versions. Test parts differ by one video at most. The checkpoint is chosen on videos held out of
    the training part: of this dataset, or of the others under `transfer`.
    """
    others = dict(others or {})
    count = _checked_folds(setting, len(keys), others, name, folds, val_fraction)
    prefix = "" if setting == "canonical" else name
    own = [VideoRef(prefix, key) for key in _order(keys, f"{seed}/{short_name(name)}")]
    foreign = [VideoRef(other, key) for other in others for key in others[other]]
    drawn = []
    for number in range(count):
        test = own[number::count]
        tested = set(test)
        rest = [] if setting == "transfer" else [ref for ref in own if ref not in tested]
        val = held_out(rest or foreign, val_fraction, f"{seed}/val/{number}")
        kept_out = set(val)
        train = [ref for ref in (*rest, *foreign) if ref not in kept_out]
        drawn.append(Fold(tuple(train), tuple(test), tuple(val)))
    made_by = {
        "tool": "sspvs data splits",
        "dataset": name,
        "with": list(others),
        "setting": setting,
        "seed": seed,
        "val_fraction": val_fraction,
    }
    made = Splits(tuple(drawn), made_by=made_by)
    return replace(made, sha256=hashlib.sha256(_as_json(made).encode()).hexdigest())


def held_out(candidates: Sequence[VideoRef], fraction: float, salt: str) -> list[VideoRef]:
    """A share of the videos to choose the checkpoint on, at least one and never all: the same on every machine."""
    count = min(max(1, round(fraction * len(candidates))), len(candidates) - 1) if fraction > 0 else 0
    by_text = {f"{short_name(ref.dataset)}/{ref.key}": ref for ref in candidates}
    return [by_text[text] for text in _order(list(by_text), salt)[:count]]


def write_splits(path: str | os.PathLike[str], splits: Splits) -> None:
    """Write folds as the community's JSON list, atomically."""
    write_text(Path(path), _as_json(splits))


def _as_json(splits: Splits) -> str:
    entries = []
    for number, fold in enumerate(splits.folds):
        entry: dict[str, Any] = {"train_keys": [str(ref) for ref in fold.train]}
        if fold.val:
            entry["val_keys"] = [str(ref) for ref in fold.val]
        entry["test_keys"] = [str(ref) for ref in fold.test]
        if splits.made_by:
            entry[MADE_BY] = {**splits.made_by, "fold": number, "folds": len(splits.folds)}
        entries.append(entry)
    return json.dumps(entries, indent=2) + "\n"


def _checked_folds(
    setting: str, n_videos: int, others: Mapping[str, Sequence[str]], name: str, folds: int | None, val_fraction: float
) -> int:
    """How many folds; refuses settings that cannot be drawn."""
    if setting not in ("canonical", "augmented", "transfer"):
        raise ValueError(f"setting must be canonical, augmented or transfer, got {setting!r}")
    if setting == "canonical" and others:
        raise ValueError(f"canonical splits use one dataset; leave out {', '.join(others)}, or ask for augmented")
    if setting != "canonical" and not others:
        raise ValueError(f"{setting} splits train on other datasets too; name at least one with others (--with)")
    names = [short_name(known) for known in (name, *others)]
    if len(set(names)) < len(names):
        raise ValueError(f"two of the datasets have the same name: {', '.join(names)}; each may be given once")
    if not 0 <= val_fraction < 1:
        raise ValueError(f"val_fraction must be from 0 to below 1, got {val_fraction}")
    if setting == "transfer":
        if folds not in (None, 1):
            raise ValueError(f"transfer tests the whole dataset in one fold, got folds = {folds}")
        return 1
    count = DEFAULT_FOLDS if folds is None else folds
    if not 2 <= count <= n_videos:
        raise ValueError(f"folds must be from 2 to the number of videos ({n_videos}), got {count}")
    return count


def _order(keys: Sequence[str], salt: str) -> list[str]:
    """Keys in an order drawn by the salt: of their hashes."""
    return sorted(keys, key=lambda key: hashlib.sha256(f"{salt}/{key}".encode()).digest())
