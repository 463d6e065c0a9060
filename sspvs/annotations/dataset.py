"""The arrays that a dataset file has of each video, from what its annotators said: the published datasets' rules."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from sspvs.annotations.clock import COMMUNITY_STEP, Users, VideoClock, clock_of, mean_score, users_of
from sspvs.annotations.features import FeatureSource
from sspvs.annotations.record import AnnotatedVideo, AnnotationSet
from sspvs.annotations.shots import ShotRule
from sspvs.errors import DatasetError, FeatureFileError, one_line
from sspvs.machine import package_version
from sspvs.overwriting import refuse_inputs
from sspvs.selection import DEFAULT_RATIO, Budget, select
from sspvs.table import write_dataset
from sspvs.types import Annotations, BoolArray, FloatArray, FrameFeatures, IntArray, Shots

GTSUMMARY_RULE = "exact knapsack of gtscore over the shots, at the picks; ours, nothing is evaluated on it"


def annotations_of(
    video: AnnotatedVideo, clock: VideoClock, users: Users, shots: Shots, repairs: tuple[str, ...] = ()
) -> Annotations:
    """All that a dataset file says about a video.

    Args:
        video: What was read from the annotation file.
        clock: N, picks and times.
        users: The annotators' arrays.
        shots: The video cut into shots.
        repairs: What was repaired besides.

    Returns:
        The annotations, with all repairs.
    """
    chosen = users.chosen
    notes: tuple[str, ...] = ()
    made = ""
    if chosen is None:
        every_frame = np.arange(clock.n_frames, dtype=np.int64)
        chosen = np.stack([summary_frames(scores, every_frame, shots) for scores in users.scores])
        made = "user summaries are the best part of the best shot, and "
    budget = Budget().limits(shots).frames
    if shots.lengths.min() > budget:
        notes = (
            f"no shot fits into {DEFAULT_RATIO:.0%} of the video ({budget} frames): {made}summaries of methods will be "
            "empty, with F1 0; shorter shots are better (--max-shot-seconds, or other --shots)",
        )
    gtscore = mean_score(users, clock)
    return Annotations(
        key=video.key,
        video_name=video.name,
        n_frames=clock.n_frames,
        picks=clock.picks,
        user_summaries=chosen,
        user_scores=users.scores,
        gtscore=gtscore,
        gtsummary=summary_frames(gtscore, clock.picks, shots)[clock.picks],
        shots=shots,
        title=video.title,
        category=video.category,
        fps=clock.fps,
        repairs=(*video.repairs, *clock.repairs, *users.repairs, *repairs, *notes),
    )


def summary_frames(scores: FloatArray, picks: IntArray, shots: Shots) -> BoolArray:
    """(N,) the frames of the best shots within 15 %: exact knapsack, budget rounded down.

    Where no shot fits, the best part of the best one: what an annotator prefers is never nothing.

    Args:
        scores: (T,) importance at the picks.
        picks: (T,) frame indices.
        shots: The video cut into shots.
    """
    frames = np.zeros(shots.n_frames, dtype=np.bool_)
    for start, end in select(scores, picks, shots).segments:
        frames[start:end] = True
    return frames


_SHOWN = 5


@dataclass(frozen=True)
class BuildReport:
    """What was built.

    Attributes:
        out: The dataset file.
        n_videos: Videos in it.
        n_users: Fewest and most annotators of a video.
        n_frames: Frames of all videos.
        n_shots: Shots of all videos.
        n_with_features: Videos with features.
        shot_sources: Where shots came from -> number of videos.
        repairs: (video name, sentence) of everything that was repaired.
        warnings: Sentences for the user.
    """

    out: Path
    n_videos: int
    n_users: tuple[int, int]
    n_frames: int
    n_shots: int
    n_with_features: int
    shot_sources: dict[str, int]
    repairs: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


def build_dataset(
    annotations: AnnotationSet,
    out: str | os.PathLike[str],
    *,
    features: str | os.PathLike[str] | None = None,
    allow_missing_features: bool = False,
    shots: ShotRule | None = None,
    every: int = COMMUNITY_STEP,
    progress: bool = False,
) -> BuildReport:
    """Build a dataset file in the community's layout.

    Args:
        annotations: What was read from annotation files (`sspvs.annotations`).
        out: The dataset file to write.
        features: A feature file, ours or of the community's layout; picks are then those of the features.
        allow_missing_features: Whether videos may be without features.
        shots: How shots are chosen.
        every: Distance of the picks in frames, where there are no features.
        progress: Show a progress bar; quiet when stderr is no terminal.

    Returns:
        What was built.

    Raises:
        DatasetError: When annotations, features and shots do not fit together; all videos' problems at once.
        OutputError: When `out` cannot be written.
        ValueError: When `out` is one of the files that are read, or `every` is below 1.
    """
    out = Path(out)
    if every < 1:
        raise ValueError(f"every must be at least 1 frame, got {every}")
    rule = shots or ShotRule()
    inputs = [*annotations.files, *([Path(features)] if features else []), *([rule.given.path] if rule.given else [])]
    refuse_inputs([out], inputs)
    rule.check(annotations.videos)
    source = FeatureSource(features, annotations, allow_missing=allow_missing_features) if features else None
    work = _Build(annotations, source, rule, every, progress)
    try:
        work.check()
        record = {**work.record(), "inputs": [{"file": path.name, "sha256": sha256_of(path)} for path in inputs]}
        fingerprint = source.store.features.fingerprint if source else None
        write_dataset(out, work.videos(record), name=annotations.name, made_by=record, fingerprint=fingerprint)
        return work.report(out)
    finally:
        if source is not None:
            source.store.features.close()


@dataclass
class _Build:
    """One run of `build_dataset`, with what it counts on the way."""

    annotations: AnnotationSet
    source: FeatureSource | None
    rule: ShotRule
    every: int
    progress: bool
    shot_sources: Counter[str] = field(default_factory=Counter)
    repairs: list[tuple[str, str]] = field(default_factory=list)
    n_users: list[int] = field(default_factory=list)
    n_frames: int = 0
    n_shots: int = 0
    n_with_features: int = 0

    def check(self) -> None:
        """Find what is wrong with any video before anything slow is done.

        Raises:
            DatasetError: Telling the first few problems, and how many there are.
        """
        problems = []
        for video in self.annotations.videos:
            try:
                clock, _ = self._read(video)
                if self.rule.given is not None or clock.features is None:  # KTS takes time
                    self.rule.shots(video, clock, None)
            except (DatasetError, FeatureFileError) as error:
                problems.append(one_line(error))
        if len(problems) == 1:
            raise DatasetError(problems[0])
        if problems:
            rest = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
            raise DatasetError(f"{len(problems)} videos cannot be used: {'; '.join(problems[:_SHOWN])}{rest}")

    def videos(self, record: dict[str, Any]) -> Iterator[tuple[Annotations, FrameFeatures | None]]:
        """Every video for the file; adds to `record` what is known only afterwards."""
        bar = tqdm(self.annotations.videos, desc="building", unit="video", disable=None if self.progress else True)
        for video in bar:
            clock, users = self._read(video)
            published = self.source.shots_of(video) if self.source else None
            chosen = self.rule.shots(video, clock, published)
            built = annotations_of(video, clock, users, chosen.shots, chosen.repairs)
            self.shot_sources[chosen.source] += 1
            self.repairs += [(video.name, sentence) for sentence in built.repairs]
            self.n_users.append(built.n_users)
            self.n_frames += built.n_frames
            self.n_shots += len(chosen.shots)
            self.n_with_features += clock.features is not None
            yield built, clock.features
        record["shots"] = {**self.rule.as_dict(), "sources": dict(self.shot_sources)}
        record["n_repairs"] = len(self.repairs)

    def _read(self, video: AnnotatedVideo) -> tuple[VideoClock, Users]:
        features = self.source.features_of(video) if self.source else None
        clock = clock_of(video, features, self.every)
        return clock, users_of(video, clock)

    def record(self) -> dict[str, Any]:
        """How the file is made, as far as it is known before."""
        picks = f"every {self.every}th frame"
        if self.source is not None:
            picks = f"those of the features; {picks} where there are none"
        fingerprint = self.source.store.features.fingerprint if self.source else None
        return {
            "made_with": f"sspvs data build, sspvs {package_version()}",
            "rules": {**self.annotations.rules, "gtsummary": GTSUMMARY_RULE},
            "picks": picks,
            "features": self.source.path.name if self.source else None,
            "features_fingerprint": fingerprint.digest if fingerprint else None,
        }

    def report(self, out: Path) -> BuildReport:
        """What was built."""
        warnings = list(self.annotations.warnings)
        if self.source is not None and self.source.store.features.fingerprint is None:
            warnings.append(f"{self.source.path.name}: no feature fingerprint; what made these features is unknown")
        return BuildReport(
            out=out,
            n_videos=len(self.annotations.videos),
            n_users=(min(self.n_users), max(self.n_users)),
            n_frames=self.n_frames,
            n_shots=self.n_shots,
            n_with_features=self.n_with_features,
            shot_sources=dict(self.shot_sources),
            repairs=tuple(self.repairs),
            warnings=tuple(warnings),
        )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal.

    Raises:
        DatasetError: When the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()
