"""The dataset file: a feature file whose groups also hold annotations, in the community layout."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sspvs.atomic import atomic_h5
from sspvs.errors import DatasetError, FeatureFileError, first_line, listed, local_only, printable
from sspvs.files import WrongFileError
from sspvs.parsing import parse_json
from sspvs.table import annotation_group, layout
from sspvs.table.annotation_group import read_clock, read_shots
from sspvs.table.feature_file import FeatureStore
from sspvs.table.group_reader import GroupReader, as_text
from sspvs.table.h5_file import H5_ERRORS, open_h5
from sspvs.table.text import TextFields
from sspvs.table.video import LoadedVideo
from sspvs.types import Annotations, Fingerprint, FrameFeatures, Shots

DATASET, MADE_BY = "dataset", "made_by"


def natural_order(keys: Iterable[str]) -> list[str]:
    """`video_2` before `video_10`."""

    def parts(key: str) -> list[int | str]:
        return [int(part) if odd % 2 else part for odd, part in enumerate(re.split(r"(\d+)", key))]

    return sorted(keys, key=parts)


class DatasetStore(Mapping[str, Annotations]):
    """A dataset file, read lazily: key -> annotations, in natural order of the keys.

    Attributes:
        path: The h5 file.
        name: The dataset's name, such as `summe`: as in the file, else the file's stem.
        made_by: How the file was made, as `sspvs data build` wrote it; empty for files of others.
        features: The features of the same file, by key; looking up a video without any raises `FeatureFileError`.

    Raises:
        DatasetError: When it is missing, is no readable h5 file, or has no video in it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(local_only(path))
        _check_file(self.path)
        try:
            self.features = FeatureStore(path)
            with open_h5(self.path) as file:
                if isinstance(file.get(layout.FEATURES), h5py.Dataset):
                    raise DatasetError(
                        f"{self.path}: expected a group per video with annotations, found the features of one video "
                        "alone; build a dataset from annotations and features with `sspvs data build`"
                    )
                self.name = as_text(file.attrs.get(DATASET, "")) or self.path.stem
                self.made_by: dict[str, Any] = _read_made_by(file.attrs)
        except FeatureFileError as error:
            raise DatasetError(str(error).replace("feature file", "dataset file")) from error
        except H5_ERRORS as error:
            raise DatasetError(f"{self.path}: cannot read the dataset: {first_line(error)}") from error
        self._keys = natural_order(self.features)

    def __enter__(self) -> "DatasetStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.features.close()

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self.features

    def __getitem__(self, key: str) -> Annotations:
        """The annotations of one video."""
        if key not in self:
            raise KeyError(key)
        with self._reader(key) as reader:
            return annotation_group.read_annotations(reader, key)

    def load(self, key: str) -> LoadedVideo:
        """All that the file has of one video."""
        annotations = self[key]
        features = self.features[key] if self.has_features(key) else None
        text, unread = TextFields(annotations.category, title=annotations.title), self.features.unread_parts(key)
        return LoadedVideo(key, annotations.video_name, annotations, features, text, unread=unread)

    def has_features(self, key: str) -> bool:
        """Whether the file has features of a video."""
        if key not in self:
            raise KeyError(key)
        with self._reader(key) as reader:
            return layout.FEATURES in reader

    def video_names(self) -> dict[str, str]:
        """Each video's own name, where it has one, else its key; by key. Reads nothing else."""
        names = {}
        for key in self:
            with self._reader(key) as reader:
                names[key] = reader.text(layout.VIDEO_NAME) or key
        return names

    def shots_of(self, key: str) -> Shots | None:
        """A video's shots, whatever else is in its group; None when it has none."""
        with self._reader(key) as reader:
            return read_shots(reader, read_clock(reader).n_frames) if layout.CHANGE_POINTS in reader else None

    @contextmanager
    def _reader(self, key: str) -> Iterator[GroupReader]:
        """A reader of one video's group; damage becomes one line."""
        where = f"{self.path}, video '{key}'"
        try:
            with open_h5(self.path) as file:
                yield GroupReader(file[key], where)
        except H5_ERRORS as error:
            raise DatasetError(
                f"{where}: cannot read the annotations: {first_line(error)}; expected a whole h5 dataset: the file is "
                "damaged, make or fetch it again"
            ) from error


