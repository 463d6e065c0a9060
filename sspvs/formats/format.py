"""What a file format is: how it is recognised, inspected, read and written; and the registry of all formats.

A format is one module with one class, here, or in another package that is imported or names the class as an entry
point of the group `sspvs.formats`:

    @FORMATS.register("captions")
    class Captions(Format):
        what = "captions of videos (JSON)"
        keys = {"text": ("text", "a sentence about the video")}

        def matches(self, head): ...
        def read(self, path, settings): ...
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from sspvs.errors import listed
from sspvs.formats.head import PathHead
from sspvs.formats.inspection import Inspection
from sspvs.formats.record import Source, VideoRecord
from sspvs.registry import Registry

H5_SUFFIXES = (".h5", ".hdf5")
_FORBIDDEN = re.compile(r'[/\\\x00-\x1f<>:"|?*]')


@dataclass(frozen=True)
class Settings:
    """Settings of a conversion."""

    name: str = ""  # the dataset's name in the target; the source's own when empty
    # frames per second where the source does not say: one number, or one a video (by key or name)
    fps: float | Mapping[str, float] | None = None
    pick_step: int = 15  # distance in frames of the picks of a source that has none
    # how values become one a second: `mean` over the second, or `hold` the value at its start
    resample: Literal["mean", "hold"] = "mean"
    keep_scale: bool = False  # keep the length of YouTube-8M features instead of L2-normalising them
    check: bool = True  # compare the records of TFRecord files with their checksums
    skip_bad: bool = False  # leave out and report videos that cannot be converted, instead of stopping at the first
    subset: str = ""  # which subset all videos are of, where the source does not say

    def fps_of(self, record: VideoRecord) -> float | None:
        """Frames per second of one video: those of its source, else of the settings."""
        if record.fps is not None:
            return record.fps
        if isinstance(self.fps, Mapping):
            return self.fps.get(record.key, self.fps.get(record.name))
        return self.fps


@dataclass
class Ledger:
    """One conversion, and the account of it: nothing is lost silently."""

    source: str
    target: str
    kind: str
    to: str
    opened: Source = field(repr=False)
    settings: Settings = field(default_factory=Settings)
    written: list[str] = field(default_factory=list)  # keys of the videos that were written
    # what the target has no place for -> the videos that had it
    left_out: dict[str, list[str]] = field(default_factory=dict)
    changed: dict[str, list[str]] = field(default_factory=dict)  # what was derived, resampled or rounded -> videos
    repaired: dict[str, list[str]] = field(default_factory=dict)  # what was repaired in reading -> videos
    skipped: dict[str, str] = field(default_factory=dict)  # videos that were left out -> why
    _file_names: set[str] = field(default_factory=set, repr=False)

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.settings.name or self.opened.name

    @property
    def made_by(self) -> dict[str, Any]:
        """How the target was made, for its own attributes: plain types, no paths of this machine."""
        return {"command": "sspvs data convert", "from": self.kind}

    @property
    def notes(self) -> tuple[str, ...]:
        """What was taken for granted in reading, in sentences."""
        return self.opened.notes

    def leave_out(self, what: str, key: str) -> None:
        """Note that the target has no place for a part of one video."""
        self.left_out.setdefault(what, []).append(key)

    def change(self, how: str, key: str) -> None:
        """Note that a part of one video was derived, resampled or rounded."""
        self.changed.setdefault(how, []).append(key)

    def fps(self, record: VideoRecord) -> float:
        """Frames per second of one video, for a format that `needs_clock`."""
        rate = self.settings.fps_of(record)
        if rate is None:
            raise ValueError(f"{record.key}: frames per second are unknown; give --fps")
        return rate

    def file_stem(self, record: VideoRecord) -> str:
        """A file name, without ending, that no other video has and every file system takes: the video's own name."""
        safe = _FORBIDDEN.sub("_", record.name).strip(" .") or "_"
        if safe.casefold() in self._file_names:
            safe = _FORBIDDEN.sub("_", f"{record.name}_{record.key}")
        self._file_names.add(safe.casefold())
        if safe != record.name:
            self.change(f"its file is called '{safe}'", record.key)
        if record.name != record.key:
            self.leave_out("keys such as video_7 (files have the videos' own names)", record.key)
        return safe

    def lines(self) -> list[str]:
        """The account, a line an item."""
        lines = [f"note: {sentence}" for sentence in self.notes]
        for word, book in (("repaired", self.repaired), ("changed", self.changed), ("left out", self.left_out)):
            lines += [f"{word}: {what} ({self._videos(keys)})" for what, keys in book.items()]
        return lines + [f"skipped: {key}: {why}" for key, why in self.skipped.items()]

    def _videos(self, keys: list[str]) -> str:
        if len(keys) == len(self.written):
            return "every video" if len(keys) > 1 else keys[0]
        shown = ", ".join(keys[:4]) + (", ..." if len(keys) > 4 else "")
        return shown if len(keys) == 1 else f"{len(keys)} videos: {shown}"


