"""The scores of a method, from files or a mapping, matched to the videos of a dataset."""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sspvs.annotations.video_names import VideoFinder, VideoRef, same_name
from sspvs.errors import DatasetError, listed
from sspvs.evaluation.prediction import Prediction
from sspvs.formats.scores import read_score_file, scores_from_mapping
from sspvs.sharing import file_name
from sspvs.table import ScoreFileFacts, VideoScores, is_h5, read_score_facts
from sspvs.types import Annotations
from sspvs.weights.digest import file_digest

ScoreSource = str | os.PathLike[str] | Mapping[str, Any]  # a score file, or video -> numbers

_SHOWN = 8
_FRAMES_MAY_DIFFER = 0.01  # decoders disagree by a frame or two; another video disagrees by more


@dataclass(frozen=True)
class ScoreInput:
    """A method's scores of a dataset on its clocks, key by key; `missing` is empty unless that was allowed."""

    predictions: Mapping[str, Prediction]
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)


def read_score_input(
    scores: ScoreSource | Sequence[ScoreSource],
    dataset: Mapping[str, Annotations],
    *,
    keys: Collection[str] | None = None,
    allow_missing: bool = False,
    recorded_summaries: bool = False,
) -> ScoreInput:
    """Scores of a dataset's videos, of all `keys`, as a file or a mapping has them.

    A file is our score h5, a peer's h5 (`score` a pick, `machine_summary` a frame), JSON, npz or CSV. Videos are named
    by key or by their own name; scores are one a pick of the dataset, one a frame, or one for each of their own
    `picks`. Several files, such as one for each fold, are joined; a video that is in two must have the same scores.
    """
    parts = [_read(part) for part in ([scores] if isinstance(scores, str | os.PathLike | Mapping) else scores)]
    where = parts[0].where + (f" and {len(parts) - 1} more" if len(parts) > 1 else "")
    wanted = None if keys is None else frozenset(keys)
    needed = [key for key in dataset if wanted is None or key in wanted]
    warnings: list[str] = []
    all_unknown: list[str] = []
    found: dict[str, list[tuple[str, VideoScores]]] = {}
    for part in parts:
        matched, unknown = _matched(part.videos, dataset, part.where)
        for key, video in matched.items():
            found.setdefault(key, []).append((part.where, video))
        if unknown:
            warnings.append(f"{part.where}: no such video in the dataset: {_listed(unknown)}; left out")
            all_unknown += unknown
    missing = tuple(key for key in needed if key not in found)
    _complain_of_missing(missing, needed, all_unknown, dataset, where, allow_missing=allow_missing)
    if missing:
        warnings.append(f"{where}: no scores of {_listed(missing)}; {len(needed) - len(missing)} videos are evaluated")
    predictions = {}
    for key in needed:
        if key in found:
            several = [
                _prediction(video, dataset[key], place, warnings, recorded=recorded_summaries)
                for place, video in found[key]
            ]
            _check_same(key, several, [place for place, _ in found[key]])
            predictions[key] = several[0]
    twice: dict[tuple[str, ...], list[str]] = {}
    for key in predictions:
        twice.setdefault(tuple(place for place, _ in found[key]), []).append(key)
    warnings += [
        f"in {' and in '.join(places)}, with the same scores, taken once: {_listed(shared)}"
        for places, shared in twice.items()
        if len(places) > 1
    ]
    sources = [part.source for part in parts]
    for place in {part.where for part in parts}:  # warnings stand in result files
        warnings = [warning.replace(place, file_name(place)) for warning in warnings]
    return ScoreInput(predictions, missing, tuple(warnings), sources[0] if len(parts) == 1 else {"files": sources})


class _Part(NamedTuple):
    """What one file, or one mapping, has: where it is, for messages, name -> scores, and what is known about it."""

    where: str
    videos: Mapping[str, VideoScores]
    source: Mapping[str, Any]


def _read(scores: ScoreSource) -> _Part:
    if not isinstance(scores, Mapping):
        return _Part(str(scores), read_score_file(scores), _source(Path(scores)))
    try:
        return _Part("scores", scores_from_mapping(scores), {})
    except ValueError as error:
        raise DatasetError(f"scores: {error}") from error


def _check_same(key: str, several: Sequence[Prediction], places: Sequence[str]) -> None:
    """Refuse files that differ about a video: they are of two methods, or of two trainings of one."""
    first = several[0]
    for other, place in zip(several[1:], places[1:], strict=True):
        same = np.allclose(first.at_frames, other.at_frames, rtol=1e-6, atol=0)
        recorded = first.summary is not None and other.summary is not None
        if not same or (recorded and not np.array_equal(first.summary, other.summary)):  # type: ignore[arg-type]
            raise DatasetError(
                f"'{key}' is in {places[0]} and in {place} with different scores; files that are given together are "
                "parts of one method, such as its folds: give each method its own --scores (or NAME=FILE), or take the "
                "video out of one file"
            )


