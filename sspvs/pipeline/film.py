"""A film from many videos: its pieces, its chapters, how it prints itself, and its files."""

import html
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sspvs.atomic import atomic_stream
from sspvs.errors import printable
from sspvs.features.extract import thumbnail_jpegs
from sspvs.overwriting import KEYFRAMES, PREVIEW, STORYBOARD, SUMMARY
from sspvs.pipeline.look import ClipLook, footage_of
from sspvs.pipeline.output import embedded_clip, files_in, into_folder, pictures_of, resized
from sspvs.pipeline.summarizing import VideoSummary
from sspvs.report import edit_list, storyboard, tables
from sspvs.report.film_page import write_film_page
from sspvs.report.sentences import clock_text, counted
from sspvs.shown import Shown
from sspvs.table import SourceStamp
from sspvs.types import ImageArray
from sspvs.video import Footage, Resize, open_video, write_film
from sspvs.video.frame_source import pictures_at
from sspvs.video.takes import takes_of


class Piece(NamedTuple):
    """A stretch of a film: frames of one of its videos, half-open, and where it begins in the film."""

    video: int
    start: int
    end: int
    start_seconds: float
    end_seconds: float
    film_seconds: float
    keyframe: int


class LeftOut(NamedTuple):
    """A file that is not in a film, and why; not an error where it is a copy of another file."""

    path: Path
    reason: str
    is_error: bool


