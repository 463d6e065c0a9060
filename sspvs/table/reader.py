"""Reads features from where a `FeatureStream` points, in part where the file allows it, with few files open.

Axis letters: T picks, t of them, D feature width.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
import numpy.typing as npt

from sspvs.errors import FeatureFileError, SspvsError, first_line
from sspvs.files import check_kind, check_regular
from sspvs.table import layout
from sspvs.table.h5_file import DAMAGE, open_h5
from sspvs.table.numpy_file import ArrayHeader, read_header
from sspvs.table.streams import FEATURES
from sspvs.table.video import FeatureStream, Stored
from sspvs.types import Fingerprint, FloatArray

_ARRAYS = (".npy", ".tar")
BYTE_STEP, BYTE_BIAS = 4 / 255, 4 / 512 - 2  # YouTube-8M's bytes (Abu-El-Haija et al., 2016): 256 levels within [-2, 2]


class StreamReader:
    """Reads streams, from files that each process opens at the first use; the last array of a `load` is kept."""

    def __init__(self, most_open: int = 16) -> None:
        self.most_open = most_open
        self._files: OrderedDict[Path, h5py.File | IO[bytes]] = OrderedDict()
        self._process = os.getpid()
        self._last: tuple[FeatureStream, Stored] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": OrderedDict(), "_process": 0, "_last": None}

    def shape(self, stream: FeatureStream) -> tuple[int, int]:
        """(T, D); FeatureFileError where there is no such array of numbers."""
        with _readable(stream):
            if stream.load is not None:
                length, width = self._loaded(stream).shape
            elif _is_array(stream):
                length, width = self._array(stream)[1].shape
            else:
                length, width = self._dataset(stream).shape
        return int(length), int(width)

    def is_bytes(self, stream: FeatureStream) -> bool:
        """Whether the features are YouTube-8M's bytes; where the file allows it, only its header is read."""
        with _readable(stream):
            if stream.load is not None:
                return bool(self._loaded(stream).dtype == np.uint8)
            return _is_array(stream) and bool(self._array(stream)[1].dtype == np.uint8)

    def stored(self, stream: FeatureStream, start: int = 0, stop: int | None = None) -> Stored:
        """(t, D) rows `start` to `stop` as they are stored; the rest is not read, where the file allows it."""
        with _readable(stream):
            if stream.load is not None:
                return np.array(self._loaded(stream)[start:stop])
            rows: Stored
            if not _is_array(stream):
                rows = self._dataset(stream)[start:stop]
                return rows
            file, header = self._array(stream)
            length, width = header.shape
            if header.by_column:
                content = file.read(header.n_bytes)
                rows = np.frombuffer(bytearray(content), header.dtype).reshape(width, length).T[start:stop]
                return rows
            first, last, _ = slice(start, stop).indices(length)
            row_bytes = width * header.dtype.itemsize
            file.seek(first * row_bytes, os.SEEK_CUR)
            content = file.read(max(last - first, 0) * row_bytes)
            rows = np.frombuffer(bytearray(content), header.dtype).reshape(-1, width)
            return rows

    def read(self, stream: FeatureStream, start: int = 0, stop: int | None = None) -> FloatArray:
        """(t, D) float32 rows `start` to `stop`; see `as_features`."""
        return as_features(self.stored(stream, start, stop))

    def fingerprint(self, stream: FeatureStream) -> Fingerprint | None:
        """What made the features; None when unknown."""
        if stream.load is not None or _is_array(stream):
            return None
        with _readable(stream):
            data = self._dataset(stream)
            own = layout.read_fingerprint_attrs(data.attrs)
            if own is not None or stream.name != FEATURES:
                return own
            return layout.read_fingerprint_attrs(data.parent.attrs) or layout.read_fingerprint_attrs(data.file.attrs)

    def stream_names(self, *streams: FeatureStream) -> list[str]:
        """The datasets of all streams beside one of an h5 file; the names of several, or of one of another file."""
        (first, *more), names = streams, [stream.name for stream in streams]
        if more or first.load is not None or _is_array(first) or first.name != FEATURES:
            return names
        with suppress(SspvsError), _readable(first):  # it is reported where the features are read
            return layout.stream_names(self._dataset(first).parent)
        return names

    def close(self) -> None:
        """Close all files; a later read opens them again."""
        if self._process == os.getpid():
            for file in self._files.values():
                file.close()
        self._files, self._last = OrderedDict(), None

    def _loaded(self, stream: FeatureStream) -> Stored:
        if self._last is not None and self._last[0] == stream:
            return self._last[1]
        assert stream.load is not None
        array = stream.load(stream)
        if array.ndim != 2 or 0 in array.shape or not _is_numbers(array.dtype):
            raise FeatureFileError(
                f"{stream.place}: expected (T, D) float numbers or bytes, found {array.shape} of {array.dtype}"
            )
        self._last = stream, array
        return array

    def _dataset(self, stream: FeatureStream) -> h5py.Dataset:
        path, group = stream.path, stream.group
        file = self._open(path)
        data = file.get(f"{group}/{stream.name}" if group else stream.name)
        if data is None and not group:
            groups = [key for key in file if layout.is_video_group(file, key)]
            if len(groups) > 1:
                raise FeatureFileError(
                    f"{path} has {len(groups)} videos; say which: {path.name}#{groups[0]}, for instance"
                )
            data = file.get(f"{groups[0]}/{stream.name}") if groups else None
        where = f"{path}#{group}" if group else str(path)
        if not isinstance(data, h5py.Dataset):
            raise FeatureFileError(f"{where}: no '{stream.name}' in it; is the name of the video right?")
        layout.check_features_dataset(data, stream.name, where)
        return data

    def _array(self, stream: FeatureStream) -> tuple[IO[bytes], ArrayHeader]:
        """The file, standing where the array's values begin, and its header."""
        try:
            file = self._open(stream.path)
            file.seek(stream.offset)
            header = read_header(file)
        except FeatureFileError:
            raise
        except Exception as error:  # whatever a damaged header makes NumPy's parser raise
            raise FeatureFileError(f"{stream.place}: cannot be read as a NumPy array: {first_line(error)}") from error
        if len(header.shape) != 2 or min(header.shape) < 1 or not _is_numbers(header.dtype):
            raise FeatureFileError(
                f"{stream.place}: expected (T, D) float numbers, found {header.shape} of {header.dtype}"
            )
        there = os.fstat(file.fileno()).st_size - file.tell()
        if there < header.n_bytes:
            raise FeatureFileError(
                f"{stream.place}: the file is cut short: {there} of {header.n_bytes} bytes of the array; write it again"
            )
        return file, header

    def _open(self, path: Path) -> Any:
        if self._process != os.getpid():  # forked: the parent's handles are not ours to use, nor to close
            self._files, self._process = OrderedDict(), os.getpid()
        file = self._files.get(path)
        if file is None:
            if not path.exists():
                raise FeatureFileError(f"{path}: no such feature file")
            check_regular(path)
            while len(self._files) >= self.most_open:
                self._files.popitem(last=False)[1].close()
            if path.suffix.lower() in _ARRAYS:
                check_kind(path, "npy", "tar")
                file = path.open("rb")
            else:
                file = open_h5(path)
            self._files[path] = file
        self._files.move_to_end(path)
        return file


