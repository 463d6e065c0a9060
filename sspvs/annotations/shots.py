"""Where the shots of a dataset come from: its features' file, KTS, equal lengths, or a file of one's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from sspvs.annotations.clock import VideoOnClock
from sspvs.annotations.record import AnnotatedVideo
from sspvs.annotations.video_names import spelling
from sspvs.errors import DatasetError, listed
from sspvs.files import read_json
from sspvs.selection import DEFAULT_RATIO, given_shots, kts_shots, split_long, uniform_shots
from sspvs.selection.shots import KTS_SHOT_SECONDS, UNIFORM_SHOT_SECONDS
from sspvs.types import Shots, Timeline

Segmenter = Literal["auto", "kts", "uniform"]

SHORT_SECONDS = 1.5  # the longest shot is at least this, where a shot so long fits into the budget

ASSUMED_FPS = 30.0  # where the frame rate is unknown: the community's picks, every 15th frame, are two a second

_UNIT, _VIDEOS = "unit", "videos"


class ChosenShots(NamedTuple):
    """Shots, where they came from (`published`, `kts`, `uniform` or `given`), and what was repaired."""

    shots: Shots
    source: str
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True)
class GivenShots:
    """Shots that a file gives: video -> list of [start, end), in frames or seconds."""

    path: Path
    unit: Literal["frames", "seconds"]
    pairs: Mapping[str, Any]

    def of(self, video: AnnotatedVideo) -> Any:
        """The pairs of a video, found by name or by key; None when there are none."""
        for name in (video.name, video.key):
            if name in self.pairs:
                return self.pairs[name]
        same = [name for name in self.pairs if spelling(name) == spelling(video.name)]
        return self.pairs[same[0]] if len(same) == 1 else None

    def shots(self, video: AnnotatedVideo, clock: VideoOnClock) -> ChosenShots:
        """The shots of a video."""
        time = clock.timeline if self.unit == "seconds" else clock.annotations.n_frames
        if time is None:
            raise DatasetError(f"{video.where}: shots in seconds, but the frame rate is unknown; give --fps")
        try:
            shots, repairs = given_shots(self.of(video), time, unit=self.unit)
        except ValueError as error:
            raise DatasetError(f"{self.path}, video '{video.name}': {error}") from error
        return ChosenShots(shots, "given", repairs)


@dataclass(frozen=True)
class ShotRule:
    """How the shots of every video are chosen."""

    # `auto`: those that come with the features, else KTS where there are features, else uniform
    segmenter: Segmenter = "auto"
    # Length of uniform shots (None: 2) and mean of KTS shots (None: 5); with None, less in videos so short that such
    # shots do not fit into a summary.
    seconds: float | None = None
    given: GivenShots | None = None  # shots that a file gives, instead of all others
    # Longest KTS or uniform shot. None: half of what a summary may hold, so that any two shots fit, or SHORT_SECONDS
    # (the budget, if that is less); at most three times the mean. When given, longer published shots are divided too.
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.segmenter not in ("auto", "kts", "uniform"):
            raise ValueError(f"segmenter must be auto, kts or uniform, got {self.segmenter!r}")
        for name, seconds in (("shot_seconds", self.seconds), ("max_shot_seconds", self.max_seconds)):
            if seconds is not None and not 0 < seconds < np.inf:
                raise ValueError(f"{name} must be a positive number, got {seconds}")

    def check(self, videos: tuple[AnnotatedVideo, ...]) -> None:
        """Refuse a file of shots that lacks videos, all of them named at once."""
        if self.given is None:
            return
        missing = [video.name for video in videos if self.given.of(video) is None]
        if missing:
            there = ", ".join(list(self.given.pairs)[:5])
            raise DatasetError(
                f"{self.given.path}: no shots of {len(missing)} videos: {listed(missing, 5)}; it has {there}"
            )

    def shots(self, video: AnnotatedVideo, clock: VideoOnClock, published: Shots | None) -> ChosenShots:
        """The shots of one video."""
        if self.given is not None:
            return self.given.shots(video, clock)
        if self.segmenter == "auto" and published is not None:
            shots, repairs = _on_frames(published, clock.annotations.n_frames)
            if self.max_seconds is not None:
                whole, timeline = len(shots), _timeline(clock)
                shots = split_long(shots, timeline, self.max_seconds, longer_than=self.max_seconds)
                if len(shots) > whole:
                    repairs += (
                        f"published shots longer than {self.max_seconds:g} s were divided: {whole} became {len(shots)}",
                    )
            return ChosenShots(shots, "published", repairs)
        if self.segmenter == "kts" or (self.segmenter == "auto" and clock.features is not None):
            return self._kts(video, clock)
        if clock.timeline is None:
            raise DatasetError(f"{video.where}: uniform shots need the frame rate, which is unknown; give --fps")
        return ChosenShots(self._uniform(clock.timeline), "uniform")

    def _kts(self, video: AnnotatedVideo, clock: VideoOnClock) -> ChosenShots:
        features, timeline = clock.features, _timeline(clock)
        if features is None:
            raise DatasetError(f"{video.where}: KTS needs features; give --features, or --segmenter uniform")
        notes: tuple[str, ...] = ()
        if clock.timeline is None:
            notes = (f"the frame rate is unknown: shots have a length in seconds at {ASSUMED_FPS:g} fps; give --fps",)
        mean = KTS_SHOT_SECONDS if self.seconds is None else self.seconds
        longest = self.longest_seconds(timeline, mean)
        shots = kts_shots(
            features.features,
            features.picks,
            timeline,
            mean_seconds=mean,
            longest_seconds=longest,
            frame_change=features.frame_change,
        )
        return ChosenShots(shots, "kts", notes)

    def _uniform(self, timeline: Timeline) -> Shots:
        """Equal shots; a length that was given stays, even where no shot fits the budget."""
        seconds = UNIFORM_SHOT_SECONDS if self.seconds is None else self.seconds
        if self.max_seconds is None and (self.seconds is not None or seconds <= _budget(timeline)):
            return uniform_shots(timeline, seconds)
        count = np.ceil(timeline.end_seconds / min(seconds, self.longest_seconds(timeline, seconds)) - 1e-9)
        return uniform_shots(timeline, timeline.end_seconds / count)

    def longest_seconds(self, timeline: Timeline, mean_seconds: float) -> float:
        """The longest KTS shot of a video, in seconds."""
        if self.max_seconds is not None:
            return self.max_seconds
        budget = _budget(timeline)
        return min(max(budget / 2, min(budget, SHORT_SECONDS)), 3 * mean_seconds)

    def as_dict(self) -> dict[str, Any]:
        """The rule, for the dataset's own record."""
        rule: dict[str, Any] = {"segmenter": "given" if self.given else self.segmenter}
        if self.given:
            rule["file"] = self.given.path.name
        else:
            rule |= {
                "mean_seconds_kts": KTS_SHOT_SECONDS if self.seconds is None else self.seconds,
                "seconds_uniform": UNIFORM_SHOT_SECONDS if self.seconds is None else self.seconds,
                "max_seconds": "half of the budget" if self.max_seconds is None else self.max_seconds,
            }
        return rule


