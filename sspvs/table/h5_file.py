"""The one door through which h5 files are opened for reading.

Files are not trusted: entries that lie in other files (external and user-defined links, virtual
datasets, external raw storage) are refused, and so are arrays that the stored bytes cannot hold. Each entry is checked
when it is looked at, so that opening a file of 100,000 groups costs nothing.
"""

import math
import mmap
import os
import posixpath
import re
import struct
import zlib
from functools import lru_cache
from pathlib import Path
from tarfile import TarError
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

import h5py
from h5py import h5d, h5g, h5i, h5l, h5o, h5t

from sspvs.errors import RefusedContentError, SspvsError
from sspvs.files import DOWNLOAD_AGAIN, WrongFileError, check_regular, why_not

H5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, IndexError, AttributeError)
"""What h5py raises on damaged files."""
DAMAGE = (
    *(SspvsError, OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, ArithmeticError),
    *(EOFError, MemoryError, BadZipFile, TarError, zlib.error, struct.error),
    TokenError,  # of NumPy's headers
    NameError,  # scipy's MATLAB reader has such a path
)
"""What libraries raise on damaged files; caught where a user's file, or one video of it, is opened, and reported."""
ALLOW_LINKS = "SSPVS_ALLOW_H5_LINKS"
"""Environment variable: `1` follows links to other files, for those who split files on purpose."""
FREE_BYTES = 2**26  # arrays up to here are read however little of them is stored: fill values take nothing
PACKED_BYTES, MOST_PACKED = 2**29, 8 * 1032
"""Those up to the first may be this many times what is stored of them: gzip makes 1032 zeros a byte."""
MOST_EXPANSION = 32  # larger ones may be this many times what is stored of them
MOST_ATTRIBUTE_BYTES = 2**20
MOST_SCANNED = 2**26  # files up to here are looked through for heaps without end, in a tenth of a second at most
_HEAP = b"GCOL"  # the signature of a global heap; its head is as long as the head of an entry
_ENTRY = struct.Struct("<HHIQ")  # index, references, reserved, length
_HEAP_BYTES = 1024  # stands for a string of any length: many may be one and the same
_MOST_SOFT_LINKS = 16  # as many as HDF5 itself follows
_ROOT = b"/"
_NOT_FOLLOWED = f"copy it into this file, or set {ALLOW_LINKS}=1 where you trust it"


def open_h5(path: str | os.PathLike[str]) -> h5py.File:
    """An h5 file, open for reading; entries in other files or of impossible size raise RefusedContentError."""
    check_regular(path)
    try:
        status = Path(path).stat()
        _check_heaps(os.fspath(path), status.st_size, status.st_mtime_ns)
        return _LocalFile(path, "r")
    except OSError as error:
        if not Path(path).is_file():
            raise
        cut = re.search(r"truncated file: eof = (\d+).*stored_eof = (\d+)", str(error))
        if cut:
            raise WrongFileError(f"it is cut short: {cut[1]} of {cut[2]} bytes are here; {DOWNLOAD_AGAIN}") from error
        if h5py.is_hdf5(path):
            raise
        raise WrongFileError(why_not(path) or "it does not start as h5 files do") from error


@lru_cache(maxsize=4096)
def _check_heaps(path: str, size: int, changed: int) -> None:  # noqa: ARG001
    """Refuse a file, up to `MOST_SCANNED`, with a heap of strings that HDF5 walks for ever (an entry of no length)."""
    if not 0 < size <= MOST_SCANNED:
        return
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(_HEAP)
        while 0 <= start <= size - _ENTRY.size:
            version, length = content[start + 4], int.from_bytes(content[start + 8 : start + 16], "little")
            place, end = start + _ENTRY.size, start + length
            while version == 1 and end <= size and place + _ENTRY.size <= end:
                index, _, _, entry = _ENTRY.unpack_from(content, place)
                step = entry if index == 0 else _ENTRY.size + (entry + 7) // 8 * 8
                if step == 0:
                    raise WrongFileError(f"it is damaged: a heap of strings has no end; {DOWNLOAD_AGAIN}")
                place += step
            start = content.find(_HEAP, start + 1)


def may_hold(stored: int, claimed: int) -> bool:
    """Whether an array is read of which so many bytes are stored, and that claims so many, at least 8 a value."""
    return claimed <= max(FREE_BYTES, min(PACKED_BYTES, MOST_PACKED * stored), MOST_EXPANSION * stored)


