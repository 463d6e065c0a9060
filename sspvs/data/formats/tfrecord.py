"""TFRecord files, read without TensorFlow.

A file is records one after the other, each framed as: length (8 bytes, little-endian), masked CRC-32C of these 8
bytes (4), the record, masked CRC-32C of the record (4). The mask is `rotate right 15 of the CRC, plus 0xa282ead8`.
(TensorFlow's `tfrecord` documentation; CRC-32C is the Castagnoli polynomial of RFC 3720.)
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from sspvs.errors import DatasetError
from sspvs.files import check_kind

_CASTAGNOLI = 0x82F63B78  # reflected
_MASK_DELTA = 0xA282EAD8
_FRAME = struct.Struct("<QI")
_LARGEST = 1 << 30


def crc32c(data: bytes) -> int:
    """CRC-32C of some bytes.

    Example:
        >>> hex(crc32c(b"123456789"))
        '0xe3069283'
    """
    table, crc = _table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def masked_crc32c(data: bytes) -> int:
    """CRC-32C as TFRecord stores it."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


@lru_cache(maxsize=1)
def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (_CASTAGNOLI if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


def looks_like_tfrecord(head: bytes) -> bool:
    """Whether the first 12 bytes of a file are a record's frame: the length and its own checksum."""
    if len(head) < _FRAME.size:
        return False
    _, checksum = _FRAME.unpack_from(head)
    return bool(checksum == masked_crc32c(head[:8]))


def read_records(path: str | os.PathLike[str], *, check: bool = False) -> Iterator[bytes]:
    """The records of a file, one at a time.

    Args:
        path: An uncompressed TFRecord file.
        check: Also compare each record with its checksum: about a second for 10 MB. The frames' own checksums, which
            find most damage, are always compared.

    Yields:
        The bytes of each record.

    Raises:
        DatasetError: When the file cannot be read, is no TFRecord file, or is damaged or cut short.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            number = 0
            while frame := file.read(_FRAME.size):
                where = f"{path}, record {number}"
                if len(frame) < _FRAME.size:
                    raise DatasetError(f"{where}: cut short in its frame; fetch the file again")
                length, checksum = _FRAME.unpack(frame)
                if checksum != masked_crc32c(frame[:8]) or length > _LARGEST:
                    _check_first(path, number)
                    raise DatasetError(f"{where}: expected a TFRecord frame, found other bytes; fetch the file again")
                record, tail = file.read(length), file.read(4)
                if len(record) < length or len(tail) < 4:
                    raise DatasetError(f"{where}: cut short, {len(record)} of {length} bytes; fetch the file again")
                if check and struct.unpack("<I", tail)[0] != masked_crc32c(record):
                    raise DatasetError(f"{where}: its checksum does not agree; fetch the file again")
                yield record
                number += 1
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error


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
        size = path.stat().st_size
        with path.open("rb", buffering=0) as file:
            while place < size:
                where = f"{path}, record {len(places)}"
                file.seek(place)
                frame = file.read(_FRAME.size)
                if len(frame) < _FRAME.size:
                    return places, f"{where}: cut short in its frame; fetch the file again"
                length, checksum = _FRAME.unpack(frame)
                if checksum != masked_crc32c(frame[:8]) or length > _LARGEST:
                    _check_first(path, len(places))
                    return places, f"{where}: expected a TFRecord frame, found other bytes; fetch the file again"
                first, place = place + _FRAME.size, place + _FRAME.size + length + 4
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
    checksums = (struct.pack("<I", masked_crc32c(part)) for part in (length, record))
    return length + next(checksums) + record + next(checksums)
