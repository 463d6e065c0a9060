"""Score files that methods leave behind, as one value a pick or frame of each video; nothing is ever unpickled."""

import json
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.errors import DatasetError, FeatureFileError, SspvsError, first_line, local_only
from sspvs.files import WrongFileError, check_kind, kind_of, read_text
from sspvs.formats.format import FORMATS, Format
from sspvs.formats.head import PathHead
from sspvs.formats.inspection import Inspection, explain_keys, span
from sspvs.parsing import lines_of, parse_json, table_records
from sspvs.table import VideoScores, is_h5, layout, read_scores
from sspvs.table.group_reader import GroupReader
from sspvs.table.h5_file import open_h5
from sspvs.table.h5_survey import video_groups
from sspvs.table.numpy_file import check_arrays
from sspvs.table.score_file import read_video
from sspvs.types.video import LARGEST

SALIENCY = "pred_saliency_scores"
KINDS = (
    "h5 (group a video: 'scores', or 'score'), JSON {video: [numbers]} or {video: {scores, picks, summary}}, "
    f"JSON lines {{vid, {SALIENCY}}}, npz (array a video) or CSV (video, pick or frame, score)"
)
_INSTEAD = "scores are evaluated, not converted: sspvs evaluate --dataset D.h5 --scores THIS"
_USE = ("evaluation (sspvs evaluate --dataset D.h5 --scores THIS)", True, "needs the dataset file")
_FIELDS = {"scores", "picks", "summary"}
_MOST_FRAMES = 2**53  # whole numbers up to here are exact as floats


@FORMATS.register("scores")
class Scores(Format):
    """An h5 group a video, ours or another's."""

    what = "a method's scores, a group a video (h5)"
    family = "scores"
    order = 60
    instead = _INSTEAD

    def inspect(self, path: Path, found: Inspection) -> None:
        explain_keys(path, found, "scores")
        names = scored_videos(path)
        found.n_videos = len(names)
        found.names = {key: name for key, name in names.items() if name != key}
        for key, problem, blocking in score_problems(path):
            found.problem(problem, key, blocking=blocking, remedy="score it again" if blocking else "")
        found.use(*_USE)


@FORMATS.register("scores-json")
class ScoresJson(Format):
    """`{video: [score, ...]}`, or `{"vid": video, "pred_saliency_scores": [score, ...]}` a line."""

    what = "a method's scores, a list a video (JSON or JSON lines)"
    order = 128  # before QVHighlights, whose queries such lines repeat
    instead = _INSTEAD

    def matches(self, head: PathHead) -> bool:
        """An object whose first value is a flat list of numbers, or lines of objects with one."""
        if _has_saliency(head):
            return True
        first = head.first if isinstance(head.json, dict) else None
        return isinstance(first, list) and bool(first) and type(first[0]) in (int, float)

    def inspect(self, path: Path, found: Inspection) -> None:
        head = PathHead(path)
        scores: dict[str, Any] = _saliency(read_text(path)) if _has_saliency(head) else head.json
        found.n_videos, lengths = len(scores), list[int]()
        for name, values in scores.items():
            try:
                video = _video(name, values)
            except ValueError as error:
                found.problem(first_line(error).removeprefix(f"video '{name}': scores: "), name)
                continue
            lengths += [len(video.scores)] * bool(len(video.scores))
            for problem, blocking in _problems(video, None):
                found.problem(problem, name, blocking=blocking)
            if name == found.video and len(video.scores):
                low, high = video.scores.min(), video.scores.max()
                found.detail = {"scores": f"{len(video.scores)}, {low:g} to {high:g}"}
        meaning = "a score a pick or a frame"
        found.key("a video's key or name", len(scores), f"list of {span(lengths)}", "numbers", meaning)
        found.use(*_USE)


def _has_saliency(head: PathHead) -> bool:
    return isinstance(head.first_line, dict) and SALIENCY in head.first_line


