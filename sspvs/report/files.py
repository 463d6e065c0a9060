"""Whole files or none: everything the report folder writes goes through a temporary file and a rename."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sspvs.errors import OutputError


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` and rename it to `path` when the block ends well.

    Args:
        path: The file that shall exist afterwards, whole; its folder must exist.

    Yields:
        The temporary path to write to. It is removed when the block raises.

    Raises:
        OutputError: The folder is missing or cannot be written to, or the disk is full.
    """
    # A short name of its own: `path.name` may already be as long as the file system allows.
    temporary = path.parent / f".sspvs-{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"cannot write {path}: {reason}; choose a folder that can be written to") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    r"""Write `text` to `path` atomically as UTF-8 with the line ends it has.

    File names that are not valid UTF-8 reach Python as lone surrogates; they become `?`.
    """
    write_bytes(path, text.encode("utf-8", errors="replace"))
