"""QVHighlights (Lei et al., NeurIPS 2021): moments and highlights that answer a query; a JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.files import read_text
from sspvs.formats.glimpse import Glimpse
from sspvs.formats.inspection import Inspection, KeyNote, NoSuchVideoError, Use, span
from sspvs.formats.kind import Kind
from sspvs.parsing import lines_of, parse_json

CLIP_SECONDS = 2
_KEYS = {
    "qid": ("number", "the query's id"),
    "query": ("text", "what somebody is looking for in the video"),
    "vid": ("text", "the video: YouTube id, start and end second"),
    "duration": ("number", "seconds"),
    "relevant_windows": ("n x 2", "the [start, end] seconds that answer the query"),
    "relevant_clip_ids": ("n", "the same as numbers of 2-second clips"),
    "saliency_scores": ("n x 3", "how good each of these clips is, 0-4, by three people"),
}
_NEEDED = ("qid", "query", "vid", "duration")


def matches(glimpse: Glimpse) -> bool:
    """Lines of objects with a query and a video."""
    return isinstance(glimpse.first_line, dict) and {"qid", "query", "vid"} <= set(glimpse.first_line)


def inspect(path: Path, inspection: Inspection) -> None:
    """Every line."""
    counts = dict.fromkeys(_KEYS, 0)
    videos: dict[str, int] = {}
    seconds: list[int] = []
    queries: set[Any] = set()
    for number, line in lines_of(read_text(path)):
        where = f"line {number}"
        try:
            entry = parse_json(line)
        except ValueError:
            inspection.problem("damaged JSON: it does not parse", where, remedy="fetch the file again")
            continue
        for problem in _problems(entry):
            inspection.problem(problem, where)
        if not isinstance(entry, dict):
            continue
        for name in entry.keys() & counts.keys():
            counts[name] += 1
        if entry.get("qid") in queries:
            inspection.problem(f"query {entry['qid']} occurs again", where, blocking=False)
        queries.add(entry.get("qid"))
        videos[str(entry.get("vid"))] = videos.get(str(entry.get("vid")), 0) + 1
        seconds.append(int(entry.get("duration") or 0))
        if inspection.video is not None and str(entry.get("vid")) == inspection.video:
            inspection.detail[f"query {entry.get('qid')}"] = f"{entry.get('query')}: {entry.get('relevant_windows')}"
    if inspection.video is not None and not inspection.detail:
        raise NoSuchVideoError(inspection.video)
    inspection.n_videos = len(videos)
    inspection.facts |= {"queries": str(len(queries)), "seconds a video": span(seconds)}
    inspection.keys = [
        KeyNote(name, counts[name], shape, "JSON", meaning) for name, (shape, meaning) in _KEYS.items() if counts[name]
    ]
    labelled = counts["relevant_windows"]
    inspection.uses = [
        Use("reading queries and moments", bool(queries), "" if labelled else "the test part has no answers"),
        Use("evaluation of summaries", False, "its answers belong to queries, not to whole videos"),
    ]


def _problems(entry: Any) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield f"expected an object, found {type(entry).__name__}"
        return
    lacks = [name for name in _NEEDED if name not in entry]
    if lacks:
        yield f"expected {', '.join(_NEEDED)}; {', '.join(lacks)} missing"
        return
    duration = entry["duration"]
    if not isinstance(duration, (int, float)) or duration <= 0:
        yield f"'duration': expected seconds above 0, found {duration!r}"
        return
    clips, scores = entry.get("relevant_clip_ids"), entry.get("saliency_scores")
    if clips is not None and scores is not None and len(clips) != len(scores):
        yield f"{len(clips)} clips, but {len(scores)} saliency scores"
    if clips and not 0 <= min(clips) <= max(clips) < np.ceil(duration / CLIP_SECONDS):
        yield f"clip numbers {min(clips)}..{max(clips)} do not fit {duration:g} seconds"
    for start, end in entry.get("relevant_windows") or []:
        if not 0 <= start < end <= duration + CLIP_SECONDS:
            yield f"window [{start}, {end}] does not fit {duration:g} seconds"


KIND = Kind(
    name="qvhighlights",
    what="QVHighlights: moments that answer a query (JSON lines)",
    matches=matches,
    inspect=inspect,
    instead="its answers belong to queries: there is no summary of a whole video in it",
)
