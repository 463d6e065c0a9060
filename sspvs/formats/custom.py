"""Annotations of one's own (JSON or CSV): intervals in seconds, or one score a second, a person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.annotations import AnnotatedVideo, TimeIntervals, read_custom
from sspvs.annotations.clock import clock_of, users_of
from sspvs.errors import SspvsError
from sspvs.formats.glimpse import Glimpse
from sspvs.formats.inspection import Inspection, KeyNote, NoSuchVideoError, Use, span
from sspvs.formats.kind import Job, Kind, Settings, Writer
from sspvs.formats.record import Entry, Source, VideoRecord, VideoText, values_a_second
from sspvs.types import Annotations

HOLDS = frozenset({"user summaries", "user scores", "fps", "title", "category", "names beside the keys"})


def matches(glimpse: Glimpse) -> bool:
    """A table with videos and annotators, or JSON of the long or the short form."""
    if {"video", "annotator"} <= {column.strip().lower() for column in glimpse.columns}:
        return True
    content, first = glimpse.json, glimpse.first
    if isinstance(content, list):
        return isinstance(first, dict) and "annotators" in first
    if not isinstance(content, dict):
        return False
    if isinstance(content.get("videos"), (dict, list)):
        return True
    return _is_video(first)


def _is_video(value: Any) -> bool:
    if isinstance(value, dict):
        return "annotators" in value
    return isinstance(value, list) and bool(value) and isinstance(value[0], (list, dict))


def inspect(path: Path, inspection: Inspection) -> None:
    """Every video."""
    annotations = read_custom(path)
    for sentence in annotations.warnings:
        inspection.problem(sentence, blocking=False)
    inspection.n_videos = len(annotations.videos)
    users, kinds = [], []
    for annotated in annotations.videos:
        inspection.names[annotated.key] = annotated.name
        opinions = annotated.opinions
        people = opinions.seconds if isinstance(opinions, TimeIntervals) else getattr(opinions, "scores", {})
        users.append(len(people))
        kinds.append("intervals in seconds" if isinstance(opinions, TimeIntervals) else "a score a second")
        for sentence in annotated.repairs:
            inspection.repair(sentence, annotated.name)
        try:
            users_of(annotated, clock_of(annotated, None))
        except SspvsError as error:
            text = str(error).removeprefix(f"{annotated.where}: ").removeprefix(f"{annotated.where}, ")
            unknown = "is unknown" in text
            inspection.problem(text, annotated.name, blocking=not unknown)
        if inspection.video in (annotated.key, annotated.name):
            inspection.detail = {"annotators": ", ".join(f"{name} ({len(said)})" for name, said in people.items())}
    if inspection.video is not None and not inspection.detail:
        raise NoSuchVideoError(inspection.video)
    inspection.facts |= {"annotators a video (U)": span(users), "they gave": ", ".join(sorted(set(kinds)))}
    inspection.keys = [KeyNote("annotators", len(users), "a list a person", "JSON or CSV", "what each person chose")]
    inspection.uses = [
        Use("a dataset file: sspvs data build custom --annotations THIS --out D.h5", True, "add --features or --videos")
    ]


def read(path: Path, settings: Settings) -> Source:
    """Open annotations of one's own for conversion."""
    fps = settings.fps if isinstance(settings.fps, (int, float)) else None
    annotations = read_custom(path, fps=fps)
    notes = (
        *annotations.warnings,
        f"every {settings.pick_step}th frame was taken as a pick (--pick-step)",
    )
    entries = _entries(annotations.videos, settings)
    return Source(settings.name or annotations.name, entries, len(annotations.videos), notes=notes)


def _entries(videos: tuple[AnnotatedVideo, ...], settings: Settings) -> Iterator[Entry]:
    for video in videos:
        yield video.key, lambda video=video: _record(video, settings)  # type: ignore[misc]


def _record(video: AnnotatedVideo, settings: Settings) -> VideoRecord:
    clock = clock_of(video, None, settings.pick_step)
    users = users_of(video, clock)
    annotations = Annotations(
        key=video.key,
        video_name=video.name,
        n_frames=clock.n_frames,
        picks=clock.picks,
        user_summaries=users.chosen,
        user_scores=users.scores,
        gtscore=((users.scores[:, clock.picks].mean(axis=0, dtype=np.float64) - users.low) / users.span).astype(
            np.float32
        ),
        title=video.title,
        category=video.category,
        fps=clock.fps,
        repairs=(*video.repairs, *clock.repairs, *users.repairs),
    )
    return VideoRecord(video.key, video.name, annotations, text=VideoText(category=video.category, title=video.title))


def lacks(record: VideoRecord) -> str | None:
    """One's own annotations are what single people said, in seconds."""
    annotations = record.annotations
    if annotations is None or (annotations.user_summaries is None and annotations.user_scores is None):
        return "user summaries or user scores"
    return None


def write(path: Path, records: Iterator[VideoRecord], job: Job) -> None:
    """Write the long JSON form, a video a line."""
    names: set[str] = set()
    with path.open("w", encoding="utf-8") as file:
        file.write("{")
        for number, record in enumerate(records):
            name = record.name if record.name not in names else f"{record.name} ({record.key})"
            names.add(name)
            if name != record.name:
                job.ledger.change(f"another video has its name: it is called '{name}'", record.key)
            if record.key not in (name, f"video_{number + 1}"):
                job.ledger.leave_out("keys (videos are numbered in the order of the file)", record.key)
            video = json.dumps(_video(record, job), ensure_ascii=False)
            file.write((",\n" if number else "\n") + json.dumps(name, ensure_ascii=False) + ": " + video)
        file.write("\n}\n")


def _video(record: VideoRecord, job: Job) -> dict[str, Any]:
    annotations, fps = record.annotations, job.fps(record)
    assert annotations is not None  # `lacks` saw to it
    fields: dict[str, Any] = {"n_frames": annotations.n_frames, "fps": fps}
    title, category = annotations.title or record.text.title, annotations.category or record.text.category
    fields |= {name: text for name, text in (("title", title), ("category", category)) if text}
    return {**fields, "annotators": _people(record, annotations, fps, job)}


def _people(record: VideoRecord, annotations: Annotations, fps: float, job: Job) -> dict[str, Any]:
    """What each person said: scores where these say more than the summaries do, else the summaries' intervals."""
    if record.has_own_scores and annotations.user_scores is not None:
        scores = annotations.user_scores
        picks = annotations.picks if annotations.user_scores_at_frames is None else np.arange(annotations.n_frames)
        rows = [values_a_second(row, picks, annotations.n_frames, fps, job.settings.resample) for row in scores]
        job.ledger.change(f"scores are one a second ({job.settings.resample})", record.key)
        if annotations.user_summaries is not None:
            job.ledger.leave_out("user summaries beside user scores (a video has one or the other)", record.key)
        return {f"user_{user}": {"scores": [float(x) for x in row]} for user, row in enumerate(rows, start=1)}
    assert annotations.user_summaries is not None
    people = {}
    for user, row in enumerate(annotations.user_summaries, start=1):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]]).astype(np.int8))).reshape(-1, 2)
        people[f"user_{user}"] = {"intervals": [[float(a / fps), float(b / fps)] for a, b in edges]}
    return people


KIND = Kind(
    name="custom",
    what="annotations of one's own: intervals in seconds or a score a second (JSON or CSV)",
    matches=matches,
    inspect=inspect,
    read=read,
    writer=Writer(write, "file", HOLDS, lacks, needs_clock=True),
)
