"""What the page draws from: one JSON document inside the report."""

from __future__ import annotations

import base64
import json
import math
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from sspvs.report.tables import plain
from sspvs.sharing import relative_path
from sspvs.types import FloatArray, IntArray, Summary

MAX_THUMBNAILS = 400
STRIP_THUMBNAILS = 28

CURVE_SENTENCES = {
    "local_dissimilarity": "How much a moment differs from the moments most like it: high where something happens.",
    "global_consistency": "How much a moment resembles the video as a whole: high for what the video is about.",
    "uniqueness": "How much a moment differs from what other videos show: low for blank and generic pictures.",
    "text_similarity": "How well a moment fits the given text.",
    "stage_1": "What the network makes of the frames as they are.",
    "text_fit": "How well a moment fits the given text, compared with the rest of the video; the stages go by it.",
}
_TERMS = ("local_dissimilarity", "global_consistency", "uniqueness", "text_similarity")
_STAGE = re.compile(r"stage_\d+")
_LATER_STAGE = "The network's next look, where frames that the stages before found important count more."


def curve_sentence(name: str) -> str:
    """What a curve behind the importance shows; empty for curves of other names."""
    return CURVE_SENTENCES.get(name) or (_LATER_STAGE if _STAGE.fullmatch(name) else "")


def curves_lead(names: Iterable[str]) -> str:
    """How the importance comes from its curves."""
    names = list(names)
    stages = sum(_STAGE.fullmatch(name) is not None for name in names)
    if stages == 1:
        return "The importance is what the network's one stage says, between 0 and 1, here on its own scale."
    if stages:
        return "The importance is the product of the stages, each between 0 and 1 and here on its own scale."
    terms = [name for name in names if name in _TERMS]
    if len(terms) > 1:
        number = {2: "two", 3: "three", 4: "four"}[len(terms)]
        return f"The importance is the product of the {number}, each between 0 and 1 and here on its own scale."
    return "The importance comes from the curves below, each on its own scale."


def page_document(summary: Summary, folder: Path, source_video: Path | None) -> dict[str, Any]:
    """Collect what the page's script needs, small enough for long videos.

    Args:
        summary: What to show.
        folder: Where the report will lie: the original is referred to relative to it.
        source_video: The original video, or None.

    Returns:
        Plain types only; seconds are rounded to milliseconds and values to five digits.
    """
    seconds_of, end = summary.timeline.seconds_of, summary.timeline.end_seconds
    thumbnail_picks, shot_thumbnails, strip = choose_thumbnails(summary)
    shots = [
        {
            "start": _milli(seconds_of(a)),
            "end": _milli(summary.timeline.end_of(b - 1)),
            "score": _digits(score),
            "selected": bool(selected),
            "key": _milli(seconds_of(int(keyframe))),
            "thumb": thumb,
        }
        for (a, b), score, selected, keyframe, thumb in zip(
            summary.shots, summary.shot_scores, summary.selected, summary.keyframes, shot_thumbnails, strict=True
        )
    ]
    document = {
        "name": Path(summary.info.path).name,
        "duration": _milli(end),
        "aspect": _aspect(summary),
        "seconds": [_milli(seconds_of(int(pick))) for pick in summary.picks],
        "scores": [_digits(score) for score in summary.scores],
        "shots": shots,
        "segments": [[_milli(start), _milli(stop)] for start, stop in summary.segment_seconds],
        "curves": [
            {"name": name, "sentence": curve_sentence(name), "values": [_digits(value) for value in curve]}
            for name, curve in summary.curves.items()
        ],
        "thumbs": [base64.b64encode(summary.thumbnails[i]).decode("ascii") for i in thumbnail_picks],
        "strip": strip,
        "original": source_urls(source_video, folder) if source_video is not None else [],
    }
    reduced = plain(document)
    assert isinstance(reduced, dict)
    return reduced


def choose_thumbnails(summary: Summary) -> tuple[list[int], list[int | None], list[list[float]]]:
    """Choose which thumbnails to embed: one a shot, selected shots first, and a few evenly spread for the strip.

    Args:
        summary: Whose thumbnails; none at all when it has none.

    Returns:
        The picks whose thumbnails are embedded (at most `MAX_THUMBNAILS`); for each shot its place in that list or
        None; and rows [seconds, place] for the film strip.
    """
    shots = len(summary.shots)
    if len(summary.thumbnails) == 0 or len(summary.thumbnails) != len(summary.picks):
        return [], [None] * shots, []
    picks = summary.picks
    spread = np.unique(np.linspace(0, len(picks) - 1, min(STRIP_THUMBNAILS, len(picks))).round().astype(np.int64))
    places: dict[int, int] = {}

    def place(pick: int) -> int:
        return places.setdefault(pick, len(places))

    strip = [[_milli(summary.timeline.seconds_of(int(picks[i]))), place(int(i))] for i in spread]
    nearest = _nearest(picks, summary.keyframes)
    chosen: list[int | None] = [None] * shots
    for shot in _first_selected(summary, MAX_THUMBNAILS - len(places)):
        chosen[shot] = place(int(nearest[shot]))
    return list(places), chosen, strip


def _first_selected(summary: Summary, limit: int) -> list[int]:
    """At most `limit` shots: the selected ones, then others, evenly spread where not all fit."""
    selected = np.asarray(summary.selected, dtype=np.bool_)
    result: list[int] = []
    for group in (np.flatnonzero(selected), np.flatnonzero(~selected)):
        room = min(limit - len(result), len(group))
        if room > 0:
            result += [int(group[i]) for i in np.linspace(0, len(group) - 1, room).round().astype(np.int64)]
    return result


def _nearest(picks: IntArray, frames: IntArray) -> IntArray:
    """Index of the pick nearest to each frame; (S,) int64."""
    right = np.clip(np.searchsorted(picks, frames), 0, len(picks) - 1)
    left = np.maximum(right - 1, 0)
    nearest: IntArray = np.where(np.abs(picks[left] - frames) <= np.abs(picks[right] - frames), left, right)
    return nearest


def source_urls(source: Path, folder: Path) -> list[str]:
    """Where a page or an edit list may find the original video: relative to itself, and beside itself.

    Args:
        source: The original video.
        folder: Where the page or the edit list will lie.

    Returns:
        URLs to try in order, percent-encoded; they work when both move together. The second is the file's name alone,
        and the only one where `relative_path` has none.
    """
    names = dict.fromkeys([relative_path(source, folder) or source.name, source.name])
    return [quote(os.fsencode(name), safe="/") for name in names]


def json_island(document: dict[str, Any]) -> str:
    r"""JSON that can stand inside a `<script>` element.

    A `</script>` in a file name would end the element, and U+2028 a line of script; all of `<`, `>`, `&` and
    everything outside ASCII is written as `\uXXXX`, which JSON reads back as the same text.

    Args:
        document: Plain types.
    """
    text = json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _aspect(summary: Summary) -> float:
    width, height = summary.info.width, summary.info.height
    return round(width / height, 4) if width > 0 and height > 0 else 16 / 9


def _milli(seconds: float) -> float:
    return round(float(seconds), 3)


def _digits(value: float | FloatArray) -> float | None:
    number = float(value)
    return float(f"{number:.5g}") if math.isfinite(number) else None
