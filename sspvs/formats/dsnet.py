"""DSNet's labels of one's own videos: a folder of `{stem}.json` = `{"user_summary": [[0/1] * N] * U}`."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sspvs.atomic import write_text
from sspvs.errors import DatasetError, first_line
from sspvs.files import read_json
from sspvs.formats.format import FORMATS, Format, Ledger, Settings
from sspvs.formats.head import PathHead
from sspvs.formats.inspection import Inspection, span
from sspvs.formats.seconds import annotations_of_summaries
from sspvs.table import LoadedVideo, Video, VideoTable
from sspvs.types import BoolArray

KEY = "user_summary"
_LOOKED_AT = 5


@FORMATS.register("dsnet")
class DSNet(Format):
    """A folder of label files, or one of them."""

    what = "DSNet labels: each annotator's summary, a JSON file a video"
    order = 140
    keys: ClassVar = {KEY: ("(U, N)", "one row an annotator, one number a frame")}
    needs = ("user summaries",)
    holds = frozenset({"user summaries", "names beside the keys"})
    form = "folder"

    def matches(self, head: PathHead) -> bool:
        """A label file, or a folder whose first JSON files hold one."""
        if head.is_folder:
            return any(self.matches(PathHead(path)) for path in head.files(".json")[:_LOOKED_AT])
        return isinstance(head.json, dict) and KEY in head.json

    def read(self, path: Path, settings: Settings) -> VideoTable:
        """The videos of a label folder, or of one file."""
        files = PathHead(path).files(".json") or [path] * path.is_file()
        notes = (
            f"every {settings.pick_step}th frame was taken as a pick (--pick-step)",
            "gtscore is the mean of the annotators' summaries",
        )
        videos = [Video(file.stem, read=partial(_load, file, settings)) for file in files]
        return VideoTable(videos, name=path.stem, assumptions=notes)

    def inspect(self, path: Path, found: Inspection) -> None:
        """Read every label file."""
        lengths, users = list[int](), list[int]()
        for video in found.loaded(self.read(path, Settings())):
            assert video.annotations is not None
            summaries = video.annotations.user_summaries
            assert summaries is not None
            users.append(len(summaries))
            lengths.append(summaries.shape[1])
            if not summaries.any(axis=1).all():
                found.problem("an annotator's summary is empty", video.id, blocking=False)
            if video.id == found.video:
                shares = ", ".join(f"{share:.0%}" for share in summaries.mean(axis=1))
                found.detail = {KEY: f"{summaries.shape}", "share of the frames each annotator kept": shares}
        found.key(KEY, len(lengths), f"({span(users)}, {span(lengths)})", "0/1", self.keys[KEY][1])
        found.use("evaluation after conversion", bool(lengths), "shots and features are not in it")
        found.use("training", False, "no features: sspvs extract, then sspvs data build custom")
        found.advice.append(f"as a dataset file: sspvs data convert '{path}' --to community --out D.h5")

    def write(self, path: Path, videos: Iterator[LoadedVideo], ledger: Ledger) -> None:
        for video in videos:
            assert video.annotations is not None  # `lacks` saw to it
            assert video.annotations.user_summaries is not None
            rows = video.annotations.user_summaries.astype(int).tolist()
            write_text(path / f"{ledger.file_stem(video)}.json", json.dumps({KEY: rows}) + "\n")


def _load(path: Path, settings: Settings) -> LoadedVideo:
    summaries, unread = _read_labels(path)
    annotations = annotations_of_summaries(path.stem, summaries, settings.pick_step)
    return LoadedVideo(path.stem, path.stem, annotations, unread=unread)


def _read_labels(path: Path) -> tuple[BoolArray, tuple[str, ...]]:
    """The (U, N) summaries of one label file, and what else it has."""
    try:
        content: Any = read_json(path)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: damaged JSON: {first_line(error)}; write it again") from error
    if not isinstance(content, dict) or KEY not in content:
        raise DatasetError(f"{path}: expected an object with '{KEY}', found {type(content).__name__}")
    try:
        rows = np.asarray(content[KEY], dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise DatasetError(f"{path}: '{KEY}': expected rows of N numbers each, found rows of other lengths") from error
    rows = rows[None] if rows.ndim == 1 and rows.size else rows
    if rows.ndim != 2 or 0 in rows.shape or not np.isin(rows, (0, 1)).all():
        raise DatasetError(f"{path}: '{KEY}': expected rows of 0 and 1, one an annotator, found shape {rows.shape}")
    return rows > 0, tuple(f"'{name}'" for name in content if name != KEY)
