"""TFRecord files, read without TensorFlow.

A file is records one after the other, each framed as: length (8 bytes, little-endian), masked CRC-32C of these 8
bytes (4), the record, masked CRC-32C of the record (4). The mask is `rotate right 15 of the CRC, plus 0xa282ead8`.
(TensorFlow's `tfrecord` documentation; CRC-32C is the Castagnoli polynomial of RFC 3720.)
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import google_crc32c

from sspvs.errors import DatasetError
from sspvs.files import check_kind, check_regular

_MASK_DELTA = 0xA282EAD8
_FRAME, _CHECKSUM = struct.Struct("<QI"), struct.Struct("<I")
_LARGEST = 1 << 30


def masked_crc32c(data: bytes) -> int:
    """CRC-32C as TFRecord stores it."""
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def looks_like_tfrecord(head: bytes) -> bool:
    """Whether the first 12 bytes of a file are a record's frame: the length and its own checksum."""
    if len(head) < _FRAME.size:
        return False
    _, checksum = _FRAME.unpack_from(head)
    return bool(checksum == masked_crc32c(head[:8]))


def read_record(path: str | os.PathLike[str], number: int, offset: int, length: int, *, check: bool = True) -> bytes:
    """One record, from where `record_places` found it.

    Args:
        path: The file.
        number: Which record of the file it is, for messages.
        offset: Where it begins.
        length: Its number of bytes.
        check: Compare it with its checksum.

    Raises:
        DatasetError: The file cannot be read any more, or the record is damaged.
    """
    path = Path(path)
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            content = file.read(length + _CHECKSUM.size)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error
    where, record = f"{path}, record {number} at byte {offset - _FRAME.size}", content[:length]
    if len(content) < length + _CHECKSUM.size:
        raise DatasetError(f"{where}: cut short since the records were found; fetch the file again")
    if check and _CHECKSUM.unpack_from(content, length)[0] != masked_crc32c(record):
        raise DatasetError(f"{where}: damaged, its checksum does not agree; fetch the file again")
    return record


def record_places(path: str | os.PathLike[str]) -> tuple[list[tuple[int, int]], str]:
    """Where the records of a file are, from their frames alone.

    Args:
        path: An uncompressed TFRecord file.

    Returns:
        Offset and length of each record, as far as the file is whole; and what is wrong after them, or nothing.

    Raises:
        DatasetError: It cannot be read.
    """
    path, places, place = Path(path), list[tuple[int, int]](), 0
    try:
        size = check_regular(path)
        with path.open("rb", buffering=0) as file:
            while place < size:
                where = f"{path}, record {len(places)} at byte {place}"
                file.seek(place)
                frame = file.read(_FRAME.size)
                if len(frame) < _FRAME.size:
                    return places, f"{where}: cut short in its frame; fetch the file again"
                length, checksum = _FRAME.unpack(frame)
                if checksum != masked_crc32c(frame[:8]) or length > _LARGEST:
                    _check_first(path, len(places))
                    return places, f"{where}: expected a TFRecord frame, found other bytes; fetch the file again"
                first, place = place + _FRAME.size, place + _FRAME.size + length + _CHECKSUM.size
                if place > size:
                    return places, f"{where}: cut short, {size - first} of {length} bytes; fetch the file again"
                places.append((first, length))
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error
    return places, ""


def _check_first(path: Path, number: int) -> None:
    """Where not even the first record is one: whether the file is something else that is known."""
    if number == 0:
        check_kind(path)


def frame_record(record: bytes) -> bytes:
    """A record with its frame, as it stands in a file."""
    length = struct.pack("<Q", len(record))
    checksums = (_CHECKSUM.pack(masked_crc32c(part)) for part in (length, record))
    return length + next(checksums) + record + next(checksums)
