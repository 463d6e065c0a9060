"""TVSum's official annotations (Song et al., TVSum: Summarizing Web Videos Using Titles, CVPR 2015)."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sspvs.data.annotations.rating_rate import rate_of_ratings
from sspvs.data.annotations.record import AnnotatedVideo, AnnotationSet, FrameRatings
from sspvs.data.annotations.tvsum_tsv import read_tsv
from sspvs.errors import DatasetError, first_line
from sspvs.features.store.group_reader import LONGEST_TEXT
from sspvs.features.store.h5_file import open_h5
from sspvs.files import WrongFileError
from sspvs.types import FloatArray

N_VIDEOS = 50
LOWEST, HIGHEST = 1, 5

RULES = {
    "user_scores": "the ratings, 1 to 5, at every frame",
    "user_summary": "exact knapsack of each user's ratings over the shots, floor of 15 % of the frames",
    "gtscore": "(mean rating - 1) / 4 at the picks",
}

_ROOT = "tvsum50"
_FIELDS = ("video", "category", "title", "length", "nframes", "user_anno")
_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError, OverflowError, AttributeError)
_NAMES = ("ydata-tvsum50.mat", "ydata-tvsum50-anno.tsv")


def read_tvsum(path: str | os.PathLike[str], *, fps: float | None = None) -> AnnotationSet:
    """Read TVSum's ratings, from the MATLAB file or the table.

    Videos are numbered in the order of the file, as the community's are. The table knows no frame rates; they are
    inferred from the ratings, which were given to shots of two seconds, or from the lengths in
    `ydata-tvsum50-info.tsv` where that lies beside it.

    Args:
        path: `ydata-tvsum50.mat`, `ydata-tvsum50-anno.tsv`, or the folder of either.
        fps: Frames per second, for videos whose rate is not known otherwise.

    Returns:
        The ratings of every frame.

    Raises:
        DatasetError: When the file is missing, damaged, or something else.
    """
    path = _file(Path(path))
    if path.suffix.lower() in (".tsv", ".csv", ".txt"):
        table = read_tsv(path)
        videos, files = tuple(_with_rate(video, fps) for video in table.videos), table.files
    else:
        videos, files = _read_mat(path), (path,)
    warnings: tuple[str, ...] = ()
    if len(videos) != N_VIDEOS:
        warnings = (
            f"{path}: {len(videos)} of TVSum's {N_VIDEOS} videos are here, so video_1 .. video_{len(videos)} may not "
            "be the community's keys; go by the names",
        )
    for video in videos:
        _check_ratings(video)
    complete = len(videos) == N_VIDEOS
    return AnnotationSet("tvsum", videos, files, RULES, community_keys=complete, warnings=warnings)


def _file(path: Path) -> Path:
    if path.is_dir():
        found = [path / name for name in _NAMES if (path / name).is_file()]
        if not found:
            raise DatasetError(f"{path}: expected {' or '.join(_NAMES)} in this folder, found neither; name the file")
        return found[0]
    if not path.exists():
        raise DatasetError(f"{path}: no such file; expected {' or '.join(_NAMES)}")
    return path


def _check_ratings(video: AnnotatedVideo) -> None:
    assert isinstance(video.opinions, FrameRatings)
    ratings = video.opinions.ratings
    outside = ~((ratings >= LOWEST) & (ratings <= HIGHEST))  # NaN too
    if outside.any():
        user, frame = np.argwhere(outside)[0]
        raise DatasetError(
            f"{video.where}: expected ratings from {LOWEST} to {HIGHEST}, found {ratings[user, frame]:g} at frame "
            f"{frame} of user {user}"
        )


def _with_rate(video: AnnotatedVideo, fps: float | None) -> AnnotatedVideo:
    """The table's video with a frame rate: from its ratings, its length, or what the user says."""
    assert isinstance(video.opinions, FrameRatings)
    assert video.n_frames is not None
    inferred = rate_of_ratings(video.opinions.ratings)
    if inferred is not None:
        sentence = f"the frame rate, {inferred:.3f}, was inferred from ratings that change every 2 seconds"
        return replace(video, fps=inferred, repairs=(*video.repairs, sentence))
    if video.duration_seconds:
        rate = video.n_frames / video.duration_seconds
        sentence = f"the frame rate, {rate:.3f}, was computed from a length in whole seconds"
        return replace(video, fps=rate, repairs=(*video.repairs, sentence))
    return replace(video, fps=fps)


