"""The files of a summary: clip, page, tables, pictures and edit lists, written together or not at all."""

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from sspvs.atomic import temporary_folder, write_text
from sspvs.errors import OutputError
from sspvs.overwriting import KEYFRAMES, SUMMARY, refuse_inputs, summary_files, summary_places
from sspvs.pipeline.words import chapters
from sspvs.report import edit_list, page, plots, tables
from sspvs.selection.sentences import as_srt, cut
from sspvs.selection.sentences import sentences as sentences_of
from sspvs.types import Summary
from sspvs.video import Resize, open_video, write_clips

MAX_EMBEDDED_BYTES = 40_000_000  # a summary clip larger than this goes into the report as a 360-line preview

KEYFRAME_BYTES = 32_000_000  # full-size key frames held in memory together


def write_outputs(summary: Summary, out: Path, *, progress: bool = False) -> Summary:
    """Write every file of a summary into a folder; returns it with the warnings met while its clip was written."""
    check_folder(out, [Path(summary.info.path)])
    with temporary_folder(out) as staging:
        summary = _write_all(summary, staging, out, progress=progress)
        _move_into(staging, out)
    return summary


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
    names, before = _files_in(staging), summary_files(out)
    claim = {"generated_by": tables.generated_by(), "files": sorted(before | names)}
    write_text(out / SUMMARY, json.dumps(claim, indent=1) + "\n")
    for name in sorted(before - names):
        (out / name).unlink(missing_ok=True)
    for name in sorted(names, key=lambda name: (name == SUMMARY, name)):
        (out / name).parent.mkdir(exist_ok=True)
        (staging / name).replace(out / name)


def _files_in(folder: Path) -> frozenset[str]:
    """Paths relative to a folder, with `/`."""
    return frozenset(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _write_all(summary: Summary, staging: Path, out: Path, *, progress: bool) -> Summary:
    source = Path(summary.info.path)
    clip = staging / "summary.mp4"
    sentences = sentences_of(summary.cues)
    named = chapters(summary, sentences) if summary.cues or summary.has_pieces else []
    written = write_clips(
        source, summary.segment_seconds, clip, timeline=summary.timeline, chapters=named, progress=progress
    )
    spoken = [cue for cues in cut(summary.cues, summary.segment_seconds) for cue in cues]
    if spoken:
        write_text(staging / "summary.srt", as_srt(spoken))
    decode = replace(summary.decode, lost_sound_seconds=written.lost_sound_seconds)
    summary = replace(summary, decode=decode, warnings=(*summary.warnings, *written.warnings))
    tables.write_scores_csv(summary, staging / "scores.csv")
    plots.write_scores_png(summary, staging / "scores.png")
    _write_keyframes(summary, staging / KEYFRAMES)
    edit_list.write_edl(summary, staging / "summary.edl", source.name)
    if find_spec("opentimelineio") is not None:
        edit_list.write_otio(summary, staging / "summary.otio", source, folder=out)
    embedded = clip
    if clip.stat().st_size > MAX_EMBEDDED_BYTES:
        embedded = staging / "preview.mp4"
        write_clips(clip, [(0.0, summary.selected_seconds)], embedded, crf=30, max_height=360, progress=progress)
    page.write_report(summary, staging / "report.html", summary_video=embedded, source_video=source, report_folder=out)
    if embedded != clip:
        embedded.unlink()
    tables.write_summary_json(summary, staging / SUMMARY, files=sorted({*_files_in(staging), SUMMARY}))
    return summary


def _write_keyframes(summary: Summary, folder: Path) -> None:
    """One full-size picture for each shot of the summary, a few in memory at a time."""
    shown = [index for index, selected in enumerate(summary.selected) if selected]
    frames = [int(summary.keyframes[index]) for index in shown]
    at_once = max(1, KEYFRAME_BYTES // (summary.info.width * summary.info.height * 3))
    with open_video(summary.info.path, timeline=summary.timeline) as reader:
        pictures = (
            picture
            for first in range(0, len(frames), at_once)
            for picture in reader.frames_at(frames[first : first + at_once], Resize("none"))
        )
        tables.write_keyframe_images(summary, pictures, folder, shot_indices=shown)
