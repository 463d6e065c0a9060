"""The summary for video editors: CMX 3600 edit decision lists (`.edl`) and OpenTimelineIO (`.otio`).

An edit list says which stretches of the source to play, in the editor's own unit, frames. Two clocks are used:

* Constant frame rate (whole, or whole * 1000/1001 such as 29.97 and 23.976): timecode counts the source's frames,
  non-drop, which is what an editor does whose project has the source's rate. Exact to the frame.
* Anything else (variable frame rate, 12.5 fps, missing frames): an editor resamples such a source to a constant
  rate, so times are rounded to the nearest whole rate. Exact to half a frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.atomic import write_text
from sspvs.errors import MissingExtraError, printable
from sspvs.report.tables import generated_by, shot_of_frames
from sspvs.types import Summary

_HIGHEST_RATE = 60  # timecode has two digits for frames, and editors stop at 60


@dataclass(frozen=True)
class EditClock:
    """How times of a source become an editor's frames.

    Attributes:
        rate: Whole frames per second that timecode counts in.
        exact_rate: Frames per second that an editor's project should have: `rate` or `rate * 1000/1001`.
        counts_frames: True: the source's own frames are counted; False: seconds are rounded to `rate`.
        note: One sentence for the user.
    """

    rate: int
    exact_rate: float
    counts_frames: bool
    note: str


def edit_clock(summary: Summary) -> EditClock:
    """Choose the clock for a video from its presentation times.

    Args:
        summary: Whose video.
    """
    seconds = np.asarray(summary.timeline.frame_seconds, dtype=np.float64)
    fps = summary.info.fps
    if not (math.isfinite(fps) and fps > 0):
        fps = len(seconds) / summary.timeline.end_seconds if summary.timeline.end_seconds > 0 else 25.0
    rate = max(1, round(fps))
    if rate <= _HIGHEST_RATE:
        for exact in sorted((float(rate), rate * 1000 / 1001), key=lambda value: abs(value - fps)):
            if np.abs(seconds - np.arange(len(seconds)) / exact).max() <= 0.6 / exact:
                note = f"timecode counts the frames of the source at {rate} fps, non-drop"
                if exact != rate:
                    note += f"; the source runs at {exact:.3f} fps: use a project of that rate"
                return EditClock(rate, exact, True, note)
    while rate > _HIGHEST_RATE:
        rate = (rate + 1) // 2
    ntsc = rate * 1000 / 1001
    exact = ntsc if abs(fps - ntsc) < 2e-4 * rate else float(rate)  # 29.97 with a few frames missing
    note = (
        f"the frames of the source do not come at a constant rate that timecode can count ({fps:.3f} fps on "
        f"average): times are rounded to {exact:.6g} fps, timecode at {rate} fps, non-drop"
    )
    return EditClock(rate, exact, False, note)


def edit_frames(summary: Summary, clock: EditClock) -> list[tuple[int, int]]:
    """The summary's segments on an editor's clock.

    Args:
        summary: Whose segments.
        clock: From `edit_clock`.

    Returns:
        Half-open (start, end) in frames of `clock.rate`, each at least one frame long.
    """
    if clock.counts_frames:
        return [(int(start), int(end)) for start, end in summary.segments]
    rate = clock.exact_rate
    rounded = [(round(start * rate), round(end * rate)) for start, end in summary.segment_seconds]
    return [(start, max(end, start + 1)) for start, end in rounded]


def timecode(frame: int, rate: int) -> str:
    """Non-drop timecode `HH:MM:SS:FF` of a frame count.

    Args:
        frame: Frames since 00:00:00:00.
        rate: Whole frames per second.
    """
    seconds, frames = divmod(frame, rate)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frames:02d}"


def write_edl(summary: Summary, path: Path, clip_name: str) -> None:
    """Write a CMX 3600 edit decision list: one cut a segment, video and (when there is sound) both audio channels.

    Args:
        summary: What to write.
        path: The file to write.
        clip_name: The source's file name, by which an editor finds the media.

    Raises:
        OutputError: The file cannot be written.
    """
    clock = edit_clock(summary)
    name = _one_line(clip_name)
    channels = "AA/V" if summary.info.has_audio else "V"
    lines = [f"TITLE: {_one_line(Path(clip_name).stem)[:60]} summary", "FCM: NON-DROP FRAME", ""]
    record = 0
    for number, (start, end) in enumerate(edit_frames(summary, clock), start=1):
        times = (start, end, record, record + end - start)
        # Columns: event, reel (AX: a file, not a tape), channels, C = cut, source in/out, record in/out.
        codes = " ".join(timecode(frame, clock.rate) for frame in times)
        lines.append(f"{number:03d}  AX       {channels:<5} C        {codes}")
        lines.append(f"* FROM CLIP NAME: {name}")
        if number == 1:
            lines += [f"* COMMENT: {clock.note}", f"* COMMENT: {generated_by()}"]
        record = times[3]
    write_text(path, "\n".join(lines) + "\n")


def write_otio(summary: Summary, path: Path, source: Path) -> None:
    """Write an OpenTimelineIO timeline: a video track and, when there is sound, an audio track.

    Args:
        summary: What to write.
        path: The file to write, usually `summary.otio`.
        source: The original video; the timeline refers to it by its absolute file URL.

    Raises:
        MissingExtraError: opentimelineio is not installed.
        OutputError: The file cannot be written.
    """
    try:
        import opentimelineio as otio
    except ImportError as error:
        raise MissingExtraError(
            "writing .otio needs the package opentimelineio: pip install 'sspvs[export]', or use the .edl"
        ) from error
    timeline = otio.schema.Timeline(f"{_one_line(source.stem)} summary")
    kinds = [otio.schema.TrackKind.Video]
    if summary.info.has_audio:
        kinds.append(otio.schema.TrackKind.Audio)
    for kind in kinds:
        track = otio.schema.Track(kind.lower(), kind=kind)
        track.extend(_otio_clips(otio, summary, source))
        timeline.tracks.append(track)
    timeline.metadata["sspvs"] = {"generated_by": generated_by(), "note": edit_clock(summary).note}
    write_text(path, otio.adapters.write_to_string(timeline, "otio_json", indent=2) + "\n")


def _otio_clips(otio: Any, summary: Summary, source: Path) -> list[Any]:
    """One clip a segment, each with its own reference to the source."""
    clock = edit_clock(summary)
    rate = clock.exact_rate
    total = summary.timeline.n_frames if clock.counts_frames else summary.timeline.end_seconds * rate
    shots = shot_of_frames(summary, summary.segments[:, 0])

    def span(start: float, length: float) -> Any:
        return otio.opentime.TimeRange(
            otio.opentime.RationalTime(start, rate), otio.opentime.RationalTime(length, rate)
        )

    clips = []
    for (start, end), shot in zip(edit_frames(summary, clock), shots, strict=True):
        media = otio.schema.ExternalReference(
            target_url=source.resolve().as_uri(), available_range=span(0, max(total, end))
        )
        clip = otio.schema.Clip(_one_line(source.name), media_reference=media, source_range=span(start, end - start))
        clip.metadata["sspvs"] = {"shot_index": int(shot), "score": float(summary.shot_scores[shot])}
        clips.append(clip)
    return clips


def _one_line(text: str) -> str:
    """Text without line breaks, which would start a new statement, that any file takes."""
    return " ".join("".join(c if c.isprintable() else " " for c in printable(text)).split())
