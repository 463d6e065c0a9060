"""The official annotations of SumMe and TVSum, as their makers publish them.

SumMe (Gygli et al., Creating Summaries from User Videos, ECCV 2014): a folder `GT` of MATLAB v5 files, one a video.
TVSum (Song et al., CVPR 2015): `ydata-tvsum50.mat` (MATLAB v7.3, which is HDF5), or the table `ydata-tvsum50-anno.tsv`.
"""

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sspvs.annotations.custom import number_of, seconds_of
from sspvs.annotations.record import AnnotatedVideo, AnnotationSet, FrameChoices, FrameRatings
from sspvs.errors import DatasetError, first_line
from sspvs.files import WrongFileError, check_kind, read_content, read_text
from sspvs.table.group_reader import LONGEST_TEXT
from sspvs.table.h5_file import DAMAGE, may_hold, open_h5
from sspvs.types import FloatArray

SUMME_VIDEOS, TVSUM_VIDEOS = 25, 50
SUMME_RULES = {
    "user_summary": "1 where user_score > 0",
    "user_scores": "the same as user_summary: annotators chose, they did not rate",
    "gtscore": "mean of the users' 0/1 summaries at the picks",
}
TVSUM_RULES = {
    "user_scores": "the ratings, 1 to 5, at every frame",
    "user_summary": "exact knapsack of each user's ratings over the shots, floor of 15 % of the frames",
    "gtscore": "(mean rating - 1) / 4 at the picks",
}
LOWEST, HIGHEST = 1, 5
SHOT_SECONDS = 2.0  # TVSum's raters scored shots of this length

_USER_SCORE, _N_FRAMES, _FPS, _DURATION = "user_score", "nFrames", "FPS", "video_duration"
_ROOT = "tvsum50"
_FIELDS = ("video", "category", "title", "length", "nframes", "user_anno")
_NAMES = ("ydata-tvsum50.mat", "ydata-tvsum50-anno.tsv")
_COLUMNS = 3  # video id, category, comma-separated ratings
_INFO_COLUMNS = 5  # category, video id, title, url, length as minutes:seconds
_STANDARD_RATES = np.array([24000 / 1001, 24, 25, 30000 / 1001, 30, 48, 50, 60000 / 1001, 60])
_SAME_RATE = 5e-4  # half of what lies between 29.97 and 30
_FEWEST_CHANGES = 5
_SHORTEST_SHOT_FRAMES = 8


def read_summe(path: str | os.PathLike[str]) -> AnnotationSet:
    """Read the folder of SumMe's annotation files.

    Videos are numbered as in the community's files: alphabetically, lower case last, a space like an underscore. With
    all 25 files the keys are the community's; with fewer they are not, and there is a warning.

    Args:
        path: The folder `GT`, or the one it lies in.

    Returns:
        Each annotator's choice, frame by frame.

    Raises:
        DatasetError: When there is no such folder, or a file in it is no SumMe annotation.
    """
    folder = _folder(Path(path))
    found = (file for file in folder.glob("*.mat") if not file.name.startswith("."))
    files = sorted(found, key=lambda file: file.stem.replace(" ", "_"))  # code points: capitals first
    if not files:
        raise DatasetError(f"{folder}: expected SumMe's annotation files (*.mat, one a video), found none")
    videos = tuple(read_summe_video(file, f"video_{number}") for number, file in enumerate(files, 1))
    some = f"{folder}: {len(videos)} of SumMe's {SUMME_VIDEOS} videos are here, so video_1 .. video_{len(videos)} are"
    complete = len(videos) == SUMME_VIDEOS
    warnings = () if complete else (f"{some} not the community's keys; go by the names",)
    return AnnotationSet("summe", videos, tuple(files), SUMME_RULES, community_keys=complete, warnings=warnings)


def read_summe_video(path: Path, key: str) -> AnnotatedVideo:
    """Read one of SumMe's files; the video is called after it."""
    content = _load(path)
    missing = [name for name in (_USER_SCORE, _N_FRAMES) if name not in content]
    if missing:
        found = ", ".join(sorted(name for name in content if not name.startswith("__"))) or "nothing"
        raise DatasetError(
            f"{path}: expected a SumMe annotation with {' and '.join(missing)}, found {found}; is this another dataset?"
        )
    scores = content[_USER_SCORE]
    n_frames = _number(content, _N_FRAMES, path)
    is_table = isinstance(scores, np.ndarray) and scores.dtype.kind in "buif" and scores.ndim == 2 and scores.size > 0
    if n_frames is None or not is_table or scores.shape[0] != n_frames:
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