@dataclass(frozen=True)
class FilmSummary(Shown):
    """A film from many videos, which prints itself and can be saved to a folder.

    Attributes:
        videos: Each with its shots, scores and pieces (`segments`), in the order of the film.
        notes: For each video without a piece why it has none; empty for the others.
        total: The longest that the film may be, in seconds.
        order: `time` of recording, or `name` where not every video states one.
        left_out: Files that are not in it: those that cannot be used, and copies of others.
        clip_warnings: Sentences about the film as it was written.
        played: What it plays as it was written, where crossfades shorten it: video, start and end in seconds of that,
            and where it begins in the film.

    Example:
        >>> film = sspvs.summarize_many(["video.mp4"], total=5)
        >>> film.chapters
        [(0.0, 'video')]
        >>> folder = film.save("film")
        >>> (folder / "summary.mp4").exists()
        True
    """

    videos: tuple[VideoSummary, ...]
    notes: tuple[str, ...]
    total: float
    order: str
    left_out: tuple[LeftOut, ...] = ()
    clip_warnings: tuple[str, ...] = ()
    played: tuple[tuple[int, float, float, float], ...] = ()

    @property
    def name(self) -> str:
        """The folder that all videos are in, or how many they are."""
        folders = {Path(video.info.path).parent.resolve() for video in self.videos}
        return folders.pop().name if len(folders) == 1 else counted(len(self.videos), "video")

    @property
    def pieces(self) -> Iterator[Piece]:
        """What the film plays, in order."""
        film_seconds = 0.0
        for number, video in enumerate(self.videos):
            for (start, end), (first, last) in zip(video.segments.tolist(), video.segment_seconds, strict=True):
                inside = np.flatnonzero((video.picks >= start) & (video.picks < end))
                best = int(video.picks[inside[video.scores[inside].argmax()]]) if len(inside) else (start + end) // 2
                yield Piece(number, start, end, first, last, self._place(number, first, film_seconds), best)
                film_seconds += last - first

    def _place(self, video: int, seconds: float, otherwise: float) -> float:
        """Where a moment of a video is in the film."""
        places = (
            at + max(0.0, seconds - start)
            for number, start, end, at in self.played
            if number == video and start - 1e-6 <= seconds < end
        )
        return next(places, otherwise)

    @property
    def seconds(self) -> float:
        """Length of the film."""
        if self.played:
            return max(at + end - start for _, start, end, at in self.played)
        return sum(video.selected_seconds for video in self.videos)

    @property
    def chapters(self) -> list[tuple[float, str]]:
        """Where each video begins in the film, and its name."""
        starts = {piece.video: piece.film_seconds for piece in reversed(list(self.pieces))}
        return [(starts[number], Path(self.videos[number].info.path).stem) for number in sorted(starts)]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the user, each with the name of its video."""
        own = (f"{Path(video.info.path).name}: {text}" for video in self.videos for text in video.warnings)
        length = sum(float(video.timeline.shown_seconds[-1]) for video in self.videos)
        whole = f"the film has all of the videos: together they last {length:.1f} s"
        return (*own, *self.clip_warnings, *([whole] if length <= self.seconds + 1e-6 else []))

    @property
    def clip(self) -> Path | None:
        """The film's video file; None unless it is saved."""
        folder: Path | None = vars(self).get("_folder")
        return None if folder is None else folder / "summary.mp4"

    def save(self, out_dir: str | Path, *, progress: bool = False) -> Path:
        """Write the film, the page, the key frames, the edit lists and `summary.json`, as `VideoSummary.save` does.

        Args:
            out_dir: Folder to write into; made when it does not exist.
            progress: Show a progress bar while the film is written.

        Returns:
            `out_dir` as a path.

        Raises:
            OutputError: The folder cannot be written to, or has a file that sspvs did not write in the place of one.
            ValueError: A video is itself in the place of a file.
            VideoError: A source cannot be read any more.
        """
        write_film_outputs(self, Path(out_dir), progress=progress)
        object.__setattr__(self, "_folder", Path(out_dir))
        return Path(out_dir)

    def records(self) -> Iterator[dict[str, Any]]:
        """One row a piece."""
        for number, piece in enumerate(self.pieces, start=1):
            yield {"piece": number, "file": Path(self.videos[piece.video].info.path).name, **piece._asdict()}

    def __str__(self) -> str:
        """One line about the film, and one for each video."""
        pieces, length = list(self.pieces), sum(video.timeline.end_seconds for video in self.videos)
        shown = f"{sum(not note for note in self.notes)} of {counted(len(self.videos), 'video')}"
        lines = [
            f"{self.name}: {clock_text(length)} -> {self.seconds:.1f} s of {self.total:g} s "
            f"({counted(len(pieces), 'piece')} from {shown})"
        ]
        for number, (video, note) in enumerate(zip(self.videos, self.notes, strict=True)):
            spans = [
                f"{clock_text(piece.start_seconds)} - {clock_text(piece.end_seconds)}"
                for piece in pieces
                if piece.video == number
            ]
            words = f"not shown: {note}" if note else f"{video.selected_seconds:.1f} s: {', '.join(spans)}"
            lines.append(f"  {Path(video.info.path).name}: {words}")
        return "\n".join([*lines, *(f"  {one.path.name}: left out: {one.reason}" for one in self.left_out)])

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def as_dict(self) -> dict[str, Any]:
        """What `summary.json` holds: plain types only."""
        first = self.videos[0].as_dict()
        common = ("title", "scorer", "feature_fingerprint", "settings")
        files = ("video", "source", "subtitles", "decode")
        own = (*files, "picks", "scores", "shots", "segments", "avoided", "selected_seconds")
        documents = [video.as_dict() for video in self.videos]
        return {
            "name": self.name,
            "total_seconds": self.total,
            "selected_seconds": self.seconds,
            "order": self.order,
            **{name: first[name] for name in common},
            "pieces": list(self.records()),
            "videos": [
                {**{name: document[name] for name in own if name in document}, "note": note}
                for document, note in zip(documents, self.notes, strict=True)
            ],
            "left_out": [
                {
                    "file": printable(one.path.name),
                    "reason": one.reason,
                    "error": one.is_error,
                    "source": asdict(SourceStamp.of(one.path)) if one.path.is_file() else None,
                }
                for one in self.left_out
            ],
            "warnings": list(self.warnings),
        }


def write_film_outputs(film: FilmSummary, out: Path, *, progress: bool = False) -> FilmSummary:
    """Write every file of a film into a folder; returns it with the warnings met while it was written."""
    inputs = [*(Path(video.info.path) for video in film.videos), *(one.path for one in film.left_out)]
    return into_folder(out, inputs, lambda staging: _write_all(film, staging, out, progress=progress))


