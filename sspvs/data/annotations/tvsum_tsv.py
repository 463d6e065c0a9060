"""TVSum's annotations as tables: `ydata-tvsum50-anno.tsv`, and `ydata-tvsum50-info.tsv` where it lies beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sspvs.data.annotations.record import AnnotatedVideo, FrameRatings
from sspvs.errors import DatasetError
from sspvs.files import read_content, read_text
from sspvs.types import FloatArray

_COLUMNS = 3  # video id, category, comma-separated ratings
_INFO_COLUMNS = 5  # category, video id, title, url, length as minutes:seconds


class Table(NamedTuple):
    """The videos of a table, and the files they came from."""

    videos: tuple[AnnotatedVideo, ...]
    files: tuple[Path, ...]


@dataclass(frozen=True)
class _Info:
    title: str
    seconds: float | None


def read_tsv(path: Path) -> Table:
    """Read the table of ratings: no header, `video id, category, comma-separated ratings`, a line per annotator.

    Raises:
        DatasetError: Naming the line, when it is something else.
    """
    ratings: dict[str, list[FloatArray]] = {}
    categories: dict[str, str] = {}
    for number, line in enumerate(_lines(path), 1):
        cells = line.split("\t")
        if len(cells) != _COLUMNS:
            raise DatasetError(
                f"{path}, line {number}: expected {_COLUMNS} columns with tabs between them (video id, category, "
                f"ratings with commas), found {len(cells)}; is this ydata-tvsum50-anno.tsv?"
            )
        name, category, values = (cell.strip() for cell in cells)
        row = _ratings(values, f"{path}, line {number}")
        known = ratings.setdefault(name, [])
        if known and len(known[0]) != len(row):
            raise DatasetError(
                f"{path}, line {number}: expected {len(known[0])} ratings, as on the other lines of video '{name}', "
                f"found {len(row)}"
            )
        known.append(row)
        categories.setdefault(name, category)
    if not ratings:
        raise DatasetError(f"{path}: expected a line per video and annotator, found none")
    info_path = path.with_name(path.name.replace("-anno", "-info"))
    info = _read_info(info_path) if info_path != path and info_path.is_file() else {}
    videos = tuple(
        AnnotatedVideo(
            key=f"video_{number}",
            name=name,
            opinions=FrameRatings(np.stack(rows)),
            n_frames=len(rows[0]),
            duration_seconds=info[name].seconds if name in info else None,
            title=info[name].title if name in info else "",
            category=categories[name],
            where=f"{path}, video '{name}'",
        )
        for number, (name, rows) in enumerate(ratings.items(), 1)
    )
    return Table(videos, (path, info_path) if info else (path,))


def _lines(path: Path) -> list[str]:
    try:
        text = read_text(path)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path}: expected a table as text, found other bytes at {error.start}; is this ydata-tvsum50-anno.tsv?"
        ) from error
    return [line for line in text.splitlines() if line.strip()]


def _ratings(values: str, where: str) -> FloatArray:
    """(N,) float32 from text; single digits, which they are, without a number being made of each."""
    codes = np.frombuffer(values.encode(), dtype=np.uint8)
    if len(codes) % 2 and (codes[1::2] == ord(",")).all() and ((codes[::2] >= 48) & (codes[::2] <= 57)).all():
        return (codes[::2] - 48).astype(np.float32)
    numbers = values.split(",")
    try:
        return np.array([float(number) for number in numbers], dtype=np.float32)
    except ValueError:
        wrong = next(number for number in numbers if not _is_number(number))
        raise DatasetError(
            f"{where}: expected ratings with commas between them, found {wrong.strip()[:20]!r}"
        ) from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_info(path: Path) -> dict[str, _Info]:
    """Video id -> title and length; lines of another shape, such as a header, are passed over."""
    found = {}
    for line in read_content(path).decode("utf-8-sig", errors="replace").splitlines():
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) == _INFO_COLUMNS:
            found[cells[1]] = _Info(cells[2], _seconds(cells[4]))
    return found


def _seconds(length: str) -> float | None:
    """Seconds of `m:ss` or `h:mm:ss`; None when it is neither."""
    parts = length.split(":")
    if not all(part.isdigit() for part in parts):
        return None
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + int(part)
    return float(seconds) or None
