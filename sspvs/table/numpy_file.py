"""NumPy files: their headers without their arrays, and one array at a time. Nothing is ever unpickled."""

import math
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from sspvs.files import check_kind
from sspvs.table.h5_file import may_hold

_MAGIC = b"\x93NUMPY"


@dataclass(frozen=True)
class ArrayHeader:
    """Name in an .npz (empty in an .npy), shape and type of an array, and whether its columns come first."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    by_column: bool = False

    @property
    def n_bytes(self) -> int:
        """Of the values."""
        return math.prod(self.shape) * self.dtype.itemsize


def array_headers(path: Path) -> list[ArrayHeader]:
    """The headers of all arrays of an .npy or .npz."""
    check_kind(path, "npy", "zip")
    with path.open("rb") as file:
        if file.read(6) == _MAGIC:
            file.seek(0)
            header = read_header(file)
            there = path.stat().st_size - file.tell()
            if not header.dtype.hasobject and there < header.n_bytes:
                raise ValueError(f"cut short: {there} of {header.n_bytes} bytes of the array are there")
            return [header]
    with zipfile.ZipFile(path) as archive:
        headers = []
        for member in archive.namelist():
            with archive.open(member) as file:
                headers.append(read_header(file, member.removesuffix(".npy")))
        return headers


def check_arrays(path: Path, *names: str) -> None:
    """Refuse an .npz with arrays (all, or those of some names) larger than what is stored of them can be."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if names and name not in names:
                continue
            with archive.open(member) as file:
                if file.read(len(_MAGIC)) != _MAGIC:
                    continue
                file.seek(0)
                header = read_header(file, name)
            size = math.prod(header.shape)
            is_there = size * header.dtype.itemsize <= member.file_size
            if not is_there or not may_hold(member.compress_size, size * max(8, header.dtype.itemsize)):
                raise ValueError(f"'{name}' claims {header.shape} of {header.dtype}, which is not stored in it")


def read_header(file: IO[bytes], name: str = "") -> ArrayHeader:
    """The header of an array, at whose values the file stands afterwards; ValueError when it does not parse."""
    try:
        major, _ = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
        with warnings.catch_warnings():  # of headers that Python 2 wrote
            warnings.simplefilter("ignore")
            shape, by_column, dtype = read(file)
    except (SyntaxError, TokenError, TypeError, KeyError, IndexError, RecursionError, OverflowError) as error:
        raise ValueError(f"its header does not parse ({error})") from error
    return ArrayHeader(name, shape, dtype, bool(by_column))


def load_array(path: Path, name: str = "") -> npt.NDArray[Any]:
    """One array of an .npy, or of an .npz by name; Python objects are refused."""
    check_kind(path, "npy", "zip")
    if not name:
        array_headers(path)  # refuses a file that holds less than its header claims
        array: npt.NDArray[Any] = np.load(path, allow_pickle=False)
        return array
    check_arrays(path, name)
    with np.load(path, allow_pickle=False) as arrays:
        found: npt.NDArray[Any] = arrays[name]
    return found
