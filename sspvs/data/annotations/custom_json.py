"""One's own annotations as JSON: the long form with fields, and the short one of nested lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sspvs.data.annotations.draft import NUMBER_FIELDS, TEXT_FIELDS, Problems, VideoDraft, number_of, seconds_of
from sspvs.errors import DatasetError
from sspvs.parsing import parse_json

_ANNOTATORS, _INTERVALS, _SCORES, _VIDEOS = "annotators", "intervals", "scores", "videos"
_PAIR = 2


def read_json_drafts(text: str, path: Path, problems: Problems) -> list[VideoDraft]:
    """The videos of a JSON file. What is wrong inside a video goes to `problems`.

    Raises:
        DatasetError: When it is no JSON, or no object of videos.
    """
    try:
        content = parse_json(text, once=True)
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}: is no JSON: {error}") from error
    except ValueError as error:
        raise DatasetError(f"{path}: {error}") from error
    if isinstance(content, dict) and isinstance(content.get(_VIDEOS), dict | list) and "annotators" not in content:
        content = content[_VIDEOS]
    if isinstance(content, list):
        content = _by_name(content, path)
    if not isinstance(content, dict) or not content:
        raise DatasetError(f"{path}: expected an object of videos, {{name: annotations}}, found {_kind(content)}")
    return [_draft(name, value, problems) for name, value in content.items()]


def _by_name(videos: list[Any], path: Path) -> dict[str, Any]:
    """A list of objects that each say which `video` they are of."""
    found: dict[str, Any] = {}
    for number, video in enumerate(videos):
        name = video.get("video", video.get("name")) if isinstance(video, dict) else None
        if not isinstance(name, str) or not name or name in found:
            raise DatasetError(
                f"{path}: expected each of the listed videos to have a 'video' name of its own, found {name!r} in "
                f"number {number}"
            )
        found[name] = {key: value for key, value in video.items() if key not in ("video", "name")}
    return found


def _draft(name: str, value: Any, problems: Problems) -> VideoDraft:
    draft = VideoDraft(name, f"video '{name}'")
    if not name.strip():
        problems.add(draft.place, "expected a name, found an empty one")
    annotators = value
    if isinstance(value, dict):
        for field in (*NUMBER_FIELDS, *TEXT_FIELDS):
            if value.get(field) is not None:
                draft.set_field(field, value[field], draft.place, problems)
        _leave_out(value, {*NUMBER_FIELDS, *TEXT_FIELDS, _ANNOTATORS}, problems)
        annotators = value.get(_ANNOTATORS)
    if isinstance(annotators, list):
        if _is_ambiguous(annotators):
            problems.add(
                draft.place,
                "a list of pairs may be one annotator's intervals or several annotators' scores; write "
                '{"annotators": {"name": {"intervals": [...]}}}',
            )
            return draft
        annotators = {str(number): said for number, said in enumerate(annotators, 1)}
    if not isinstance(annotators, dict):
        problems.add(draft.place, f"expected annotators, found {_kind(annotators)}")
        return draft
    for annotator, said in annotators.items():
        _add(draft, annotator, said, problems)
    return draft


def _leave_out(given: dict[str, Any], known: set[str], problems: Problems) -> None:
    problems.unread |= dict.fromkeys(name for name in given if name not in known)


def _is_ambiguous(annotators: list[Any]) -> bool:
    """Nothing but pairs of numbers."""
    return bool(annotators) and all(
        isinstance(said, list) and len(said) == _PAIR and all(seconds_of(x) is not None for x in said)
        for said in annotators
    )


def _add(draft: VideoDraft, annotator: str, said: Any, problems: Problems) -> None:
    place = f"{draft.place}, annotator '{annotator}'"
    if isinstance(said, dict):
        kinds = [kind for kind in (_INTERVALS, _SCORES) if kind in said]
        if len(kinds) != 1 or not isinstance(said[kinds[0]], list):
            problems.add(place, f"expected a list of '{_INTERVALS}' or of '{_SCORES}', found {sorted(said)}")
            return
        kind, values = kinds[0], said[kinds[0]]
        _leave_out(said, {kind}, problems)
    elif isinstance(said, list):
        kind, values = (_INTERVALS if not said or isinstance(said[0], list | dict) else _SCORES), said
    else:
        problems.add(place, f"expected a list of intervals or of scores, found {_kind(said)}")
        return
    if kind == _INTERVALS:
        _add_intervals(draft, annotator, values, place, problems)
    else:
        _add_scores(draft, annotator, values, place, problems)


def _add_intervals(draft: VideoDraft, annotator: str, values: list[Any], place: str, problems: Problems) -> None:
    draft.intervals.setdefault(annotator, [])
    for number, pair in enumerate(values):
        if isinstance(pair, dict) and {"start", "end"} <= set(pair):
            _leave_out(pair, {"start", "end"}, problems)
            pair = [pair["start"], pair["end"]]
        if not isinstance(pair, list) or len(pair) != _PAIR:
            problems.add(f"{place}, interval {number}", f"expected [start, end], found {_kind(pair)}")
            continue
        draft.add_interval(annotator, pair[0], pair[1], f"{place}, interval {number}", problems)


def _add_scores(draft: VideoDraft, annotator: str, values: list[Any], place: str, problems: Problems) -> None:
    numbers = [number_of(value) for value in values]
    draft.scores[annotator] = [number for number in numbers if number is not None]
    if None in numbers:
        second = numbers.index(None)
        problems.add(f"{place}, second {second}", f"expected a number, found {values[second]!r}")
    if not values:
        problems.add(place, "expected one score per second, found none")


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    return "nothing" if value is None else repr(value)[:40]
