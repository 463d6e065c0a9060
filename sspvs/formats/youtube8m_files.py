"""YouTube-8M's quantisation of features to bytes, and back (Abu-El-Haija et al., 2016; the set's own reader).

A byte b stands for `b * 4/255 + 4/512 - 2`: 256 levels over [-2, 2].
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from sspvs.atomic import atomic_h5
from sspvs.errors import DatasetError, one_line
from sspvs.formats.glimpse import DAMAGE, Glimpse
from sspvs.formats.numpy_file import array_headers, is_numpy, load_array
from sspvs.formats.tfrecord import (
    SequenceExample,
    equal_steps,
    looks_like_tfrecord,
    parse_example,
    read_record,
    record_places,
)
from sspvs.table import layout
from sspvs.table.h5_file import open_h5
from sspvs.table.h5_survey import AUDIO_BYTES, FRAME_BYTES
from sspvs.types import FloatArray

ByteArray = npt.NDArray[np.uint8]
STEP, BIAS = 4 / 255, 4 / 512 - 2
_LARGEST = 255 * STEP + BIAS
_UNIT_LENGTH = 1e-3


def dequantise(values: ByteArray, *, unit_length: bool = True) -> FloatArray:
    """Bytes as features.

    Args:
        values: (T, D) uint8.
        unit_length: L2-normalise each row afterwards, as the contrastive summarizers do (CTVSUM).

    Returns:
        (T, D) float32.
    """
    features: FloatArray = (values.astype(np.float64) * STEP + BIAS).astype(np.float32)
    if unit_length:
        features = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return features


def quantise(features: FloatArray) -> tuple[ByteArray, bool]:
    """Features as bytes.

    Features within [-2, 2] go to the nearest level. Rows of unit length, which would fall on a handful of levels, and
    features beyond the range are first stretched or shrunk, each row by one factor, so that the row's largest value
    is the last level: their direction is kept, their length is not. (Readers L2-normalise.)

    Args:
        features: (T, D) finite.

    Returns:
        (T, D) uint8, and whether rows were stretched or shrunk.
    """
    rows = np.asarray(features, dtype=np.float64)
    largest = np.abs(rows).max(axis=1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1)
    known = lengths[lengths > 0]
    rescaled = bool(largest.max() > 2) or bool(len(known) and (np.abs(known - 1) < _UNIT_LENGTH).all())
    if rescaled:
        rows = rows * (_LARGEST / np.maximum(largest, 1e-12))
    levels = np.clip(np.rint((rows - BIAS) / STEP), 0, 255)
    return levels.astype(np.uint8), rescaled


def byte_videos(path: str | os.PathLike[str]) -> list[str]:
    """The videos of such a file.

    Raises:
        OSError: When h5py cannot read it.
    """
    with open_h5(path) as file:
        return [key for key in file if not key.startswith("#") and _dataset(file, key) is not None]


def read_bytes(path: str | os.PathLike[str], key: str) -> tuple[ByteArray, tuple[str, ...]]:
    """One video's (T, D) bytes, and what else the group has, in words.

    Raises:
        KeyError: When there is no such video.
        DatasetError: When it holds something else.
    """
    with open_h5(path) as file:
        data = _dataset(file, key)
        if data is None:
            raise KeyError(key)
        if data.dtype != np.uint8 or data.ndim != 2 or 0 in data.shape:
            raise DatasetError(f"{path}, video '{key}': expected (T, D) uint8, found {data.shape} of {data.dtype}")
        others = (
            [name for name in file[key] if name != Path(data.name).name] if isinstance(file[key], h5py.Group) else []
        )
        unread = [f"dataset '{name}'" + (" (sound)" if name == AUDIO_BYTES else "") for name in others]
        values: ByteArray = np.asarray(data[()])
        return values, tuple(unread)


def write_bytes(path: Path, videos: Iterable[tuple[str, ByteArray]]) -> None:
    """Write a dataset a video."""
    with atomic_h5(path) as file:
        for key, values in videos:
            file.create_dataset(layout.group_name(key), data=values, compression="gzip", shuffle=True)


def _dataset(file: h5py.File, key: str) -> Any:
    entry = file.get(key)
    if isinstance(entry, h5py.Dataset):
        return entry
    if not isinstance(entry, h5py.Group):
        return None
    found: Iterator[Any] = (entry[name] for name in (FRAME_BYTES, layout.FEATURES) if name in entry)
    return next(found, None)


SUFFIXES = (".npy", ".npz", ".h5", ".hdf5", ".tfrecord")
_FRAMES, _SOUND = "rgb", "audio"
_IDS = ("id", "video_id")  # version 2 of the set, version 1
_LOOKED_AT = 5  # files that tell what a folder is
_PARTS = {_FRAMES, _SOUND, "features"}


@dataclass(frozen=True)
class ByteVideo:
    """One video's frame bytes.

    Attributes:
        values: (T, D) uint8.
        unread: What else is there, in words.
    """

    values: ByteArray
    unread: tuple[str, ...] = ()


ByteEntry = tuple[str, Callable[[], ByteVideo]]


def holds_bytes(glimpse: Glimpse) -> bool:
    """Whether a path has YouTube-8M frame bytes."""
    if glimpse.is_folder:
        return any(_is_byte_file(path) for path in glimpse.files(*SUFFIXES)[:_LOOKED_AT])
    if glimpse.family is not None:
        return glimpse.family == "bytes"
    if is_numpy(glimpse):
        return all(len(header.shape) == 2 and header.dtype == np.uint8 for header in array_headers(glimpse.path))
    return looks_like_tfrecord(glimpse.head)


def _is_byte_file(path: Path) -> bool:
    try:
        return holds_bytes(Glimpse(path))
    except DAMAGE:  # one damaged file among others
        return False


def byte_entries(path: Path, *, check: bool = True) -> Iterator[ByteEntry]:
    """Key and what reads that video, for every video of a file or folder.

    Args:
        path: The file or folder.
        check: Compare each record of a TFRecord file with its checksum.

    Raises:
        DatasetError: From the iterator, when a record file is damaged; from a reader, when its video is.
    """
    if path.is_dir():
        for file in Glimpse(path).files(*SUFFIXES):
            yield from _guarded(file, check)
        return
    glimpse = Glimpse(path)
    if glimpse.is_h5:
        for key in byte_videos(path):
            yield key, lambda key=key: ByteVideo(*read_bytes(path, key))  # type: ignore[misc]
    elif is_numpy(glimpse):
        yield from _numpy_entries(path)
    elif looks_like_tfrecord(glimpse.head):
        places, wrong = record_places(path)
        for number, place in enumerate(places):
            yield _record_entry(path, number, place, check)
        if wrong:
            raise DatasetError(wrong)
    else:
        raise DatasetError(f"{path}: expected frame bytes (.npy, .npz, h5 or TFRecord), found something else")


def _guarded(file: Path, check: bool) -> Iterator[ByteEntry]:
    """The videos of one of several files; where it is damaged, an entry that says so."""
    try:
        yield from byte_entries(file, check=check)
    except DAMAGE as error:
        message = f"{file}: {one_line(error).removeprefix(f'{file}: ')}"

        def damaged() -> ByteVideo:
            raise DatasetError(message)

        yield file.name, damaged


def _numpy_entries(path: Path) -> Iterator[ByteEntry]:
    headers = array_headers(path)
    names = {header.name for header in headers}
    if names <= _PARTS | {""}:  # one video, perhaps with its sound
        name = next((known for known in (_FRAMES, "features", "") if known in names), "")
        unread = tuple(f"array '{other}'" for other in sorted(names - {name}))
        yield path.stem, lambda: ByteVideo(_checked(path, load_array(path, name)), unread)
        return
    for header in headers:
        yield header.name, lambda name=header.name: ByteVideo(_checked(path, load_array(path, name)))  # type: ignore[misc]


def _checked(path: Path, values: npt.NDArray[np.generic]) -> ByteArray:
    if values.dtype != np.uint8 or values.ndim != 2 or 0 in values.shape:
        raise DatasetError(f"{path}: expected (T, D) uint8, found {values.shape} of {values.dtype}")
    return values.astype(np.uint8, copy=False)


def _record_entry(path: Path, number: int, place: tuple[int, int], check: bool) -> ByteEntry:
    where = f"{path}, record {number}"
    try:
        example = parse_example(read_record(path, number, *place, check=check))
    except DatasetError as error:
        message = str(error) if str(path) in str(error) else f"{where}: {error}"

        def damaged() -> ByteVideo:
            raise DatasetError(message)

        return f"record {number}", damaged
    ids = [example.context[name] for name in _IDS if example.context.get(name)]
    first = ids[0][0] if ids else b""
    key = first.decode("utf-8", "replace") if isinstance(first, bytes) and first else f"{path.stem}_{number}"
    return key, lambda: _frames(example, where)


def record_bytes(record: bytes, where: str) -> ByteArray:
    """(T, D) frame bytes of one record.

    Args:
        record: A `tf.train.SequenceExample`.
        where: File and record, for messages.

    Raises:
        DatasetError: It is damaged, or has no frames.
    """
    rows = equal_steps(record, _FRAMES)
    if rows is not None:
        return rows
    try:
        return _frames(parse_example(record), where).values
    except DatasetError as error:
        raise DatasetError(f"{where}: {str(error).removeprefix(f'{where}: ')}") from error


def _frames(example: SequenceExample, where: str) -> ByteVideo:
    steps = example.sequences.get(_FRAMES)
    if not steps:
        kind = "a video-level record (means only)" if "mean_rgb" in example.context else "no frames"
        raise DatasetError(f"{where}: expected frame features under '{_FRAMES}', found {kind}; use the frame-level set")
    rows = [step[0] if step else b"" for step in steps]
    widths = {len(row) if isinstance(row, bytes) else -1 for row in rows}
    if len(widths) != 1 or min(widths) < 1:
        raise DatasetError(f"{where}: expected as many bytes in every frame, found {sorted(widths)}")
    values = np.frombuffer(b"".join(row for row in rows if isinstance(row, bytes)), dtype=np.uint8)
    unread = ["sound features"] if _SOUND in example.sequences else []
    unread += ["class numbers"] if example.context.get("labels") else []
    return ByteVideo(values.reshape(len(rows), -1), tuple(unread))
