"""What libraries raise when a file is damaged: any of many things."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from tarfile import TarError
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile
from zlib import error as ZlibError

from sspvs.errors import SspvsError, first_line
from sspvs.files import START_BYTES, FileKind, check_regular, kind_of_start, read_json, start_of_text
from sspvs.parsing import parse_json, table_rows
from sspvs.table import is_h5
from sspvs.table.h5_survey import Family, h5_family

DAMAGE = (
    SspvsError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    TokenError,  # of NumPy's headers
    AttributeError,
    NameError,  # scipy's MATLAB reader has such a path
    RuntimeError,
    ArithmeticError,
    EOFError,
    MemoryError,
    BadZipFile,
    ZlibError,
    TarError,
)
"""Reading any file of a user may raise these; they are caught where a file or a video of it is opened, and told."""


class Glimpse:
    """A path, looked at as little as possible.

    Args:
        path: A file or folder that exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_folder = path.is_dir()
        self.suffix = path.suffix.lower()

    @cached_property
    def head(self) -> bytes:
        """The first bytes of a file; empty for a folder."""
        if self.is_folder:
            return b""
        check_regular(self.path)
        with self.path.open("rb") as file:
            return file.read(START_BYTES)

    @cached_property
    def kind(self) -> FileKind | None:
        """What the first bytes say; None for a folder, and for what is nothing known."""
        return None if self.is_folder else kind_of_start(self.head)

    @cached_property
    def text(self) -> str:
        """The start of a text file; empty for other files."""
        return start_of_text(self.head) or ""

    @cached_property
    def is_h5(self) -> bool:
        """Whether the file starts as an h5 file does."""
        return is_h5(self.path)

    @property
    def family(self) -> Family | None:
        """Which family of h5 files; None for other files and for damaged ones."""
        return self._look_inside[0]

    @property
    def h5_damage(self) -> str:
        """What is wrong with an h5 file that cannot be looked into; empty when nothing is, and for other files."""
        return self._look_inside[1]

    @cached_property
    def _look_inside(self) -> tuple[Family | None, str]:
        if not self.is_h5:
            return None, ""
        try:
            return h5_family(self.path), ""
        except DAMAGE as error:
            return None, first_line(error)

    @cached_property
    def json(self) -> Any:
        """The content of a JSON file; None for other files and for damaged ones."""
        if self.kind is None or self.kind.name != "json":
            return None
        try:
            return read_json(self.path)
        except ValueError:
            return None

    @cached_property
    def first(self) -> Any:
        """The first entry of a JSON list, or the first value of a JSON object; None when there is none."""
        if isinstance(self.json, dict):
            return next(iter(self.json.values()), None)
        return self.json[0] if isinstance(self.json, list) and self.json else None

    @cached_property
    def first_line(self) -> Any:
        """The first line of a JSON-lines file; None for other files."""
        line = self.text.lstrip().split("\n", 1)[0]
        try:
            return parse_json(line) if line[:1] == "{" else None
        except ValueError:
            return None

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The first row of a text file with tabs, semicolons or commas; empty for other files."""
        lines = [line for line in self.text.splitlines() if line.strip() and not line.lower().startswith("sep=")]
        if not lines:
            return ()
        line = lines[0]
        delimiter = "\t" if line.count("\t") >= 1 else max(",;", key=line.count)
        try:
            return tuple(cell.strip() for _, row in table_rows(line, delimiter) for cell in row)
        except ValueError:
            return ()

    def holds(self, *names: str) -> bool:
        """Whether a folder has all of these entries."""
        return self.is_folder and all((self.path / name).exists() for name in names)

    def files(self, *suffixes: str) -> list[Path]:
        """A folder's own files with one of these endings, sorted."""
        if not self.is_folder:
            return []
        return sorted(path for path in self.path.iterdir() if path.suffix.lower() in suffixes and path.is_file())
