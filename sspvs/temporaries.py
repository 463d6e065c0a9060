"""Temporary files and folders that outlive no process: locked while they are held, removed once their process is gone.

A temporary is called `.sspvs-PID-TOKEN.tmp` and is locked (flock) by the process that writes to it. The system releases
the lock when the process dies, however it dies, and unlike a process number it means the same to another container or
machine on a shared disk. So whatever makes the next temporary in a folder first removes those that no process holds.
"""

import errno
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

OURS = re.compile(r"\.sspvs-(?:staging-)?(\d+)-\w+(?:\.tmp|\.old)?")  # names of temporaries, of earlier versions too
NEW, OLD, LOCK = "new.tmp", "old", "lock"
"""In a temporary folder: what is being made, what it is about to replace, and the lock."""
_SWEEPS_SHARE = 0.05
"""The largest part of the time that may go into looking for leftovers in a folder of very many files."""

_held: set[Path] = set()
_due: dict[Path, float] = {}


@contextmanager
def held_file(folder: Path) -> Iterator[Path]:
    """A new, empty file, held until it is renamed or removed."""
    sweep(folder)
    while (descriptor := _hold(path := folder / _name())) is None:
        pass
    _held.add(path)
    try:
        yield path
    finally:
        with suppress(OSError):  # it was renamed, or its folder is gone
            path.unlink()
        _held.discard(path)
        os.close(descriptor)


@contextmanager
def held_folder(folder: Path) -> Iterator[Path]:
    """A new folder with a lock, and an empty folder `NEW`; it is removed in the end."""
    sweep(folder)
    descriptor = None
    while descriptor is None:
        place = folder / _name()
        place.mkdir()
        with suppress(FileNotFoundError):  # another process took it for abandoned
            try:
                descriptor = _hold(place / LOCK)
            except OSError:
                _remove_folder(place)
                raise
    _held.add(place)
    try:
        (place / NEW).mkdir()
        yield place
    finally:
        _held.discard(place)
        _remove_folder(place)
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a path is a temporary of this process, or in one."""
    return bool(_held) and any(place in _held for place in (path, *path.parents))


def sweep(folder: Path) -> None:
    """Remove the temporary files and folders that a process left when it was killed; nothing is raised.

    What a process holds, wherever it runs, stays; so does everything in a file system without locks.
    """
    start = time.monotonic()
    if start < _due.get(folder, 0.0):
        return
    with suppress(OSError):
        with os.scandir(folder) as entries:
            left = {Path(entry.path) for entry in entries if OURS.fullmatch(entry.name)} - _held
        now = time.monotonic()
        _due[folder] = now + (now - start) / _SWEEPS_SHARE
        for path in left:
            with suppress(OSError):
                _remove_abandoned(path)


def take_lock(path: Path) -> IO[bytes] | None:
    """Lock a file, made where missing; None when another process has it. Remove it while it is still locked."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = path.open("ab")
        except FileNotFoundError:
            continue  # another run, finishing, removed the folder in between
        if not _flock(handle.fileno(), exclusive=True, otherwise=True):
            handle.close()
            return None
        if _is_at(handle.fileno(), path):
            return handle
        handle.close()  # a file that was removed meanwhile


def _name() -> str:
    """Short: the name of the target may already be as long as the file system allows."""
    return f".sspvs-{os.getpid()}-{secrets.token_hex(4)}.tmp"


def _hold(path: Path) -> int | None:
    """Make a file and lock it, shared; None where another process took it for abandoned before it was locked."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    if os.name == "nt":  # an open file cannot be renamed there; there are no locks of this kind, and nothing is swept
        os.close(descriptor)
        return os.open(os.devnull, os.O_RDONLY)
    if _flock(descriptor, exclusive=False, otherwise=True) and _is_at(descriptor, path):
        return descriptor
    os.close(descriptor)
    return None


def _remove_abandoned(path: Path) -> None:
    """Remove one temporary that no process holds; links and the like are not ours."""
    mode = path.lstat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return
    lock = path / LOCK if stat.S_ISDIR(mode) else path
    if lock != path and not lock.exists() and _is_running(path):
        return  # being made this moment, or by a version that did not lock it
    descriptor = os.open(lock, os.O_RDWR | (os.O_CREAT if lock != path else 0), 0o666)
    try:
        if not _flock(descriptor, exclusive=True, otherwise=False) or not _is_at(descriptor, lock):
            return
        if lock == path:
            path.unlink()
        else:
            _remove_folder(path)
    finally:
        os.close(descriptor)


def _remove_folder(place: Path) -> None:
    """Remove a temporary folder, its lock last; what it was about to replace goes back where nothing replaced it."""
    with suppress(OSError):
        for old in (place / OLD).iterdir():
            if not os.path.lexists(place.parent / old.name):
                old.replace(place.parent / old.name)
    with suppress(OSError):
        for path in place.iterdir():
            if path.name != LOCK:
                shutil.rmtree(path, ignore_errors=True)
                path.unlink(missing_ok=True)
    shutil.rmtree(place, ignore_errors=True)


def _is_running(path: Path) -> bool:
    """Whether this machine has a process of the number in a temporary's name."""
    found = OURS.fullmatch(path.name)
    try:
        os.kill(int(found[1]) if found else 0, 0)  # signal 0 only checks; where there is flock, it is no Ctrl-C
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _flock(descriptor: int, *, exclusive: bool, otherwise: bool) -> bool:
    """Lock an open file unless another process has it; `otherwise` where there are no locks (Windows, some disks)."""
    try:
        import fcntl
    except ImportError:
        return otherwise
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError as error:
        return otherwise and error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