def _read_mat(path: Path) -> tuple[AnnotatedVideo, ...]:
    try:
        with open_h5(path) as file:
            fields = _fields(file, path)
            return tuple(_read_video(file, fields, number, path) for number in range(len(fields["video"])))
    except DatasetError:
        raise
    except WrongFileError as error:
        raise DatasetError(f"{path}: expected ydata-tvsum50.mat (MATLAB v7.3, which is HDF5), but {error}") from error
    except _DAMAGE as error:
        raise DatasetError(f"{path}: cannot read the annotations: {first_line(error)}; fetch the file again") from error


def _fields(file: h5py.File, path: Path) -> dict[str, Any]:
    """Field -> (V,) object references."""
    root = file.get(_ROOT)
    if not isinstance(root, h5py.Group):
        found = ", ".join(sorted(key for key in file if not key.startswith("#"))[:8]) or "nothing"
        raise DatasetError(f"{path}: expected TVSum's group '{_ROOT}', found {found}; is this another file?")
    missing = [name for name in _FIELDS if name not in root]
    if missing:
        raise DatasetError(f"{path}: '{_ROOT}' lacks {', '.join(missing)}; fetch ydata-tvsum50.mat again")
    if odd := [name for name in _FIELDS if h5py.check_ref_dtype(root[name].dtype) is not h5py.Reference]:
        raise DatasetError(f"{path}: expected references in '{_ROOT}/{odd[0]}'; fetch ydata-tvsum50.mat again")
    fields = {name: root[name][()].reshape(-1) for name in _FIELDS}
    if len({len(values) for values in fields.values()}) != 1:
        raise DatasetError(f"{path}: the fields of '{_ROOT}' are of different lengths; fetch ydata-tvsum50.mat again")
    return fields


def _read_video(file: h5py.File, fields: dict[str, Any], number: int, path: Path) -> AnnotatedVideo:
    values = {name: np.asarray(file[references[number]][()]) for name, references in fields.items()}
    name = _text(values["video"])
    where = f"{path}, video '{name}'"
    n_frames = int(values["nframes"].ravel()[0])
    duration = float(values["length"].ravel()[0])
    ratings: FloatArray = values["user_anno"].astype(np.float32)
    if ratings.ndim == 2 and ratings.shape[0] == n_frames != ratings.shape[1]:
        ratings = np.ascontiguousarray(ratings.T)
    if ratings.ndim != 2 or ratings.shape[1] != n_frames or not name or not duration > 0:
        raise DatasetError(
            f"{where}: expected ratings (U, {n_frames}) and a length above 0, found shape {ratings.shape} and "
            f"{duration}"
        )
    stored_title = _text(values["title"])
    title = mended(stored_title)
    return AnnotatedVideo(
        key=f"video_{number + 1}",
        name=name,
        opinions=FrameRatings(ratings, LOWEST, HIGHEST),
        n_frames=n_frames,
        fps=n_frames / duration,
        duration_seconds=duration,
        title=title,
        category=_text(values["category"]),
        where=where,
        repairs=() if title == stored_title else ("the title's UTF-8 had been read as Latin-1 and was put right",),
    )


def _text(codes: Any) -> str:
    """A MATLAB string: character codes."""
    return "".join(map(chr, codes.ravel())) if codes.dtype.kind == "u" and codes.size <= LONGEST_TEXT else ""


def mended(title: str) -> str:
    """A title whose UTF-8 was once read as Latin-1, made right; others as they are."""
    try:
        return title.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return title
