"""The feature file: an h5 group per video, read lazily, written and merged atomically."""

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py

from sspvs.atomic import atomic_h5
from sspvs.errors import FeatureFileError, local_only
from sspvs.table import layout
from sspvs.table.group_reader import GroupReader
from sspvs.table.h5_file import H5_ERRORS, open_h5
from sspvs.table.h5_survey import unread_parts
from sspvs.table.text import TextFields
from sspvs.table.video import LoadedVideo
from sspvs.types import Fingerprint, FloatArray, FrameFeatures


class FeatureStore(Mapping[str, FrameFeatures]):
    """A feature file, read lazily: group name -> features, one video in memory at a time.

    Iterates in sorted order. The handle is opened at the first use and dropped when the object is pickled, so that
    a store can be handed to worker processes. A file with `features` at its root (one video per file) has one
    entry, named after the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(local_only(path))
        self._file: h5py.File | None = None
        with self._reading("the file"):
            file = self._open()
            at_root = isinstance(file.get(layout.FEATURES), h5py.Dataset)
            names = [self.path.stem] if at_root else sorted(k for k in file if layout.is_video_group(file, k))
            self._names = dict.fromkeys(names)  # in order, and found at once among tens of thousands
            self._at_root = at_root
        if not self._names:
            raise FeatureFileError(f"{self.path}: expected a group per video, found none; is this a feature file?")

    def _open(self) -> h5py.File:
        if self._file is None:
            if not self.path.exists():
                raise FeatureFileError(f"{self.path}: no such feature file")
            if self.path.is_dir():
                raise FeatureFileError(f"{self.path}: expected a feature file (.h5), found a folder")
            self._file = open_h5(self.path)
        return self._file

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        """Turn whatever h5py raises on damaged files into one line."""
        try:
            yield
        except H5_ERRORS as error:
            reason = str(error).strip("'\"").splitlines()[0] if str(error) else type(error).__name__
            raise FeatureFileError(
                f"{self.path}: cannot read {what}: {reason}; expected a whole h5 feature file"
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}

    def __enter__(self) -> "FeatureStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the handle; a later read opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __getitem__(self, name: str) -> FrameFeatures:
        """The features of one video, with its further streams."""
        if name not in self._names:
            raise KeyError(name)
        with self.group(name) as group:
            return layout.read_group(group, name, f"{self.path}, video '{name}'", self.fingerprint_of(name))

    def stream_names(self, name: str) -> list[str]:
        """The datasets of a video's streams, `features` first."""
        with self.group(name) as group:
            return layout.stream_names(group)

    def load(self, name: str) -> LoadedVideo:
        """All that a file of features alone has of one video."""
        features, reader = self[name], GroupReader(self._group(name), f"{self.path}, video '{name}'")
        title, category = reader.text(layout.TITLE), reader.text(layout.CATEGORY)
        text, fps = TextFields(category=category, title=title), reader.number(layout.FPS)
        unread = self.unread_parts(name)
        return LoadedVideo(name, features.name, features=features, text=text, frame_rate=fps, unread=unread)

    def unread_parts(self, name: str) -> tuple[str, ...]:
        """What one video's group has that this package does not read, in words."""
        return unread_parts(self._group(name))

    def _group(self, name: str) -> h5py.Group:
        file = self._open()
        return file if self._at_root else file[name]

    @property
    def fingerprint(self) -> Fingerprint | None:
        """What made the features, from the file's attributes; None when unknown."""
        with self._reading("the fingerprint"):
            return layout.read_fingerprint_attrs(self._open().attrs)

    def fingerprint_of(self, name: str) -> Fingerprint | None:
        """What made one video's features: the group's own fingerprint, else the file's."""
        with self._reading("the fingerprint"):
            return layout.read_fingerprint_attrs(self._group(name).attrs) or self.fingerprint

    @contextmanager
    def group(self, name: str) -> Iterator[h5py.Group]:
        """One video's group, open for reading; whatever h5py raises on damaged files becomes one line."""
        with self._reading(f"video '{name}'"):
            yield self._group(name)

    def group_of(self, name: str) -> str:
        """The name of a video's group; empty where its features are at the file's root."""
        return "" if self._at_root else name

    def source_of(self, name: str) -> layout.SourceStamp | None:
        """The video file a group came from; None when unknown."""
        with self._reading(f"the source of '{name}'"):
            return layout.read_source(self._group(name))


