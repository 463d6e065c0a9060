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

import numpy as np

from sspvs.errors import listed
from sspvs.formats.head import PathHead
from sspvs.formats.inspection import Inspection
from sspvs.registry import Registry
from sspvs.table import LoadedVideo, VideoTable
from sspvs.types import Annotations

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

    def fps_of(self, video: LoadedVideo) -> float | None:
        """Frames per second of one video: those of its source, else of the settings."""
        if video.fps is not None:
            return video.fps
        if isinstance(self.fps, Mapping):
            return self.fps.get(video.id, self.fps.get(video.name))
        return self.fps


@dataclass
class Ledger:
    """One conversion, and the account of it: nothing is lost silently."""

    source: str  # the source's file name
    kind: str  # its format
    to: str  # the format that is written
    table: VideoTable = field(repr=False)  # the videos of the source
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
        return self.settings.name or self.table.name

    @property
    def made_by(self) -> dict[str, Any]:
        """How the target was made, for its own attributes: plain types, no paths of this machine."""
        return {"command": "sspvs data convert", "from": self.kind}

    def leave_out(self, what: str, key: str) -> None:
        """Note that the target has no place for a part of one video."""
        self.left_out.setdefault(what, []).append(key)

    def change(self, how: str, key: str) -> None:
        """Note that a part of one video was derived, resampled or rounded."""
        self.changed.setdefault(how, []).append(key)

    def fps(self, video: LoadedVideo) -> float:
        """Frames per second of one video, for a format that `needs_clock`."""
        rate = self.settings.fps_of(video)
        if rate is None:
            raise ValueError(f"{video.id}: frames per second are unknown; give --fps")
        return rate

    def file_stem(self, video: LoadedVideo) -> str:
        """A file name, without ending, that no other video has and every file system takes: the video's own name."""
        safe = _FORBIDDEN.sub("_", video.name).strip(" .") or "_"
        if safe.casefold() in self._file_names:
            safe = _FORBIDDEN.sub("_", f"{video.name}_{video.id}")
        self._file_names.add(safe.casefold())
        if safe != video.name:
            self.change(f"its file is called '{safe}'", video.id)
        if video.name != video.id:
            self.leave_out("keys such as video_7 (files have the videos' own names)", video.id)
        return safe

    def lines(self) -> list[str]:
        """The account, a line an item."""
        lines = [f"note: {sentence}" for sentence in self.table.assumptions]
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
    instead: ClassVar[str] = ""  # what to do with such a file, where it is not converted; empty where it is
    # the parts of a video (`parts_of`) that have a place in what is written
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

    def read(self, path: Path, settings: Settings) -> VideoTable:
        """The videos of a path of this format, each to be loaded when its turn comes."""
        raise NotImplementedError

    def write(self, path: Path, videos: Iterator[LoadedVideo], ledger: Ledger) -> None:
        """Write all videos to a path that is renamed afterwards, and note in the ledger what is changed or lost."""
        raise NotImplementedError

    def lacks(self, video: LoadedVideo) -> str | None:
        """What a video lacks that writing needs, in words; None when nothing."""
        parts = parts_of(video)
        lacks = [need for need in self.needs if not any(parts[part] for part in need.split(" (")[0].split(" or "))]
        return " and ".join(lacks) or None

    def inspect(self, path: Path, found: Inspection) -> None:
        """Fill in an inspection; by default from every video that `read` gives, and `keys`. May raise `DAMAGE`."""
        for video in found.loaded(self.read(path, Settings())):
            if found.video in (video.id, video.name):
                found.detail = {"has": listed([part for part, there in parts_of(video).items() if there], 20)}
        found.explain(self.keys, found.n_videos or 0, "")
        if self.can_read:
            found.use("conversion (sspvs data convert)", not found.blocked)

    @property
    def can_read(self) -> bool:
        """Whether files of this format are read as videos."""
        return type(self).read is not Format.read

    @property
    def can_write(self) -> bool:
        """Whether files can be converted to this format."""
        return type(self).write is not Format.write

    def is_folder(self, target: Path) -> bool:
        """Whether a target of that name is a folder."""
        return self.form == "folder" or (self.form == "either" and target.suffix.lower() not in H5_SUFFIXES)


def parts_of(video: LoadedVideo) -> dict[str, bool]:
    """What a video has, by name: the same names as a format's `holds`."""
    annotations, features = video.annotations, video.features
    is_regular = annotations is not None and any(
        np.array_equal(annotations.picks, np.arange(0, annotations.n_frames, step)) for step in (1, 15)
    )
    has: dict[str, Any] = {
        "features": features,
        "fingerprint": features is not None and features.fingerprint,
        "frame times": features is not None and features.timeline,
        "frame changes": features is not None and features.frame_change is not None,
        "further streams of features": features is not None and features.streams,
        "gtscore": annotations is not None and annotations.gtscore is not None,
        "gtsummary": annotations is not None and annotations.gtsummary is not None,
        "user summaries": annotations is not None and annotations.user_summaries is not None,
        "user scores": annotations is not None and has_own_scores(annotations),
        "shots": annotations is not None and annotations.shots,
        "fps": annotations is not None and annotations.fps,
        "names beside the keys": video.name != video.id,
        "picks other than every 15th frame": annotations is not None and not is_regular,
        **video.text._asdict(),
        "token ids": video.tokens,
        "sentences": video.sentences,
        "subset (train, val, test)": video.part,
    }
    return {part: value is not None and value is not False and bool(value) for part, value in has.items()}


def has_own_scores(annotations: Annotations) -> bool:
    """Whether the annotators' scores hold more than their summaries do (not so on SumMe)."""
    summaries, scores = annotations.user_summaries, annotations.user_scores
    if scores is None:
        return False
    return summaries is None or scores.shape != summaries.shape or bool(((scores > 0) != summaries).any())


FORMATS: Registry[type[Format]] = Registry("format", "sspvs.formats")


def formats() -> list[Format]:
    """All formats, in the order in which `detect` tries them."""
    return sorted((FORMATS[name](name) for name in FORMATS), key=lambda known: known.order)


def format_named(name: str) -> Format:
    """A format by its name."""
    if name not in FORMATS:
        raise ValueError(FORMATS.unknown(name))
    return FORMATS[name](name)
