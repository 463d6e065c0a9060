"""The files of a summary: clip, page, tables, pictures and edit lists, written together or not at all."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import numpy as np

from sspvs.atomic import temporary_folder, write_text
from sspvs.errors import OutputError
from sspvs.overwriting import (
    KEYFRAMES,
    PREVIEW,
    STORYBOARD,
    SUBTITLES,
    SUMMARY,
    refuse_inputs,
    summary_files,
    summary_places,
)
from sspvs.pipeline.look import ClipLook, footage_of, plays_of, with_look
from sspvs.pipeline.words import chapters
from sspvs.report import edit_list, page, plots, storyboard, tables
from sspvs.report.sentences import clock_text
from sspvs.selection.sentences import as_srt, cut
from sspvs.selection.sentences import sentences as sentences_of
from sspvs.types import ImageArray, Summary
from sspvs.video import Resize, VideoReader, open_video, write_clips, write_film
from sspvs.video.frame_source import pictures_at

T = TypeVar("T")
MAX_EMBEDDED_BYTES = 40_000_000  # a summary clip larger than this goes into the report as a 360-line preview

KEYFRAME_BYTES = 32_000_000  # full-size key frames held in memory together


def write_outputs(summary: Summary, out: Path, *, look: ClipLook | None = None, progress: bool = False) -> Summary:
    """Write every file of a summary into a folder; returns it with what was met while its clip was written."""
    inputs = [Path(summary.info.path)]
    shown = summary if look is None else with_look(summary, look)
    return into_folder(out, inputs, lambda staging: _write_all(shown, staging, out, progress=progress))


def into_folder(out: Path, inputs: Iterable[Path], write: Callable[[Path], T]) -> T:
    """Let `write` write files into a folder beside `out`, and move them there when all are whole."""
    check_folder(out, inputs)
    with temporary_folder(out) as staging:
        written = write(staging)
        _move_into(staging, out)
    return written


def check_folder(out: Path, inputs: Iterable[Path] = ()) -> None:
    """Fail early when a summary cannot go into a folder, or would replace an input or another's file there."""
    check_writable(out)
    there = list(summary_places(out))
    refuse_inputs([out / name for name in there], inputs)
    ours = summary_files(out)
    for name in there:
        if name not in ours or not (out / name).is_file():
            raise OutputError(
                f"cannot write {out / name}: it exists and was not written by an earlier summary; choose another "
                "--out, or move it away"
            )


def check_writable(out: Path) -> None:
    """Fail early when a folder, or the nearest one above it that exists, cannot be written to."""
    nearest = next(folder for folder in (out.absolute(), *out.absolute().parents) if os.path.lexists(folder))
    if not nearest.is_dir():
        what = "is a file" if nearest.exists() else "is a link to nothing"
        raise OutputError(f"cannot write to {out}: {nearest} {what}, not a folder; choose another --out")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write to {out}: no permission in {nearest}; choose another --out")


def _move_into(staging: Path, out: Path) -> None:
    """Move finished files, `summary.json` last: where it is whole, the rest is complete.

    Until then it names all files, old and new, and nothing else: what a run that is killed leaves is known as ours.
    """
    check_folder(out)  # again: writing the clip took a while
    names, before = files_in(staging), summary_files(out)
    claim = {"generated_by": tables.generated_by(), "files": sorted(before | names)}
    write_text(out / SUMMARY, json.dumps(claim, indent=1) + "\n")
    for name in sorted(before - names):
        (out / name).unlink(missing_ok=True)
    for name in sorted(names, key=lambda name: (name == SUMMARY, name)):
        (out / name).parent.mkdir(exist_ok=True)
        (staging / name).replace(out / name)


