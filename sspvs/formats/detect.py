"""The table of file kinds, in the order in which they are tried; each module is imported only when needed."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from sspvs.annotations.video_names import same_name
from sspvs.errors import DatasetError, first_line
from sspvs.files import DOWNLOAD_AGAIN, STAND_INS
from sspvs.formats.glimpse import DAMAGE, Glimpse
from sspvs.formats.inspection import Inspection, NoSuchVideoError, Watch
from sspvs.formats.kind import Kind
from sspvs.formats.numpy_file import array_headers, is_numpy
from sspvs.formats.shard import matches as is_shard
from sspvs.table.h5_file import open_h5

MODULES: dict[str, str] = {
    "scores": "score_h5",
    "mrhisum": "mrhisum",
    "youtube8m": "youtube8m",
    "community": "community",
    "features": "feature_h5",
    "sspvs": "sspvs_release",
    "sspvs-tokens": "sspvs_tokens",
    "tvsum": "tvsum",
    "summe": "summe",
    "splits": "split_file",
    "mrhisum-metadata": "mrhisum_metadata",
    "videoxum": "videoxum",
    "qvhighlights": "qvhighlights",
    "dsnet": "dsnet",
    "scores-json": "score_json",
    "sspvs-list": "sspvs_list",
    "custom": "custom",
    "manifest": "manifest",
    "shard": "shard",
}
"""Kind -> its module in this folder."""

READ = ("community", "features", "sspvs", "mrhisum", "youtube8m", "videoxum", "dsnet", "custom")
"""What `convert` reads."""
WRITTEN = ("community", "sspvs", "mrhisum", "youtube8m", "videoxum", "dsnet", "custom")
"""What `convert` writes."""


def kind_named(name: str) -> Kind:
    """A kind by its name.

    Raises:
        ValueError: When there is none.
    """
    if name not in MODULES:
        raise ValueError(f"unknown kind '{name}'; expected one of: {', '.join(MODULES)}")
    kind: Kind = import_module(f"sspvs.formats.{MODULES[name]}").KIND
    return kind


def kinds() -> Iterator[Kind]:
    """All kinds, in the order in which they are tried."""
    for name in MODULES:
        yield kind_named(name)


_VIDEO_SUFFIXES = {".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".3gp"}
_H5_SUFFIXES = {".h5", ".hdf5", ".hdf", ".he5"}


def explain(glimpse: Glimpse) -> tuple[str, str] | None:
    """What a file of no use here is, and what to do; None when nothing speaks against it.

    Args:
        glimpse: A file (not a folder).
    """
    for look in (stand_in, _video, _pickle, _damaged_h5, _archive, _objects):
        found = look(glimpse)
        if found is not None:
            return found
    return None


def unknown(glimpse: Glimpse) -> tuple[str, str]:
    """What to say about a file or folder that is none of the known kinds."""
    if glimpse.is_folder:
        inside = sorted(path.name for path in glimpse.path.iterdir())
        shown = ", ".join(inside[:6]) + (", ..." if len(inside) > 6 else "") if inside else "nothing"
        return (
            f"a folder of none of the known kinds; it holds {shown}",
            "inspect one of its files, or name the folder that holds features/ and info_embed/, the .mat files or the "
            "labels",
        )
    if glimpse.family is not None:
        with open_h5(glimpse.path) as file:
            names = list(file)
        if glimpse.family == "empty":
            return "an h5 file with nothing in it", "write it again: the program that made it stopped too early"
        return (
            f"an h5 file of none of the known kinds; at its root are {', '.join(names[:6])}",
            "a dataset has a group a video with 'features', 'picks', 'user_summary', ...; sspvs data build makes one",
        )
    if glimpse.head[:1] in (b"{", b"[") and glimpse.json is None and glimpse.first_line is None:
        return "damaged JSON: it does not parse", DOWNLOAD_AGAIN
    if isinstance(glimpse.json, (dict, list)):
        inside = list(glimpse.json)[:6] if isinstance(glimpse.json, dict) else [type(glimpse.first).__name__]
        return (
            f"JSON of none of the known kinds; it holds {', '.join(map(str, inside)) or 'nothing'}",
            "known are annotations, splits, scores {video: [..]}, VideoXum, QVHighlights and DSNet labels",
        )
    return f"no file of a known kind ({glimpse.suffix or 'no ending'})", "known kinds: see sspvs data inspect --help"


def stand_in(glimpse: Glimpse) -> tuple[str, str] | None:
    """What a file is that stands in place of the one that was meant, such as a web page, and what to do."""
    kind = glimpse.kind
    return (kind.what, kind.remedy) if kind is not None and kind.name in STAND_INS else None


def _video(glimpse: Glimpse) -> tuple[str, str] | None:
    head = glimpse.head
    by_content = head[4:8] == b"ftyp" or head[:4] == b"\x1aE\xdf\xa3" or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")
    if not by_content and glimpse.suffix not in _VIDEO_SUFFIXES:
        return None
    return "a video, not a data file", f"sspvs summarize '{glimpse.path}' --out DIR, or sspvs extract for its features"


def _pickle(glimpse: Glimpse) -> tuple[str, str] | None:
    head = glimpse.head
    is_pickle = head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    if not is_pickle and not (glimpse.suffix in (".pkl", ".pickle") and not glimpse.is_h5):
        return None
    return (
        "a pickle: opening one runs whatever code is in it, so it is never opened here",
        "where you trust it, load it yourself and save its arrays as h5, .npz or JSON",
    )


def _damaged_h5(glimpse: Glimpse) -> tuple[str, str] | None:
    if glimpse.h5_damage:
        return f"a damaged h5 file of {glimpse.path.stat().st_size} bytes: {glimpse.h5_damage}", DOWNLOAD_AGAIN
    if glimpse.is_h5:
        return None
    if glimpse.suffix in _H5_SUFFIXES:
        return "no h5 file, in spite of its name: it does not start as one", DOWNLOAD_AGAIN
    return None


def _archive(glimpse: Glimpse) -> tuple[str, str] | None:
    head = glimpse.head
    if head[257:262] == b"ustar" and not is_shard(glimpse):
        return "a packed archive", "unpack it and inspect what is in it"
    if head[:4] != b"PK\x03\x04":
        return None
    try:
        with zipfile.ZipFile(glimpse.path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return "a damaged zip archive (an .npz file is one): it is cut short", DOWNLOAD_AGAIN
    if any(name.endswith("data.pkl") for name in names):
        return "a PyTorch checkpoint, not a data file", "sspvs has no verb that reads checkpoints as data"
    if all(name.endswith(".npy") for name in names):
        return None
    return "a zip archive", "unpack it and inspect what is in it"


def _objects(glimpse: Glimpse) -> tuple[str, str] | None:
    """An .npy or .npz with Python objects is a pickle in disguise."""
    if not is_numpy(glimpse):
        return None
    try:
        headers = array_headers(glimpse.path)
    except DAMAGE as error:
        return f"a damaged NumPy file: {first_line(error)}", DOWNLOAD_AGAIN
    if any(header.dtype.hasobject for header in headers):
        return (
            "a NumPy file of Python objects, which is a pickle: opening one runs whatever code is in it",
            "where you trust it, load it yourself and save plain arrays",
        )
    return None


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
        reason = explain(glimpse)
        if reason is not None:
            return reason
    for kind in kinds():
        if kind.matches(glimpse):
            return kind
    return unknown(glimpse)


def kind_of(path: Path, name: str | None = None) -> Kind:
    """The kind of a path, as named or as it looks.

    Raises:
        DatasetError: When it is of no use here, or there is no such path.
        ValueError: When no kind has that name.
    """
    if name is not None:
        if not path.is_dir() and not path.is_file():
            raise DatasetError(f"{path}: no such file or folder")
        found = stand_in(Glimpse(path)) or kind_named(name)
    else:
        found = detect(path)
    if isinstance(found, Kind):
        return found
    what, advice = found
    raise DatasetError(f"{path}: {what}; {advice}")


def inspect_file(path: str | os.PathLike[str], video: str | None = None, *, watch: Watch | None = None) -> Inspection:
    """Look at a file or folder of any kind that the field uses; all of its videos are looked at.

    Args:
        path: The file or folder.
        video: Also say more about this video, by key or by name.
        watch: Shows progress over a collection of videos, such as a progress bar.

    Returns:
        What was found; `usable` says whether it can be used for what it is.

    Raises:
        DatasetError: When there is no such file or folder.
        ValueError: When there is no such video in it.
    """
    path = Path(path)
    found = detect(path)
    if not isinstance(found, Kind):
        what, advice = found
        return Inspection(str(path), "none", what, usable=False, advice=[advice])
    try:
        return _inspect(path, found, video, watch)
    except NoSuchVideoError:
        names = _inspect(path, found, None, watch).names
        key = next((key for key, name in names.items() if video is not None and same_name(name, video)), None)
        if key is None:
            raise
        return _inspect(path, found, key, watch)


def _inspect(path: Path, kind: Kind, video: str | None, watch: Watch | None) -> Inspection:
    inspection = Inspection(str(path), kind.name, kind.what, video=video, watch=watch)
    try:
        kind.inspect(path, inspection)
    except NoSuchVideoError:
        raise
    except DAMAGE as error:
        inspection.problem(error, remedy="copy, download or make it again")
    return inspection.conclude()