def _source(path: Path) -> dict[str, Any]:
    facts = read_score_facts(path) if is_h5(path) else ScoreFileFacts()
    known: dict[str, Any] = {"file": path.name, "sha256": file_digest(path)}
    if facts.scorer:
        known["scorer"] = facts.scorer
    if facts.settings:
        known["settings"] = dict(facts.settings)
    if facts.fingerprint is not None:
        known["feature_fingerprint"] = {**facts.fingerprint.as_dict(), "digest": facts.fingerprint.digest}
    return known


def _matched(
    videos: Mapping[str, VideoScores], dataset: Mapping[str, Annotations], where: str
) -> tuple[dict[str, VideoScores], list[str]]:
    """Key -> scores, and the names that mean no video of the dataset."""
    finder = VideoFinder(dataset)
    found: dict[str, VideoScores] = {}
    unknown = []
    for name, video in videos.items():
        key = _key_of(name, video, finder, where)
        if key is None:
            unknown.append(name)
        elif key in found:
            raise DatasetError(f"{where}: '{found[key].name}' and '{name}' are both video '{key}'; keep one of them")
        else:
            found[key] = video
    return found, unknown


def _key_of(name: str, video: VideoScores, finder: VideoFinder, where: str) -> str | None:
    """Which video of the dataset the scores are of: by what the file calls them, then by the name they carry."""
    key = finder.find(name) or finder.find(VideoRef.parse(name).key)
    carried = video.video_name
    if not carried or carried == name:
        return key
    by_name = finder.find(carried)
    if key is None or by_name == key:
        return by_name
    own = finder.dataset[key].video_name
    if by_name is not None or not (own == key or same_name(own, carried)):
        raise DatasetError(
            f"{where}, '{name}': these are scores of '{carried}', but '{key}' of the dataset is '{own}'; are they of "
            "another dataset, or numbered otherwise? Name the videos by their own names"
        )
    return key


def _complain_of_missing(
    missing: tuple[str, ...],
    needed: list[str],
    unknown: list[str],
    dataset: Mapping[str, Annotations],
    where: str,
    *,
    allow_missing: bool,
) -> None:
    if len(missing) == len(needed):
        raise DatasetError(
            f"{where}: no scores of any of the {len(needed)} videos that are evaluated ({_named(needed[:3], dataset)}, "
            f"...); it has {_listed(unknown) if unknown else 'other videos of the dataset'}"
        )
    if missing and not allow_missing:
        extra = f" (and it has {_listed(unknown)}, which the dataset has not)" if unknown else ""
        raise DatasetError(
            f"{where}: no scores of {len(missing)} of {len(needed)} videos: {_named(missing[:_SHOWN], dataset)}"
            f"{', ...' if len(missing) > _SHOWN else ''}{extra}; add them, give the split file that tests only the "
            "others (--splits), or evaluate what there is (--allow-missing)"
        )


def _prediction(
    video: VideoScores, annotations: Annotations, where: str, warnings: list[str], *, recorded: bool
) -> Prediction:
    place = f"{where}, '{video.name}'"
    n_frames = annotations.n_frames
    if video.n_frames is not None and video.n_frames != n_frames:
        differing = f"{place}: made for {video.n_frames} frames, but the dataset's video has {n_frames}"
        if abs(video.n_frames - n_frames) > max(2, _FRAMES_MAY_DIFFER * n_frames):
            raise DatasetError(f"{differing}; is it another video, or another frame rate?")
        warnings.append(f"{differing}; taken as the same frames from the start")
    if recorded and video.summary is None:
        raise DatasetError(
            f"{place}: no recorded summary ('machine_summary', 'summary'); leave out the demand for them"
        )
    scores, picks = video.scores, video.picks
    if picks is not None and len(picks) == len(scores) and video.n_frames is not None:
        scores, picks = scores[picks < n_frames], picks[picks < n_frames]  # a frame or two of another decoder
    try:
        return Prediction.of(scores, annotations, picks=picks, summary=video.summary if recorded else None)
    except ValueError as error:
        raise DatasetError(f"{place}: {error}") from error


def _named(keys: Iterable[str], dataset: Mapping[str, Annotations]) -> str:
    names = [(key, dataset[key].video_name) for key in keys]
    return ", ".join(f"'{key}'" if key == name else f"'{key}' ({name})" for key, name in names)


def _listed(names: Iterable[str]) -> str:
    return listed((f"'{name}'" for name in names), _SHOWN)
