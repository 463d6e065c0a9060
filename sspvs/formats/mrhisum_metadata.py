"""What lies beside `mr_hisum.h5`: `metadata.csv` (which YouTube video is which) and the split file."""

from __future__ import annotations

from pathlib import Path

from sspvs.errors import DatasetError
from sspvs.files import read_json, read_text
from sspvs.formats.glimpse import Glimpse
from sspvs.formats.inspection import Inspection, KeyNote, Use
from sspvs.formats.kind import Kind
from sspvs.parsing import table_records

METADATA, SPLIT = "metadata.csv", "mr_hisum_split.json"
KEY, NAME = "video_id", "youtube_id"
_COLUMNS = {
    KEY: "the video's key in the h5 file",
    "yt8m_file": "the YouTube-8M record file that has its features",
    "random_id": "its id in that file",
    NAME: "its id on YouTube",
    "duration": "seconds",
    "views": "how often it was watched",
    "labels": "YouTube-8M class numbers",
}


def read_names(path: Path) -> dict[str, str]:
    """Key -> YouTube id.

    Raises:
        DatasetError: When the table cannot be read or lacks the two columns.
    """
    try:
        names, rows = table_records(read_text(path))
        if not {KEY, NAME} <= set(names):
            raise DatasetError(f"{path}: expected columns '{KEY}' and '{NAME}', found {names}")
        return {row[KEY].strip(): row[NAME].strip() for _, row in rows if row[KEY] and row[NAME]}
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot read the table: {error}; fetch it again") from error


def names_beside(h5: Path) -> dict[str, str]:
    """Key -> YouTube id, from a `metadata.csv` in the same folder; empty when there is none that can be read."""
    path = h5.parent / METADATA
    try:
        return read_names(path) if path.is_file() else {}
    except DatasetError:
        return {}


def subsets_beside(h5: Path) -> dict[str, str]:
    """Key -> `train`, `val` or `test`, from the split file in the same folder; empty when there is none."""
    path = h5.parent / SPLIT
    try:
        lists = read_json(path) if path.is_file() else {}
    except (ValueError, OSError):
        return {}
    if not isinstance(lists, dict):
        return {}
    return {str(key): part for part in ("train", "val", "test") for key in lists.get(f"{part}_keys", [])}


def inspect(path: Path, inspection: Inspection) -> None:
    """The table."""
    names = read_names(path)
    inspection.n_videos = len(names)
    inspection.names = names
    columns = Glimpse(path).columns
    inspection.keys = [
        KeyNote(column, len(names), "a column", "text", _COLUMNS.get(column, "no column that we know"))
        for column in columns
    ]
    inspection.uses = [Use("names of the videos: put it beside the h5 file", True)]


KIND = Kind(
    name="mrhisum-metadata",
    what="MR.HiSum's table of videos (CSV)",
    matches=lambda glimpse: {KEY, NAME} <= set(glimpse.columns),
    inspect=inspect,
    instead="it only names videos: convert the h5 file beside it",
)
