"""Recognise the format of a file or folder, inspect it, or convert it to another, with an account of every loss."""

import os
import zipfile
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from pathlib import Path

from sspvs.annotations.video_names import same_name
from sspvs.atomic import atomic_file, atomic_folder
from sspvs.errors import DatasetError, OutputError, SspvsError, first_line, one_line
from sspvs.files import DOWNLOAD_AGAIN, STAND_INS
from sspvs.formats.format import Format, Ledger, Settings, format_named, formats, parts_of
from sspvs.formats.head import PathHead
from sspvs.formats.inspection import Inspection, NoSuchVideoError, Watch
from sspvs.table import LoadedVideo, Video, VideoTable
from sspvs.table.h5_file import DAMAGE, open_h5
from sspvs.table.numpy_file import array_headers

_VIDEO_SUFFIXES = {".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".3gp"}
_H5_SUFFIXES = {".h5", ".hdf5", ".hdf", ".he5"}


class UnusableFileError(DatasetError):
    """A file or folder of no known format: `what` it is, and as `advice` what to do."""

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
    if (reason := _stand_in(head)) is not None:
        return reason
    if head.is_kind("video") or head.suffix in _VIDEO_SUFFIXES:
        command = f"sspvs summarize '{head.path}' --out DIR, or sspvs extract for its features"
        return "a video, not a data file", command
    if head.is_kind("pickle") or (head.suffix in (".pkl", ".pickle") and not head.is_h5):
        return (
            "a pickle: opening one runs whatever code is in it, so it is never opened here",
            "where you trust it, load it yourself and save its arrays as h5, .npz or JSON",
        )
    if head.h5_damage:
        return f"a damaged h5 file of {head.path.stat().st_size} bytes: {head.h5_damage}", DOWNLOAD_AGAIN
    if head.suffix in _H5_SUFFIXES and not head.is_h5:
        return "no h5 file, in spite of its name: it does not start as one", DOWNLOAD_AGAIN
    if head.is_kind("tar") and not format_named("shard").matches(head):
        return "a packed archive", "unpack it and inspect what is in it"
    return _archive(head) or _objects(head)


def _archive(head: PathHead) -> tuple[str, str] | None:
    if not head.is_kind("zip"):
        return None
    try:
        with zipfile.ZipFile(head.path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return "a damaged zip archive (an .npz file is one): it is cut short", DOWNLOAD_AGAIN
    if any(name.endswith("data.pkl") for name in names):
        return "a PyTorch checkpoint, not a data file", "sspvs has no verb that reads checkpoints as data"
    is_npz = all(name.endswith(".npy") for name in names)
    return None if is_npz else ("a zip archive", "unpack it and inspect what is in it")


def _objects(head: PathHead) -> tuple[str, str] | None:
    """An .npy or .npz with Python objects is a pickle in disguise."""
    if not head.is_numpy:
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


def read_table(
    path: str | os.PathLike[str], *, kind: str | None = None, settings: Settings | None = None
) -> VideoTable:
    """The videos of a file or folder of any format that is read; `VideoTable.load` loads one.

    Args:
        path: The file or folder.
        kind: Its format; recognised unless given.
        settings: What the source lacks.

    Raises:
        DatasetError: When it cannot be read.
        ValueError: When files of this format are not read as videos.
    """
    path = Path(path)
    known = detect(path, kind)
    if not known.can_read:
        raise ValueError(f"{path} is {known.what}, which is not read as videos: {known.instead}")
    try:
        return known.read(path, settings or Settings())
    except SspvsError:
        raise
    except DAMAGE as error:
        raise DatasetError(f"{path}: cannot be read: {first_line(error)}; copy, download or make it again") from error


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    to: str,
    kind: str | None = None,
    settings: Settings | None = None,
    force: bool = False,
    watch: Callable[[Iterable[Video], int | None], Iterable[Video]] | None = None,
) -> Ledger:
    """Convert a file or folder.

    Args:
        source: What to read.
        target: What to write: it appears whole, or not at all.
        to: The format to write, one of `FORMATS` that can be written.
        kind: The format to read; recognised from the source unless given.
        settings: What the source lacks, and how to resample.
        force: Replace a target that exists, if it is of the format that is written.
        watch: Wraps the videos, such as a progress bar.

    Returns:
        What was written, repaired, changed and left out.

    Raises:
        DatasetError: When the source cannot be read, or lacks what the target needs.
        ValueError: When a format cannot be read or written, or the target is the source.
        OutputError: When the target exists or cannot be written.
    """
    source, target, settings = Path(source), Path(target), settings or Settings()
    writable = [known.name for known in formats() if known.can_write]
    if to not in writable:
        raise ValueError(f"cannot write '{to}'; --to is one of: {', '.join(writable)}")
    found, wanted = detect(source, kind), format_named(to)
    if found.instead or not found.can_read:
        raise ValueError(f"{source} is {found.what}, which is not converted: {found.instead}")
    _check_target(source, target, wanted, force)
    table = read_table(source, kind=found.name, settings=settings)
    ledger = Ledger(source.name, found.name, to, table, settings)
    atomic = atomic_folder if wanted.is_folder(target) else atomic_file
    videos = watch(table.videos, len(table)) if watch else table.videos
    with closing(table), closing(_loaded(videos, wanted, ledger)) as loaded, atomic(target) as place:
        wanted.write(place, loaded, ledger)
    return ledger


def _check_target(source: Path, target: Path, wanted: Format, force: bool) -> None:
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {target}: no folder {target.parent}; make it first")
    if not target.exists():
        return
    read, written = source.resolve(), target.resolve()
    if target.samefile(source) or read in written.parents or written in read.parents:
        raise ValueError(f"--out {target} is the source itself, in it or around it; choose another place")
    if target.is_dir() != wanted.is_folder(target):
        form, there = ("folder", "file") if wanted.is_folder(target) else ("file", "folder")
        raise OutputError(f"cannot write {target}: {wanted.name} is a {form}, and a {there} of that name is there")
    if target.is_dir() and not any(target.iterdir()):
        return
    if not force:
        raise OutputError(f"cannot write {target}: it exists already; choose another name, or --force to replace it")
    try:
        is_ours = detect(target).name == wanted.name
    except (DatasetError, OSError):
        is_ours = False
    if not is_ours:
        raise OutputError(
            f"cannot replace {target}: it is not {wanted.what}, and --force does not remove other people's files; "
            "choose another name"
        )


def _loaded(videos: Iterable[Video], wanted: Format, ledger: Ledger) -> Generator[LoadedVideo, None, None]:
    """The videos that can be written; others stop the conversion, or are noted and left out."""
    seen: set[str] = set()
    for video in videos:
        try:
            if video.id in seen:
                raise DatasetError("this id occurs more than once; every video needs its own")
            seen.add(video.id)
            loaded = ledger.table.load(video)
            lacks = [wanted.lacks(loaded)]
            if wanted.needs_clock and ledger.settings.fps_of(loaded) is None:
                lacks.append("frames per second (--fps)")
            if any(lacks):
                needed = " and ".join(what for what in lacks if what)
                raise DatasetError(f"{ledger.to} needs {needed}, which the source does not have")
        except DAMAGE as error:
            reason = one_line(error).removeprefix(f"{video.id}: ")
            if not ledger.settings.skip_bad:
                hint = "--skip-bad leaves such videos out"
                raise DatasetError(f"{video.id}: {reason} ({hint}; nothing was written)") from error
            ledger.skipped[video.id] = reason
            continue
        ledger.written.append(loaded.id)
        lost = [part for part, there in parts_of(loaded).items() if there and part not in wanted.holds]
        for what in (*lost, *loaded.unread):
            ledger.leave_out(what, loaded.id)
        for sentence in loaded.annotations.repairs if loaded.annotations else ():
            ledger.repaired.setdefault(sentence, []).append(loaded.id)
        yield loaded
    for _, sentence in ledger.table.problems:
        raise DatasetError(sentence)
    if not ledger.written:
        raise DatasetError(f"{ledger.source}: no video could be converted; nothing was written")
