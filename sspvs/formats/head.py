"""The start of a file or folder, from which each format decides whether the path is of that format."""

from functools import cached_property
from pathlib import Path
from typing import Any

from sspvs.errors import first_line
from sspvs.files import START_BYTES, FileKind, check_regular, kind_of_start, read_json, start_of_text
from sspvs.parsing import parse_json, table_rows
from sspvs.table import is_h5
from sspvs.table.h5_file import DAMAGE
from sspvs.table.h5_survey import Family, h5_family


class PathHead:
    """The start of a file, or the names in a folder; each property reads no more than it needs, once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_folder = path.is_dir()
        self.suffix = path.suffix.lower()

    @cached_property
    def start(self) -> bytes:
        """The first bytes of a file; empty for a folder."""
        if self.is_folder:
            return b""
        check_regular(self.path)
        with self.path.open("rb") as file:
            return file.read(START_BYTES)

    @cached_property
    def kind(self) -> FileKind | None:
        """What the first bytes are the start of; None for a folder and for unknown content."""
        return None if self.is_folder else kind_of_start(self.start)

    def is_kind(self, name: str) -> bool:
        """Whether the first bytes are those of a kind of file, by its name in `sspvs.files`."""
        return self.kind is not None and self.kind.name == name

    @property
    def is_numpy(self) -> bool:
        """Whether the file starts as an .npy does, or is a zip archive named .npz."""
        return self.is_kind("npy") or (self.is_kind("zip") and self.suffix == ".npz")

    @cached_property
    def is_h5(self) -> bool:
        """Whether the file starts as an h5 file does."""
        return is_h5(self.path)

    @property
    def family(self) -> Family | None:
        """Which family of h5 files; None for other files and for damaged ones."""
        return self._h5[0]

    @property
    def h5_damage(self) -> str:
        """Why an h5 file cannot be opened; empty when it can, and for other files."""
        return self._h5[1]

    @cached_property
    def _h5(self) -> tuple[Family | None, str]:
        try:
            return (h5_family(self.path) if self.is_h5 else None), ""
        except DAMAGE as error:
            return None, first_line(error)

    @cached_property
    def json(self) -> Any:
        """The content of a JSON file; None for other files and for damaged ones."""
        try:
            return read_json(self.path) if self.is_kind("json") else None
        except ValueError:
            return None

    @cached_property
    def first(self) -> Any:
        """The first entry of a JSON list, or the first value of a JSON object; None when there is none."""
        values = self.json.values() if isinstance(self.json, dict) else self.json
        return next(iter(values), None) if isinstance(self.json, (dict, list)) else None

    @cached_property
    def first_line(self) -> Any:
        """The first line of a JSON-lines file; None for other files."""
        line = (start_of_text(self.start) or "").lstrip().split("\n", 1)[0]
        try:
            return parse_json(line) if line[:1] == "{" else None
        except ValueError:
            return None

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The first row of a text file with tabs, semicolons or commas; empty for other files."""
        text = start_of_text(self.start) or ""
        line = next((row for row in text.splitlines() if row.strip() and not row.lower().startswith("sep=")), "")
        delimiter = "\t" if "\t" in line else max(",;", key=line.count)
        try:
            return tuple(cell.strip() for _, row in table_rows(line, delimiter) for cell in row)
        except ValueError:
            return ()

    def files(self, *suffixes: str) -> list[Path]:
        """A folder's own files with one of these endings, sorted."""
        if not self.is_folder:
            return []
        return sorted(path for path in self.path.iterdir() if path.suffix.lower() in suffixes and path.is_file())
