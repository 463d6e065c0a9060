"""A summary as it prints itself and as a notebook shows it: its curve, its pieces, and its clip once saved."""

import base64
import html
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from sspvs.report.page import MIME, choose_thumbnails
from sspvs.report.plots import draw_scores
from sspvs.report.sentences import clock_text, headline, lasting, pieces
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
        """One line about the video, and one for each piece of the summary: when in the video, how long, and why."""
        summary = cast(Summary, self)
        lines = [headline(summary)]
        for piece in pieces(summary):
            span = f"{clock_text(piece.start)} - {clock_text(piece.end)}"
            length = lasting(piece.end - piece.start)
            lines.append(
                f"  {piece.name:<9}  {span:<17}  {length:>6}  importance {piece.score:.2f}  {piece.why}".rstrip()
            )
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
        picks, _, of_pieces, _ = choose_thumbnails(summary)
        for piece, place in zip(pieces(summary), of_pieces, strict=True):
            if place is not None:
                title = f"{piece.name}, {clock_text(piece.start)} to {clock_text(piece.end)}"
                parts.append(_image(summary.thumbnails[picks[place]], "jpeg", title, 160))
        if self.clip is not None and self.clip.is_file():
            source = html.escape(str(self.clip))
            if self.clip.stat().st_size <= _MOST_EMBEDDED:
                mime = MIME.get(self.clip.suffix.lower(), "video/mp4")
                source = f"data:{mime};base64,{base64.b64encode(self.clip.read_bytes()).decode('ascii')}"
            parts.append(f'<br><video controls width="480" src="{source}"></video>')
        return f"<p>{html.escape(str(self).splitlines()[0])}</p>" + "\n".join(parts)


def _image(content: bytes, kind: str, title: str, width: int) -> str:
    data = base64.b64encode(content).decode("ascii")
    title = html.escape(title)
    return f'<img src="data:image/{kind};base64,{data}" alt="{title}" title="{title}" width="{width}">'