def read_features(path: str | os.PathLike[str]) -> FeatureStore:
    """Open a feature file, ours or another's; each video is read when it is looked up.

    What others leave out: `picks` may be float or end in N; without any `picks` each feature is taken as its own
    frame (`arange(T)`, N = T); without a fingerprint, `fingerprint` is None. Half precision becomes float32.

    Args:
        path: The h5 file.

    Returns:
        Key -> `FrameFeatures`; a context manager that closes the file.

    Raises:
        FeatureFileError: As `FeatureStore`.

    Example:
        >>> with sspvs.read_features("features.h5") as features:
        ...     sorted(features)[:2]
        ['v00', 'v01']
    """
    return FeatureStore(path)


def pack_video(name: str, video: FrameFeatures, source: layout.SourceStamp | None = None) -> bytes:
    """The bytes of an h5 file with one video as group `name`: the same features give the same bytes everywhere."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        layout.write_fingerprint_attrs(file.attrs, video.fingerprint)
        layout.write_group(file.create_group(name), video, source)
    return buffer.getvalue()


def merge_files(target: Path, members: Mapping[str, Path], fingerprint: Fingerprint | None) -> None:
    """Write a feature file from groups of others (name -> its file, which may be the target), atomically."""
    by_file: dict[Path, list[str]] = {}
    for name in sorted(members):
        by_file.setdefault(members[name], []).append(name)
    with atomic_h5(target) as file:
        layout.write_fingerprint_attrs(file.attrs, fingerprint)
        for path in sorted(by_file):
            with open_h5(path) as part:
                for name in by_file[path]:
                    group = part[name]
                    list(group.values())  # refuses what lies in other files, which a copy would go on pointing at
                    try:
                        layout.copy_group(group, file, name)
                    except RuntimeError as error:
                        way_out = "make it again, or replace the whole file with --overwrite"
                        raise FeatureFileError(f"{path}, video '{name}': is damaged ({error}); {way_out}") from error


def add_stream(
    path: str | os.PathLike[str],
    name: str,
    features: Mapping[str, FloatArray],
    *,
    fingerprint: Fingerprint | None = None,
    half_precision: bool = False,
) -> None:
    """Add a further stream to the videos of a feature or dataset file, atomically.

    Args:
        path: The file; what else is in it stays.
        name: Such as `motion`: stored as `features_motion`.
        features: Group name -> (T, D_NAME) features at the group's own picks.
        fingerprint: What made them.
        half_precision: Store float16.

    Raises:
        FeatureFileError: There is no such video, or it has another number of picks.
        OutputError: The file cannot be written.
    """
    with open_h5(path) as known, atomic_h5(Path(path)) as file:
        missing = sorted(set(features) - set(known))
        if missing:
            raise FeatureFileError(f"{path}: no video '{missing[0]}' to add the stream '{name}' to")
        for key in known.attrs:
            file.attrs[key] = known.attrs[key]
        for group in known:
            layout.copy_group(known[group], file, group)
            if group in features:
                layout.write_stream(file[group], name, features[group], fingerprint, half_precision=half_precision)


def is_h5(path: str | os.PathLike[str]) -> bool:
    """Whether a file starts as an h5 file does."""
    return Path(path).is_file() and bool(h5py.is_hdf5(path))  # not a pipe, which would block


def write_features(
    path: str | os.PathLike[str],
    videos: Iterable[FrameFeatures],
    *,
    fingerprint: Fingerprint | None = None,
    half_precision: bool = False,
) -> None:
    """Write a feature file atomically, one video in memory at a time.

    Args:
        path: File to write.
        videos: Features, each under its name; may come from a generator. The file's fingerprint holds for all of them.
        fingerprint: What made the features.
        half_precision: Store float16: half the space, three decimal digits. Readers get float32.

    Raises:
        OutputError: When the file cannot be written.
        ValueError: When two videos have the same name, or a fingerprint differs from the file's.
    """
    with atomic_h5(Path(path)) as file:
        layout.write_fingerprint_attrs(file.attrs, fingerprint)
        for video in videos:
            name = layout.group_name(video.name)
            if name in file:
                raise ValueError(f"two videos have the name '{name}'; every video needs its own")
            if video.fingerprint not in (None, fingerprint):
                raise ValueError(f"{video.name}: features of another fingerprint than the file's")
            group = file.create_group(name)
            layout.write_group(group, replace(video, fingerprint=None), None, half_precision=half_precision)
