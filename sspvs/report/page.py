"""The interactive page of a summary, `report.html`, and what all pages share: how a template becomes one HTML file."""

import base64
import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from sspvs.atomic import write_text
from sspvs.errors import OutputError
from sspvs.evaluation.table import in_words
from sspvs.report.sentences import about, counted, lasting, pieces, scenes_shown, settings_in_words
from sspvs.report.tables import generated_by, plain
from sspvs.sharing import relative_path
from sspvs.types import FloatArray, IntArray, Summary

_FOLDER = Path(__file__).parent
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
MIME = {".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm"}


def render(
    template: str,
    document: Mapping[str, Any],
    *,
    styles: Iterable[str],
    scripts: Iterable[str],
    policy: Iterable[str] = (),
    filters: Mapping[str, Callable[..., object]] | None = None,
    **values: Any,
) -> str:
    """One HTML file from a template of this folder; nothing that a user provides becomes markup.

    The scripts find `document`, plain types, as `data`; `styles` follow `base.css` and `scripts` follow `dom.js`.
    `policy` is added to the content security policy, which allows this script, this style and embedded pictures only.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    pages = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True, undefined=StrictUndefined)
    pages.filters.update(readable=readable, **(filters or {}))
    style = "\n".join(_part(name) for name in ("base.css", *styles))
    script = (
        '(() => {\n"use strict";\nconst data = JSON.parse(document.getElementById("data").textContent);\n'
        + "\n".join(_part(name) for name in ("dom.js", *scripts))
        + "\n})();"
    )
    rules = (
        "default-src 'none'",
        f"script-src {_digest(script)}",
        f"style-src {_digest(style)}",
        "img-src data:",
        *policy,
        "base-uri 'none'",
        "form-action 'none'",
    )
    return pages.get_template(template).render(
        policy="; ".join(rules),
        style=style,
        script=script,
        data=_json_island(document),
        generated=generated_by(),
        **values,
    )


def _part(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8").strip()


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


def _json_island(document: Mapping[str, Any]) -> str:
    r"""JSON that can stand inside a `<script>` element: `</script>` would end it, and U+2028 a line of script."""
    text = json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def readable(value: Any) -> str:
    """A setting as a person would write it; lists and mappings as JSON."""
    value = plain(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else in_words(value)


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
    """What the page's script needs, in plain types: seconds to milliseconds, values to five digits."""
    seconds_of, end = summary.timeline.seconds_of, summary.timeline.end_seconds
    thumbnail_picks, shot_thumbnails, piece_thumbnails, strip = choose_thumbnails(summary)
    shots = [
        {
            "name": f"Shot {index + 1}",
            "start": _milli(seconds_of(a)),
            "end": _milli(summary.timeline.end_of(b - 1)),
            "score": _digits(score),
            "selected": bool(selected),
            "key": _milli(seconds_of(int(keyframe))),
            "thumb": thumb,
        }
        for index, ((a, b), score, selected, keyframe, thumb) in enumerate(
            zip(summary.shots, summary.shot_scores, summary.selected, summary.keyframes, shot_thumbnails, strict=True)
        )
    ]
    played = [
        {
            **piece._asdict(),
            "start": _milli(piece.start),
            "end": _milli(piece.end),
            "score": _digits(piece.score),
            "key": _milli(seconds_of(piece.key)),
            "selected": True,
            "thumb": thumb,
        }
        for piece, thumb in zip(pieces(summary), piece_thumbnails, strict=True)
    ]
    document = {
        "name": Path(summary.info.path).name,
        "duration": _milli(end),
        "aspect": _aspect(summary),
        "seconds": [_milli(seconds_of(int(pick))) for pick in summary.picks],
        "scores": [_digits(score) for score in summary.scores],
        "shots": shots,
        "plays": [[*map(_milli, times), speed] for *times, speed in summary.plays],
        "pieces": played,
        "avoided": [[_milli(seconds_of(a)), _milli(seconds_of(b)), reason] for a, b, reason in summary.avoided],
        "curves": [
            {
                "name": name,
                "sentence": CURVE_SENTENCES.get(name) or _LATER_STAGE * (_STAGE.fullmatch(name) is not None),
                "values": [_digits(value) for value in curve],
            }
            for name, curve in summary.curves.items()
        ],
        "thumbs": [base64.b64encode(summary.thumbnails[i]).decode("ascii") for i in thumbnail_picks],
        "strip": strip,
        "original": source_urls(source_video, folder) if source_video is not None else [],
    }
    reduced: dict[str, Any] = plain(document)
    return reduced


