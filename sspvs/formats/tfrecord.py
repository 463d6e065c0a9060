"""TFRecord files, read without TensorFlow.

A file is records one after the other, each framed as: length (8 bytes, little-endian), masked CRC-32C of these 8
bytes (4), the record, masked CRC-32C of the record (4). The mask is `rotate right 15 of the CRC, plus 0xa282ead8`.
(TensorFlow's `tfrecord` documentation; CRC-32C is the Castagnoli polynomial of RFC 3720.)
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import google_crc32c
import numpy as np
import numpy.typing as npt

from sspvs.errors import DatasetError
from sspvs.files import check_kind, check_regular

_MASK_DELTA = 0xA282EAD8
_FRAME, _CHECKSUM = struct.Struct("<QI"), struct.Struct("<I")
_LARGEST = 1 << 30
Values = list[bytes] | list[float] | list[int]
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


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
    """One record, at the offset and of the length that `record_places` found; `check` compares its checksum."""
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
    """Offset and length of each record as far as the file is whole, and what is wrong after them, or nothing."""
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
                    if not places:  # is the file something else that is known?
                        check_kind(path)
                    return places, f"{where}: expected a TFRecord frame, found other bytes; fetch the file again"
                first, place = place + _FRAME.size, place + _FRAME.size + length + _CHECKSUM.size
                if place > size:
                    return places, f"{where}: cut short, {size - first} of {length} bytes; fetch the file again"
                places.append((first, length))
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error
    return places, ""


@dataclass(frozen=True)
class SequenceExample:
    """One message: values that concern the whole, and lists of values a step, both by name."""

    context: dict[str, Values]
    sequences: dict[str, list[Values]]


def parse_example(message: bytes) -> SequenceExample:
    """Read a message. An `Example` has no sequences."""
    try:
        context: dict[str, Values] = {}
        sequences: dict[str, list[Values]] = {}
        for number, part in _fields(message):
            if number == 1:
                context.update({name: _feature(value) for name, value in _entries(_bytes(part))})
            elif number == 2:
                for name, value in _entries(_bytes(part)):
                    sequences[name] = [_feature(_bytes(step)) for field, step in _fields(value) if field == 1]
    except (IndexError, struct.error, UnicodeDecodeError, TypeError) as error:
        raise DatasetError(f"expected a tf.train.SequenceExample, found other bytes ({error})") from error
    return SequenceExample(context, sequences)


def equal_steps(message: bytes, name: str) -> npt.NDArray[np.uint8] | None:
    """(T, n) the bytes of a sequence whose steps are strings of one length, in one look; None where it is not so."""
    try:
        steps = next(
            value
            for number, part in _fields(message)
            if number == 2
            for known, value in _entries(_bytes(part))
            if known == name
        )
        number, first = next(_fields(steps))
        values = _feature(_bytes(first))
    except (StopIteration, IndexError, struct.error, UnicodeDecodeError, TypeError):
        return None
    only = values[0] if len(values) == 1 else b""
    if number != 1 or not isinstance(only, bytes) or not only:
        return None
    head = steps[: steps.find(_bytes(first)) + len(_bytes(first)) - len(only)]
    stride = len(head) + len(only)
    if len(steps) % stride:
        return None
    rows = np.frombuffer(steps, np.uint8).reshape(-1, stride)
    regular = steps.startswith(head + only) and (rows[:, : len(head)] == rows[0, : len(head)]).all()
    return rows[:, len(head) :] if regular else None


def _entries(message: bytes) -> Iterator[tuple[str, bytes]]:
    for number, part in _fields(message):
        if number == 1:
            entry = dict(_fields(_bytes(part)))
            yield _bytes(entry.get(1, b"")).decode("utf-8"), _bytes(entry.get(2, b""))


def _feature(message: bytes) -> Values:
    for number, part in _fields(message):
        items = [value for field, value in _fields(_bytes(part)) if field == 1]
        if number == 1:
            return [_bytes(item) for item in items]
        if number == 2:
            return [value for item in items for (value,) in struct.iter_unpack("<f", _bytes(item))]
        if number == 3:
            numbers = chain.from_iterable([item] if isinstance(item, int) else _varints(item) for item in items)
            return [number - (1 << 64) if number >> 63 else number for number in numbers]
    return []


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field number and content of each field of a message."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, place = _varint(message, place)
            yield number, value
            continue
        if wire == _LENGTH:
            length, place = _varint(message, place)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise IndexError(f"wire type {wire}")
        if place + length > len(message):
            raise IndexError("a field longer than its message")
        yield number, message[place : place + length]
        place += length


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise IndexError("a number of more than 64 bits")


def _varints(packed: bytes) -> Iterator[int]:
    place = 0
    while place < len(packed):
        value, place = _varint(packed, place)
        yield value


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise TypeError("a number where a message was expected")
    return value