def _is_array(stream: FeatureStream) -> bool:
    return stream.path.suffix.lower() in _ARRAYS


def _is_numbers(dtype: np.dtype[Any]) -> bool:
    return dtype.kind == "f" or dtype == np.uint8


@contextmanager
def _readable(stream: FeatureStream) -> Iterator[None]:
    """One line about whatever h5py and other libraries raise on damaged files."""
    try:
        yield
    except SspvsError:
        raise
    except DAMAGE as error:
        whole = "" if _is_array(stream) or stream.load is not None else "; expected a whole h5 feature file"
        where = stream.path if stream.load is None else stream.place
        raise FeatureFileError(f"{where}: cannot be read: {first_line(error)}{whole}") from error


def as_features(stored: Stored) -> FloatArray:
    """Stored rows as float32 features; YouTube-8M's bytes get unit length, as the contrastive refiner is published."""
    if stored.dtype == np.uint8:
        return dequantise(stored)
    if stored.dtype == np.float16:  # torch uses the processor's instruction, which is five times as fast as NumPy
        import torch

        widened: FloatArray = torch.from_numpy(stored).float().numpy()
        return widened
    return stored.astype(np.float32, copy=False)


def dequantise(values: npt.NDArray[np.uint8], *, unit_length: bool = True) -> FloatArray:
    """YouTube-8M's (T, D) bytes as float32: b is `b * 4/255 + 4/512 - 2`; rows L2-normalised, as CTVSUM does."""
    features: FloatArray = (values.astype(np.float64) * BYTE_STEP + BYTE_BIAS).astype(np.float32)
    if unit_length:
        features = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return features
