"""Reads unlabelled features from wherever they lie: h5, .npy, .npz, tars of shards; numbers or YouTube-8M's bytes.

Axis letters: T picks, D feature width.
"""

from __future__ import annotations

import logging
import os
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sspvs.data.pretrain.items import FeatureReader, FeatureRef, single_precision
from sspvs.data.pretrain.shards import INDEX, is_shards, read_index
from sspvs.data.pretrain.survey import Fact
from sspvs.errors import DatasetError, FeatureFileError, SspvsError, first_line
from sspvs.files import check_kind, check_regular
from sspvs.formats.head import DAMAGE
from sspvs.formats.numpy_file import array_headers, load_array
from sspvs.formats.tfrecord import looks_like_tfrecord
from sspvs.formats.youtube8m import byte_videos, dequantise, read_bytes
from sspvs.table import natural_order, read_features
from sspvs.table.h5_survey import h5_family
from sspvs.types import Fingerprint, FloatArray
from sspvs.video.files import VIDEO_SUFFIXES

Stored = npt.NDArray[Any]
_NAMES = ("features", "rgb")  # what one video's array is called in an .npz


class ByteRef(FeatureRef):
    """Where a video's YouTube-8M bytes are in an h5 file."""


class ClipReader(FeatureReader):
    """As `FeatureReader`, and .npz files and bytes too. Of an .npz the array read last stays in memory."""

    def __init__(self, most_open: int = 16) -> None:
        super().__init__(most_open)
        self._last: tuple[FeatureRef, Stored] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": None}

    def shape(self, ref: FeatureRef) -> tuple[int, int]:
        """(T, D) of a video's features; see `FeatureReader`."""
        if not _is_own(ref):
            return super().shape(ref)
        length, width = self._array(ref).shape
        return int(length), int(width)

    def stored(self, ref: FeatureRef, start: int = 0, stop: int | None = None) -> Stored:
        """(stop - start, D) as it is stored: floats of any precision, or bytes.

        Raises:
            FeatureFileError: There are none, or they are no (T, D) array of float numbers or bytes.
        """
        if not _is_own(ref):
            return self.stored_floats(ref, start, stop)
        return np.array(self._array(ref)[start:stop])

    def read(self, ref: FeatureRef, start: int = 0, stop: int | None = None) -> FloatArray:
        """(stop - start, D) float32 features of the picks `start` to `stop`; see `as_features`.

        Raises:
            FeatureFileError: As in `stored`.
        """
        return as_features(self.stored(ref, start, stop))

    def fingerprint(self, ref: FeatureRef) -> Fingerprint | None:
        """What made the features; None when unknown."""
        return None if _is_own(ref) else super().fingerprint(ref)

    def close(self) -> None:
        """Close all files; a later read opens them again."""
        super().close()
        self._last = None

    def _array(self, ref: FeatureRef) -> Stored:
        if self._last is not None and self._last[0] == ref:
            return self._last[1]
        try:
            array = _load(ref)
        except SspvsError as error:
            raise FeatureFileError(str(error)) from error
        except DAMAGE as error:
            raise FeatureFileError(f"{ref.name}: cannot be read: {first_line(error)}") from error
        is_numbers = array.dtype.kind == "f" or array.dtype == np.uint8
        if array.ndim != 2 or 0 in array.shape or not is_numbers:
            raise FeatureFileError(
                f"{ref.name}: expected (T, D) float numbers or bytes, found {array.shape} of {array.dtype}"
            )
        if not isinstance(array, np.memmap):
            self._last = ref, array
        return array


def as_features(stored: Stored) -> FloatArray:
    """Stored rows as float32 features; bytes are dequantised and L2-normalised, as the refiner is published."""
    if stored.dtype == np.uint8:
        return dequantise(stored)
    return single_precision(stored)


def has_bytes(refs: Iterable[FeatureRef]) -> bool:
    """Whether there are YouTube-8M bytes; of .npy and of .npz files the first one is looked into."""
    first: dict[str, FeatureRef] = {}
    for ref in refs:
        if isinstance(ref, ByteRef):
            return True
        if _is_own(ref):
            first.setdefault(ref.path.suffix.lower(), ref)
    return any(_load(ref).dtype == np.uint8 for ref in first.values())