class Format:
    """One file format, by its registered name.

    A subclass gives `what`, `family` or `matches`, and `read`, `write` or `inspect` where it can.
    """

    what: ClassVar[str] = ""  # what it is, in a few words
    order: ClassVar[int] = 0  # `detect` tries the lowest first: formats from outside the package before its own
    family: ClassVar[str] = ""  # the family of h5 files that it is, for those that `matches` is not overridden
    # name -> shape or type, and meaning, of each key that a file of the format may have
    keys: ClassVar[Mapping[str, tuple[str, str]]] = {}
    instead: ClassVar[str] = ""  # what to do with such a file where it cannot be converted
    # the parts of a record (`VideoRecord.parts`) that have a place in what is written
    holds: ClassVar[frozenset[str]] = frozenset()
    needs: ClassVar[tuple[str, ...]] = ()  # those of them that writing needs, such as `user summaries or user scores`
    # whether a file, a folder, or either is written: a folder unless the name ends as those of h5 files do
    form: ClassVar[Literal["file", "folder", "either"]] = "file"
    needs_clock: ClassVar[bool] = False  # whether writing needs frames per second
    names_videos: ClassVar[bool] = True  # whether an inspection can say more about one video

    def __init__(self, name: str) -> None:
        self.name = name

    def matches(self, head: PathHead) -> bool:
        """Whether a path is of this format."""
        return bool(self.family) and head.family == self.family

    def read(self, path: Path, settings: Settings) -> Source:
        """Open a path of this format, to be read one video at a time."""
        raise NotImplementedError

    def write(self, path: Path, records: Iterator[VideoRecord], ledger: Ledger) -> None:
        """Write all records to a path that is renamed afterwards, and note in the ledger what is changed or lost."""
        raise NotImplementedError

    def lacks(self, record: VideoRecord) -> str | None:
        """What a record lacks that writing needs, in words; None when nothing."""
        parts = record.parts()
        lacks = [need for need in self.needs if not any(parts[part] for part in need.split(" (")[0].split(" or "))]
        return " and ".join(lacks) or None

    def inspect(self, path: Path, found: Inspection) -> None:
        """Fill in an inspection; by default from every video that `read` gives, and `keys`. May raise `DAMAGE`."""
        for record in found.records(self.read(path, Settings())):
            if found.video in (record.key, record.name):
                found.detail = {"has": listed([part for part, there in record.parts().items() if there], 20)}
        for name, (shape, meaning) in self.keys.items():
            found.key(name, found.n_videos or 0, shape, "", meaning)
        if self.can_read:
            found.use("conversion (sspvs data convert)", not found.blocked)

    @property
    def can_read(self) -> bool:
        """Whether files of this format can be converted."""
        return type(self).read is not Format.read

    @property
    def can_write(self) -> bool:
        """Whether files can be converted to this format."""
        return type(self).write is not Format.write

    def is_folder(self, target: Path) -> bool:
        """Whether a target of that name is a folder."""
        return self.form == "folder" or (self.form == "either" and target.suffix.lower() not in H5_SUFFIXES)


FORMATS: Registry[type[Format]] = Registry("format", "sspvs.formats")


def formats() -> list[Format]:
    """All formats, in the order in which `detect` tries them."""
    return sorted((FORMATS[name](name) for name in FORMATS), key=lambda known: known.order)


def format_named(name: str) -> Format:
    """A format by its name."""
    if name not in FORMATS:
        raise ValueError(FORMATS.unknown(name))
    return FORMATS[name](name)
