"""The findings of an inspection: what a file is, what its keys mean, what is wrong, what it can be used for."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from sspvs.errors import one_line
from sspvs.table import LoadedVideo, VideoTable
from sspvs.table.h5_file import DAMAGE
from sspvs.table.h5_survey import Family, guide_of, read_entries, shape_text, survey_keys

Item = TypeVar("Item")
Watch = Callable[[Iterable[Any], "int | None"], Iterable[Any]]
"""Shows progress over items, of which there are so many where that is known."""


class NoSuchVideoError(ValueError):
    """The inspection of one video that the file does not have."""

    def __init__(self, video: str) -> None:
        super().__init__(f"no video '{video}' in this file; `sspvs data inspect` without --video lists them")


@dataclass(frozen=True)
class KeyNote:
    """One key of a file, explained."""

    name: str
    count: int
    shape: str
    dtype: str
    meaning: str
    made: str = ""


@dataclass
class Problem:
    """Something wrong, the same in one or several videos."""

    text: str
    videos: list[str] = field(default_factory=list)
    blocking: bool = True
    remedy: str = ""


@dataclass(frozen=True)
class Use:
    """Something that the file can or cannot be used for."""

    what: str
    possible: bool
    why: str = ""


@dataclass
class Inspection:
    """What `sspvs data inspect` prints."""

    path: str
    kind: str  # name of the format, such as `community`; `none` for files of no use here
    what: str  # what it is, in a sentence
    n_videos: int | None = None  # how many videos it is about; None where that makes no sense
    facts: dict[str, str] = field(default_factory=dict)  # anything else worth a line, by name
    keys: list[KeyNote] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)  # key -> the video's own name, where known
    problems: list[Problem] = field(default_factory=list)
    # what reading it repairs by itself: sentence -> videos
    repaired: dict[str, list[str]] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    usable: bool = True  # whether it can be used for what it is
    advice: list[str] = field(default_factory=list)  # what to do next, in sentences
    detail: dict[str, str] = field(default_factory=dict)  # more about one video, when one is named
    video: str | None = None
    # shows progress over items, such as a progress bar
    watch: Watch | None = field(default=None, repr=False, compare=False)

    def watched(self, items: Collection[Item]) -> Iterable[Item]:
        """The same items, with whatever shows progress around them."""
        return items if self.watch is None else self.watch(items, len(items))

    def loaded(self, table: VideoTable, remedy: str = "") -> Iterator[LoadedVideo]:
        """Each video of a table that can be read, counted, with its repairs; others and repeated ids are problems."""
        counts: Counter[str] = Counter()
        for video in self.watched(table.videos):
            counts[video.id] += 1
            if counts[video.id] > 1:
                continue
            try:
                loaded = table.load(video)
            except DAMAGE as error:
                self.problem(error, video.id, remedy=remedy)
                continue
            if loaded.name != video.id:
                self.names[video.id] = loaded.name
            for sentence in loaded.annotations.repairs if loaded.annotations else ():
                self.repair(sentence, video.id)
            yield loaded
        table.close()
        for _, sentence in table.problems:
            self.problem(sentence)
        self.n_videos = len(counts)
        self.repeated(counts, "entries", "keep one of them")

    def repeated(self, counts: Mapping[str, int], what: str, remedy: str) -> None:
        """Note the ids that several entries have."""
        for key, count in counts.items():
            if count > 1:
                self.problem(f"{count} {what} have this id", key, remedy=remedy)

    def key(self, name: str, count: int, shape: str, dtype: str, meaning: str, made: str = "") -> None:
        """Explain one key."""
        self.keys.append(KeyNote(name, count, shape, dtype, meaning, made))

    def explain(self, keys: Mapping[str, tuple[str, str]], count: int, dtype: str) -> None:
        """Explain keys (name -> shape and meaning) that so many videos have."""
        for name, (shape, meaning) in keys.items():
            self.key(name, count, shape, dtype, meaning)

    def use(self, what: str, possible: bool, why: str = "") -> None:
        """Note what the file can or cannot be used for."""
        self.uses.append(Use(what, possible, why))

    def problem(
        self, error: str | BaseException, video: str | None = None, *, blocking: bool = True, remedy: str = ""
    ) -> None:
        """Note a problem; those that differ only in numbers become one."""
        text = one_line(error) if isinstance(error, BaseException) else error
        for prefix in (f"{self.path}, video '{video}': ", f"{self.path}, '{video}': ", f"{self.path}: ", f"{video}: "):
            text = text.removeprefix(prefix)
        if video is not None:  # the file of the video in a folder
            text = re.sub(rf"{re.escape(self.path)}/{re.escape(video)}\.\w+: ", "", text, count=1)
        for known in self.problems:
            same = known.blocking == blocking and bool(known.videos) == (video is not None)
            if same and _without_numbers(known.text) == _without_numbers(text):
                if video is not None:
                    known.videos.append(video)
                return
        self.problems.append(Problem(text, [] if video is None else [video], blocking, remedy))

    def repair(self, sentence: str, video: str) -> None:
        """Note what reading one video repairs."""
        same = (known for known in self.repaired if _without_numbers(known) == _without_numbers(sentence))
        self.repaired.setdefault(next(same, sentence), []).append(video)

    @property
    def blocked(self) -> list[str]:
        """The videos that cannot be used, each once."""
        return list(dict.fromkeys(v for problem in self.problems if problem.blocking for v in problem.videos))

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        return {"format": "sspvs-inspection", **asdict(replace(self, watch=None))}


def _without_numbers(text: str) -> str:
    return re.sub(r"\d+(\.\d+)?", "#", text)


def number_of(count: int, noun: str) -> str:
    """`1 video`, `3 videos`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def span(numbers: list[int]) -> str:
    """`7` or `5..9` for whole numbers; `none` for no number."""
    if not numbers:
        return "none"
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low}..{high}"


def explain_keys(path: Path, inspection: Inspection, family: Family) -> None:
    """Fill in the keys of all videos of an h5 file, and every dataset of the one video that is named."""
    for name, found in survey_keys(path).items():
        guide, shapes = guide_of(name, family), [shape for shape, _ in found]
        dtypes, n_dims = sorted({dtype for _, dtype in found}), sorted({len(shape) for shape in shapes})
        inspection.key(name, len(found), shape_text(shapes), ", ".join(dtypes), guide.meaning, guide.made)
        if len(n_dims) > 1:
            inspection.problem(
                f"'{name}' has {n_dims} axes in different videos, expected {guide.shape}",
                blocking=False,  # reading each video decides
            )
    if inspection.video is not None:
        try:
            entries = read_entries(path, inspection.video)
        except KeyError:
            raise NoSuchVideoError(inspection.video) from None
        for name, shape, dtype, values in entries:
            inspection.detail[name] = f"{shape} {dtype}" + (f": {values}" if values else "")
