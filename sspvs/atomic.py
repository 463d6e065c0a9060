"""Whole files or none: everything this package writes goes through a temporary file or folder and a rename.

A temporary is called `.sspvs-PID-TOKEN.tmp` and is locked (flock) by the process that writes to it. The system releases
the lock when the process dies, however it dies, and unlike a process number it means the same to another container or
machine on a shared disk. So whoever makes the next temporary in a folder first removes those that no one holds.
"""

from __future__ import annotations

import errno
import io
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from sspvs.errors import OutputError, printable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_OURS = re.compile(r"\.sspvs-(?:staging-)?(\d+)-\w+(?:\.tmp|\.old)?")
_NEW, _OLD, _LOCK = "new.tmp", "old", "lock"
"""In a temporary folder: what is being made, what it is about to replace, and the lock."""
_IN_TEXT = re.compile(r"\[Errno (\d+)\]")
"""How Python puts the system's number of an error into words: those that another process had come as text."""
_FULL = "free some space there, or choose another place"
_REMEDIES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), or choose another place",
}
_SWEEPS_SHARE = 0.05
"""The largest part of the time that may go into looking for leftovers in a folder of very many files."""

_held: set[Path] = set()
_due: dict[Path, float] = {}
_group: ContextVar[_Group | None] = ContextVar("sspvs_group", default=None)


@dataclass
class _Group:
    """Files that wait for their names; see `together`."""

    temporaries: ExitStack
    moves: list[tuple[Path, Path]] = field(default_factory=list)
    seals: list[Path] = field(default_factory=list)


@contextmanager
def atomic_file(path: Path, folder: Path | None = None) -> Iterator[Path]:
    """Give a temporary path and rename it to `path` when the block ends well.

    What was written is on the disk before it gets its name, so that a file under its own name is whole even after a
    power cut. A file that is inside a temporary folder is written in its place, because the folder is what is renamed.

    Args:
        path: The file that shall exist afterwards, whole; its folder must exist.
        folder: Where the temporary file lies (on the same file system); beside `path` unless given.

    Yields:
        The temporary path, of an empty file to write to. It is removed when the block raises.

    Raises:
        OutputError: The folder is missing or cannot be written to, or the disk is full.
    """
    group, temporary = _group.get(), path
    try:
        with ExitStack() if group is None else nullcontext(group.temporaries) as stack:
            if _is_temporary(path):
                path.open("wb").close()
            else:
                temporary = stack.enter_context(_temporary_file(folder or path.parent))
            yield temporary
            with temporary.open("rb+") as handle:
                os.fsync(handle.fileno())
            if group is not None and temporary != path:
                group.moves.append((temporary, path))
            elif temporary != path:
                temporary.replace(path)
    except Exception as error:
        _raise_output_error(error, path, temporary)
        raise


@contextmanager
def atomic_stream(path: Path, folder: Path | None = None, *, read_back: bool = False) -> Iterator[IO[bytes]]:
    """Like `atomic_file`, for libraries that write to an open file: whatever they make of a full disk is one error.

    Args:
        path: As for `atomic_file`.
        folder: As for `atomic_file`.
        read_back: As for `OutputStream`.

    Yields:
        The file to write to.

    Raises:
        OutputError: As `atomic_file`.
    """
    with atomic_file(path, folder) as temporary:
        stream = OutputStream(temporary, read_back=read_back)
        try:
            yield cast("IO[bytes]", stream)
        except Exception:
            if stream.error is None:
                raise
        finally:
            stream.close()
        stream.check()