def array_names(path: Path) -> list[str]:
    """The videos in an .npz by their arrays' names: `features` or `rgb` where there is one, else all that are (T, D).

    Raises:
        FeatureFileError: It cannot be read, or has none.
    """
    try:
        headers = array_headers(path)
    except DAMAGE as error:
        raise FeatureFileError(f"{path}: cannot be read: {first_line(error)}") from error
    known = [name for name in _NAMES if any(header.name == name for header in headers)]
    names = known[:1] or [header.name for header in headers if len(header.shape) == 2]
    if not names:
        found = ", ".join(f"{header.name} {header.shape}" for header in headers[:8]) or "nothing"
        raise FeatureFileError(f"{path}: expected an array 'features' (T, D), found {found}")
    return names


def _is_own(ref: FeatureRef) -> bool:
    return isinstance(ref, ByteRef) or ref.path.suffix.lower() in (".npy", ".npz")


def _load(ref: FeatureRef) -> Stored:
    if isinstance(ref, ByteRef):
        return read_bytes(ref.path, ref.group)[0]
    if ref.path.suffix.lower() == ".npz":
        return load_array(ref.path, ref.group)
    check_kind(ref.path, "npy", "zip")
    try:
        array = np.load(ref.path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        if "mmap" in str(error):
            array_headers(ref.path)  # says how much of it is there
        raise
    if not isinstance(array, np.ndarray):
        raise ValueError("it is a zip archive, not an .npy")
    return array


logger = logging.getLogger(__name__)
FileKind = Literal["h5", "npy", "npz", "records", "tar", "shards"]
SUFFIXES: dict[str, FileKind] = {
    ".h5": "h5",
    ".hdf5": "h5",
    ".npy": "npy",
    ".npz": "npz",
    ".tfrecord": "records",
    ".tar": "tar",
}
_OTHERS = ("scores", "tokens", "tvsum", "matlab")  # h5 files that lie about in folders of features
_EXTRACT = "`sspvs extract VIDEOS --out FEATURES.h5` makes them of videos"
_EXPECTED = "h5, .npy or .npz files of features, YouTube-8M .tfrecord files or .tar shards"


@dataclass(frozen=True)
class FeatureFile:
    """One file of features, or one folder of shards with an index.

    Attributes:
        path: Where it is.
        label: What its videos' ids begin with.
        kind: How it is read.
        root: The folder in which notes about it are kept.
    """

    path: Path
    label: str
    kind: FileKind
    root: Path


@dataclass(frozen=True)
class StoredVideo:
    """One video's features in a file.

    Attributes:
        id: Its name; unique once all are looked at (`load_unlabelled`).
        ref: Where its features are.
        root: The folder in which notes about it are kept.
        fact: What there is to know of them; None before they were looked at.
    """

    id: str
    ref: FeatureRef
    root: Path
    fact: Fact | None = None


def feature_files(paths: Sequence[str | os.PathLike[str]]) -> list[FeatureFile]:
    """The feature files of paths, those of folders and their subfolders too, in a fixed order.

    Raises:
        DatasetError: A path is missing, or has no feature file.
        ValueError: A file is given twice.
    """
    found: list[FeatureFile] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = list(_in_folder(path, path.resolve().name))
            if not inside:
                raise DatasetError(_nothing_in(path))
            found += inside
        elif path.is_file():
            found.append(FeatureFile(path, path.stem, _kind_of(path), path.parent))
        else:
            raise DatasetError(
                f"{path}: no such file or folder; data.features names {_EXPECTED}, or folders of them ({_EXTRACT})"
            )
    given = Counter(file.path.resolve() for file in found)
    twice = [str(path) for path, count in given.items() if count > 1]
    if twice:
        raise ValueError(f"data.features has {twice[0]} twice; give each file or folder once")
    taken: set[str] = set()
    return [replace(file, label=apart(file.label, taken)) for file in found]


def apart(name: str, taken: set[str]) -> str:
    """A name that nothing else has: itself, or with `#2`, `#3`, ... where it is taken; it is taken from then on."""
    unique, number = name, 1
    while unique in taken:
        number += 1
        unique = f"{name}#{number}"
    taken.add(unique)
    return unique


def videos_of(file: FeatureFile) -> list[StoredVideo]:
    """The videos of a file that is not of records; none of an h5 file of scores or of other things than features.

    Raises:
        SspvsError: It cannot be read.
    """
    try:
        if file.kind == "shards":
            index = read_index(file.path)
            return [
                StoredVideo(
                    f"{file.label}/{item.id}",
                    item.features,
                    file.root,
                    Fact(item.n_frames, item.feature_dim, index.fingerprint),
                )
                for item in index.items
            ]
        refs = {"h5": _h5_refs, "npy": _npy_refs, "npz": _npz_refs, "tar": _tar_refs}[file.kind](file.path)
    except SspvsError:
        raise
    except DAMAGE as error:
        raise FeatureFileError(f"{file.path}: cannot be read: {first_line(error)}") from error
    return [StoredVideo(f"{file.label}/{name}" if name else file.label, ref, file.root) for name, ref in refs]


def _in_folder(root: Path, label: str) -> Iterator[FeatureFile]:
    """Files by their path; hidden ones are left alone."""
    for place, folders, names in os.walk(root):
        folder = Path(place)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        indexed = is_shards(folder)
        if indexed:
            yield FeatureFile(folder, _label(root, folder, label), "shards", folder)
        for name in sorted(names):
            kind = SUFFIXES.get(Path(name).suffix.lower())
            if kind is None or name.startswith(".") or (indexed and kind == "tar"):
                continue
            path = folder / name
            yield FeatureFile(path, _label(root, path.with_suffix(""), label), kind, root)


def _nothing_in(folder: Path) -> str:
    """What to say of a folder without feature files: of videos it is known what to do."""
    names = [name for _, _, inside in os.walk(folder) for name in inside]
    videos = sum(Path(name).suffix.lower() in VIDEO_SUFFIXES for name in names)
    if videos:
        return f"{folder}: a folder of videos ({videos}), not of their features; extract them first ({_EXTRACT})"
    return f"{folder}: expected {_EXPECTED} in this folder or below it, found none ({_EXTRACT})"


def _label(root: Path, path: Path, label: str) -> str:
    below = path.relative_to(root).as_posix()
    return label if below == "." else f"{label}/{below}"


def _kind_of(path: Path) -> FileKind:
    """Of a file that is named: records may have any ending."""
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        try:
            check_regular(path)
            with path.open("rb") as file:
                if looks_like_tfrecord(file.read(64)):
                    return "records"
        except OSError as error:
            raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error
        if path.suffix.lower() in VIDEO_SUFFIXES:
            raise DatasetError(f"{path}: it is a video, not its features; extract them first ({_EXTRACT})")
        raise DatasetError(f"{path}: expected {_EXPECTED}, or a folder of them")
    return kind


def _h5_refs(path: Path) -> list[tuple[str, FeatureRef]]:
    family = h5_family(path)
    if family in _OTHERS:
        logger.info("%s has no features, it is of the kind '%s'", path, family)
        return []
    if family == "bytes":
        return [(key, ByteRef(path, key)) for key in byte_videos(path)]
    with read_features(path) as store:
        names = list(natural_order(store))
    # A file of one video may have its features at the root.
    return [("", FeatureRef(path))] if len(names) == 1 else [(name, FeatureRef(path, name)) for name in names]


def _npy_refs(path: Path) -> list[tuple[str, FeatureRef]]:
    return [("", FeatureRef(path))]


def _npz_refs(path: Path) -> list[tuple[str, FeatureRef]]:
    names = array_names(path)
    return [("" if len(names) == 1 else name, FeatureRef(path, name)) for name in names]


def _tar_refs(path: Path) -> list[tuple[str, FeatureRef]]:
    """Arrays in a tar by itself, without the index that says what is in it."""
    check_kind(path, "tar")
    with tarfile.open(path, "r:") as tar:
        refs = [
            (member.name.removesuffix(".npy"), FeatureRef(path, member.name, member.offset_data))
            for member in tar
            if member.isfile() and member.name.endswith(".npy")
        ]
    if not refs:
        raise FeatureFileError(f"{path}: expected a shard with .npy members, found none ({INDEX} is not there either)")
    return refs