def read_tvsum(path: str | os.PathLike[str], *, fps: float | None = None) -> AnnotationSet:
    """Read TVSum's ratings, from the MATLAB file or the table.

    Videos are numbered in the order of the file, as the community's are. The table has no frame rates; they are
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
        found, files = read_tsv(path)
        videos = tuple(_with_rate(video, fps) for video in found)
    else:
        videos, files = _read_mat(path), (path,)
    for video in videos:
        _check_ratings(video)
    some = f"{path}: {len(videos)} of TVSum's {TVSUM_VIDEOS} videos are here, so video_1 .. video_{len(videos)} may"
    complete = len(videos) == TVSUM_VIDEOS
    warnings = () if complete else (f"{some} not be the community's keys; go by the names",)
    return AnnotationSet("tvsum", videos, files, TVSUM_RULES, community_keys=complete, warnings=warnings)


def read_tsv(path: Path) -> tuple[tuple[AnnotatedVideo, ...], tuple[Path, ...]]:
    """Read TVSum's table: `video id, category, ratings`, a line an annotator; also the files that were read."""
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
            duration_seconds=info.get(name, ("", None))[1],
            title=info.get(name, ("", None))[0],
            category=categories[name],
            where=f"{path}, video '{name}'",
        )
        for number, (name, rows) in enumerate(ratings.items(), 1)
    )
    return videos, (path, info_path) if info else (path,)


def rate_of_ratings(ratings: FloatArray) -> float | None:
    """Frames per second, from where (U, N) ratings change; None when too seldom, or not on a grid.

    Ratings are constant over shots of two seconds, so the frames where any annotator's rating changes lie on a grid;
    a line through them gives its step. Rates within 0.05 % of a common one are that one.
    """
    changes = np.flatnonzero((ratings[:, 1:] != ratings[:, :-1]).any(axis=0)) + 1
    if len(changes) < _FEWEST_CHANGES:
        return None
    steps = np.diff(changes)
    shortest = np.median(steps[steps < 1.5 * np.percentile(steps, 10)])
    if shortest < _SHORTEST_SHOT_FRAMES:
        return None
    step, offset, reach = float(shortest), float(changes[0]), _FEWEST_CHANGES
    while True:  # a step that is a little off is a whole shot off at the end of a long video: fit longer and longer
        counts = np.round((changes - offset) / step)
        step, offset = map(float, np.polyfit(counts[:reach], changes[:reach], 1))
        if reach >= len(changes):
            break
        reach *= 2
    counts = np.round((changes - offset) / step)
    if np.median(np.abs(changes - offset - step * counts)) > step / 4:
        return None
    rate = step / SHOT_SECONDS
    nearest = float(_STANDARD_RATES[np.abs(_STANDARD_RATES - rate).argmin()])
    return nearest if abs(nearest / rate - 1) < _SAME_RATE else rate


def _folder(path: Path) -> Path:
    if path.is_file():
        raise DatasetError(
            f"{path}: expected the folder of SumMe's annotation files (GT), found a file; give {path.parent}"
        )
    if not path.is_dir():
        raise DatasetError(f"{path}: no such folder; expected SumMe's annotation files (GT/*.mat)")
    inner = path / "GT"
    return inner if inner.is_dir() and not any(path.glob("*.mat")) else path


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
    except (*DAMAGE, MatReadError) as error:
        raise DatasetError(f"{path}: cannot be read as a MATLAB file: {first_line(error)}; fetch it again") from error
    return content


def _number(content: dict[str, Any], name: str, path: Path) -> float | None:
    """A single number above 0; None when it is not there."""
    if name not in content:
        return None
    value = np.asarray(content[name])
    if value.size != 1 or value.dtype.kind not in "buif" or not np.isfinite(value.ravel()[0]) or value.ravel()[0] <= 0:
        raise DatasetError(f"{path}: expected '{name}' as one number above 0, found {value.dtype} {value.ravel()[:3]}")
    return float(value.ravel()[0])


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
        wrong = next((number for number in numbers if number_of(number) is None), values)
        raise DatasetError(
            f"{where}: expected ratings with commas between them, found {wrong.strip()[:20]!r}"
        ) from None


def _read_info(path: Path) -> dict[str, tuple[str, float | None]]:
    """Video id -> title and seconds; lines of another shape, such as a header, are passed over."""
    lines = read_content(path).decode("utf-8-sig", errors="replace").splitlines()
    rows = ([cell.strip() for cell in line.split("\t")] for line in lines)
    return {row[1]: (row[2], seconds_of(row[4]) or None) for row in rows if len(row) == _INFO_COLUMNS}


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
    """The table's video with a frame rate: from its ratings, its length, or as given."""
    assert isinstance(video.opinions, FrameRatings)
    assert video.n_frames is not None
    rate, how = rate_of_ratings(video.opinions.ratings), "was inferred from ratings that change every 2 seconds"
    if rate is None and video.duration_seconds:
        rate, how = video.n_frames / video.duration_seconds, "was computed from a length in whole seconds"
    if rate is None:
        return replace(video, fps=fps)
    return replace(video, fps=rate, repairs=(*video.repairs, f"the frame rate, {rate:.3f}, {how}"))


def _read_mat(path: Path) -> tuple[AnnotatedVideo, ...]:
    try:
        with open_h5(path) as file:
            fields = _fields(file, path)
            return tuple(_read_video(file, fields, number, path) for number in range(len(fields["video"])))
    except DatasetError:
        raise
    except WrongFileError as error:
        raise DatasetError(f"{path}: expected ydata-tvsum50.mat (MATLAB v7.3, which is HDF5), but {error}") from error
    except DAMAGE as error:
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
        opinions=FrameRatings(ratings),
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