@contextmanager
def atomic_h5(path: Path, folder: Path | None = None) -> Iterator[Any]:
    """An h5 file to fill; it appears under its name when the block ends well.

    HDF5 itself never meets a full disk: it cannot close a file that it cannot flush, and crashes as the process ends.
    Where a write failed, the next group or dataset of the file raises that, so that no long work goes on for nothing.

    Args:
        path: As for `atomic_file`.
        folder: As for `atomic_file`.

    Yields:
        The open `h5py.File`.

    Raises:
        OutputError: As `atomic_file`.
    """
    import h5py

    class CheckedFile(h5py.File):  # type: ignore[misc]
        def create_group(self, *args: Any, **how: Any) -> Any:
            cast("OutputStream", stream).check()
            return super().create_group(*args, **how)

        def create_dataset(self, *args: Any, **how: Any) -> Any:
            cast("OutputStream", stream).check()
            return super().create_dataset(*args, **how)

    with atomic_stream(path, folder, read_back=True) as stream, CheckedFile(stream, "w") as file:
        yield file


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give a new folder to fill, and put it in the place of `path` when the block ends well.

    Args:
        path: The folder that shall exist afterwards. What is there is replaced by the whole new folder: ask before.

    Yields:
        The folder to fill, on the same file system; it is removed when the block raises.

    Raises:
        OutputError: The parent is missing or cannot be written to, or the disk is full.
    """
    with writing(path):
        path.parent.stat()  # is not made
    with temporary_folder(path.parent, path) as fresh:
        yield fresh
        old = fresh.parent / _OLD / path.name
        if path.exists():
            old.parent.mkdir()
            path.replace(old)
        try:
            fresh.replace(path)
        except OSError:
            with suppress(OSError):
                old.replace(path)  # as it was
            raise


@contextmanager
def temporary_folder(folder: Path, target: Path | None = None) -> Iterator[Path]:
    """A new, empty folder inside another one; it is removed in the end with what is still in it.

    Args:
        folder: Where; made as by `made_folder` where it is missing.
        target: What it is made for, for messages; `folder` unless given.

    Raises:
        OutputError: The folder cannot be written to, or the disk is full.
    """
    place, target = folder, target or folder
    try:
        with made_folder(folder), _temporary_folder(folder) as made:
            place = made / _NEW
            yield place
    except Exception as error:
        _raise_output_error(error, target, place)
        raise


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Make a folder, with those above it, for what the block writes into it; none of them is left after an error.

    Raises:
        OutputError: It cannot be made.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            said = f"cannot make the folder: {error.strerror or error}; choose another place"
            raise OutputError(f"cannot write to {folder}: {said}") from error
        yield
    except BaseException:
        for place in missing:
            with suppress(OSError):  # it holds what others wrote
                place.rmdir()
        raise


@contextmanager
def together(seal: Path | None = None) -> Iterator[None]:
    """Files that are written within the block get their names when all of it ended well, or none of them does.

    Args:
        seal: The file that says that the others are whole. An old one is removed before the first of them is replaced,
            so that a kill in between leaves none. Write it last.

    Raises:
        OutputError: One of them cannot get its name.
    """
    outer = _group.get()
    if outer is not None:  # of which these are a part
        outer.seals += [] if seal is None else [seal]
        yield
        return
    with ExitStack() as temporaries:
        group = _Group(temporaries, seals=[] if seal is None else [seal])
        token = _group.set(group)
        try:
            yield
        finally:
            _group.reset(token)
        for temporary, path in group.moves:
            with writing(path):
                temporary.stat()
                if path.is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        for path in set(group.seals) & {path for _, path in group.moves}:
            with writing(path):
                path.unlink(missing_ok=True)
        for temporary, path in group.moves:
            with writing(path):
                temporary.replace(path)


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn what goes wrong while something is written into one line that names it.

    Args:
        target: What the user called it.

    Raises:
        OutputError: In place of errors of the system that are about no other file.
    """
    try:
        yield
    except Exception as error:
        _raise_output_error(error, target)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically as UTF-8 with the line ends it has, made `printable`."""
    write_bytes(path, printable(text).encode("utf-8"))


class OutputStream(io.RawIOBase):
    """A file whose writes never fail for the library that writes; what failed is raised afterwards.

    C libraries that meet an error while they write often meet it again while they close, and end the process; nor do
    exceptions pass through all of them. There is no `fileno`, so that none of them writes past this.

    Args:
        path: A file that exists.
        read_back: Whether the library reads what it wrote: what could not be written is then kept in memory.

    Attributes:
        error: The first write that failed. Nothing is written after it.
    """

    def __init__(self, path: Path, *, read_back: bool = False) -> None:
        self._file = path.open("rb+", buffering=0)
        self._read_back = read_back
        self._unwritten: list[tuple[int, bytes]] = []
        self._place = self._size = 0
        self.error: OSError | None = None

    def check(self) -> None:
        """Raise what failed.

        Raises:
            OSError: As the system raised it.
        """
        if self.error is not None:
            raise self.error

    def readable(self) -> bool:
        """Whether what was written can be read."""
        return self._read_back

    def writable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of any file."""
        self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        return self._place

    def tell(self) -> int:
        """As of any file."""
        return self._place

    def readinto(self, buffer: WriteableBuffer) -> int:
        """As of any file."""
        wanted = memoryview(buffer).cast("B")[: max(0, self._size - self._place)]
        self._file.seek(self._place)
        there = self._file.read(len(wanted)) or b""
        wanted[:] = there + bytes(len(wanted) - len(there))
        for start, content in self._unwritten:
            first, last = max(start, self._place), min(start + len(content), self._place + len(wanted))
            if first < last:
                wanted[first - self._place : last - self._place] = content[first - start : last - start]
        self._place += len(wanted)
        return len(wanted)

    def write(self, data: ReadableBuffer) -> int:
        """Write all of it, or note that it could not be written."""
        content, start = memoryview(data).cast("B"), self._place
        self._place += len(content)
        self._size = max(self._size, self._place)
        if self.error is None:
            try:
                self._file.seek(start)
                written = 0
                while written < len(content):
                    written += self._file.write(content[written:]) or 0
            except OSError as error:
                self.error = error
        if self.error is not None and self._read_back:
            self._unwritten.append((start, bytes(content)))
        return len(content)

    def truncate(self, size: int | None = None) -> int:
        """As of any file."""
        self._size = self._place if size is None else size
        if self.error is None:
            try:
                self._file.truncate(self._size)
            except OSError as error:
                self.error = error
        return self._size

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:
            self.error = self.error or error
        super().close()


