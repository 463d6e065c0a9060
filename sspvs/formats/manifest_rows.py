"""Lines of manifests, which people write: read in either form, with everything that is wrong said at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sspvs.errors import DatasetError, local_only
from sspvs.files import read_text
from sspvs.parsing import lines_of, parse_json, table_records

FEATURE_SUFFIXES = (".h5", ".hdf5", ".hdf", ".npy")
_LISTED = 12


@dataclass
class Problems:
    """What is wrong with a file, collected, so that all of it is said at once.

    Attributes:
        where: The file.
        found: (place in it, what is wrong there).
    """

    where: Path
    found: list[tuple[str, str]] = field(default_factory=list)

    def add(self, place: str, sentence: str) -> None:
        """One more."""
        self.found.append((place, sentence))

    def extend(self, found: Iterable[tuple[str, str]]) -> None:
        """Several more."""
        self.found.extend(found)

    def raise_any(self) -> None:
        """Say all of them, if there are any.

        Raises:
            DatasetError: With the first dozen, and how many more.
        """
        if not self.found:
            return
        listed = "; ".join(f"{place}: {said}" if place else said for place, said in self.found[:_LISTED])
        more = f"; and {len(self.found) - _LISTED} more" if len(self.found) > _LISTED else ""
        count = f"{len(self.found)} problems" if len(self.found) > 1 else "a problem"
        raise DatasetError(f"{self.where}: {count}: {listed}{more}")


def read_rows(path: Path, problems: Problems) -> Iterator[tuple[str, dict[str, Any]]]:
    """The lines of a manifest: CSV or TSV with a header, or an object of JSON a line.

    Args:
        path: The file.
        problems: Told what is wrong with single lines, which are then left out.

    Yields:
        Where it stands (`line 7`), and column -> value.

    Raises:
        DatasetError: It cannot be read, or is no text.
    """
    try:
        text = read_text(path)
    except OSError as error:
        raise DatasetError(f"cannot read the manifest {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: expected UTF-8 text, CSV or JSON lines: {error}") from error
    if path.suffix.lower() in (".csv", ".tsv"):
        try:
            names, rows = table_records(text, "\t" if path.suffix.lower() == ".tsv" else ",")
            for number, record in rows:
                if None in record:
                    problems.add(f"line {number}", f"more values than the {len(names)} columns; quote commas in text")
                else:
                    yield f"line {number}", {str(name): cell for name, cell in record.items()}
        except ValueError as error:
            raise DatasetError(f"{path}: is no table: {error}") from error
        return
    for number, line in lines_of(text):
        try:
            row = parse_json(line)
        except ValueError as error:
            problems.add(f"line {number}", f"no JSON: {error}")
            continue
        if isinstance(row, dict):
            yield f"line {number}", row
        else:
            problems.add(f"line {number}", f"expected an object with id and path, got {type(row).__name__}")


def file_of(given: str, folder: Path) -> tuple[Path, str]:
    """The file that a manifest names, and the group in it where it is features of many videos (`file.h5#group`).

    Args:
        given: What stands in the manifest: relative to it, absolute, or from the home folder (`~`).
        folder: The manifest's.

    Raises:
        AddressError: It is an address.
    """
    name, _, group = given.partition("#")
    if Path(name).suffix.lower() not in FEATURE_SUFFIXES:
        name, group = given, ""  # a video with a # in its name
    return folder / Path(local_only(name)).expanduser(), group


def text_in(value: Any) -> str | None:
    """A cell as text: JSON's text and numbers (an id may be one), lists of words; None for what is no text."""
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return " ".join(value)
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    return None
