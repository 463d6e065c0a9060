"""Clips of real pictures with captions, out of an h5 file, or a folder of h5 and npz files.

An h5 file has a group a clip with `features` (T, D) and the attributes `caption`, `concept`, `category`, `rate_hz`
(the file's own `rate_hz` where a group has none), or one clip at its root; an npz file has arrays of these names.
Features are used as they are: nothing is added to them. Files that carry the feature fingerprint of a backbone, as
`sspvs extract` writes it, pass it on: what is trained on such a world can look at real videos.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sspvs.errors import DatasetError, first_line
from sspvs.files import check_kind
from sspvs.table.group_reader import as_text, plain_attributes
from sspvs.table.h5_file import DAMAGE, open_h5
from sspvs.table.layout import read_fingerprint_attrs
from sspvs.table.numpy_file import check_arrays, load_array
from sspvs.types import Fingerprint, FloatArray
from sspvs.weights.digest import file_digest
from sspvs.world.clips import Clip, ClipSource, Concept

_FEATURES, _RATE = "features", "rate_hz"
_TEXTS = ("caption", "concept", "category")
_KEPT = 64  # clips in memory
_DULL_WORDS = (
    "a an the of in on at to by with and or from before under over into through between behind is are how what one two "
    "his her its their it them seen shown shows show"
)
_DULL = frozenset(_DULL_WORDS.split())


@dataclass(frozen=True)
class _Entry:
    """The place and the texts of a clip."""

    path: Path
    group: str  # of an h5 file; `/` for its root
    name: str
    caption: str
    concept: str
    category: str
    rate_hz: float
    shape: tuple[int, int]


class CaptionedClips(ClipSource):
    """Real clips with captions from an h5 file, or a folder of h5 and npz files; features are read when needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries = sorted(_entries(path), key=lambda entry: entry.name)
        if not self._entries:
            raise DatasetError(f"{path}: expected clips with captions (h5 groups or npz files), found none")
        self.rate_hz = self._same("rate_hz", [entry.rate_hz for entry in self._entries])
        self.feature_dim = int(self._same("feature width", [entry.shape[1] for entry in self._entries]))
        self.concepts = _concepts(self._entries)
        index = {(concept.category, concept.name): number for number, concept in enumerate(self.concepts)}
        self.clips = tuple(
            Clip(entry.name, index[entry.category, entry.concept], entry.caption, entry.shape[0])
            for entry in self._entries
        )
        self._by_name = {entry.name: entry for entry in self._entries}
        if len(self._by_name) < len(self._entries):
            raise DatasetError(f"{path}: two clips have the same name; give each file or group its own")
        self._read = lru_cache(maxsize=_KEPT)(self._read_entry)
        digest = file_digest(*(entry.path for entry in self._entries))
        backbone, shared = self._stated()
        self.description = {"kind": "captioned", "file": path.name, "sha256": digest}
        self.fingerprint = shared or Fingerprint(
            backbone=f"synthetic:clips of {backbone}",
            weights_digest=digest,
            transform="real clips joined to long videos",
            normalisation="as in the clips",
            rate_hz=self.rate_hz,
        )

    def draw_style(self, *_: object) -> FloatArray:
        """Nothing: real features stay as they are."""
        return np.zeros(0, dtype=np.float32)

    def window(self, clip: Clip, start: int, stop: int, *_: object) -> FloatArray:
        """As `ClipSource.window`; the same at each showing."""
        return self._read(clip.name)[start:stop]

    def _same(self, what: str, values: list[float] | list[int]) -> float:
        if len(set(values)) > 1:
            odd = next(entry.name for entry, value in zip(self._entries, values, strict=True) if value != values[0])
            raise DatasetError(
                f"{self._path}: clips differ in {what} ('{self._entries[0].name}' and '{odd}'); videos are composed of "
                "clips of one kind: extract them alike"
            )
        return float(values[0])

    def _stated(self) -> tuple[str, Fingerprint | None]:
        """The backbone that the first h5 file names, and the fingerprint of all files; None where some have none."""
        paths, backbone, known = sorted({entry.path for entry in self._entries}), "", dict[Path, Fingerprint]()
        for path in paths:
            if path.suffix != ".npz":
                with open_h5(path) as file:
                    backbone = backbone or str(file.attrs.get("backbone", ""))
                    if (one := read_fingerprint_attrs(file.attrs)) is not None:
                        known[path] = one
        first = next(iter(known.values()), None)
        for path, one in known.items():
            if one != first:
                raise DatasetError(
                    f"{path}: its features have another fingerprint ({one.backbone}, {one.rate_hz:g} Hz) than those of "
                    f"{next(iter(known))}; videos are composed of clips of one kind: extract them alike"
                )
            if one.rate_hz != self.rate_hz:
                raise DatasetError(
                    f"{path}: rate_hz says {self.rate_hz:g} picks per second, the fingerprint {one.rate_hz:g}; correct "
                    "one of them, or extract the clips again"
                )
        return backbone or "an unknown backbone", first if len(known) == len(paths) else None

    def _read_entry(self, name: str) -> FloatArray:
        entry = self._by_name[name]
        try:
            if entry.path.suffix == ".npz":
                features = load_array(entry.path, _FEATURES).astype(np.float32)
            else:
                with open_h5(entry.path) as file:
                    features = file[f"{entry.group}/{_FEATURES}"][()].astype(np.float32)
        except DAMAGE as error:
            raise _damaged(entry.path, error) from error
        if not np.isfinite(features).all():
            raise DatasetError(f"{entry.path}: clip '{name}' has NaN or infinite features; extract it again")
        features.setflags(write=False)
        return features