Places = list[int | None]


def choose_thumbnails(summary: Summary) -> tuple[list[int], Places, Places, list[list[float]]]:
    """The picks whose thumbnails are embedded; the place among them of each shot and of each piece; the film strip.

    Where there are too many, those of the pieces come first, then those of their shots, evenly spread.
    """
    picks = summary.picks
    if len(summary.thumbnails) == 0 or len(summary.thumbnails) != len(picks):
        return [], [None] * len(summary.shots), [None] * len(summary.segments), []
    strip = np.unique(np.linspace(0, len(picks) - 1, min(STRIP_THUMBNAILS, len(picks))).round().astype(np.int64))
    of_shots = _nearest(picks, summary.keyframes)
    of_pieces = _nearest(picks, np.array([piece.key for piece in pieces(summary)], np.int64))
    places: dict[int, int] = {}
    for group in (strip, of_pieces, of_shots[summary.selected], of_shots[~summary.selected]):
        new = np.setdiff1d(group, list(places))
        room = min(MAX_THUMBNAILS - len(places), len(new))
        for pick in new[np.linspace(0, len(new) - 1, room).round().astype(np.int64)].tolist():
            places[pick] = len(places)
    return (
        list(places),
        [places.get(pick) for pick in of_shots.tolist()],
        [places.get(pick) for pick in of_pieces.tolist()],
        [[_milli(summary.timeline.seconds_of(int(picks[pick]))), places[pick]] for pick in strip.tolist()],
    )


def _nearest(picks: IntArray, frames: IntArray) -> IntArray:
    """Index of the pick nearest to each frame; (S,) int64."""
    right = np.clip(np.searchsorted(picks, frames), 0, len(picks) - 1)
    left = np.maximum(right - 1, 0)
    nearest: IntArray = np.where(np.abs(picks[left] - frames) <= np.abs(picks[right] - frames), left, right)
    return nearest


def source_urls(source: Path, folder: Path) -> list[str]:
    """URLs where a page or an edit list in a folder finds the original: relative to itself, then by its name alone."""
    names = dict.fromkeys([relative_path(source, folder) or source.name, source.name])
    return [quote(os.fsencode(name), safe="/") for name in names]


def _aspect(summary: Summary) -> float:
    width, height = summary.info.width, summary.info.height
    return round(width / height, 4) if width > 0 and height > 0 else 16 / 9


def _milli(seconds: float) -> float:
    return round(float(seconds), 3)


def _digits(value: float | FloatArray) -> float | None:
    number = float(value)
    return float(f"{number:.5g}") if math.isfinite(number) else None


def write_report(
    summary: Summary,
    path: Path,
    *,
    summary_video: Path | None = None,
    source_video: Path | None = None,
    report_folder: Path | None = None,
) -> None:
    """Write the interactive report.

    Args:
        summary: What to show.
        path: The HTML file to write.
        summary_video: The summary as a video that browsers play (H.264 mp4 or webm), embedded whole: give a smaller
            preview when it is large. None: the page shows pictures only.
        source_video: The original. The page refers to it, to play shots that are not in the summary; it works
            without when the file is not there.
        report_folder: Where the report will lie in the end, when that is not the folder of `path`: the original is
            referred to relative to it.

    Raises:
        OutputError: The file cannot be written, or `summary_video` cannot be read.
    """
    media, mime = "", ""
    if summary_video is not None:
        try:
            media = base64.b64encode(summary_video.read_bytes()).decode("ascii")
        except OSError as error:
            raise OutputError(f"cannot read {summary_video} for the report: {error.strerror}") from error
        mime = MIME.get(summary_video.suffix.lower(), "video/mp4")
    page = render(
        "report.html",
        {**page_document(summary, report_folder or path.parent, source_video), "mime": mime},
        styles=["report.css"],
        scripts=["chart.js", "media.js", "player.js", "report.js"],
        policy=["media-src blob: data: 'self' file:"],
        filters={"lasting": lasting, "counted": counted},
        media=media,
        name=Path(summary.info.path).name,
        summary=summary,
        about=about(summary),
        scenes=scenes_shown(summary),
        settings=settings_in_words(summary),
        in_pieces=summary.of_pieces,
        lead=curves_lead(summary.curves),
        warnings=list(dict.fromkeys([*summary.warnings, *summary.decode.warnings])),
    )
    write_text(path, page)
