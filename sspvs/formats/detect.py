"""Which format a file or folder is of, or why it is of none; and its inspection."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from sspvs.annotations.video_names import same_name
from sspvs.errors import DatasetError, first_line
from sspvs.files import DOWNLOAD_AGAIN, STAND_INS
from sspvs.formats.format import Format, format_named, formats
from sspvs.formats.head import PathHead
from sspvs.formats.inspection import Inspection, NoSuchVideoError, Watch
from sspvs.formats.numpy_file import array_headers, is_numpy
from sspvs.table.h5_file import DAMAGE, open_h5

_VIDEO_SUFFIXES = {".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".3gp"}
_H5_SUFFIXES = {".h5", ".hdf5", ".hdf", ".he5"}


class UnusableFileError(DatasetError):
    """A file or folder of no known format.

    Attributes:
        what: What it is.
        advice: What to do.
    """

    def __init__(self, path: Path, what: str, advice: str) -> None:
        super().__init__(f"{path}: {what}; {advice}")
        self.what, self.advice = what, advice


def detect(path: Path, name: str | None = None) -> Format:
    """The format of a file or folder, `name` taken for granted; UnusableFileError when it is of none."""
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder")
    if not path.is_dir() and not path.is_file():
        raise UnusableFileError(path, "neither a file nor a folder (a device or a named pipe)", "name a file")
    head = PathHead(path)
    reason = None if head.is_folder else _stand_in(head) if name is not None else _reason_against(head)
    if reason is None and name is not None:
        return format_named(name)
    if reason is None:
        found = next((known for known in formats() if known.matches(head)), None)
        if found is not None:
            return found
    raise UnusableFileError(path, *(reason or _unknown(head)))


def inspect_file(path: str | os.PathLike[str], video: str | None = None, *, watch: Watch | None = None) -> Inspection:
    """Inspect a file or folder of any format that the field uses; all of its videos are read.

    Args:
        path: The file or folder.
        video: Also report more about this video, by key or by name.
        watch: Shows progress over a collection of videos, such as a progress bar.

    Returns:
        What was found; `usable`: it can be used for what it is.

    Raises:
        DatasetError: When there is no such file or folder.
        ValueError: When there is no such video in it.
    """
    path = Path(path)
    try:
        known = detect(path)
    except UnusableFileError as error:
        return Inspection(str(path), "none", error.what, usable=False, advice=[error.advice])
    try:
        return _inspect(path, known, video, watch)
    except NoSuchVideoError:
        names = _inspect(path, known, None, watch).names
        key = next((key for key, name in names.items() if video is not None and same_name(name, video)), None)
        if key is None:
            raise
        return _inspect(path, known, key, watch)


def _inspect(path: Path, known: Format, video: str | None, watch: Watch | None) -> Inspection:
    found = Inspection(str(path), known.name, known.what, video=video, watch=watch)
    try:
        known.inspect(path, found)
        has_problem = any(video in problem.videos for problem in found.problems)
        if video is not None and known.names_videos and not found.detail and not has_problem:
            raise NoSuchVideoError(video)
    except NoSuchVideoError:
        raise
    except DAMAGE as error:
        found.problem(error, remedy="copy, download or make it again")
    found.usable = not any(problem.blocking for problem in found.problems)
    return found


def _stand_in(head: PathHead) -> tuple[str, str] | None:
    """What a file is that stands in place of the one that was meant, such as a web page, and what to do."""
    return (head.kind.what, head.kind.remedy) if head.kind is not None and head.kind.name in STAND_INS else None


def _reason_against(head: PathHead) -> tuple[str, str] | None:
    """What a file of no use here is, and what to do; None when it may be of use."""
    reasons = (look(head) for look in (_stand_in, _video, _pickle, _damaged_h5, _archive, _objects))
    return next((reason for reason in reasons if reason is not None), None)


def _video(head: PathHead) -> tuple[str, str] | None:
    if not head.is_kind("video") and head.suffix not in _VIDEO_SUFFIXES:
        return None
    return "a video, not a data file", f"sspvs summarize '{head.path}' --out DIR, or sspvs extract for its features"


def _pickle(head: PathHead) -> tuple[str, str] | None:
    if not head.is_kind("pickle") and (head.suffix not in (".pkl", ".pickle") or head.is_h5):
        return None
    return (
        "a pickle: opening one runs whatever code is in it, so it is never opened here",
        "where you trust it, load it yourself and save its arrays as h5, .npz or JSON",
    )


def _damaged_h5(head: PathHead) -> tuple[str, str] | None:
    if head.h5_damage:
        return f"a damaged h5 file of {head.path.stat().st_size} bytes: {head.h5_damage}", DOWNLOAD_AGAIN
    if head.suffix in _H5_SUFFIXES and not head.is_h5:
        return "no h5 file, in spite of its name: it does not start as one", DOWNLOAD_AGAIN
    return None


def _archive(head: PathHead) -> tuple[str, str] | None:
    if head.is_kind("tar") and not format_named("shard").matches(head):
        return "a packed archive", "unpack it and inspect what is in it"
    if not head.is_kind("zip"):
        return None
    try:
        with zipfile.ZipFile(head.path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return "a damaged zip archive (an .npz file is one): it is cut short", DOWNLOAD_AGAIN
    if any(name.endswith("data.pkl") for name in names):
        return "a PyTorch checkpoint, not a data file", "sspvs has no verb that reads checkpoints as data"
    return (
        None
        if all(name.endswith(".npy") for name in names)
        else ("a zip archive", "unpack it and inspect what is in it")
    )


def _objects(head: PathHead) -> tuple[str, str] | None:
    """An .npy or .npz with Python objects is a pickle in disguise."""
    if not is_numpy(head):
        return None
    try:
        headers = array_headers(head.path)
    except DAMAGE as error:
        return f"a damaged NumPy file: {first_line(error)}", DOWNLOAD_AGAIN
    if not any(header.dtype.hasobject for header in headers):
        return None
    return (
        "a NumPy file of Python objects, which is a pickle: opening one runs whatever code is in it",
        "where you trust it, load it yourself and save plain arrays",
    )


def _unknown(head: PathHead) -> tuple[str, str]:
    """What a file or folder of no known format is, and what to do."""
    if head.is_folder:
        inside = sorted(path.name for path in head.path.iterdir())
        shown = ", ".join(inside[:6]) + (", ..." if len(inside) > 6 else "") if inside else "nothing"
        return (
            f"a folder of none of the known kinds; it holds {shown}",
            "inspect one of its files, or name the folder that holds features/ and info_embed/, the .mat files or the "
            "labels",
        )
    if head.family == "empty":
        return "an h5 file with nothing in it", "write it again: the program that made it stopped too early"
    if head.family is not None:
        with open_h5(head.path) as file:
            names = list(file)
        return (
            f"an h5 file of none of the known kinds; at its root are {', '.join(names[:6])}",
            "a dataset has a group a video with 'features', 'picks', 'user_summary', ...; sspvs data build makes one",
        )
    if head.start[:1] in (b"{", b"[") and head.json is None and head.first_line is None:
        return "damaged JSON: it does not parse", DOWNLOAD_AGAIN
    if isinstance(head.json, (dict, list)):
        inside = list(head.json)[:6] if isinstance(head.json, dict) else [type(head.first).__name__]
        return (
            f"JSON of none of the known kinds; it holds {', '.join(map(str, inside)) or 'nothing'}",
            "known are annotations, splits, scores {video: [..]}, VideoXum, QVHighlights and DSNet labels",
        )
    return f"no file of a known kind ({head.suffix or 'no ending'})", "known kinds: see sspvs data inspect --help"