def read_dataset(path: str | os.PathLike[str]) -> DatasetStore:
    """Open a dataset file, ours or another's; each video is read when it is looked up.

    What differs between exporters is repaired where there is only one way to read it, and listed in
    `Annotations.repairs`: ends of shots (inclusive, half-open, off by one), lengths of shots, float picks, a closing N,
    transposed user arrays, a missing N beside user summaries, MR.HiSum's groups without picks. The rest is refused.

    Args:
        path: The h5 file.

    Returns:
        Key -> `Annotations`, a mapping and a context manager that closes the file; `read_features` reads the features.

    Raises:
        DatasetError: As `DatasetStore`.

    Example:
        >>> with sspvs.read_dataset("dataset.h5") as dataset:
        ...     annotations = dataset["video_1"]
        >>> annotations.user_scores is not None
        True
    """
    return DatasetStore(path)


def write_dataset(
    path: str | os.PathLike[str],
    videos: Iterable[tuple[Annotations, FrameFeatures | None]],
    *,
    name: str,
    made_by: Mapping[str, Any],
    fingerprint: Fingerprint | None = None,
) -> None:
    """Write a dataset file in the community layout, atomically; videos may come from a generator.

    Args:
        path: File to write.
        videos: Annotations, and features where there are any: of the same picks.
        name: The dataset's name, such as `summe`.
        made_by: How it was made: plain types, by name. Read after the last video, so a generator may add to it.
        fingerprint: What made the features.

    Raises:
        OutputError: When the file cannot be written.
        ValueError: When features are of other picks than the annotations, or two videos have the same key.
    """
    with atomic_h5(Path(path)) as file:
        file.attrs[DATASET] = printable(name)
        layout.write_fingerprint_attrs(file.attrs, fingerprint)
        for annotations, features in videos:
            key = layout.group_name(annotations.key)
            if key in file:
                raise ValueError(f"two videos have the key '{key}'; every video needs its own")
            group = file.create_group(key)
            if features is not None:
                n_frames, picks = annotations.n_frames, annotations.picks
                if features.n_frames != n_frames or not np.array_equal(features.picks, picks):
                    raise ValueError(
                        f"{annotations.video_name}: features of {len(features.picks)} picks of {features.n_frames} "
                        f"frames do not fit annotations of {len(picks)} picks of {n_frames} frames"
                    )
                layout.write_group(group, replace(features, name=annotations.video_name), None)
            annotation_group.write_annotations(group, annotations)
        file.attrs[MADE_BY] = json.dumps(dict(made_by), sort_keys=True)


def _check_file(path: Path) -> None:
    if not path.exists():
        raise DatasetError(f"{path}: no such file; expected a dataset file (.h5)")
    if path.is_dir():
        inside = sorted(str(file.relative_to(path)) for place in ("*.h5", "data/*.h5") for file in path.glob(place))
        named = f"; name one of those in it: {listed(inside)}" if inside else ""
        raise DatasetError(f"{path}: expected a dataset file (.h5), found a folder{named}")
    try:
        open_h5(path).close()
    except WrongFileError as error:
        raise DatasetError(f"{path}: expected a dataset file (.h5), but {error}") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or first_line(error)}") from error


def _read_made_by(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Our own JSON; what others keep under the same name is passed on as text."""
    if MADE_BY not in attrs:
        return {}
    text = as_text(attrs[MADE_BY])
    try:
        content = parse_json(text)
    except ValueError:
        content = None
    return content if isinstance(content, dict) else {MADE_BY: text}