def sweep(folder: Path) -> None:
    """Remove the temporary files and folders that a process left when it was killed.

    What another process holds stays, wherever that runs; so does everything in a file system without locks, or that
    cannot be removed. Nothing is raised. It happens wherever a temporary is made; call it for folders that a run only
    reads or completes.

    Args:
        folder: Where they are.
    """
    start = time.monotonic()
    if start < _due.get(folder, 0.0):
        return
    with suppress(OSError):
        with os.scandir(folder) as entries:
            left = {Path(entry.path) for entry in entries if _OURS.fullmatch(entry.name)} - _held
        now = time.monotonic()
        _due[folder] = now + (now - start) / _SWEEPS_SHARE
        for path in left:
            with suppress(OSError):
                _remove_abandoned(path)


def take_lock(path: Path) -> IO[bytes] | None:
    """Lock a file until it is closed; the system releases it when the process dies, however it dies.

    Remove the file while it is still locked: others notice that.

    Args:
        path: The file; made where it is missing, with its folder.

    Returns:
        None when another process has it. A file system without locks locks nothing.

    Raises:
        OSError: It cannot be made.
    """
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


@contextmanager
def _temporary_file(folder: Path) -> Iterator[Path]:
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
def _temporary_folder(folder: Path) -> Iterator[Path]:
    """A new folder with a lock, and an empty folder `_NEW`."""
    sweep(folder)
    descriptor = None
    while descriptor is None:
        place = folder / _name()
        place.mkdir()
        with suppress(FileNotFoundError):  # another process took it for abandoned
            try:
                descriptor = _hold(place / _LOCK)
            except OSError:
                _remove_folder(place)
                raise
    _held.add(place)
    try:
        (place / _NEW).mkdir()
        yield place
    finally:
        _held.discard(place)
        _remove_folder(place)
        os.close(descriptor)


def _hold(path: Path) -> int | None:
    """Make a file and lock it, shared, so that it can be read as soon as it has its name.

    Returns:
        A descriptor to close; None where another process took the file for abandoned before it was locked.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    if os.name == "nt":  # an open file cannot be renamed there; there are no locks of this kind, and nothing is swept
        os.close(descriptor)
        return os.open(os.devnull, os.O_RDONLY)
    if _flock(descriptor, exclusive=False, otherwise=True) and _is_at(descriptor, path):
        return descriptor
    os.close(descriptor)
    return None


def _name() -> str:
    """Short: `path.name` may already be as long as the file system allows."""
    return f".sspvs-{os.getpid()}-{secrets.token_hex(4)}.tmp"


def _is_temporary(path: Path) -> bool:
    """Whether a path is a temporary of this process, or in one."""
    return bool(_held) and any(place in _held for place in (path, *path.parents))


def _remove_abandoned(path: Path) -> None:
    """Remove one temporary that no process holds; links and the like are not ours."""
    mode = path.lstat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return
    lock = path / _LOCK if stat.S_ISDIR(mode) else path
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
        for old in (place / _OLD).iterdir():
            if not os.path.lexists(place.parent / old.name):
                old.replace(place.parent / old.name)
    with suppress(OSError):
        for path in place.iterdir():
            if path.name != _LOCK:
                shutil.rmtree(path, ignore_errors=True)
                path.unlink(missing_ok=True)
    shutil.rmtree(place, ignore_errors=True)


def _is_running(path: Path) -> bool:
    """Whether this machine has a process of the number in a temporary's name."""
    found = _OURS.fullmatch(path.name)
    try:
        os.kill(int(found[1]) if found else 0, 0)  # signal 0 only asks; where there is flock, it is no Ctrl-C
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _flock(descriptor: int, *, exclusive: bool, otherwise: bool) -> bool:
    """Lock an open file unless another process has it.

    Args:
        descriptor: Of the file.
        exclusive: Alone, or with others who only share it.
        otherwise: What to return where there are no locks: on Windows, and in some network file systems.
    """
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


def _raise_output_error(error: Exception, target: Path, temporary: Path | None = None) -> None:
    """Raise our error that names the target, where a write failed; return where something else did."""
    if isinstance(error, OutputError):
        if temporary is not None and temporary != target and str(temporary) in str(error):
            raise OutputError(str(error).replace(str(temporary), str(target))) from error
        return
    about = error.filename if isinstance(error, OSError) else None
    if isinstance(about, str) and not _within(Path(about), target, temporary):
        return
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (found := _IN_TEXT.search(str(error))):
        number = int(found[1])
    if number is not None:
        remedy = _REMEDIES.get(number, "choose a folder that can be written to")
        raise OutputError(f"cannot write {target}: {os.strerror(number)}; {remedy}") from error


def _within(path: Path, target: Path, temporary: Path | None) -> bool:
    """Whether a file is the target, its folder, or inside of what becomes the target."""
    places = {target} if temporary is None else {target, temporary}
    inside = any(_OURS.fullmatch(part) for part in path.parts)
    return inside or path == target.parent or any(place in (path, *path.parents) for place in places)
