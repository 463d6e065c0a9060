"""Runs of frames out of many feature files: what a training loader reads, without the rest of a video."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import h5py

from sspvs.errors import FeatureFileError, first_line
from sspvs.table import layout
from sspvs.table.h5_file import open_h5
from sspvs.types import Fingerprint, FloatArray

_H5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError)


class FrameSlices:
    """Reads features by file and group; the files used last stay open.

    Handles are opened at the first use in each process: one that was pickled or forked opens its own.

    Args:
        most_open: Files kept open at a time.
    """

    def __init__(self, most_open: int = 16) -> None:
        self.most_open = most_open
        self._files: OrderedDict[Path, h5py.File] = OrderedDict()
        self._process = os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": OrderedDict(), "_process": 0}

    def shape(self, path: Path, group: str = "") -> tuple[int, int]:
        """(T, D) of a video's features.

        Args:
            path: The h5 file.
            group: The video's group; empty for a file of one video.

        Raises:
            FeatureFileError: It is no readable h5 file, or has no such features.
        """
        try:
            data = self._dataset(path, group)
            return int(data.shape[0]), int(data.shape[1])
        except _H5_ERRORS as error:
            raise _unreadable(path, error) from error

    def read(self, path: Path, group: str = "", start: int = 0, stop: int | None = None) -> FloatArray:
        """(stop - start, D) features of a video's picks `start` to `stop`, as precise as they are stored.

        Raises:
            FeatureFileError: As in `shape`.
        """
        try:
            stored: FloatArray = self._dataset(path, group)[start:stop]
            return stored
        except _H5_ERRORS as error:
            raise _unreadable(path, error) from error

    def fingerprint(self, path: Path, group: str = "") -> Fingerprint | None:
        """What made a video's features; None when unknown.

        Raises:
            FeatureFileError: As in `shape`.
        """
        try:
            data = self._dataset(path, group)
            return layout.read_fingerprint_attrs(data.parent.attrs) or layout.read_fingerprint_attrs(data.file.attrs)
        except _H5_ERRORS as error:
            raise _unreadable(path, error) from error

    def close(self) -> None:
        """Close all files; a later read opens them again."""
        if self._process == os.getpid():
            for file in self._files.values():
                file.close()
        self._files = OrderedDict()

    def _dataset(self, path: Path, group: str) -> h5py.Dataset:
        file = self._open(path)
        data = file.get(f"{group}/{layout.FEATURES}" if group else layout.FEATURES)
        if data is None and not group:
            groups = [key for key in file if layout.is_video_group(file, key)]
            if len(groups) > 1:
                raise FeatureFileError(
                    f"{path} has {len(groups)} videos; say which: {path.name}#{groups[0]}, for instance"
                )
            data = file.get(f"{groups[0]}/{layout.FEATURES}") if groups else None
        where = f"{path}#{group}" if group else str(path)
        if not isinstance(data, h5py.Dataset):
            raise FeatureFileError(f"{where}: no '{layout.FEATURES}' in it; is the name of the video right?")
        if data.ndim != 2 or 0 in data.shape or data.dtype.kind != "f":
            raise FeatureFileError(
                f"{where}: expected '{layout.FEATURES}' as (T, D) of float numbers, found {data.shape} of {data.dtype}"
            )
        return data

    def _open(self, path: Path) -> h5py.File:
        if self._process != os.getpid():  # forked: the parent's handles are not ours to use, nor to close
            self._files, self._process = OrderedDict(), os.getpid()
        file = self._files.get(path)
        if file is None:
            if not path.is_file():
                raise FeatureFileError(f"{path}: no such feature file")
            while len(self._files) >= self.most_open:
                self._files.popitem(last=False)[1].close()
            self._files[path] = file = open_h5(path)
        self._files.move_to_end(path)
        return file


def _unreadable(path: Path, error: BaseException) -> FeatureFileError:
    return FeatureFileError(f"{path}: cannot be read: {first_line(error)}; expected a whole h5 feature file")
