"""DSNet's labels of one's own videos: a folder of `{stem}.json` = `{"user_summary": [[0/1] * N] * U}`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.atomic import write_text
from sspvs.errors import DatasetError, SspvsError, first_line
from sspvs.files import read_json
from sspvs.formats.glimpse import Glimpse
from sspvs.formats.inspection import Inspection, KeyNote, NoSuchVideoError, Use, span
from sspvs.formats.kind import FileNames, Job, Kind, Settings, Writer
from sspvs.formats.record import Entry, Source, VideoRecord
from sspvs.types import Annotations, BoolArray

HOLDS = frozenset({"user summaries", "names beside the keys"})
KEY = "user_summary"
_LOOKED_AT = 5


def matches(glimpse: Glimpse) -> bool:
    """A label file, or a folder whose first JSON files hold one."""
    if glimpse.is_folder:
        return any(matches(Glimpse(path)) for path in glimpse.files(".json")[:_LOOKED_AT])
    return isinstance(glimpse.json, dict) and KEY in glimpse.json


def _files(path: Path) -> list[Path]:
    return Glimpse(path).files(".json") if path.is_dir() else [path]


def inspect(path: Path, inspection: Inspection) -> None:
    """Every label file."""
    files = _files(path)
    inspection.n_videos = len(files)
    lengths, users = [], []
    for file in files:
        try:
            summaries, _ = read_labels(file)
        except SspvsError as error:
            inspection.problem(str(error).removeprefix(f"{file}: "), file.stem)
            continue
        users.append(len(summaries))
        lengths.append(summaries.shape[1])
        if not summaries.any(axis=1).all():
            inspection.problem("an annotator's summary is empty", file.stem, blocking=False)
        if file.stem == inspection.video:
            shares = ", ".join(f"{share:.0%}" for share in summaries.mean(axis=1))
            inspection.detail = {KEY: f"{summaries.shape}", "share of the frames each annotator kept": shares}
    if inspection.video is not None and not inspection.detail:
        raise NoSuchVideoError(inspection.video)
    shape = f"({span(users)}, {span(lengths)})"
    inspection.keys = [KeyNote(KEY, len(lengths), shape, "0/1", "one row an annotator, one number a frame")]
    inspection.uses = [
        Use("evaluation after conversion", bool(lengths), "shots and features are not in it"),
        Use("training", False, "no features: sspvs extract, then sspvs data build custom"),
    ]
    inspection.advice.append(f"as a dataset file: sspvs data convert '{path}' --to community --out D.h5")


def read_labels(path: Path) -> tuple[BoolArray, tuple[str, ...]]:
    """The (U, N) summaries of one label file, and what else it has.

    Raises:
        DatasetError: When it is damaged or holds something else.
    """
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


def read(path: Path, settings: Settings) -> Source:
    """Open a label folder (or one file) for conversion."""
    files = _files(path)
    notes = (
        f"every {settings.pick_step}th frame was taken as a pick (--pick-step)",
        "gtscore is the mean of the annotators' summaries",
    )
    return Source(settings.name or path.stem, _entries(files, settings), len(files), notes=notes)


def _entries(files: list[Path], settings: Settings) -> Iterator[Entry]:
    for file in files:
        yield file.stem, lambda file=file: _record(file, settings)  # type: ignore[misc]


def _record(path: Path, settings: Settings) -> VideoRecord:
    summaries, unread = read_labels(path)
    picks = np.arange(0, summaries.shape[1], settings.pick_step, dtype=np.int64)
    scores = summaries.astype(np.float32)
    annotations = Annotations(
        key=path.stem,
        video_name=path.stem,
        n_frames=summaries.shape[1],
        picks=picks,
        user_summaries=summaries,
        user_scores=scores,
        gtscore=scores[:, picks].mean(axis=0),
    )
    return VideoRecord(path.stem, path.stem, annotations, unread=unread)


def lacks(record: VideoRecord) -> str | None:
    """Labels are user summaries."""
    has = record.annotations is not None and record.annotations.user_summaries is not None
    return None if has else "user summaries"


def write(folder: Path, records: Iterator[VideoRecord], job: Job) -> None:
    """Write a label file a video."""
    names = FileNames(job.ledger)
    for record in records:
        assert record.annotations is not None  # `lacks` saw to it
        assert record.annotations.user_summaries is not None
        rows = record.annotations.user_summaries.astype(int).tolist()
        write_text(folder / f"{names.stem(record)}.json", json.dumps({KEY: rows}) + "\n")


KIND = Kind(
    name="dsnet",
    what="DSNet labels: each annotator's summary, a JSON file a video",
    matches=matches,
    inspect=inspect,
    read=read,
    writer=Writer(write, "folder", HOLDS, lacks),
)
