"""Conversion from one format to another through `VideoRecord`, one video at a time, with an account of every loss."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sspvs.atomic import atomic_file, atomic_folder
from sspvs.errors import DatasetError, OutputError, SspvsError, first_line, one_line
from sspvs.formats.detect import detect
from sspvs.formats.format import Format, Ledger, Settings, format_named, formats
from sspvs.formats.record import Entry, VideoRecord
from sspvs.table.h5_file import DAMAGE


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    to: str,
    kind: str | None = None,
    settings: Settings | None = None,
    force: bool = False,
    watch: Callable[[Iterable[Entry], int | None], Iterable[Entry]] | None = None,
) -> Ledger:
    """Convert a file or folder.

    Args:
        source: What to read.
        target: What to write: it appears whole, or not at all.
        to: The format to write, one of `FORMATS` that can be written.
        kind: The format to read; recognised from the source unless given.
        settings: What the source lacks, and how to resample.
        force: Replace a target that exists, if it is of the format that is written.
        watch: Wraps the entries, such as a progress bar.

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
    if not found.can_read:
        raise ValueError(f"{source} is {found.what}, which is not converted: {found.instead}")
    _check_target(source, target, wanted, force)
    with _damage_of(source):
        opened = found.read(source, settings)
    ledger = Ledger(source.name, target.name, found.name, to, opened, settings)
    entries = _whole(opened.entries, source)
    entries = iter(watch(entries, opened.total)) if watch else entries
    atomic = atomic_folder if wanted.is_folder(target) else atomic_file
    with closing(_records(entries, wanted, ledger)) as records, atomic(target) as place:
        wanted.write(place, records, ledger)
    return ledger


@contextmanager
def _damage_of(source: Path) -> Iterator[None]:
    """Report damage as the source's, not the target's."""
    try:
        yield
    except SspvsError:
        raise
    except DAMAGE as error:
        raise DatasetError(f"{source}: cannot be read: {first_line(error)}; copy, download or make it again") from error


def _whole(entries: Iterator[Entry], source: Path) -> Iterator[Entry]:
    """The entries; damage between two videos is the source's."""
    with _damage_of(source):
        yield from entries


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


def _records(entries: Iterator[Entry], wanted: Format, ledger: Ledger) -> Generator[VideoRecord, None, None]:
    """The videos that can be written; others stop the conversion, or are noted and left out."""
    seen: set[str] = set()
    for key, load in entries:
        try:
            if key in seen:
                raise DatasetError("this id occurs more than once; every video needs its own")
            seen.add(key)
            record, unread = load(), ledger.opened.unread(key)
            lacks = [wanted.lacks(record)]
            if wanted.needs_clock and ledger.settings.fps_of(record) is None:
                lacks.append("frames per second (--fps)")
            if any(lacks):
                needed = " and ".join(what for what in lacks if what)
                raise DatasetError(f"{ledger.to} needs {needed}, which the source does not have")
        except DAMAGE as error:
            reason = one_line(error).removeprefix(f"{key}: ")
            if not ledger.settings.skip_bad:
                hint = "--skip-bad leaves such videos out"
                raise DatasetError(f"{key}: {reason} ({hint}; nothing was written)") from error
            ledger.skipped[key] = reason
            continue
        ledger.written.append(record.key)
        lost = [part for part, there in record.parts().items() if there and part not in wanted.holds]
        for what in (*lost, *record.unread, *unread):
            ledger.leave_out(what, record.key)
        for sentence in record.annotations.repairs if record.annotations else ():
            ledger.repaired.setdefault(sentence, []).append(record.key)
        yield record
    if not ledger.written:
        raise DatasetError(f"{ledger.source}: no video could be converted; nothing was written")