def files_in(folder: Path) -> frozenset[str]:
    """Paths relative to a folder, with `/`."""
    return frozenset(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _write_all(summary: Summary, staging: Path, out: Path, *, progress: bool) -> Summary:
    source = Path(summary.info.path)
    clip = staging / "summary.mp4"
    look = ClipLook.of(summary.settings)
    footage, film = footage_of(summary, look), look.film(summary)
    if look.chosen:
        summary = replace(summary, played=plays_of(footage, film))
    if summary.cues or summary.of_pieces:
        film["chapters"] = chapters(summary, sentences_of(summary.cues))
    written = write_film([footage], clip, **film, progress=progress)
    if spoken := [cue for cues in cut(summary.cues, summary.plays) for cue in cues]:
        write_text(staging / SUBTITLES, as_srt(spoken))
    decode = replace(summary.decode, lost_sound_seconds=written.lost_sound_seconds)
    summary = replace(summary, decode=decode, warnings=(*summary.warnings, *written.warnings))
    tables.write_scores_csv(summary, staging / "scores.csv")
    plots.write_scores_png(summary, staging / "scores.png")
    pictures = _write_keyframes(summary, staging / KEYFRAMES)
    if summary.of_pieces:
        _write_overviews(summary, pictures, clip, staging)
    edit_list.write_edl(summary, staging / "summary.edl", source.name)
    if find_spec("opentimelineio") is not None:
        edit_list.write_otio(summary, staging / "summary.otio", source, folder=out)
    with embedded_clip(clip, summary.clip_seconds, progress=progress) as embedded:
        page.write_report(
            summary, staging / "report.html", summary_video=embedded, source_video=source, report_folder=out
        )
    tables.write_summary_json(summary, staging / SUMMARY, files=sorted({*files_in(staging), SUMMARY}))
    return summary


@contextmanager
def embedded_clip(clip: Path, seconds: float, *, progress: bool) -> Iterator[Path]:
    """A clip as a page embeds it: itself, or a smaller one that goes away afterwards."""
    if clip.stat().st_size <= MAX_EMBEDDED_BYTES:
        yield clip
        return
    preview = clip.with_name("preview.mp4")
    write_clips(clip, [(0.0, seconds)], preview, crf=30, max_height=360, progress=progress)
    yield preview
    preview.unlink()


def _write_overviews(summary: Summary, pictures: list[ImageArray], clip: Path, folder: Path) -> None:
    """The storyboard, and the preview."""
    spans = [f"{clock_text(start)} - {clock_text(end)}" for start, end in summary.segment_seconds]
    labels = [f"{number}.  {span}" for number, span in enumerate(spans, start=1)]
    length, kept = clock_text(summary.timeline.end_seconds), clock_text(summary.selected_seconds)
    heading = f"{Path(summary.info.path).name}: {kept} of {length}"
    storyboard.write_storyboard(pictures, labels, heading, folder / STORYBOARD)
    seconds = storyboard.preview_seconds(summary.plays)
    moving = list(pictures_at(clip, seconds, Resize("long_side", storyboard.LONG_SIDE)))
    storyboard.write_preview(moving or pictures, folder / PREVIEW)


def resized(picture: ImageArray, resize: Resize) -> ImageArray:
    """A picture that is decoded already, as the reader gives it."""
    from PIL import Image

    height, width = picture.shape[:2]
    size = resize.target_size(width, height)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX, reducing_gap=2.0))


def pictures_of(reader: VideoReader, frames: list[int]) -> Iterator[ImageArray]:
    """Full-size pictures of frames of a video, a few in memory at a time."""
    at_once = max(1, KEYFRAME_BYTES // (reader.info.width * reader.info.height * 3))
    for first in range(0, len(frames), at_once):
        yield from reader.frames_at(frames[first : first + at_once], Resize("none"))


def _write_keyframes(summary: Summary, folder: Path) -> list[ImageArray]:
    """One full-size picture for each shot of the summary, and a small one of each segment."""
    shown = [index for index, selected in enumerate(summary.selected) if selected]
    keys = [int(summary.keyframes[index]) for index in shown]
    of_segments = [next((key for key in keys if a <= key < b), (a + b) // 2) for a, b in summary.segments.tolist()]
    size = Resize("long_side", storyboard.LONG_SIDE)
    small: dict[int, ImageArray] = {}
    with open_video(summary.info.path, timeline=summary.timeline) as reader:

        def pictures() -> Iterator[ImageArray]:
            for key, picture in zip(keys, pictures_of(reader, keys), strict=True):
                small[key] = resized(picture, size)
                yield picture

        tables.write_keyframe_images(summary, pictures(), folder, shot_indices=shown)
        others = sorted(set(of_segments) - set(small))
        small.update(zip(others, reader.frames_at(others, size) if others else (), strict=True))
    return [small[frame] for frame in of_segments]
