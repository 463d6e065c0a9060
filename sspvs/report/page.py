"""The report: one self-contained HTML file with player, importance curve, shots and every parameter.

Nothing is loaded from elsewhere. The content security policy allows only this file's own style and script, by their
digests, so that even text that slipped through the escaping could not run; pictures come as `data:`, the summary as a
`blob:` made from the embedded bytes (seeking in a `data:` URL does not work everywhere), and the original video, when
it can be found, from its own place.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from sspvs.atomic import write_text
from sspvs.errors import OutputError
from sspvs.report.page_data import json_island, page_document
from sspvs.report.plots import clock_text
from sspvs.report.tables import generated_by, plain
from sspvs.types import Summary

_SCRIPTS = ("chart.js", "player.js", "report.js")
_MIME = {".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm"}


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
    style = _part("report.css")
    script = (
        '(() => {\n"use strict";\nconst data = JSON.parse(document.getElementById("data").textContent);\n'
        + "\n".join(_part(name) for name in _SCRIPTS)
        + "\n})();"
    )
    media, mime = "", ""
    if summary_video is not None:
        try:
            media = base64.b64encode(summary_video.read_bytes()).decode("ascii")
        except OSError as error:
            raise OutputError(f"cannot read {summary_video} for the report: {error.strerror}") from error
        mime = _MIME.get(summary_video.suffix.lower(), "video/mp4")
    page = Template(_part("report.html")).substitute(
        policy=_policy(script, style),
        style=style,
        script=script,
        data=json_island({**page_document(summary, report_folder or path.parent, source_video), "mime": mime}),
        media=media,
        **_texts(summary),
    )
    write_text(path, page)


def _part(name: str) -> str:
    """Text of a file that lies beside this module."""
    return resources.files("sspvs.report").joinpath(name).read_text(encoding="utf-8").strip()


def _policy(script: str, style: str) -> str:
    """Content security policy: this script, this style, embedded pictures, and media of this place."""

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"

    return (
        f"default-src 'none'; script-src {digest(script)}; style-src {digest(style)}; img-src data:; "
        "media-src blob: data: 'self' file:; base-uri 'none'; form-action 'none'"
    )


def _texts(summary: Summary) -> dict[str, str]:
    """Everything that stands in the page as text, escaped."""
    end, kept = summary.timeline.end_seconds, summary.selected_seconds
    fraction = summary.budget_frames / summary.timeline.n_frames
    count, shots = int(np.asarray(summary.selected).sum()), len(summary.shots)
    decode = summary.decode
    video = {
        "file": summary.info.path,
        "picture": f"{summary.info.width} x {summary.info.height}, {summary.info.fps:.6g} fps"
        + (f", {summary.info.codec}" if summary.info.codec else ""),
        "sound": "yes" if summary.info.has_audio else "no",
        "frames declared": decode.declared_frames or "not said",
        "frames decoded": decode.decoded_frames,
        "frames corrupt": decode.corrupt_frames,
        "decoder": decode.decoder,
    }
    fingerprint = {**summary.fingerprint.as_dict(), "digest": summary.fingerprint.digest}
    warnings = dict.fromkeys([*summary.warnings, *decode.warnings])
    return {
        "name": _escape(Path(summary.info.path).name),
        "guide": f'<p class="guide">Guided by the text <q>{_escape(summary.title)}</q></p>' if summary.title else "",
        "kept": clock_text(kept),
        "length": clock_text(end),
        "share": f"{kept / end:.1%}" if end > 0 else "0 %",
        "count": str(count),
        "shots": str(shots),
        "budget": clock_text(fraction * end),
        "budget_share": f"{fraction:.1%}",
        "warnings": _warnings(warnings),
        "settings": _rows({"scorer": summary.scorer, **summary.settings}),
        "fingerprint": _rows(fingerprint),
        "decode": _rows(video),
        "generated": _escape(generated_by()),
    }


def _escape(value: object) -> str:
    return html.escape(str(value), quote=True)


def _rows(values: Mapping[str, Any]) -> str:
    """A description list's rows."""
    return "\n".join(
        f"<div><dt>{_escape(name)}</dt><dd>{_escape(_readable(v))}</dd></div>" for name, v in values.items()
    )


def _readable(value: Any) -> str:
    """A setting as a person would write it."""
    value = plain(value)
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _warnings(warnings: Iterable[str]) -> str:
    """What the user should know, at the top of the page; nothing when there is nothing."""
    items = "\n".join(f"<li>{_escape(warning)}</li>" for warning in warnings)
    if not items:
        return ""
    return f'<section class="notice" aria-label="Warnings"><h2>Worth knowing</h2><ul>{items}</ul></section>'
