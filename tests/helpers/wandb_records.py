"""Records of a W&B file, as its own reader splits them."""

from __future__ import annotations

from collections.abc import Iterator


def records(log: bytes) -> Iterator[bytes]:
    """Of a W&B file: LevelDB's log format (blocks of 32 KiB; records in parts) after a header of 7 bytes."""
    place, parts = 7, b""
    while place + 7 <= len(log):
        if (left := 32768 - place % 32768) < 7:
            place += left
            continue
        size, kind = int.from_bytes(log[place + 4 : place + 6], "little"), log[place + 6]
        parts += log[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""
