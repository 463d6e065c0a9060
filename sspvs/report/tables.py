"""The summary as data: `summary.json` and `scores.csv`."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sspvs.atomic import atomic_stream, write_text
from sspvs.errors import OutputError, printable
from sspvs.machine import package_version
from sspvs.types import BoolArray, ImageArray, IntArray, Summary


def generated_by() -> str:
    """Name and version of the software, for every file that outlives the run."""
    return f"sspvs {package_version()}"


def plain(value: Any) -> Any:
    """A value as strict JSON holds it: NaN and infinity are null, text is `printable`, anything else becomes text."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, Mapping):
        return {printable(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted((plain(item) for item in value), key=str)
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    return printable(str(value))


def shot_of_frames(summary: Summary, frames: IntArray) -> IntArray:
    """(M,) index of the shot that holds each of (M,) frames."""
    index: IntArray = np.searchsorted(summary.shots.bounds[:, 0], frames, side="right") - 1
    return np.clip(index, 0, len(summary.shots) - 1)


def is_played(summary: Summary, frames: IntArray) -> BoolArray:
    """(M,) whether the summary plays each of (M,) frames."""
    if len(summary.segments) == 0:
        return np.zeros(len(frames), dtype=np.bool_)
    starts, ends = summary.segments[:, 0], summary.segments[:, 1]
    index = np.searchsorted(starts, frames, side="right") - 1
    played: BoolArray = (index >= 0) & (frames < ends[np.maximum(index, 0)])
    return played


class _Documented(Protocol):
    def as_dict(self) -> dict[str, Any]: ...


def write_summary_json(summary: _Documented, path: Path, *, files: Sequence[str] = ()) -> None:
    """Write everything that was decided, and how, as strict JSON.

    Args:
        summary: What to write: `summary.as_dict()` plus `generated_by` and `files`.
        path: The file to write.
        files: What was written beside it: a later run replaces these and nothing else.

    Raises:
        OutputError: The file cannot be written.
    """
    document = plain({"generated_by": generated_by(), **summary.as_dict(), **({"files": files} if files else {})})
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_scores_csv(summary: Summary, path: Path) -> None:
    """Write one row a pick, for spreadsheets and plotting.

    Columns: `pick` (frame index), `seconds`, `score`, one for each curve behind the score by its name,
    `shot_index` (from 0, as in the list of `summary.json`), `selected` (1 when the summary plays that frame).

    Args:
        summary: What to write.
        path: The file to write.

    Raises:
        OutputError: The file cannot be written.
    """
    shots, played = shot_of_frames(summary, summary.picks), is_played(summary, summary.picks)
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["pick", "seconds", "score", *summary.curves, "shot_index", "selected"])
    for index, pick in enumerate(summary.picks):
        rows.writerow(
            [
                int(pick),
                f"{summary.timeline.seconds_of(int(pick)):.6f}",
                f"{float(summary.scores[index]):.9g}",
                *(f"{float(curve[index]):.9g}" for curve in summary.curves.values()),
                int(shots[index]),
                int(played[index]),
            ]
        )
    write_text(path, text.getvalue())


def keyframe_name(shot_index: int, frame: int) -> str:
    """File name of a key frame, such as `shot_003_frame_000123.jpg`; shots count from 1 there, as in the report."""
    return f"shot_{shot_index + 1:03d}_frame_{frame:06d}.jpg"


def write_keyframe_images(
    summary: Summary,
    frames: Iterable[ImageArray],
    folder: Path,
    *,
    shot_indices: Sequence[int] | None = None,
    quality: int = 90,
) -> list[Path]:
    """Write the key frame of each shot as a JPEG.

    Args:
        summary: Whose key frames.
        frames: (H, W, 3) uint8 RGB pictures, one for each of `shot_indices` in that order. Any iterable, so that
            full-size frames of a long video need not be in memory together.
        folder: Where to; made when missing.
        shot_indices: Which shots, from 0; None = every shot.
        quality: JPEG quality, 1 to 95.

    Returns:
        The written files, in the order of `shot_indices`.

    Raises:
        ValueError: The number of frames is not the number of shots.
        OutputError: The folder cannot be written to.
    """
    from PIL import Image

    wanted = range(len(summary.shots)) if shot_indices is None else [int(index) for index in shot_indices]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}; choose another one") from error
    written: list[Path] = []
    pictures = iter(frames)
    for index in wanted:
        picture = next(pictures, None)
        if picture is None:
            raise ValueError(f"expected {len(wanted)} key frames, one a shot, got {len(written)}")
        target = folder / keyframe_name(index, int(summary.keyframes[index]))
        with atomic_stream(target) as stream:
            Image.fromarray(picture).save(stream, format="JPEG", quality=quality)
        written.append(target)
    if next(pictures, None) is not None:
        raise ValueError(f"expected {len(wanted)} key frames, one a shot, got more")
    return written
