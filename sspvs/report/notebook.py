"""A summary as it prints itself and as a notebook shows it: its curve, its key frames, and its clip once saved."""

import base64
import html
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from sspvs.report.page import MIME, choose_thumbnails
from sspvs.report.plots import clock_text, draw_scores
from sspvs.shown import Shown
from sspvs.types import Summary

_MOST_EMBEDDED = 20_000_000  # bytes of a clip; a larger one is shown from its file


class ShownSummary(Shown):
    """Mixin of classes that are a `Summary`."""

    @property
    def clip(self) -> Path | None:
        """The summary's video file; None unless it is saved."""
        return None

    def __str__(self) -> str:
        """One line about the video, and one for each shot in the summary."""
        summary = cast(Summary, self)
        lines = [
            f"{Path(summary.info.path).name}: {summary.timeline.end_seconds:.1f} s -> {summary.selected_seconds:.1f} s "
            f"({summary.in_words})"
        ]
        for row in self.records():
            if row["selected"]:
                span = f"{clock_text(row['start_seconds'])} - {clock_text(row['end_seconds'])}"
                lines.append(f"  shot {row['shot']:>4}  {span:<19}  score {row['score']:.3f}")
        return "\n".join(lines)

    def records(self) -> Iterator[dict[str, Any]]:
        """One row a shot, numbered from 1 as in the report; frames are half-open."""
        summary = cast(Summary, self)
        for index, (start, end) in enumerate(summary.shots):
            yield {
                "shot": index + 1,
                "start_frame": int(start),
                "end_frame": int(end),
                "start_seconds": summary.timeline.seconds_of(start),
                "end_seconds": summary.timeline.end_of(end - 1),
                "score": float(summary.shot_scores[index]),
                "selected": bool(summary.selected[index]),
                "keyframe": int(summary.keyframes[index]),
            }

    def _repr_html_(self) -> str:
        summary, parts = cast(Summary, self), []
        picture = io.BytesIO()
        draw_scores(summary).savefig(picture, format="png", dpi=90)
        parts.append(_image(picture.getvalue(), "png", "importance over time", 900))
        picks, of_shots, _ = choose_thumbnails(summary)
        for shot, place in enumerate(of_shots):
            if summary.selected[shot] and place is not None:
                parts.append(_image(summary.thumbnails[picks[place]], "jpeg", f"shot {shot + 1}", 160))
        if self.clip is not None and self.clip.is_file():
            source = html.escape(str(self.clip))
            if self.clip.stat().st_size <= _MOST_EMBEDDED:
                mime = MIME.get(self.clip.suffix.lower(), "video/mp4")
                source = f"data:{mime};base64,{base64.b64encode(self.clip.read_bytes()).decode('ascii')}"
            parts.append(f'<br><video controls width="480" src="{source}"></video>')
        return f"<p>{html.escape(str(self).splitlines()[0])}</p>" + "\n".join(parts)


def _image(content: bytes, kind: str, title: str, width: int) -> str:
    data = base64.b64encode(content).decode("ascii")
    return f'<img src="data:image/{kind};base64,{data}" title="{html.escape(title)}" width="{width}">'
