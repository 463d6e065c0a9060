"""Whole files or none: everything this package writes goes through a temporary file and a rename."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sspvs.errors import OutputError, printable


@contextmanager
def atomic_file(path: Path, folder: Path | None = None) -> Iterator[Path]:
    """Give a temporary path and rename it to `path` when the block ends well.

    What was written is on the disk before it gets its name, so that a file under its own name is whole even after a
    power cut.

    Args:
        path: The file that shall exist afterwards, whole; its folder must exist.
        folder: Where the temporary file lies (on the same file system); beside `path` unless given.

    Yields:
        The temporary path to write to. It is removed when the block raises.

    Raises:
        OutputError: The folder is missing or cannot be written to, or the disk is full.
    """
    # A short name of its own: `path.name` may already be as long as the file system allows.
    temporary = (folder or path.parent) / f".sspvs-{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"cannot write {path}: {reason}; choose a folder that can be written to") from error
    finally:
        with suppress(OSError):  # it was renamed, or its folder is none
            temporary.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically as UTF-8 with the line ends it has, made `printable`."""
    write_bytes(path, printable(text).encode("utf-8"))
