"""How a process and its decoding child talk: length-prefixed messages over a pair of pipes.

A message is four bytes of header length, a JSON header, and the raw bytes of the arrays that the header lists.
Nothing is unpickled.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from sspvs.types import FloatArray, Timeline

_LENGTH = struct.Struct(">I")


class Message(NamedTuple):
    """One message.

    Attributes:
        kind: What it is about.
        fields: Plain values.
        arrays: Arrays of any shape.
    """

    kind: str
    fields: dict[str, Any]
    arrays: tuple[Any, ...]


def write_message(
    stream: BinaryIO, kind: str, fields: dict[str, Any] | None = None, arrays: Sequence[npt.NDArray[Any]] = ()
) -> None:
    """Send a message.

    Args:
        stream: The pipe.
        kind: What the message is about.
        fields: Values that JSON can hold.
        arrays: Arrays that travel as they lie in memory.
    """
    shapes = [(array.dtype.str, array.shape) for array in arrays]
    header = json.dumps({"kind": kind, "fields": fields or {}, "arrays": shapes}).encode()
    stream.write(_LENGTH.pack(len(header)) + header)
    for array in arrays:
        if array.size:
            stream.write(np.ascontiguousarray(array).data.cast("B"))
    stream.flush()


def read_message(stream: BinaryIO) -> Message | None:
    """Wait for a message.

    Args:
        stream: The pipe.

    Returns:
        The message, or None when the other side is gone, be it in the middle of a message.
    """
    length = bytearray(_LENGTH.size)
    if not _fill(stream, memoryview(length)):
        return None
    raw = bytearray(_LENGTH.unpack(length)[0])
    if not _fill(stream, memoryview(raw)):
        return None
    header = json.loads(bytes(raw))
    arrays = []
    for dtype, shape in header["arrays"]:
        array = np.empty(shape, dtype=np.dtype(dtype))
        if array.size and not _fill(stream, array.data.cast("B")):
            return None
        arrays.append(array)
    return Message(header["kind"], header["fields"], tuple(arrays))


def pack_timeline(timeline: Timeline) -> tuple[dict[str, Any], FloatArray]:
    """A timeline as plain fields and the array that goes with them."""
    fields = {"end_seconds": timeline.end_seconds, "origins": timeline.origins, "gaps": timeline.gaps}
    return {**fields, "guessed_frames": timeline.guessed_frames}, timeline.frame_seconds


def unpack_timeline(fields: dict[str, Any], frame_seconds: FloatArray) -> Timeline:
    """The timeline that `pack_timeline` took apart."""
    origins = tuple((float(seconds), float(raw)) for seconds, raw in fields["origins"])
    return Timeline(frame_seconds, fields["end_seconds"], origins, fields["guessed_frames"], tuple(fields["gaps"]))


def _fill(stream: BinaryIO, view: memoryview) -> bool:
    while len(view):
        count = stream.readinto(view)  # type: ignore[attr-defined]
        if not count:
            return False
        view = view[count:]
    return True
