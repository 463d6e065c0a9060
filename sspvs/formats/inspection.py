"""What looking at a file found: what it is, what its keys mean, what is wrong, what it can be used for."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from sspvs.errors import one_line
from sspvs.table.h5_survey import Family, guide_of, read_entries, survey_keys
from sspvs.types import Annotations

Item = TypeVar("Item")
Watch = Callable[[Collection[Any]], Iterable[Any]]


class NoSuchVideoError(ValueError):
    """A video that was asked for and that the file does not have."""

    def __init__(self, video: str) -> None:
        super().__init__(f"no video '{video}' in this file; `sspvs data inspect` without --video lists them")


@dataclass(frozen=True)
class KeyNote:
    """One key of a file, explained.

    Attributes:
        name: The key.
        count: How many videos (or entries) have it.
        shape: Its shape over all of them.
        dtype: How it is stored.
        meaning: What it is, in plain words.
        made: How to make it; empty when nobody does.
    """

    name: str
    count: int
    shape: str
    dtype: str
    meaning: str
    made: str = ""


@dataclass
class Problem:
    """Something wrong, the same in one or several videos.

    Attributes:
        text: What is wrong, as it shows in the first of them.
        videos: Where; empty when it concerns the file.
        blocking: Whether the video (or file) cannot be used because of it.
        remedy: What to do.
    """

    text: str
    videos: list[str] = field(default_factory=list)
    blocking: bool = True
    remedy: str = ""


@dataclass(frozen=True)
class Use:
    """Something one could do with the file.

    Attributes:
        what: Such as `protocol per-user`.
        possible: Whether it can be done with every video.
        why: What is missing, or what to know; empty when there is nothing to say.
    """

    what: str
    possible: bool
    why: str = ""


@dataclass
class Inspection:
    """What `sspvs data inspect` prints.

    Attributes:
        path: The file or folder.
        kind: Name of the file kind, such as `community`; `none` for files of no use here.
        what: What it is, in a sentence.
        n_videos: How many videos it is about; None where that makes no sense.
        facts: Anything else worth a line, by name.
        keys: Its keys.
        names: Key -> the video's own name, where known.
        problems: What is wrong.
        repaired: What reading it repairs by itself: sentence -> videos.
        uses: What it can be used for.
        usable: Whether it can be used for what it is.
        advice: What to do next, in sentences.
        detail: More about one video, when asked for one.
        video: The one that was asked for.
        watch: Shows progress over a collection, such as a progress bar.
    """

    path: str
    kind: str
    what: str
    n_videos: int | None = None
    facts: dict[str, str] = field(default_factory=dict)
    keys: list[KeyNote] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    repaired: dict[str, list[str]] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    usable: bool = True
    advice: list[str] = field(default_factory=list)
    detail: dict[str, str] = field(default_factory=dict)
    video: str | None = None
    watch: Watch | None = field(default=None, repr=False, compare=False)

    def watched(self, items: Collection[Item]) -> Iterable[Item]:
        """The same items, with whatever shows progress around them."""
        return items if self.watch is None else self.watch(items)

    def problem(
        self, error: str | BaseException, video: str | None = None, *, blocking: bool = True, remedy: str = ""
    ) -> None:
        """Note a problem; those that differ only in numbers become one.

        Args:
            error: What is wrong; paths and video keys at its start are dropped.
            video: Where; None when it concerns the whole file.
            blocking: Whether the video or file cannot be used because of it.
            remedy: What to do.
        """
        text = self._local(one_line(error) if isinstance(error, BaseException) else error, video)
        for known in self.problems:
            same = known.blocking == blocking and bool(known.videos) == (video is not None)
            if same and _shape_of(known.text) == _shape_of(text):
                if video is not None:
                    known.videos.append(video)
                return
        self.problems.append(Problem(text, [] if video is None else [video], blocking, remedy))

    def repair(self, sentence: str, video: str) -> None:
        """Note what reading one video repairs."""
        for known, videos in self.repaired.items():
            if _shape_of(known) == _shape_of(sentence):
                videos.append(video)
                return
        self.repaired[sentence] = [video]

    def _local(self, text: str, video: str | None) -> str:
        """A message without the place it starts with: the place is said once for all."""
        for prefix in (f"{self.path}, video '{video}': ", f"{self.path}, '{video}': ", f"{self.path}: ", f"{video}: "):
            text = text.removeprefix(prefix)
        return text

    def conclude(self) -> Inspection:
        """Decide on `usable`: nothing is blocking, and there is something."""
        self.usable = not any(problem.blocking for problem in self.problems)
        return self

    @property
    def blocked(self) -> list[str]:
        """The videos that cannot be used, each once."""
        return list(dict.fromkeys(v for problem in self.problems if problem.blocking for v in problem.videos))

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        return {"format": "sspvs-inspection", **asdict(replace(self, watch=None))}


def _shape_of(text: str) -> str:
    """A sentence without its numbers and its quoted names."""
    return re.sub(r"\d+(\.\d+)?", "#", text)


def number_of(count: int, noun: str) -> str:
    """`1 video`, `3 videos`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def span(values: Mapping[str, int] | list[int]) -> str:
    """`7` or `5..9` for whole numbers; `none` for no number."""
    numbers = list(values.values()) if isinstance(values, Mapping) else values
    if not numbers:
        return "none"
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low}..{high}"