def _entries(path: Path) -> Iterator[_Entry]:
    """Every clip of a file or folder."""
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder; expected clips with captions (.h5, .npz)")
    files = sorted(p for p in path.rglob("*") if p.suffix in (".h5", ".hdf5", ".npz")) if path.is_dir() else [path]
    for file in files:
        stem = "" if file == path else file.relative_to(path).with_suffix("").as_posix()
        try:
            yield from _npz_entries(file, stem or file.stem) if file.suffix == ".npz" else _h5_entries(file, stem)
        except DAMAGE as error:
            raise _damaged(file, error) from error


def _h5_entries(path: Path, stem: str) -> Iterator[_Entry]:
    with open_h5(path) as file:
        rate = plain_attributes(file.attrs).get(_RATE)
        for group in ("/",) if isinstance(file.get(_FEATURES), h5py.Dataset) else sorted(file):
            features = file[group].get(_FEATURES) if isinstance(file[group], h5py.Group) else None
            if isinstance(features, h5py.Dataset):
                name = "/".join(filter(None, (stem, group.strip("/")))) or path.stem
                facts = {_RATE: rate, **plain_attributes(file[group].attrs)}
                yield _entry(path, group, name, facts, features.shape)


def _npz_entries(path: Path, name: str) -> Iterator[_Entry]:
    check_kind(path, "zip")
    check_arrays(path)
    with np.load(path, allow_pickle=False) as arrays:
        if _FEATURES in arrays:
            facts = {key: np.asarray(arrays[key]).item() for key in (*_TEXTS, _RATE) if key in arrays}
            yield _entry(path, "", name, facts, arrays[_FEATURES].shape)


def _entry(path: Path, group: str, name: str, facts: Mapping[str, Any], shape: tuple[int, ...]) -> _Entry:
    where = f"{path}, clip '{name}'"
    texts = {key: " ".join(as_text(facts.get(key, "")).split()) for key in _TEXTS}
    if missing := [key for key, text in texts.items() if not text]:
        raise DatasetError(f"{where}: has no {' and no '.join(missing)}; a clip needs caption, concept and category")
    rate = facts.get(_RATE)
    if rate is None or not float(rate) > 0:
        raise DatasetError(f"{where}: expected rate_hz, its picks per second, above 0; found {rate}")
    if len(shape) != 2 or 0 in shape:
        raise DatasetError(f"{where}: expected features (T, D), found shape {tuple(shape)}")
    return _Entry(path, group, name, **texts, rate_hz=float(rate), shape=(int(shape[0]), int(shape[1])))


def _damaged(path: Path, error: Exception) -> DatasetError:
    if isinstance(error, DatasetError):
        return error
    return DatasetError(f"{path}: cannot read clips: {first_line(error)}; expected a whole .h5 or .npz file")


def _concepts(entries: list[_Entry]) -> tuple[Concept, ...]:
    """Concepts in the order of category and name; each also goes by two words of a caption (`office towers`)."""
    names: dict[tuple[str, str], dict[str, None]] = {}  # in order, each once
    for entry in entries:
        words = [word for word in re.findall(r"[\w'-]+", entry.caption.lower()) if word not in _DULL]
        own = names.setdefault((entry.category, entry.concept), {entry.concept: None})
        own.setdefault(" ".join(words[:2]))
    return tuple(
        Concept(name, category, tuple(filter(None, names[category, name])), (category,))
        for category, name in sorted(names)
    )