def scored_videos(path: str | os.PathLike[str]) -> dict[str, str]:
    """The videos of an h5 score file: key -> name, or the key where there is no name."""
    with open_h5(path) as file:
        names = ((key, GroupReader(group, f"{path}, '{key}'")) for key, group in video_groups(file))
        return {key: reader.text(layout.VIDEO_NAME) or key for key, reader in names}


def score_problems(path: str | os.PathLike[str]) -> Iterator[tuple[str, str, bool]]:
    """What is wrong with the scores of an h5 file: key, sentence, and whether they cannot be used because of it."""
    with open_h5(path) as file:
        for key, group in video_groups(file):
            try:
                video = read_video(group, key, str(path))
            except FeatureFileError as error:
                yield key, str(error), True
                continue
            n_picks = GroupReader(group, str(path)).shape(layout.GTSCORE) if video.picks is None else video.picks.shape
            for sentence, blocking in _problems(video, max(n_picks, default=None)):
                yield key, sentence, blocking


def _problems(video: VideoScores, n_picks: int | None) -> Iterator[tuple[str, bool]]:
    for what, values in (("scores", video.scores), ("summary", video.summary)):
        if values is None:
            continue
        if not values.size:
            yield f"there are no {what}: expected one number a pick or frame", True
        elif not (np.abs(values) <= LARGEST).all():
            yield f"{int((~(np.abs(values) <= LARGEST)).sum())} {what} are NaN, infinite or above {LARGEST:.3g}", True
        elif values.min() == values.max() and what == "scores":
            yield "the scores are the same everywhere: no rank correlation", False
    if n_picks is not None and len(video.scores) != n_picks:
        yield f"{len(video.scores)} scores beside {n_picks} picks", True


def read_score_file(path: str | os.PathLike[str]) -> dict[str, VideoScores]:
    """Read every video's scores, by the name that the file has for it; values are as they stand, unchecked."""
    path = Path(local_only(path))
    try:
        if path.suffix.lower() in (".h5", ".hdf5") or is_h5(path):
            return read_scores(path)
        kind = kind_of(path)
        if kind is not None and kind.name == "npy":
            raise DatasetError(f"{path}: one array of no named video; save the scores as {KINDS}")
        if kind is not None and kind.name == "zip":
            return _read_npz(path)
        text = read_text(path)
        if path.suffix.lower() == ".jsonl":
            return scores_from_mapping(_saliency(text))
        return _read_csv(text) if path.suffix.lower() == ".csv" else scores_from_mapping(parse_json(text, once=True))
    except DatasetError:
        raise
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}: no whole JSON file: {first_line(error)}; expected {KINDS}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: of no known kind; expected {KINDS}") from error
    except WrongFileError as error:
        raise DatasetError(f"{path}: cannot read the scores: {error}; expected {KINDS}") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot read the scores: {error.strerror or first_line(error)}") from error
    except (SspvsError, ValueError) as error:
        message = first_line(error)
        raise DatasetError(message if str(path) in message else f"{path}: {message}") from error


def scores_from_mapping(videos: Any) -> dict[str, VideoScores]:
    """Scores from a mapping of name -> numbers, or name -> {"scores", "picks", "summary"}."""
    if not isinstance(videos, Mapping) or not videos:
        raise ValueError(f"expected {{video: [numbers]}}, found {_described(videos)}")
    return {str(name): _video(str(name), value) for name, value in videos.items()}


def _video(name: str, value: Any) -> VideoScores:
    given = value if isinstance(value, Mapping) else {"scores": value}
    if "scores" not in given or not set(given) <= _FIELDS:
        raise ValueError(f"video '{name}': expected 'scores' (and 'picks', 'summary'), found {_described(value)}")
    picks, summary = given.get("picks"), given.get("summary")
    return VideoScores(
        name,
        _numbers(given["scores"], f"video '{name}': scores"),
        None if picks is None else _whole(_numbers(picks, f"video '{name}': picks"), name),
        summary=None if summary is None else _numbers(summary, f"video '{name}': summary"),
    )


