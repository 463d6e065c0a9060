"""Annotations of one's own (JSON or CSV): intervals in seconds, or one score a second, a person."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sspvs.annotations import read_custom
from sspvs.annotations.clock import on_clock
from sspvs.annotations.record import AnnotatedVideo, TimeIntervals
from sspvs.errors import SspvsError
from sspvs.formats.format import FORMATS, Format, Ledger, Settings, has_own_scores
from sspvs.formats.head import PathHead
from sspvs.formats.inspection import Inspection, span
from sspvs.formats.seconds import values_a_second
from sspvs.selection.shots import runs
from sspvs.table import LoadedVideo, Video, VideoTable
from sspvs.table.text import TextFields
from sspvs.types import Annotations


@FORMATS.register("custom")
class Custom(Format):
    """What each annotator chose or scored, by video."""

    what = "annotations of one's own: intervals in seconds or a score a second (JSON or CSV)"
    order = 170
    keys: ClassVar = {"annotators": ("a list a person", "what each person chose")}
    needs = ("user summaries or user scores",)
    holds = frozenset({"user summaries", "user scores", "fps", "title", "category", "names beside the keys"})
    needs_clock = True

    def matches(self, head: PathHead) -> bool:
        """A table with videos and annotators, or JSON of the long or the short form."""
        if {"video", "annotator"} <= {column.strip().lower() for column in head.columns}:
            return True
        content, first = head.json, head.first
        if isinstance(content, list):
            return isinstance(first, dict) and "annotators" in first
        if not isinstance(content, dict):
            return False
        if isinstance(content.get("videos"), (dict, list)):
            return True
        if isinstance(first, dict):
            return "annotators" in first
        return isinstance(first, list) and bool(first) and isinstance(first[0], (list, dict))

    def read(self, path: Path, settings: Settings) -> VideoTable:
        annotations = read_custom(path, fps=settings.fps if isinstance(settings.fps, (int, float)) else None)
        notes = (*annotations.warnings, f"every {settings.pick_step}th frame was taken as a pick (--pick-step)")
        videos = [Video(video.key, read=partial(_load, video, settings)) for video in annotations.videos]
        return VideoTable(videos, name=annotations.name, assumptions=notes)

    def inspect(self, path: Path, found: Inspection) -> None:
        """Read every video; one whose frame rate is unknown is not wrong: `data build` takes it."""
        annotations = read_custom(path)
        for sentence in annotations.warnings:
            found.problem(sentence, blocking=False)
        found.n_videos = len(annotations.videos)
        users, kinds = list[int](), set[str]()
        for video in annotations.videos:
            found.names[video.key] = video.name
            opinions = video.opinions
            people = opinions.seconds if isinstance(opinions, TimeIntervals) else getattr(opinions, "scores", {})
            users.append(len(people))
            kinds.add("intervals in seconds" if isinstance(opinions, TimeIntervals) else "a score a second")
            for sentence in video.repairs:
                found.repair(sentence, video.name)
            try:
                on_clock(video, None)
            except SspvsError as error:
                text = str(error).removeprefix(f"{video.where}: ").removeprefix(f"{video.where}, ")
                found.problem(text, video.name, blocking="is unknown" not in text)
            if found.video in (video.key, video.name):
                counts = (f"{name} ({len(values)})" for name, values in people.items())
                found.detail = {"annotators": ", ".join(counts)}
        found.facts |= {"annotators a video (U)": span(users), "they gave": ", ".join(sorted(kinds))}
        found.explain(self.keys, len(users), "JSON or CSV")
        command = "sspvs data build custom --annotations THIS --out D.h5"
        found.use(f"a dataset file: {command}", True, "add --features or --videos")

    def write(self, path: Path, videos: Iterator[LoadedVideo], ledger: Ledger) -> None:
        names: set[str] = set()
        with path.open("w", encoding="utf-8") as file:
            file.write("{")
            for number, video in enumerate(videos):
                name = video.name if video.name not in names else f"{video.name} ({video.id})"
                names.add(name)
                if name != video.name:
                    ledger.change(f"another video has its name: it is called '{name}'", video.id)
                if video.id not in (name, f"video_{number + 1}"):
                    ledger.leave_out("keys (videos are numbered in the order of the file)", video.id)
                content = json.dumps(_content(video, ledger), ensure_ascii=False)
                file.write((",\n" if number else "\n") + json.dumps(name, ensure_ascii=False) + ": " + content)
            file.write("\n}\n")


def _load(video: AnnotatedVideo, settings: Settings) -> LoadedVideo:
    annotations = on_clock(video, None, settings.pick_step).annotations
    return LoadedVideo(video.key, video.name, annotations, text=TextFields(video.category, title=video.title))


def _content(video: LoadedVideo, ledger: Ledger) -> dict[str, Any]:
    annotations, fps = video.annotations, ledger.fps(video)
    assert annotations is not None  # `lacks` saw to it
    fields: dict[str, Any] = {"n_frames": annotations.n_frames, "fps": fps}
    title, category = annotations.title or video.text.title, annotations.category or video.text.category
    fields |= {name: text for name, text in (("title", title), ("category", category)) if text}
    return {**fields, "annotators": _people(video, annotations, fps, ledger)}


def _people(video: LoadedVideo, annotations: Annotations, fps: float, ledger: Ledger) -> dict[str, Any]:
    """Each person's scores where these hold more than the summaries do, else the summaries' intervals."""
    if annotations.user_scores is not None and has_own_scores(annotations):
        how = ledger.settings.resample
        picks = annotations.picks if annotations.user_scores_at_frames is None else np.arange(annotations.n_frames)
        rows = [values_a_second(row, picks, annotations.n_frames, fps, how) for row in annotations.user_scores]
        ledger.change(f"scores are one a second ({how})", video.id)
        if annotations.user_summaries is not None:
            ledger.leave_out("user summaries beside user scores (a video has one or the other)", video.id)
        return {f"user_{user}": {"scores": [float(x) for x in row]} for user, row in enumerate(rows, start=1)}
    assert annotations.user_summaries is not None
    return {
        f"user_{user}": {"intervals": [[float(start / fps), float(end / fps)] for start, end in runs(row)]}
        for user, row in enumerate(annotations.user_summaries, start=1)
    }