def _write_all(film: FilmSummary, staging: Path, out: Path, *, progress: bool) -> FilmSummary:
    clip, shown = staging / "summary.mp4", [video for video in film.videos if len(video.segments)]
    look = ClipLook.of(shown[0].settings)
    footage, how = [footage_of(video, look) for video in shown], look.film(shown[0])
    if look.crossfade:
        film = replace(film, played=tuple(_plays(film, footage, how)))
    written = write_film(footage, clip, **how, chapters=film.chapters, progress=progress)
    film = replace(film, clip_warnings=written.warnings)
    pictures = _write_keyframes(film, staging / KEYFRAMES)
    _write_overviews(film, pictures, clip, staging)
    title = f"{film.name} summary"
    edit_list.write_film_edl(shown, staging / "summary.edl", title)
    if find_spec("opentimelineio") is not None:
        edit_list.write_film_otio(shown, staging / "summary.otio", title, folder=out)
    with embedded_clip(clip, film.seconds, progress=progress) as embedded:
        jpegs = [thumbnail_jpegs(picture[None], *picture.shape[1::-1])[0] for picture in pictures]
        write_film_page(film.as_dict(), staging / "report.html", film=embedded, thumbnails=jpegs)
    tables.write_summary_json(film, staging / SUMMARY, files=sorted({*files_in(staging), SUMMARY}))
    return film


def _plays(film: FilmSummary, footage: list[Footage], how: dict[str, Any]) -> Iterator[tuple[int, float, float, float]]:
    """What a film plays, as `FilmSummary.played`, by its settings for `write_film`."""
    numbers = [number for number, video in enumerate(film.videos) if len(video.segments)]
    stretches = [(part, stretch) for part, one in enumerate(footage) for stretch in one.stretches]
    ends = [film.videos[number].timeline.end_seconds for number in numbers]
    at = 0.0
    takes = takes_of(stretches, ends, how["crossfade"], how["sound_crossfade"])
    for (part, _), take in zip(stretches, takes, strict=True):
        yield numbers[part], take.start, take.end, at
        at += take.seconds - take.tail


def _write_keyframes(film: FilmSummary, folder: Path) -> list[ImageArray]:
    """One full-size picture for each piece, numbered as the pieces are; returns small ones of them."""
    from PIL import Image

    small: list[ImageArray] = []
    folder.mkdir()
    for index, video in enumerate(film.videos):
        frames = [piece.keyframe for piece in film.pieces if piece.video == index]
        if not frames:
            continue
        with open_video(video.info.path, timeline=video.timeline) as reader:
            for frame, picture in zip(frames, pictures_of(reader, frames), strict=True):
                with atomic_stream(folder / tables.keyframe_name(len(small), frame)) as stream:
                    Image.fromarray(picture).save(stream, format="JPEG", quality=90)
                small.append(resized(picture, Resize("long_side", storyboard.LONG_SIDE)))
    return small


def _write_overviews(film: FilmSummary, pictures: list[ImageArray], clip: Path, folder: Path) -> None:
    """The storyboard, and the preview."""
    from PIL import Image, ImageOps

    sheet = storyboard.LONG_SIDE, storyboard.LONG_SIDE * 9 // 16  # pictures of other shapes have bars
    padded = [np.asarray(ImageOps.pad(Image.fromarray(picture), sheet)) for picture in pictures]
    labels = [f"{row['piece']}.  {row['file']}, {clock_text(row['start_seconds'])}" for row in film.records()]
    heading = f"{film.name}: {clock_text(film.seconds)}"
    storyboard.write_storyboard(padded, labels, heading, folder / STORYBOARD)
    plays = [(one.film_seconds, one.start_seconds, one.end_seconds, 1.0) for one in film.pieces]
    moving = list(pictures_at(clip, storyboard.preview_seconds(plays), Resize("long_side", storyboard.LONG_SIDE)))
    storyboard.write_preview(moving or padded, folder / PREVIEW)