def explain_keys(path: Path, inspection: Inspection, family: Family) -> None:
    """Fill in the keys of all videos, and every dataset of one where one was asked for."""
    for key in survey_keys(path):
        guide = guide_of(key.name, family)
        dtype = ", ".join(sorted(key.dtypes))
        inspection.keys.append(KeyNote(key.name, key.count, key.shape_text, dtype, guide.meaning, guide.made))
        if len(key.n_dims) > 1:
            inspection.problem(
                f"'{key.name}' has {sorted(key.n_dims)} axes in different videos, expected {guide.shape}",
                blocking=False,  # reading each video decides
            )
    if inspection.video is not None:
        try:
            entries = read_entries(path, inspection.video)
        except KeyError:
            raise NoSuchVideoError(inspection.video) from None
        for name, shape, dtype, values in entries:
            inspection.detail[name] = f"{shape} {dtype}" + (f": {values}" if values else "")


@dataclass
class Tally:
    """What the videos of a dataset have, counted.

    Attributes:
        n_frames: N of each video that can be read.
        n_picks: T of each.
        n_users: U of each.
        with_features: How many have features.
        with_gtscore: How many have a mean annotator.
        unavailable: Protocol -> why it is not available, a reason a video.
    """

    n_frames: list[int] = field(default_factory=list)
    n_picks: list[int] = field(default_factory=list)
    n_users: list[int] = field(default_factory=list)
    with_features: int = 0
    with_gtscore: int = 0
    unavailable: dict[str, list[str]] = field(default_factory=dict)

    def add(self, annotations: Annotations, *, has_features: bool) -> None:
        """Count one video in."""
        from sspvs.evaluation.protocol import PROTOCOLS
        from sspvs.evaluation.requirements import unavailable

        self.n_frames.append(annotations.n_frames)
        self.n_picks.append(len(annotations.picks))
        self.n_users.append(annotations.n_users)
        self.with_features += has_features
        self.with_gtscore += annotations.gtscore is not None
        for name, protocol in PROTOCOLS.items():
            reason = unavailable(protocol, annotations)
            if reason:
                self.unavailable.setdefault(name, []).append(reason)

    def facts(self) -> dict[str, str]:
        """The sizes of the videos."""
        return {
            "frames a video (N)": span(self.n_frames),
            "picks a video (T)": span(self.n_picks),
            "annotators a video (U)": span(self.n_users),
        }

    def uses(self) -> list[Use]:
        """Each protocol, scoring without training, training."""
        from sspvs.evaluation.protocol import PROTOCOLS

        readable = len(self.n_frames)
        uses = []
        for name in PROTOCOLS:
            reasons = self.unavailable.get(name, [])
            why = f"{number_of(len(reasons), 'video')}: {reasons[0]}" if reasons else ""
            uses.append(Use(f"evaluation under {name}", readable > 0 and not reasons, why))
        features = "" if self.with_features == readable else f"{self.with_features} of {readable} videos have features"
        gtscore = "" if self.with_gtscore == readable else f"{self.with_gtscore} of {readable} videos have gtscore"
        lacks = "; ".join(text for text in (features, gtscore) if text)
        scoring = "scoring it without training (sspvs score, --baseline contrastive)"
        return [*uses, Use(scoring, not features, features), Use("training a summarizer on it", not lacks, lacks)]


def note_constant_users(annotations: Annotations, inspection: Inspection) -> None:
    """Annotators who say the same everywhere have no rank correlation with anything."""
    scores = annotations.user_scores_at_picks
    constant = 0 if scores is None else int((scores.min(axis=1) == scores.max(axis=1)).sum())
    if constant:
        inspection.problem(
            f"{number_of(constant, 'annotator')} gave one value at every pick: no rank correlation; left out of the "
            "means and counted",
            annotations.key,
            blocking=False,
        )
