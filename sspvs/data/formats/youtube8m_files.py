"""Where YouTube-8M frame bytes lie: .npy, .npz, h5, TFRecord, or a folder of these. One video at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sspvs.data.formats.damage import DAMAGE
from sspvs.data.formats.glimpse import Glimpse
from sspvs.data.formats.numpy_file import array_headers, is_numpy, load_array
from sspvs.data.formats.sequence_example import SequenceExample, equal_steps, parse_example
from sspvs.data.formats.tfrecord import looks_like_tfrecord, read_record, record_places
from sspvs.errors import DatasetError, one_line
from sspvs.features.store.byte_file import byte_videos, read_bytes

ByteArray = npt.NDArray[np.uint8]
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
