"""Unlabelled features wherever they are: h5, .npy, .npz, YouTube-8M's bytes and records, tars and shards.

Axis letters: T picks, D feature width.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sspvs.errors import DatasetError, FeatureFileError, SspvsError, first_line
from sspvs.files import check_regular
from sspvs.formats.shards import INDEX, is_shards, read_index, tar_members
from sspvs.formats.tfrecord import looks_like_tfrecord
from sspvs.formats.youtube8m import byte_videos, read_bytes
from sspvs.table import FeatureStream, Video, natural_order, read_features
from sspvs.table.h5_file import DAMAGE
from sspvs.table.h5_survey import h5_family
from sspvs.table.numpy_file import array_headers, load_array
from sspvs.table.video import Stored
from sspvs.video.files import VIDEO_SUFFIXES

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
_ARRAYS = ("features", "rgb")  # what one video's array is called in an .npz
_OTHERS = ("scores", "tokens", "tvsum", "matlab")  # h5 files that are not features
_EXTRACT = "`sspvs extract VIDEOS --out FEATURES.h5` makes them of videos"
_EXPECTED = "h5, .npy or .npz files of features, YouTube-8M .tfrecord files or .tar shards"


@dataclass(frozen=True)
class FeatureFile:
    """One file of features, or one folder of shards with an index."""

    path: Path
    label: str  # what its videos' ids begin with
    kind: FileKind
    root: Path  # the folder in which notes about it are kept


def feature_files(paths: Sequence[str | os.PathLike[str]]) -> list[FeatureFile]:
    """The feature files of paths, those of folders and their subfolders too, in a fixed order."""
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
            what = "neither a file nor a folder" if path.exists() else "no such file or folder"
            raise DatasetError(f"{path}: {what}; data.features names {_EXPECTED}, or folders of them ({_EXTRACT})")
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


def videos_of(file: FeatureFile) -> list[Video]:
    """The videos of a file that is not of records; none of an h5 file of scores or of other things than features."""
    try:
        if file.kind == "shards":
            videos = [replace(video, id=f"{file.label}/{video.id}") for video in read_index(file.path).videos]
        else:
            streams = _streams(file.path, file.kind)
            videos = [Video(f"{file.label}/{name}" if name else file.label, (place,)) for name, place in streams]
    except SspvsError:
        raise
    except DAMAGE as error:
        raise FeatureFileError(f"{file.path}: cannot be read: {first_line(error)}") from error
    return [replace(video, notes=file.root) for video in videos]


def array_names(path: Path) -> list[str]:
    """The arrays of an .npz that are videos: `features` or `rgb` where there is one, else all that are (T, D)."""
    try:
        headers = array_headers(path)
    except DAMAGE as error:
        raise FeatureFileError(f"{path}: cannot be read: {first_line(error)}") from error
    known = [name for name in _ARRAYS if any(header.name == name for header in headers)]
    names = known[:1] or [header.name for header in headers if len(header.shape) == 2]
    if not names:
        found = ", ".join(f"{header.name} {header.shape}" for header in headers[:8]) or "nothing"
        raise FeatureFileError(f"{path}: expected an array 'features' (T, D), found {found}")
    return names


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
    """The message about a folder without feature files."""
    names = [name for _, _, inside in os.walk(folder) for name in inside]
    videos = sum(Path(name).suffix.lower() in VIDEO_SUFFIXES for name in names)
    if videos:
        return f"{folder}: a folder of videos ({videos}), not of their features; extract them first ({_EXTRACT})"
    return f"{folder}: expected {_EXPECTED} in this folder or below it, found none ({_EXTRACT})"


def _label(root: Path, path: Path, label: str) -> str:
    below = path.relative_to(root).as_posix()
    return label if below == "." else f"{label}/{below}"


def _kind_of(path: Path) -> FileKind:
    """The kind of a file that is named itself: records may have any ending."""
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


def _streams(path: Path, kind: FileKind) -> list[tuple[str, FeatureStream]]:
    """Name and place of each array of a file; the name is empty for a file of one video."""
    if kind == "npy":
        return [("", FeatureStream(path))]
    if kind == "npz":
        names = array_names(path)
        return [("" if len(names) == 1 else name, FeatureStream(path, name, load=_load_npz)) for name in names]
    if kind == "tar":  # without an index
        arrays = [(name, offset) for name, offset in tar_members(path) if name.endswith(".npy")]
        if not arrays:
            raise FeatureFileError(
                f"{path}: expected a shard with .npy members, found none ({INDEX} is not there either)"
            )
        return [(name.removesuffix(".npy"), FeatureStream(path, name, offset)) for name, offset in arrays]
    family = h5_family(path)
    if family in _OTHERS:
        logger.info("%s has no features, it is of the kind '%s'", path, family)
        return []
    if family == "bytes":
        return [(key, FeatureStream(path, key, load=_load_bytes)) for key in byte_videos(path)]
    with read_features(path) as store:
        names = list(natural_order(store))
    # A file of one video may have its features at the root.
    return [("", FeatureStream(path))] if len(names) == 1 else [(name, FeatureStream(path, name)) for name in names]


def _load_bytes(stream: FeatureStream) -> Stored:
    return read_bytes(stream.path, stream.group)[0]


def _load_npz(stream: FeatureStream) -> Stored:
    return load_array(stream.path, stream.group)
