"""Whole files or none: everything this package writes goes through a temporary file or folder and a rename."""

from __future__ import annotations

import errno
import io
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from sspvs.errors import OutputError, printable
from sspvs.temporaries import NEW, OLD, OURS, held_file, held_folder, is_held

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_IN_TEXT = re.compile(r"\[Errno (\d+)\]")
"""The system's number of an error in Python's message: errors of another process arrive as text."""
_FULL = "free some space there, or choose another place"
_REMEDIES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), or choose another place",
}


@dataclass
class _Group:
    """Files that wait for their names; see `together`."""

    temporaries: ExitStack
    moves: list[tuple[Path, Path]] = field(default_factory=list)
    seals: list[Path] = field(default_factory=list)


_group: ContextVar[_Group | None] = ContextVar("sspvs_group", default=None)


@contextmanager
def atomic_file(path: Path, folder: Path | None = None) -> Iterator[Path]:
    """Yield a temporary path; what is written there is on the disk before it gets the name `path`, or is removed.

    Inside a temporary folder a file is written in its place. `folder`, on the same file system, is for the temporary
    one. `OutputError` where a folder is missing or cannot be written to, or the disk is full.
    """
    group, temporary = _group.get(), path
    try:
        with ExitStack() if group is None else nullcontext(group.temporaries) as stack:
            if is_held(path):
                path.open("wb").close()
            else:
                temporary = stack.enter_context(held_file(folder or path.parent))
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
def atomic_stream(path: Path, *, read_back: bool = False) -> Iterator[IO[bytes]]:
    """Like `atomic_file`, for libraries that write to an open file: every failed write becomes one `OutputError`."""
    with atomic_file(path) as temporary:
        stream = _OutputStream(temporary, read_back=read_back)
        try:
            yield cast("IO[bytes]", stream)
        except Exception:
            if stream.error is None:
                raise
        finally:
            stream.close()
        stream.check()


@contextmanager
def atomic_h5(path: Path) -> Iterator[Any]:
    """Like `atomic_file`, for an h5 file: yields the open `h5py.File`.

    HDF5 never meets a full disk, which crashes it; the next group or dataset of the file raises what failed instead.
    """
    import h5py

    class CheckedFile(h5py.File):  # type: ignore[misc]
        def create_group(self, *args: Any, **how: Any) -> Any:
            cast("_OutputStream", stream).check()
            return super().create_group(*args, **how)

        def create_dataset(self, *args: Any, **how: Any) -> Any:
            cast("_OutputStream", stream).check()
            return super().create_dataset(*args, **how)

    with atomic_stream(path, read_back=True) as stream, CheckedFile(stream, "w") as file:
        yield file


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder to fill, which replaces the whole of `path` when the block ends well: check before."""
    with writing(path):
        path.parent.stat()  # is not made
    with temporary_folder(path.parent, path) as fresh:
        yield fresh
        old = fresh.parent / OLD / path.name
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
    """A new, empty folder inside `folder`, made where missing; it is removed in the end with what is still in it."""
    place, target = folder, target or folder
    try:
        with made_folder(folder), held_folder(folder) as made:
            place = made / NEW
            yield place
    except Exception as error:
        _raise_output_error(error, target, place)
        raise


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Make a folder, with those above it, for what the block writes into it; none of them is left after an error."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(
                f"cannot write to {folder}: cannot make the folder: {reason}; choose another place"
            ) from error
        yield
    except BaseException:
        for place in missing:
            with suppress(OSError):  # it holds what others wrote
                place.rmdir()
        raise


@contextmanager
def together(seal: Path | None = None) -> Iterator[None]:
    """Files that are written within the block get their names when all of it ended well, or none of them does.

    `seal` marks the others as whole: write it last. An old one is removed before the first of them is replaced.
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
    """Turn errors of the system while something is written into one `OutputError` that names the target."""
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


class _OutputStream(io.RawIOBase):
    """A file whose writes never fail for the library that writes; what failed first is raised afterwards, by `check`.

    C libraries that meet an error while they write often meet it again while they close, and end the process; nor do
    exceptions pass through all of them. There is no `fileno`, so that none of them writes past this. With `read_back`,
    for a library that reads what it wrote, what could not be written is kept in memory.
    """

    def __init__(self, path: Path, *, read_back: bool = False) -> None:
        self._file = path.open("rb+", buffering=0)
        self._read_back = read_back
        self._unwritten: list[tuple[int, bytes]] = []
        self._place = self._size = 0
        self.error: OSError | None = None

    def check(self) -> None:
        """Raise the `OSError` of the first write that failed."""
        if self.error is not None:
            raise self.error

    def readable(self) -> bool:
        return self._read_back

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what was written, or should have been."""
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
        self._size = self._place if size is None else size
        if self.error is None:
            try:
                self._file.truncate(self._size)
            except OSError as error:
                self.error = error
        return self._size

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self.error = self.error or error
        super().close()


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
    inside = any(OURS.fullmatch(part) for part in path.parts)
    return inside or path == target.parent or any(place in (path, *path.parents) for place in places)
