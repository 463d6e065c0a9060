"""The account of a conversion: what was written, repaired, and left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sspvs.formats.inspection import Inspection
from sspvs.formats.record import Source, VideoRecord

if TYPE_CHECKING:
    from sspvs.formats.glimpse import Glimpse


@dataclass
class Ledger:
    """What a conversion did, so that nothing is lost silently.

    Attributes:
        source: What was read.
        target: What was written.
        kind: Kind of the source.
        to: Kind of the target.
        written: Keys of the videos that were written.
        left_out: What the target has no place for -> the videos that had it.
        changed: What was derived, resampled or rounded -> videos.
        repaired: What was repaired in reading -> videos.
        skipped: Videos that were left out -> why.
        notes: Sentences about the whole.
    """

    source: str
    target: str
    kind: str
    to: str
    written: list[str] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    changed: dict[str, list[str]] = field(default_factory=dict)
    repaired: dict[str, list[str]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def leave_out(self, what: str, key: str) -> None:
        """Note that the target has no place for a part of one video."""
        self.left_out.setdefault(what, []).append(key)

    def change(self, how: str, key: str) -> None:
        """Note that a part of one video was derived, resampled or rounded."""
        self.changed.setdefault(how, []).append(key)

    def repair(self, what: str, key: str) -> None:
        """Note a repair in reading one video."""
        self.repaired.setdefault(what, []).append(key)

    def made_by(self) -> dict[str, Any]:
        """How the target was made, for its own attributes: plain types, no paths of this machine."""
        return {"command": "sspvs data convert", "from": self.kind}

    def lines(self) -> list[str]:
        """The account, a line an item."""
        lines = [f"note: {sentence}" for sentence in self.notes]
        for word, book in (("repaired", self.repaired), ("changed", self.changed), ("left out", self.left_out)):
            lines += [f"{word}: {what} ({_videos(keys, len(self.written))})" for what, keys in book.items()]
        lines += [f"skipped: {key}: {why}" for key, why in self.skipped.items()]
        return lines


def _videos(keys: list[str], total: int) -> str:
    if len(keys) == total:
        return "every video" if total > 1 else keys[0]
    shown = ", ".join(keys[:4]) + (", ..." if len(keys) > 4 else "")
    return shown if len(keys) == 1 else f"{len(keys)} videos: {shown}"


_FORBIDDEN = re.compile(r'[/\\\x00-\x1f<>:"|?*]')


class FileNames:
    """One name a video, none twice, and none that a file system refuses.

    Args:
        ledger: Told when a name had to be changed.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._taken: set[str] = set()
        self._ledger = ledger

    def stem(self, record: VideoRecord) -> str:
        """The file name, without ending, of one video: its own name; with its key where that name is taken."""
        safe = _FORBIDDEN.sub("_", record.name).strip(" .") or "_"
        if safe.casefold() in self._taken:
            safe = _FORBIDDEN.sub("_", f"{record.name}_{record.key}")
        self._taken.add(safe.casefold())
        if safe != record.name:
            self._ledger.change(f"its file is called '{safe}'", record.key)
        if record.name != record.key:
            self._ledger.leave_out("keys such as video_7 (files have the videos' own names)", record.key)
        return safe


H5_SUFFIXES = (".h5", ".hdf5")


@dataclass(frozen=True)
class Settings:
    """What a conversion may be told.

    Attributes:
        name: The dataset's name in the target; the source's own when empty.
        fps: Frames per second where the source does not say: one number, or one a video (by key or name).
        pick_step: Every how many frames a source without picks is looked at.
        resample: How values become one a second: `mean` over the second, or `hold` the value at its start.
        keep_scale: Keep the length of YouTube-8M features instead of L2-normalising them.
        check: Compare the records of TFRecord files with their checksums.
        skip_bad: Leave out videos that cannot be converted, and say so, instead of stopping at the first.
        subset: Which subset all videos are of, where the source does not say.
    """

    name: str = ""
    fps: float | Mapping[str, float] | None = None
    pick_step: int = 15
    resample: Literal["mean", "hold"] = "mean"
    keep_scale: bool = False
    check: bool = True
    skip_bad: bool = False
    subset: str = ""

    def fps_of(self, record: VideoRecord) -> float | None:
        """Frames per second of one video: what its source says, else what was set."""
        if record.fps is not None:
            return record.fps
        if isinstance(self.fps, Mapping):
            return self.fps.get(record.key, self.fps.get(record.name))
        return self.fps


@dataclass(frozen=True)
class Job:
    """One conversion, for the writer.

    Attributes:
        source: What is read: its name, fingerprint and how it was made.
        settings: What was asked for.
        ledger: The account to write to.
    """

    source: Source
    settings: Settings
    ledger: Ledger

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.settings.name or self.source.name

    def fps(self, record: VideoRecord) -> float:
        """Frames per second of one video, where the format `needs_clock`.

        Raises:
            ValueError: When nothing says it.
        """
        rate = self.settings.fps_of(record)
        if rate is None:
            raise ValueError(f"{record.key}: frames per second are unknown; give --fps")
        return rate


Inspect = Callable[[Path, Inspection], None]
Read = Callable[[Path, Settings], Source]


@dataclass(frozen=True)
class Writer:
    """How records become a file or folder of one kind.

    Attributes:
        write: Writes all records to a path that is renamed afterwards.
        form: Whether the target is a file, a folder, or either: a folder unless its name ends as h5 files do.
        holds: The parts of a record (`VideoRecord.parts`) that the format has a place for.
        lacks: What a record lacks that the format needs, in words; None when nothing.
        needs_clock: Whether frames per second must be known.
    """

    write: Callable[[Path, Iterator[VideoRecord], Job], None]
    form: Literal["file", "folder", "either"]
    holds: frozenset[str]
    lacks: Callable[[VideoRecord], str | None]
    needs_clock: bool = False

    def is_folder(self, target: Path) -> bool:
        """Whether a target of that name is a folder."""
        return self.form == "folder" or (self.form == "either" and target.suffix.lower() not in H5_SUFFIXES)

    def missing(self, record: VideoRecord, settings: Settings) -> str | None:
        """What a record lacks to be written, in words; None when nothing."""
        lacks = [self.lacks(record)]
        if self.needs_clock and settings.fps_of(record) is None:
            lacks.append("frames per second (--fps)")
        return " and ".join(what for what in lacks if what) or None


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes:
        name: Its name on the command line.
        what: What it is, in a few words.
        matches: Whether a path is of this kind, from a first look.
        inspect: Fills in an inspection; raises `SspvsError` for what makes the whole file useless.
        read: Opens it for conversion; None where there is nothing to convert.
        writer: How to write it; None where it is only read.
        instead: What to do where it cannot be converted.
    """

    name: str
    what: str
    matches: Callable[[Glimpse], bool]
    inspect: Inspect
    read: Read | None = None
    writer: Writer | None = None
    instead: str = field(default="")