def read_given_shots(path: Path) -> GivenShots:
    """Read half-open shots by video, in frames or (`"unit": "seconds"`) seconds; inclusive ends are repaired."""
    try:
        content = read_json(path)
    except OSError as error:
        raise DatasetError(f"{path}: cannot read the shots: {error.strerror or error}") from error
    except ValueError as error:
        raise DatasetError(f"{path}: expected shots as JSON: {error}") from error
    unit = content.get(_UNIT, "frames") if isinstance(content, dict) else None
    videos = content.get(_VIDEOS, content) if isinstance(content, dict) else None
    if unit not in ("frames", "seconds") or not isinstance(videos, dict) or not videos:
        raise DatasetError(
            f"{path}: expected {{video: [[start, end], ...]}}, or such an object under '{_VIDEOS}' with '{_UNIT}' "
            "frames or seconds"
        )
    wrong = next((name for name, pairs in videos.items() if name != _UNIT and not isinstance(pairs, list)), None)
    if wrong is not None:
        raise DatasetError(
            f"{path}, video '{wrong}': expected a list of [start, end] pairs, found {videos[wrong]!r:.40}"
        )
    return GivenShots(path, unit, {name: pairs for name, pairs in videos.items() if name != _UNIT})


def _timeline(clock: VideoOnClock) -> Timeline:
    """When frames are shown, at the assumed rate where that is unknown."""
    n_frames = clock.annotations.n_frames
    return clock.timeline or Timeline(np.arange(n_frames) / ASSUMED_FPS, n_frames / ASSUMED_FPS)


def _budget(timeline: Timeline) -> float:
    """Seconds that a summary may hold, in whole frames as evaluation counts them."""
    return max(int(DEFAULT_RATIO * timeline.n_frames), 1) / timeline.n_frames * timeline.end_seconds


def _on_frames(shots: Shots, n_frames: int) -> tuple[Shots, tuple[str, ...]]:
    """Shots of features whose N differs a little, on the annotations' N."""
    if shots.n_frames == n_frames:
        return shots, ()
    starts = shots.bounds[:, 0]
    sentence = f"the shots' last frame was moved from {shots.n_frames} to {n_frames}"
    return Shots.from_starts(starts[starts < n_frames], n_frames), (sentence,)
