"""QVHighlights (Lei et al., NeurIPS 2021): moments and highlights that answer a query; a JSON object a line."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sspvs.files import read_text
from sspvs.formats.format import FORMATS, Format
from sspvs.formats.head import PathHead
from sspvs.formats.inspection import Inspection, span
from sspvs.parsing import lines_of, parse_json

CLIP_SECONDS = 2
_NEEDED = ("qid", "query", "vid", "duration")


@FORMATS.register("qvhighlights")
class QVHighlights(Format):
    """Lines of queries."""

    what = "QVHighlights: moments that answer a query (JSON lines)"
    order = 130
    keys: ClassVar = {
        "qid": ("number", "the query's id"),
        "query": ("text", "what to look for in the video"),
        "vid": ("text", "the video: YouTube id, start and end second"),
        "duration": ("number", "seconds"),
        "relevant_windows": ("n x 2", "the [start, end] seconds that answer the query"),
        "relevant_clip_ids": ("n", "the same as numbers of 2-second clips"),
        "saliency_scores": ("n x 3", "how good each of these clips is, 0-4, by three people"),
    }
    instead = "its answers belong to queries: there is no summary of a whole video in it"

    def matches(self, head: PathHead) -> bool:
        """Lines of objects with a query and a video."""
        return isinstance(head.first_line, dict) and {"qid", "query", "vid"} <= set(head.first_line)

    def inspect(self, path: Path, found: Inspection) -> None:
        counts: Counter[str] = Counter()
        videos: set[str] = set()
        seconds: list[int] = []
        queries: set[Any] = set()
        for number, line in lines_of(read_text(path)):
            where = f"line {number}"
            try:
                entry = parse_json(line)
            except ValueError:
                found.problem("damaged JSON: it does not parse", where, remedy="fetch the file again")
                continue
            for problem in _problems(entry):
                found.problem(problem, where)
            if not isinstance(entry, dict):
                continue
            counts.update(entry.keys() & self.keys.keys())
            query, video = entry.get("qid"), str(entry.get("vid"))
            if query in queries:
                found.problem(f"query {query} occurs again", where, blocking=False)
            queries.add(query)
            videos.add(video)
            seconds.append(int(entry.get("duration") or 0))
            if video == found.video:
                found.detail[f"query {query}"] = f"{entry.get('query')}: {entry.get('relevant_windows')}"
        found.n_videos = len(videos)
        found.facts |= {"queries": str(len(queries)), "seconds a video": span(seconds)}
        for name, (shape, meaning) in self.keys.items():
            if counts[name]:
                found.key(name, counts[name], shape, "JSON", meaning)
        why = "" if counts["relevant_windows"] else "the test part has no answers"
        found.use("reading queries and moments", bool(queries), why)
        found.use("evaluation of summaries", False, "its answers belong to queries, not to whole videos")


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
