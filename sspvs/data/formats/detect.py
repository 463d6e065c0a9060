"""Which kind of file a path is."""

from __future__ import annotations

from pathlib import Path

from sspvs.data.formats import unusable
from sspvs.data.formats.glimpse import Glimpse
from sspvs.data.formats.kind import Kind
from sspvs.data.formats.registry import kind_named, kinds
from sspvs.errors import DatasetError


def detect(path: Path) -> Kind | tuple[str, str]:
    """The kind of a file or folder, or what it is and what to do where it is of no use here.

    Args:
        path: An existing file or folder.

    Raises:
        DatasetError: When there is no such file or folder.
    """
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder")
    if not path.is_dir() and not path.is_file():
        return "neither a file nor a folder (a device or a named pipe)", "name a file"
    glimpse = Glimpse(path)
    if not glimpse.is_folder:
        reason = unusable.explain(glimpse)
        if reason is not None:
            return reason
    for kind in kinds():
        if kind.matches(glimpse):
            return kind
    return unusable.unknown(glimpse)


def kind_of(path: Path, name: str | None = None) -> Kind:
    """The kind of a path, as named or as it looks.

    Raises:
        DatasetError: When it is of no use here, or there is no such path.
        ValueError: When no kind has that name.
    """
    if name is not None:
        if not path.is_dir() and not path.is_file():
            raise DatasetError(f"{path}: no such file or folder")
        found = unusable.stand_in(Glimpse(path)) or kind_named(name)
    else:
        found = detect(path)
    if isinstance(found, Kind):
        return found
    what, advice = found
    raise DatasetError(f"{path}: {what}; {advice}")