class _LocalGroup(h5py.Group):  # type: ignore[misc]
    """A group that gives only what lies in its own file, and datasets that the file can hold."""

    def __getitem__(self, name: Any) -> Any:
        self._is_own(name)
        found = super().__getitem__(name)
        if isinstance(found, h5py.Group):
            return _LocalGroup(found.id)
        if isinstance(found, h5py.Dataset):
            _check_dataset(found)
        return found

    def get(self, name: Any, default: Any = None, getclass: bool = False, getlink: bool = False) -> Any:
        if getclass and not getlink:
            self._is_own(name)
        if getclass or getlink:
            return super().get(name, default, getclass=getclass, getlink=getlink)
        try:
            return self[name]
        except KeyError:
            return default

    def __contains__(self, name: object) -> bool:
        return self._is_own(name) or bool(super().__contains__(name))

    @property
    def attrs(self) -> Any:
        return _LocalAttributes(self)

    def _is_own(self, name: Any) -> bool:
        """Whether a name is a plain entry of this group; refuses one that leaves the file, before HDF5 follows it."""
        if not isinstance(name, (str, bytes)):
            return False
        group, parts, n_soft = self.id, _parts(os.fsencode(name)), 0
        is_plain = len(parts) == 1 and parts[0] != _ROOT
        while parts:
            part = parts.pop(0)
            try:
                kind = h5l.TYPE_HARD if part == _ROOT else group.links.get_info(part).type
                if kind == h5l.TYPE_HARD and is_plain:
                    return True
                if kind == h5l.TYPE_SOFT:
                    parts, n_soft, is_plain = _parts(group.links.get_val(part)) + parts, n_soft + 1, False
                elif kind == h5l.TYPE_HARD and parts:
                    group = h5o.open(h5i.get_file_id(group) if part == _ROOT else group, part)
            except (KeyError, RuntimeError, ValueError):
                return False  # h5py raises the error
            if kind not in (h5l.TYPE_HARD, h5l.TYPE_SOFT) and not _links_are_allowed():
                raise _refused(self, name, "is a link into another file", _NOT_FOLLOWED)
            if n_soft > _MOST_SOFT_LINKS or not isinstance(group, h5g.GroupID):
                return False
        return False


class _LocalFile(_LocalGroup, h5py.File):  # type: ignore[misc]
    """An h5 file that gives only what lies in it."""


class _LocalAttributes(h5py.AttributeManager):  # type: ignore[misc]
    """Attributes of a size that is read whole."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        self._parent = parent

    def __getitem__(self, name: Any) -> Any:
        attribute = self.get_id(name)
        kind = attribute.get_type()
        grows = kind.get_class() == h5t.VLEN or (kind.get_class() == h5t.STRING and kind.is_variable_str())
        if math.prod(attribute.shape or ()) * (_HEAP_BYTES if grows else kind.get_size()) > MOST_ATTRIBUTE_BYTES:
            found = f"has an attribute '{name}' of more than {MOST_ATTRIBUTE_BYTES >> 20} MB: {attribute.shape}"
            raise _refused(self._parent, "", found, "take it out, or make the file again")
        return super().__getitem__(name)


def _links_are_allowed() -> bool:
    return os.environ.get(ALLOW_LINKS) == "1"


def _parts(path: bytes) -> list[bytes]:
    """The names in a path, `/` in front where it starts at the root."""
    if b"/" not in path and path != b".":
        return [path]
    return [_ROOT] * path.startswith(_ROOT) + [part for part in path.split(b"/") if part not in (b"", b".")]


def _check_dataset(data: h5py.Dataset) -> None:
    """Refuse a dataset whose values lie in other files, or that is larger than what is stored of it can be."""
    shape, chunk = data.shape or (), ()
    if data.id.get_offset() is None:  # else its values lie in this file, in one piece
        plan = data.id.get_create_plist()
        layout = plan.get_layout()
        if layout == h5d.VIRTUAL or plan.get_external_count():
            if not _links_are_allowed():
                raise _refused(data, "", "has its values in another file", _NOT_FOLLOWED)
            return
        chunk = plan.get_chunk() if layout == h5d.CHUNKED else ()
    claimed = max(math.prod(shape), math.prod(chunk)) * max(8, data.id.get_type().get_size())
    if claimed > FREE_BYTES:
        stored = min(data.id.get_storage_size(), h5i.get_file_id(data.id).get_filesize())
        if not may_hold(stored, claimed):
            chunks = f" in chunks of {chunk}" if chunk else ""
            found = f"claims {shape} of {data.dtype}{chunks}, but {stored} bytes of it are stored"
            raise _refused(data, "", found, "the file is damaged, make or fetch it again")


def _refused(place: Any, name: str | bytes, found: str, remedy: str) -> RefusedContentError:
    path, name = os.fsdecode(place.file.filename), os.fsdecode(name)
    key = posixpath.join(place.name or "", name).strip("/")
    return RefusedContentError(f"{path}: '{key}' {found}; {remedy}" if key else f"{path}: {found}; {remedy}")
