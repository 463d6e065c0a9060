"""What is known of a video-text pair before its features are read."""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from sspvs.errors import FeatureFileError, first_line
from sspvs.files import check_kind
from sspvs.table.frame_slices import FrameSlices
from sspvs.table.text import TextFields, TokenFields
from sspvs.types import Fingerprint, FloatArray


@dataclass(frozen=True)
class FeatureRef:
    """Where a video's features are.

    Attributes:
        path: An h5 file, a .npy file, or a tar of shards.
        group: The video's group in an h5 file; empty for a file of one video.
        offset: Where the array's bytes begin in a tar.
    """

    path: Path
    group: str = ""
    offset: int = 0

    @property
    def name(self) -> str:
        """As a manifest writes it."""
        return f"{self.path}#{self.group}" if self.group else str(self.path)


@dataclass(frozen=True)
class Entry:
    """A line of a manifest, or what stands for one.

    Attributes:
        id: The video's name, unique.
        source: Its features, or the video itself.
        text: What is written about it.
        where: `line 7`, for messages.
        part: `train`, `val` or empty, where the file says so.
    """

    id: str
    source: FeatureRef | Path
    text: TextFields | TokenFields
    where: str = ""
    part: str = ""


@dataclass(frozen=True)
class PretrainItem:
    """A video-text pair that was looked at and found good.

    Attributes:
        id: The video's name, unique.
        features: Where its features are.
        text: What is written about it.
        n_frames: T, its picks.
        feature_dim: D.
        part: `train`, `val` or empty, where the file says so.
        shard: Number of the shard it is in; -1 outside of shards.
    """

    id: str
    features: FeatureRef
    text: TextFields | TokenFields
    n_frames: int
    feature_dim: int
    part: str = ""
    shard: int = -1


class FeatureReader:
    """Reads features by reference. Files are opened at the first use in each process, those used last stay open.

    Args:
        most_open: Files of a kind kept open at a time.
    """

    def __init__(self, most_open: int = 16) -> None:
        self._h5 = FrameSlices(most_open)
        self._arrays = _ArrayFiles(most_open)

    def shape(self, ref: FeatureRef) -> tuple[int, int]:
        """(T, D) of a video's features.

        Raises:
            FeatureFileError: There are none, or they are no (T, D) array of float numbers.
        """
        if ref.path.suffix in (".npy", ".tar"):
            return self._arrays.shape(ref)
        return self._h5.shape(ref.path, ref.group)

    def read(self, ref: FeatureRef, start: int = 0, stop: int | None = None) -> FloatArray:
        """(stop - start, D) float32 features of the picks `start` to `stop`; the rest of the video is not read.

        Raises:
            FeatureFileError: As in `shape`.
        """
        return single_precision(self.stored_floats(ref, start, stop))

    def stored_floats(self, ref: FeatureRef, start: int = 0, stop: int | None = None) -> FloatArray:
        """The same as precise as it is stored.

        Raises:
            FeatureFileError: As in `shape`.
        """
        if ref.path.suffix in (".npy", ".tar"):
            return self._arrays.read(ref, start, stop)
        return self._h5.read(ref.path, ref.group, start, stop)

    def fingerprint(self, ref: FeatureRef) -> Fingerprint | None:
        """What made the features; None when unknown."""
        return None if ref.path.suffix in (".npy", ".tar") else self._h5.fingerprint(ref.path, ref.group)

    def close(self) -> None:
        """Close all files; a later read opens them again."""
        self._h5.close()
        self._arrays.close()


def single_precision(stored: FloatArray) -> FloatArray:
    """As float32; half precision by torch, whose processor instruction is five times as fast as NumPy."""
    if stored.dtype == np.float16:
        import torch

        widened: FloatArray = torch.from_numpy(stored).float().numpy()
        return widened
    return stored.astype(np.float32, copy=False)


class _ArrayFiles:
    """Arrays in NumPy's format, alone in a file or somewhere in a tar. Nothing is unpickled."""

    def __init__(self, most_open: int) -> None:
        self.most_open = most_open
        self._files: OrderedDict[Path, IO[bytes]] = OrderedDict()
        self._process = os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": OrderedDict(), "_process": 0}

    def shape(self, ref: FeatureRef) -> tuple[int, int]:
        return self._header(ref)[1]

    def read(self, ref: FeatureRef, start: int, stop: int | None) -> FloatArray:
        file, (length, width), dtype = self._header(ref)
        first, last, _ = slice(start, stop).indices(length)
        row = width * dtype.itemsize
        file.seek(first * row, os.SEEK_CUR)
        content = file.read(max(last - first, 0) * row)
        return np.frombuffer(bytearray(content), dtype).reshape(-1, width)

    def close(self) -> None:
        if self._process == os.getpid():
            for file in self._files.values():
                file.close()
        self._files = OrderedDict()

    def _header(self, ref: FeatureRef) -> tuple[IO[bytes], tuple[int, int], np.dtype[Any]]:
        """The file, standing where the values begin, and what they are."""
        try:
            file = self._open(ref.path)
            file.seek(ref.offset)
            version = np.lib.format.read_magic(file)
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, by_column, dtype = reader(file)
        except Exception as error:  # whatever a damaged header makes NumPy's parser raise
            raise FeatureFileError(f"{ref.name}: cannot be read as a NumPy array: {first_line(error)}") from error
        if len(shape) != 2 or min(shape) < 1 or dtype.kind != "f" or by_column:
            order = ", column by column" if by_column else ""
            raise FeatureFileError(f"{ref.name}: expected (T, D) float numbers, found {shape} of {dtype}{order}")
        if os.fstat(file.fileno()).st_size - file.tell() < math.prod(shape) * dtype.itemsize:
            raise FeatureFileError(f"{ref.name}: the file is cut short; write it again")
        return file, (int(shape[0]), int(shape[1])), dtype

    def _open(self, path: Path) -> IO[bytes]:
        if self._process != os.getpid():  # forked: the parent's place in its files is not ours to move
            self._files, self._process = OrderedDict(), os.getpid()
        if path not in self._files:
            while len(self._files) >= self.most_open:
                self._files.popitem(last=False)[1].close()
            check_kind(path, "npy", "tar")
            self._files[path] = path.open("rb")
        self._files.move_to_end(path)
        return self._files[path]
