"""TVSum's official annotations (Song et al., CVPR 2015): `ydata-tvsum50.mat` (HDF5) or its `.tsv`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from sspvs.annotations import AnnotatedVideo, FrameRatings, read_tvsum
from sspvs.formats.glimpse import Glimpse
from sspvs.formats.inspection import Inspection, KeyNote, NoSuchVideoError, Use, span
from sspvs.formats.kind import Kind

_RATINGS = re.compile(r"^[1-5](,[1-5])*,?$")


def matches(glimpse: Glimpse) -> bool:
    """The MATLAB file, or a table of id, category and ratings."""
    if glimpse.family == "tvsum":
        return True
    columns = glimpse.columns
    return len(columns) == 3 and b"\t" in glimpse.head and bool(_RATINGS.match(columns[2].replace(" ", "")))


def inspect(path: Path, inspection: Inspection) -> None:
    """Every video."""
    annotations = read_tvsum(path)
    videos = annotations.videos
    inspection.n_videos = len(videos)
    inspection.names = {item.key: item.name for item in videos}
    for sentence in annotations.warnings:
        inspection.problem(sentence, blocking=False)
    frames = [item.n_frames or 0 for item in videos]
    ratings = [item.opinions.ratings for item in videos if isinstance(item.opinions, FrameRatings)]
    users = [len(rows) for rows in ratings]
    from_table = path.suffix.lower() != ".mat"
    shape = f"({span(users)}, {span(frames)})"
    inspection.keys = [
        KeyNote("user_anno", len(videos), shape, "1-5", "how important each person found each frame, 1 to 5"),
        KeyNote("video", len(videos), "text", "text", "the video's YouTube id"),
        KeyNote("category", len(videos), "text", "text", "two letters for the kind of video"),
    ]
    if not from_table:
        inspection.keys += [
            KeyNote("title", len(videos), "text", "text", "the video's title"),
            KeyNote("length", len(videos), "scalar", "number", "seconds"),
            KeyNote("nframes", len(videos), "scalar", "number", "N, how many frames the video has"),
            KeyNote("gt_score", len(videos), f"(1, {span(frames)})", "numbers", "mean of the ratings"),
        ]
    for item, rows in zip(videos, ratings, strict=True):
        for sentence in item.repairs:
            inspection.repair(sentence, item.name)
        if not np.isin(rows, (1, 2, 3, 4, 5)).all():
            inspection.problem(f"ratings {rows.min():g}..{rows.max():g}, expected 1 to 5", item.name)
        if inspection.video in (item.key, item.name):
            inspection.detail = _detail(item)
    if inspection.video is not None and not inspection.detail:
        raise NoSuchVideoError(inspection.video)
    inspection.uses = [Use("a dataset file: sspvs data build tvsum --annotations THIS --out D.h5", True)]


def _detail(item: AnnotatedVideo) -> dict[str, str]:
    people = len(item.opinions.ratings) if isinstance(item.opinions, FrameRatings) else 0
    rate = "unknown" if item.fps is None else f"{item.fps:.3f}"
    facts = {"name": item.name, "frames": f"{item.n_frames} at {rate} per second", "annotators": str(people)}
    return facts | {"title": item.title or "(none)", "category": item.category or "(none)"}


KIND = Kind(
    name="tvsum",
    what="TVSum's official annotations",
    matches=matches,
    inspect=inspect,
    instead="sspvs data build tvsum --annotations THIS --out D.h5 makes a dataset file of it",
)
