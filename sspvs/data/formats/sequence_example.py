"""`tf.train.Example` and `tf.train.SequenceExample` messages, read without TensorFlow or protobuf.

The messages, by field number: SequenceExample {1: context Features, 2: FeatureLists}; Example {1: Features};
Features and FeatureLists {1: map entries {1: name, 2: value}}; FeatureList {1: Feature, repeated}; Feature {1: bytes
list, 2: float list, 3: int64 list}, each list {1: values}. Numbers come packed or one by one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sspvs.errors import DatasetError

Values = list[bytes] | list[float] | list[int]
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class SequenceExample:
    """One message.

    Attributes:
        context: Name -> values that concern the whole.
        sequences: Name -> one list of values a step.
    """

    context: dict[str, Values]
    sequences: dict[str, list[Values]]


def parse_example(message: bytes) -> SequenceExample:
    """Read a message. An `Example` has no sequences.

    Raises:
        DatasetError: When it is no such message, or damaged.
    """
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
    """The bytes of a sequence whose steps are each one string of the same length, without parsing every step.

    Args:
        message: A `SequenceExample`.
        name: The sequence's.

    Returns:
        (T, n) the strings; None where the sequence is missing, not so regular, or damaged: `parse_example` knows.
    """
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
    """The entries of a map."""
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
            return [_signed(value) for item in items for value in ([item] if isinstance(item, int) else _varints(item))]
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


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise TypeError("a number where a message was expected")
    return value
