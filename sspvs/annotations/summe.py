"""SumMe's official annotations (Gygli et al., Creating Summaries from User Videos, ECCV 2014): GT/*.mat."""

from __future__ import annotations

import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.annotations.record import AnnotatedVideo, AnnotationSet, FrameChoices
from sspvs.errors import DatasetError, first_line
from sspvs.files import WrongFileError, check_kind
from sspvs.table.h5_file import may_hold

N_VIDEOS = 25

RULES = {
    "user_summary": "1 where user_score > 0",
    "user_scores": "the same as user_summary: annotators chose, they did not rate",
    "gtscore": "mean of the users' 0/1 summaries at the picks",
}

_USER_SCORE, _N_FRAMES, _FPS, _DURATION = "user_score", "nFrames", "FPS", "video_duration"
_DAMAGE = (ValueError, TypeError, OSError, EOFError, LookupError, NameError, AttributeError, MemoryError, zlib.error)


def read_summe(path: str | os.PathLike[str]) -> AnnotationSet:
    """Read the folder of SumMe's annotation files.

    Videos are numbered as in the community's files: alphabetically, lower case last, a space like an underscore. With
    all 25 files the keys are the community's; with fewer they are not, and a warning says so.

    Args:
        path: The folder `GT`, or the one it lies in.

    Returns:
        What the annotators chose, frame by frame.

    Raises:
        DatasetError: When there is no such folder, or a file in it is no SumMe annotation.
    """
    folder = _folder(Path(path))
    files = sorted(
        (file for file in folder.glob("*.mat") if not file.name.startswith(".")), key=lambda file: _order(file.stem)
    )
    if not files:
        raise DatasetError(f"{folder}: expected SumMe's annotation files (*.mat, one a video), found none")
    videos = tuple(read_summe_video(file, f"video_{number}") for number, file in enumerate(files, 1))
    warnings: tuple[str, ...] = ()
    if len(videos) != N_VIDEOS:
        warnings = (
            f"{folder}: {len(videos)} of SumMe's {N_VIDEOS} videos are here, so video_1 .. video_{len(videos)} are not "
            "the community's keys; go by the names",
        )
    complete = len(videos) == N_VIDEOS
    return AnnotationSet("summe", videos, tuple(files), RULES, community_keys=complete, warnings=warnings)


def _folder(path: Path) -> Path:
    if path.is_file():
        raise DatasetError(
            f"{path}: expected the folder of SumMe's annotation files (GT), found a file; give {path.parent}"
        )
    if not path.is_dir():
        raise DatasetError(f"{path}: no such folder; expected SumMe's annotation files (GT/*.mat)")
    inner = path / "GT"
    return inner if inner.is_dir() and not any(path.glob("*.mat")) else path


def _order(name: str) -> str:
    """Code points: capitals before small letters."""
    return name.replace(" ", "_")


def read_summe_video(path: Path, key: str) -> AnnotatedVideo:
    """Read one of the files.

    Args:
        path: The .mat file; the video is called after it.
        key: The video's key.

    Raises:
        DatasetError: When it cannot be read, or is no SumMe annotation.
    """
    content = _load(path)
    missing = [name for name in (_USER_SCORE, _N_FRAMES) if name not in content]
    if missing:
        found = ", ".join(sorted(name for name in content if not name.startswith("__"))) or "nothing"
        raise DatasetError(
            f"{path}: expected a SumMe annotation with {' and '.join(missing)}, found {found}; is this another dataset?"
        )
    scores = content[_USER_SCORE]
    n_frames = _number(content, _N_FRAMES, path)
    if n_frames is None or not _is_table(scores) or scores.shape[0] != n_frames:
        raise DatasetError(
            f"{path}: expected '{_USER_SCORE}' as (N, U) numbers with N = {_N_FRAMES} = {n_frames}, found "
            f"{getattr(scores, 'dtype', type(scores).__name__)} of shape {getattr(scores, 'shape', ())}"
        )
    if not np.isfinite(scores).all():
        frame, user = np.argwhere(~np.isfinite(scores))[0]
        raise DatasetError(f"{path}: '{_USER_SCORE}' is NaN at frame {frame} of user {user}; expected numbers")
    return AnnotatedVideo(
        key=key,
        name=path.stem,
        opinions=FrameChoices(np.ascontiguousarray((scores > 0).T)),
        n_frames=int(n_frames),
        fps=_number(content, _FPS, path),
        duration_seconds=_number(content, _DURATION, path),
        where=str(path),
    )


def _load(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import MatReadError

    try:
        check_kind(path, "mat", "h5")
        for name, shape, _ in whosmat(path):
            if not may_hold(path.stat().st_size, 8 * math.prod(shape)):
                raise ValueError(f"'{name}' claims {shape} values, which a file of its size does not hold")
        content: dict[str, Any] = loadmat(path)
    except NotImplementedError as error:
        raise DatasetError(
            f"{path}: expected MATLAB v5, as SumMe's annotations are, found v7.3 (HDF5); `sspvs data build tvsum` "
            "reads TVSum's"
        ) from error
    except WrongFileError as error:
        raise DatasetError(f"{path}: expected a MATLAB file, but {error}") from error
    except (*_DAMAGE, struct.error, MatReadError) as error:
        raise DatasetError(f"{path}: cannot be read as a MATLAB file: {first_line(error)}; fetch it again") from error
    return content


def _is_table(values: Any) -> bool:
    return isinstance(values, np.ndarray) and values.dtype.kind in "buif" and values.ndim == 2 and values.size > 0


def _number(content: dict[str, Any], name: str, path: Path) -> float | None:
    """A single number above 0; None when it is not there."""
    if name not in content:
        return None
    value = np.asarray(content[name])
    if value.size != 1 or value.dtype.kind not in "buif" or not np.isfinite(value.ravel()[0]) or value.ravel()[0] <= 0:
        raise DatasetError(f"{path}: expected '{name}' as one number above 0, found {value.dtype} {value.ravel()[:3]}")
    return float(value.ravel()[0])
