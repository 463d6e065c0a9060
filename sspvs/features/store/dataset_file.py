"""The dataset file: a feature file whose groups also hold annotations, in the community layout."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py

from sspvs.atomic import atomic_file
from sspvs.errors import DatasetError, FeatureFileError
from sspvs.features.store import annotation_group, layout
from sspvs.features.store.feature_file import FeatureStore
from sspvs.types import Annotations, Fingerprint, FrameFeatures

DATASET, MADE_BY = "dataset", "made_by"
_H5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, IndexError)


def natural_order(keys: Iterable[str]) -> list[str]:
    """`video_2` before `video_10`."""
    return sorted(keys, key=lambda key: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", key)])


class DatasetStore(Mapping[str, Annotations]):
    """A dataset file, read lazily: key -> annotations, in natural order of the keys.

    Attributes:
        path: The h5 file.
        name: The dataset's name, such as `summe`: what the file says, else the file's stem.
        made_by: How the file was made, as `sspvs data build` wrote it; empty for files of others.
        features: The features of the same file, by key; a video without any raises `FeatureFileError` when asked.

    Args:
        path: The h5 file.

    Raises:
        DatasetError: When it is missing, is no readable h5 file, or has no video in it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            self.features = FeatureStore(path)
            with h5py.File(self.path, "r") as file:
                self.name = str(file.attrs.get(DATASET, self.path.stem))
                self.made_by: dict[str, Any] = json.loads(file.attrs.get(MADE_BY, "{}"))
        except FeatureFileError as error:
            raise DatasetError(str(error)) from error
        except _H5_ERRORS as error:
            raise DatasetError(f"{self.path}: cannot read the dataset: {error}") from error
        self._keys = natural_order(self.features)

    def __enter__(self) -> DatasetStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.features.close()

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __getitem__(self, key: str) -> Annotations:
        """The annotations of one video.

        Raises:
            KeyError: When there is no such group.
            DatasetError: When the group cannot be read or its contents do not fit together.
        """
        if key not in self._keys:
            raise KeyError(key)
        where = f"{self.path}, video '{key}'"
        try:
            with h5py.File(self.path, "r") as file:
                return annotation_group.read_annotations(file[key], key, where)
        except DatasetError:
            raise
        except _H5_ERRORS as error:
            raise DatasetError(f"{where}: cannot read the annotations: {error}; expected a whole h5 dataset") from error

    def has_features(self, key: str) -> bool:
        """Whether the file has features of a video."""
        with h5py.File(self.path, "r") as file:
            return layout.FEATURES in file[key]


def read_dataset(path: str | os.PathLike[str]) -> DatasetStore:
    """Open a dataset file, ours or another's; each video is read when asked for.

    Raises:
        DatasetError: As `DatasetStore`.
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
        made_by: How it was made: plain types, by name.
        fingerprint: What made the features.

    Raises:
        OutputError: When the file cannot be written.
    """
    with atomic_file(Path(path)) as temporary, h5py.File(temporary, "w") as file:
        file.attrs[DATASET] = name
        file.attrs[MADE_BY] = json.dumps(dict(made_by), sort_keys=True)
        layout.write_fingerprint_attrs(file.attrs, fingerprint)
        for annotations, features in videos:
            group = file.create_group(annotations.key)
            if features is not None:
                layout.write_group(group, features, None)
            annotation_group.write_annotations(group, annotations)
