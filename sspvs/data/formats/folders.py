"""Whole folders or none: a folder is built beside its place and renamed when all of it is there."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sspvs.errors import OutputError


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give a new folder to fill, and put it in the place of `path` when the block ends well.

    Args:
        path: The folder that shall exist afterwards. What is there is replaced by the whole new folder: ask before.

    Yields:
        The folder to fill, in the same parent; it is removed when the block raises.

    Raises:
        OutputError: The parent is missing or cannot be written to, or the disk is full.
    """
    mark = f".sspvs-{os.getpid()}-{secrets.token_hex(4)}"
    fresh, old = path.parent / f"{mark}.tmp", path.parent / f"{mark}.old"
    try:
        fresh.mkdir()
        yield fresh
        if path.exists():
            path.replace(old)
        try:
            fresh.replace(path)
        except OSError:
            with suppress(OSError):
                old.replace(path)  # as it was
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"cannot write {path}: {reason}; choose a folder that can be written to") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
