"""A dataset file in the community's layout, from annotations, features and shots: the published datasets' rules."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from sspvs.annotations.captions import CAPTIONS, CaptionSource, Sentences, caption_stream
from sspvs.annotations.clock import COMMUNITY_STEP, VideoOnClock, on_clock
from sspvs.annotations.record import AnnotatedVideo, AnnotationSet
from sspvs.annotations.shots import ChosenShots, ShotRule
from sspvs.annotations.video_names import NameTable
from sspvs.errors import DatasetError, FeatureFileError, VideoError, about, listed, one_line
from sspvs.machine import package_version
from sspvs.overwriting import refuse_inputs
from sspvs.selection import DEFAULT_RATIO, Budget, select
from sspvs.table import DatasetStore, read_dataset, write_dataset
from sspvs.table.streams import at_picks
from sspvs.types import (
    Annotations,
    BoolArray,
    Fingerprint,
    FloatArray,
    FrameFeatures,
    FurtherStream,
    IntArray,
    Shots,
    Timeline,
)
from sspvs.weights.digest import file_digest

if TYPE_CHECKING:
    from sspvs.features.backbones import Backbone
    from sspvs.features.extract import Sampling
    from sspvs.features.resumable import ExtractionReport

GTSUMMARY_RULE = "exact knapsack of gtscore over the shots, at the picks; ours, nothing is evaluated on it"
_SHOWN = 5


@dataclass
class BuildReport:
    """What was built."""

    out: Path
    n_videos: int = 0  # videos in it
    n_users: tuple[int, int] = (0, 0)  # fewest and most annotators of a video
    n_frames: int = 0  # frames of all videos
    n_shots: int = 0  # shots of all videos
    n_with_features: int = 0  # videos with features
    n_with_captions: int = 0  # videos with sentences
    n_captions: int = 0  # sentences of all videos
    shot_sources: Counter[str] = field(default_factory=Counter)  # where shots came from -> number of videos
    repairs: tuple[tuple[str, str], ...] = ()  # (video name, sentence) of everything that was repaired
    warnings: tuple[str, ...] = ()


def build_dataset(
    annotations: AnnotationSet,
    out: str | os.PathLike[str],
    *,
    features: str | os.PathLike[str] | None = None,
    further: Mapping[str, Path] | None = None,
    allow_missing_features: bool = False,
    shots: ShotRule | None = None,
    captions: CaptionSource | None = None,
    every: int = COMMUNITY_STEP,
    progress: bool = False,
) -> BuildReport:
    """Build a dataset file; a DatasetError has the problems of all videos, before anything is written.

    The features of `further` files, by the names of their streams, and `captions` become further streams, at the picks
    of `features`.
    """
    out = Path(out)
    if every < 1:
        raise ValueError(f"every must be at least 1 frame, got {every}")
    rule = shots or ShotRule()
    others = {name: read_dataset(path) for name, path in (further or {}).items()}
    given = (*([Path(features)] if features else []), *(one.path for one in others.values()))
    given += (rule.given.path,) if rule.given else ()
    inputs = [*annotations.files, *given, *(captions.files if captions else ())]
    refuse_inputs([out], inputs)
    rule.check(annotations.videos)
    report = BuildReport(out, warnings=annotations.warnings)
    with read_dataset(features) if features else nullcontext() as store:
        groups = {} if store is None else _match_videos(annotations, store, allow_missing=allow_missing_features)
        fingerprint = None if store is None else store.features.fingerprint
        streams = {name: (one, _match_videos(annotations, one, allow_missing=True)) for name, one in others.items()}
        build = _Build(annotations, store, groups, rule, every, report, captions, streams)
        build.check()
        made_by = build.made_by(inputs, fingerprint)
        videos = build.videos(made_by, progress)
        write_dataset(out, videos, name=annotations.name, made_by=made_by, fingerprint=fingerprint)
    if store is not None and fingerprint is None:
        report.warnings += (f"{store.path.name}: no feature fingerprint; what made these features is unknown",)
    return report


def extract_features(
    annotations: AnnotationSet,
    folder: Path,
    out: Path,
    backbone: Backbone,
    sampling: Sampling,
    *,
    further: Sequence[Backbone] = (),
    allow_missing: bool = False,
    progress: bool = False,
) -> ExtractionReport:
    """Extract features of the annotated videos that are in a folder; goes on where an earlier run stopped."""
    from sspvs.features.extract import extract_to_file
    from sspvs.video import list_videos

    files = {str(path): path.stem for path in list_videos([folder])}
    found = _match_names([video.name for video in annotations.videos], files, folder)
    missing = [video.name for video in annotations.videos if video.name not in found]
    if missing and (not allow_missing or not found):
        raise DatasetError(
            f"{folder}: no video files of {len(missing)} of {len(annotations.videos)} annotated videos "
            f"({listed(missing, _SHOWN)}); put them there under their names, or leave them without features with "
            "--allow-missing-features"
        )
    paths = [Path(found[video.name]) for video in annotations.videos if video.name in found]
    report = extract_to_file(paths, out, backbone, sampling, further=further, progress=progress)
    if report.failed and not allow_missing:
        shown = listed([about(path, reason) for path, reason in report.failed], _SHOWN, "; ")
        raise VideoError(
            f"{len(report.failed)} of {len(found)} videos could not be used: {shown}; the others' features are "
            f"kept in {out}; mend these, or leave them without features with --allow-missing-features"
        )
    return report


def _match_videos(annotations: AnnotationSet, store: DatasetStore, *, allow_missing: bool) -> dict[str, str]:
    """Video key -> its group in a file, found by name, or by key where keys are the community's."""
    videos, names = annotations.videos, store.video_names()
    by_name = _match_names([video.name for video in videos], names, store.path)
    found: dict[str, str] = {}
    for video in videos:
        if video.name in by_name:
            found[video.key] = by_name[video.name]
        elif annotations.community_keys and names.get(video.key) == video.key:
            found[video.key] = video.key  # the file has no names: the keys are the same everywhere
    missing = [video.name for video in videos if video.key not in found]
    if not missing or (allow_missing and found):
        return found
    remedy = ""
    if all(group == name for group, name in names.items()) and not annotations.community_keys:
        remedy = "its videos may be named by number only, which fits complete SumMe and TVSum annotations only; "
    there = ", ".join(list(names.values())[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")
    raise DatasetError(
        f"{store.path}: no features of {len(missing)} of {len(videos)} videos ({listed(missing, _SHOWN)}); it has "
        f"{there}; {remedy}name its groups after the videos, or leave these videos without features with "
        "--allow-missing-features"
    )


def _match_names(wanted: Sequence[str], known: Mapping[str, str], path: Path) -> dict[str, str]:
    """Wanted name -> its key in `known`: exact, then as `spelling`, then without case; an ambiguous one is refused."""
    table, found = NameTable(known), {}
    for name in wanted:
        groups = table.keys_of(name)
        if len(groups) > 1:
            raise DatasetError(
                f"{path}: '{name}' may be any of {', '.join(groups[:_SHOWN])}; expected one; rename or remove the "
                "others"
            )
        if groups:
            found[name] = groups[0]
    return found


@dataclass
class _Build:
    """One run of `build_dataset`."""

    annotations: AnnotationSet
    store: DatasetStore | None  # with features
    groups: Mapping[str, str]  # video key -> its group there
    rule: ShotRule
    every: int
    report: BuildReport
    captions: CaptionSource | None = None
    streams: Mapping[str, tuple[DatasetStore, Mapping[str, str]]] = field(default_factory=dict)  # and likewise groups

    def check(self) -> None:
        """Refuse what is wrong with any video before anything slow is done."""
        problems = []
        for video in self.annotations.videos:
            try:
                clock, _ = self._read(video)
                if self.rule.given is not None or clock.features is None:  # KTS takes time
                    self.rule.shots(video, clock, None)
            except (DatasetError, FeatureFileError) as error:
                problems.append(one_line(error))
        if problems:
            count = f"{len(problems)} videos cannot be used: " if len(problems) > 1 else ""
            raise DatasetError(count + listed(problems, _SHOWN, "; "))

    def made_by(self, inputs: Sequence[Path], fingerprint: Fingerprint | None) -> dict[str, Any]:
        """How the file is made, as far as it is known before."""
        picks = f"every {self.every}th frame"
        if self.store is not None:
            picks = f"those of the features; {picks} where there are none"
        try:
            files = [{"file": path.name, "sha256": file_digest(path)} for path in inputs]
        except OSError as error:
            raise DatasetError(f"{error.filename}: cannot be read: {error.strerror or error}") from error
        return {
            "made_with": f"sspvs data build, sspvs {package_version()}",
            "rules": {**self.annotations.rules, "gtsummary": GTSUMMARY_RULE},
            "picks": picks,
            "features": None if self.store is None else self.store.path.name,
            "features_fingerprint": fingerprint.digest if fingerprint else None,
            "inputs": files,
        }

    def videos(self, made_by: dict[str, Any], progress: bool) -> Iterator[tuple[Annotations, FrameFeatures | None]]:
        """Every video for the file; adds to `made_by` what is known only afterwards."""
        report, users, silent = self.report, list[int](), list[str]()
        encode = None if self.captions is None else Sentences()
        bar = tqdm(self.annotations.videos, desc="building", unit="video", disable=None if progress else True)
        for video in bar:
            clock, published = self._read(video)
            chosen = self.rule.shots(video, clock, published)
            built = _with_shots(clock.annotations, chosen)
            users.append(built.n_users)
            report.n_videos += 1
            report.n_users = min(users), max(users)
            report.n_frames += built.n_frames
            report.n_shots += len(chosen.shots)
            report.n_with_features += clock.features is not None
            report.shot_sources[chosen.source] += 1
            report.repairs += tuple((video.name, sentence) for sentence in built.repairs)
            features = clock.features
            if encode is not None and features is not None:
                features = self._captioned(video, features, clock.timeline, encode, silent)
            yield built, features
        if silent and self.captions is not None:
            count = f"{len(silent)} of {report.n_with_features} videos"
            if len(silent) == report.n_with_features:
                raise DatasetError(f"{self.captions.path}: no captions of any of the videos; name them by key or name")
            report.warnings += (f"{self.captions.path.name}: no captions of {count} ({listed(silent, _SHOWN)})",)
        made_by["shots"] = {**self.rule.as_dict(), "sources": dict(report.shot_sources)}
        made_by["n_repairs"] = len(report.repairs)

    def _read(self, video: AnnotatedVideo) -> tuple[VideoOnClock, Shots | None]:
        """A video with its features, and the shots that came with these."""
        features, published = None, None
        if self.store is not None and (group := self.groups.get(video.key)) is not None:
            features, published = self.store.features[group], self.store.shots_of(group)
            features = replace(features, streams={**features.streams, **self._further(video, features)})
        return on_clock(video, features, self.every), published

    def _further(self, video: AnnotatedVideo, first: FrameFeatures) -> dict[str, FurtherStream]:
        """A video's features of other files, at the picks of its first ones."""
        streams = {}
        for name, (store, groups) in self.streams.items():
            if (group := groups.get(video.key)) is not None:
                found = store.features[group]
                where = f"{video.where}, stream '{name}'"
                streams[name] = FurtherStream(at_picks(first, found, where), found.fingerprint)
        return streams

    def _captioned(
        self,
        video: AnnotatedVideo,
        features: FrameFeatures,
        timeline: Timeline | None,
        encode: Sentences,
        silent: list[str],
    ) -> FrameFeatures:
        """Features with the stream of a video's sentences; `silent` takes videos without any."""
        assert self.captions is not None
        found, warnings = self.captions.of((video.name, video.key), timeline)
        stream = caption_stream(found or (), features, timeline, encode, video.where)
        self.report.warnings += warnings
        self.report.n_captions += len(found or ())
        self.report.n_with_captions += bool(found)
        if not found:
            silent.append(video.name)
        return replace(features, streams={**features.streams, CAPTIONS: stream})


def _with_shots(plain: Annotations, rule: ChosenShots) -> Annotations:
    """Annotations with shots, and with the summaries that these give."""
    shots, chosen, notes, made = rule.shots, plain.user_summaries, tuple[str, ...](), ""
    assert plain.user_scores is not None
    assert plain.gtscore is not None
    if chosen is None:
        every_frame = np.arange(plain.n_frames, dtype=np.int64)
        chosen = np.stack([_summary(scores, every_frame, shots) for scores in plain.user_scores])
        made = "user summaries are the best part of the best shot, and "
    budget = Budget().limits(shots).frames
    if shots.lengths.min() > budget:
        notes = (
            f"no shot fits into {DEFAULT_RATIO:.0%} of the video ({budget} frames): {made}summaries of methods will be "
            "empty, with F1 0; shorter shots are better (--max-shot-seconds, or other --shots)",
        )
    return replace(
        plain,
        user_summaries=chosen,
        gtsummary=_summary(plain.gtscore, plain.picks, shots)[plain.picks],
        shots=shots,
        repairs=(*plain.repairs, *rule.repairs, *notes),
    )


def _summary(scores: FloatArray, picks: IntArray, shots: Shots) -> BoolArray:
    """(N,) the frames of the best shots within 15 %; the best part of the best one where none fits."""
    frames = np.zeros(shots.n_frames, dtype=np.bool_)
    for start, end in select(scores, picks, shots).segments:
        frames[start:end] = True
    return frames