def _numbers(values: Any, where: str) -> Any:
    """(n,) float64, whatever it was; strings, nulls and nested lists are refused."""
    try:
        array = np.asarray(values)
        if array.dtype == object and array.ndim == 1 and all(type(value) in (int, float) for value in array):
            array = array.astype(np.float64)  # whole numbers that int64 does not hold
    except OverflowError as error:
        raise ValueError(f"{where}: expected numbers of at most {LARGEST:.3g}, found a larger one") from error
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{where}: expected one list of numbers, found lists of different lengths") from error
    if array.ndim != 1:
        raise ValueError(f"{where}: expected one list of numbers (one a pick or a frame), found shape {array.shape}")
    if len(array) and array.dtype.kind not in "biuf":
        odd = next((repr(value) for value in array.tolist() if not isinstance(value, (int, float))), str(array.dtype))
        raise ValueError(f"{where}: expected numbers, found {odd}")
    return array.astype(np.float64)


def _whole(picks: Any, name: str) -> Any:
    if not (np.abs(picks) < _MOST_FRAMES).all() or (picks != np.floor(picks)).any():
        raise ValueError(f"video '{name}': picks: expected whole frame numbers")
    return picks.astype(np.int64)


def _read_npz(path: Path) -> dict[str, VideoScores]:
    check_kind(path, "zip")
    try:
        check_arrays(path)
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(
            f"{path}: cannot read the arrays: {first_line(error)}; pickled objects are never opened, save the scores "
            f"as {KINDS}"
        ) from error
    if any(not isinstance(array, np.ndarray) for array in arrays.values()):
        raise DatasetError(f"{path}: a zip file, but not of arrays (a torch checkpoint?); save the scores as {KINDS}")
    return scores_from_mapping(arrays)


def _saliency(text: str) -> dict[str, Any]:
    """What Moment-DETR and those after it submit: a line a query of a video, a score for each 2-second clip."""
    found: dict[str, Any] = {}
    for number, line in lines_of(text):
        row = parse_json(line)
        if not isinstance(row, dict) or not {"vid", SALIENCY} <= set(row):
            raise ValueError(f"line {number}: expected 'vid' and '{SALIENCY}', found {_described(row)}")
        if str(row["vid"]) in found:
            raise ValueError(f"line {number}: a second line about '{row['vid']}'; keep that of the query that is meant")
        found[str(row["vid"])] = row[SALIENCY]
    return found


def _read_csv(text: str) -> dict[str, VideoScores]:
    names, rows = table_records(text, ",")
    header = [name.lower() for name in names]
    clock = next((name for name in ("pick", "frame") if name in header), None)
    if clock is None or not {"video", "score"} <= set(header):
        raise ValueError(f"expected a first line with video, pick (or frame), score; found {', '.join(header)!r}")
    found: dict[str, dict[int, float]] = {}
    for line, record in rows:
        row = {str(name).lower(): cell for name, cell in record.items()}
        try:
            video, place, score = row["video"].strip(), int(row[clock]), float(row["score"])
            if abs(place) >= _MOST_FRAMES:
                raise ValueError(place)
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"line {line}: expected a video, a whole {clock} and a score, found {row}") from error
        if place in found.setdefault(video, {}):
            raise ValueError(f"line {line}: {clock} {place} of '{video}' stands in it twice; keep one")
        found[video][place] = score
    return {name: _from_places(name, places, clock) for name, places in found.items()}


def _from_places(name: str, places: Mapping[int, float], clock: str) -> VideoScores:
    order = np.array(sorted(places), dtype=np.int64)
    scores = np.array([places[place] for place in order.tolist()])
    counted = bool((order == np.arange(len(order))).all())
    if clock == "pick" and not counted:
        raise ValueError(f"video '{name}': picks must be numbered 0, 1, 2, ... without a gap")
    return VideoScores(name, scores, None if counted else order)


def _described(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"a dict of {', '.join(map(repr, list(value)[:6])) or 'nothing'}"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    return f"{type(value).__name__} {str(value)[:40]!r}"
