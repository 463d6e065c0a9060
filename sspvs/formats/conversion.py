"""From any of the field's formats to any other, through one form: a video at a time, nothing lost silently."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

from sspvs.atomic import atomic_file, atomic_folder
from sspvs.errors import DatasetError, OutputError, SspvsError, first_line, one_line
from sspvs.formats.detect import WRITTEN, detect, kind_named, kind_of
from sspvs.formats.glimpse import DAMAGE
from sspvs.formats.kind import Job, Kind, Ledger, Read, Settings, Writer
from sspvs.formats.record import Entry, Source, VideoRecord

Watch = Callable[[Iterator[Entry], int | None], Iterator[Entry]]


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    to: str,
    kind: str | None = None,
    settings: Settings | None = None,
    force: bool = False,
    watch: Watch | None = None,
) -> Ledger:
    """Convert a file or folder.

    Args:
        source: What to read.
        target: What to write: it appears whole, or not at all.
        to: The kind to write, one of `registry.WRITTEN`.
        kind: The kind to read; told from the source unless given.
        settings: What the source does not say, and how to resample.
        force: Replace a target that exists, if it is of the kind that is written.
        watch: Wraps the entries, such as a progress bar.

    Returns:
        What was written, repaired, changed and left out.

    Raises:
        DatasetError: When the source cannot be read, or lacks what the target needs.
        ValueError: When a kind cannot be read or written, or the target is the source.
        OutputError: When the target exists or cannot be written.
    """
    source, target, settings = Path(source), Path(target), settings or Settings()
    if to not in WRITTEN:
        raise ValueError(f"cannot write '{to}'; --to is one of: {', '.join(WRITTEN)}")
    found, written = kind_of(source, kind), kind_named(to)
    if found.read is None:
        raise ValueError(f"{source} is {found.what}, which is not converted: {found.instead}")
    writer = cast("Writer", written.writer)
    _check_target(source, target, written, writer, force)
    ledger = Ledger(source.name, target.name, found.name, to)
    opened = _open(found.read, source, settings)
    ledger.notes += opened.notes
    entries = _whole(opened.entries, source)
    entries = watch(entries, opened.total) if watch else entries
    with closing(_records(entries, writer, settings, ledger)) as records:
        if writer.is_folder(target):
            with atomic_folder(target) as place:
                writer.write(place, records, Job(opened, settings, ledger))
        else:
            with atomic_file(target) as place:
                writer.write(place, records, Job(opened, settings, ledger))
    return ledger


def _open(read: Read, source: Path, settings: Settings) -> Source:
    """Open the source; damage is the source's, not the target's."""
    try:
        return read(source, settings)
    except SspvsError:
        raise
    except DAMAGE as error:
        raise DatasetError(f"{source}: cannot be read: {first_line(error)}; copy, download or make it again") from error


def _whole(entries: Iterator[Entry], source: Path) -> Iterator[Entry]:
    """The entries; damage between two videos is the source's, not the target's."""
    try:
        yield from entries
    except SspvsError:
        raise
    except DAMAGE as error:
        raise DatasetError(f"{source}: cannot be read: {first_line(error)}; copy, download or make it again") from error


def _check_target(source: Path, target: Path, kind: Kind, writer: Writer, force: bool) -> None:
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {target}: no folder {target.parent}; make it first")
    if not target.exists():
        return
    read, written = source.resolve(), target.resolve()
    if target.samefile(source) or read in written.parents or written in read.parents:
        raise ValueError(f"--out {target} is the source itself, in it or around it; choose another place")
    if target.is_dir() != writer.is_folder(target):
        wanted, there = ("folder", "file") if writer.is_folder(target) else ("file", "folder")
        raise OutputError(f"cannot write {target}: {kind.name} is a {wanted}, and a {there} of that name is there")
    if target.is_dir() and not any(target.iterdir()):
        return
    if not force:
        raise OutputError(f"cannot write {target}: it exists already; choose another name, or --force to replace it")
    if not _is_of(target, kind):
        raise OutputError(
            f"cannot replace {target}: it is not {kind.what}, and --force does not remove other people's files; choose "
            "another name"
        )


def _is_of(target: Path, kind: Kind) -> bool:
    try:
        return detect(target) is kind
    except (DatasetError, OSError):
        return False


def _records(
    entries: Iterator[Entry], writer: Writer, settings: Settings, ledger: Ledger
) -> Generator[VideoRecord, None, None]:
    """The videos that can be written; others stop the conversion, or are noted and left out."""
    seen: set[str] = set()
    for key, load in entries:
        try:
            if key in seen:
                raise DatasetError("this id occurs more than once; every video needs its own")
            seen.add(key)
            record = load()
            lacks = writer.missing(record, settings)
            if lacks is not None:
                raise DatasetError(f"{ledger.to} needs {lacks}, which the source does not have")
        except DAMAGE as error:
            reason = one_line(error).removeprefix(f"{key}: ")
            if not settings.skip_bad:
                hint = "--skip-bad leaves such videos out"
                raise DatasetError(f"{key}: {reason} ({hint}; nothing was written)") from error
            ledger.skipped[key] = reason
            continue
        _account(record, writer, ledger)
        yield record
    if not ledger.written:
        raise DatasetError(f"{ledger.source}: no video could be converted; nothing was written")


def _account(record: VideoRecord, writer: Writer, ledger: Ledger) -> None:
    """Note what the target has no place for, and what reading repaired."""
    ledger.written.append(record.key)
    for part, there in record.parts().items():
        if there and part not in writer.holds:
            ledger.leave_out(part, record.key)
    for what in record.unread:
        ledger.leave_out(what, record.key)
    for sentence in record.annotations.repairs if record.annotations else ():
        ledger.repair(sentence, record.key)
