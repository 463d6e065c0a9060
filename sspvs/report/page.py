"""The report: one self-contained HTML file with player, importance curve, shots and every parameter.

Nothing is loaded from elsewhere. The content security policy allows only this file's own style and script, by their
digests, so that even text that slipped through the escaping could not run; pictures come as `data:`, the summary as a
`blob:` made from the embedded bytes (seeking in a `data:` URL does not work everywhere), and the original video, when
it can be found, from its own place.
"""

from __future__ import annotations

import base64
from pathlib import Path
from string import Template

import numpy as np

from sspvs.atomic import write_text
from sspvs.errors import OutputError
from sspvs.report.page_data import curves_lead, json_island, page_document
from sspvs.report.page_parts import definition_rows, escape, notice, part, policy, script_of, style_of
from sspvs.report.plots import clock_text
from sspvs.report.tables import generated_by
from sspvs.types import Summary

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
    style, script = style_of("report.css"), script_of("chart.js", "player.js", "report.js")
    media, mime = "", ""
    if summary_video is not None:
        try:
            media = base64.b64encode(summary_video.read_bytes()).decode("ascii")
        except OSError as error:
            raise OutputError(f"cannot read {summary_video} for the report: {error.strerror}") from error
        mime = _MIME.get(summary_video.suffix.lower(), "video/mp4")
    page = Template(part("report.html")).substitute(
        policy=policy(script, style, "media-src blob: data: 'self' file:"),
        style=style,
        script=script,
        data=json_island({**page_document(summary, report_folder or path.parent, source_video), "mime": mime}),
        media=media,
        **_texts(summary),
    )
    write_text(path, page)


def _texts(summary: Summary) -> dict[str, str]:
    """Everything that stands in the page as text, escaped."""
    end, shown = summary.timeline.end_seconds, float(summary.timeline.shown_seconds[-1])
    kept = summary.selected_seconds
    fraction = summary.budget_fraction
    count, shots = int(np.asarray(summary.selected).sum()), len(summary.shots)
    decode = summary.decode
    video = {
        "file": Path(summary.info.path).name,
        "picture": f"{summary.info.width} x {summary.info.height}, {summary.info.fps:.6g} fps"
        + (f", {summary.info.codec}" if summary.info.codec else ""),
        "sound": "yes" if summary.info.has_audio else "no",
        "frames declared": decode.declared_frames or "not said",
        "frames decoded": decode.decoded_frames,
        "frames corrupt": decode.corrupt_frames,
        **({"sound lost": f"{decode.lost_sound_seconds:.2f} s of the summary"} if decode.lost_sound_seconds else {}),
        "decoder": decode.decoder,
    }
    fingerprint = {**summary.fingerprint.as_dict(), "digest": summary.fingerprint.digest}
    warnings = dict.fromkeys([*summary.warnings, *decode.warnings])
    return {
        "name": escape(Path(summary.info.path).name),
        "guide": _guide(summary),
        "lead": escape(curves_lead(summary.curves)),
        "kept": clock_text(kept),
        "length": clock_text(end),
        "share": f"{kept / shown:.1%}" if shown > 0 else "0 %",
        "count": str(count),
        "shots": str(shots),
        "budget": clock_text(fraction * shown),
        "budget_share": f"{fraction:.1%}",
        "warnings": notice(warnings),
        "settings": definition_rows({"scorer": summary.scorer, **summary.settings}),
        "fingerprint": definition_rows(fingerprint),
        "decode": definition_rows(video),
        "generated": escape(generated_by()),
    }


def _guide(summary: Summary) -> str:
    """The text that guided the scores: the title, and what else was said."""
    given = {"text": summary.title, **{name: summary.settings.get(name) for name in ("query", "category")}}
    told = [f"{name} <q>{escape(text)}</q>" for name, text in given.items() if text]
    return f'<p class="guide">Guided by the {", ".join(told)}</p>' if told else ""
