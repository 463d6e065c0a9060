"""The summary for video editors: CMX 3600 edit decision lists (`.edl`) and OpenTimelineIO (`.otio`).

An edit list says which stretches of the source to play, in the editor's own unit, frames. Two clocks are used:

* Constant frame rate (whole, or whole * 1000/1001 such as 29.97 and 23.976): timecode counts the source's frames,
  which is what an editor does whose project has the source's rate. Exact to the frame.
* Anything else (variable frame rate, 12.5 fps, missing frames): an editor resamples such a source to a constant
  rate, so times are rounded to the nearest whole rate. Exact to half a frame.

Both start at the source's own timecode, by which editors find the media again, and count drop-frame where it does. A
source without timecode starts at 00:00:00:00, non-drop at any rate, as projects of DaVinci Resolve do by default.
"""

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.atomic import write_text
from sspvs.errors import MissingExtraError, printable
from sspvs.report.page import source_urls
from sspvs.report.tables import generated_by, shot_of_frames
from sspvs.types import FloatArray, Summary

_HIGHEST_RATE = 60  # timecode has two digits for frames, and editors stop at 60
_SAME_RATE = 2e-4  # how far, as a share, an average may lie from a rate that it stands for
_USUAL_RATES = (24, 25, 30, 50, 60)
_DROP_FRAME_RATES = (30, 60, 120, 240)
_TIMECODE = re.compile(r"(\d{1,2})[:;](\d\d)[:;](\d\d)([:;.,])(\d{2,3})")
_RESERVED_REELS = {"AX", "BL", "BLACK", "BARS"}  # a source off tape, black, colour bars


@dataclass(frozen=True)
class EditClock:
    """How times of a source become an editor's frames: the source's own are counted, or seconds are rounded."""

    rate: int  # whole frames per second that timecode counts in
    exact_rate: float  # of an editor's project: `rate` or `rate * 1000/1001`
    counts_frames: bool  # the source's own frames, rather than seconds rounded to `rate`
    note: str  # a sentence for the user
    start: int | None = None  # number of the first frame since 00:00:00:00, by the source's timecode
    drop_frame: bool = False

    def code(self, frame: int) -> str:
        """Timecode of a frame since 00:00:00:00; the timecode of a source starts again after 24 hours."""
        if self.start is not None:
            frame %= _frame_number(24, 0, 0, 0, self.rate, self.drop_frame)
        return timecode(frame, self.rate, drop_frame=self.drop_frame)


def edit_clock(summary: Summary) -> EditClock:
    """Choose the clock for a video from its presentation times and its timecode."""
    seconds = np.asarray(summary.timeline.frame_seconds, dtype=np.float64)
    tag, fps = summary.info.timecode, summary.info.fps
    if not (math.isfinite(fps) and fps > 0):
        fps = len(seconds) / summary.timeline.end_seconds if summary.timeline.end_seconds > 0 else 25.0
    exact = _constant_rate(seconds, fps)
    if exact is None and round(fps / 2) in _USUAL_RATES:  # some containers state the rate of the fields
        exact = _constant_rate(seconds, fps / 2)
    if exact is not None:
        start, rate, drop_frame = _read_timecode(tag, (round(exact),))
        note = f"timecode counts the frames of the source at {rate} fps, {_counting(tag, start, rate, drop_frame)}"
        if exact != rate:
            note += f"; the source runs at {exact:.3f} fps: use a project of that rate"
        return EditClock(rate, exact, True, note, start, drop_frame)
    near = sorted(_USUAL_RATES, key=lambda usual: abs(usual - fps))
    start, nominal, drop_frame = _read_timecode(tag, (max(1, round(fps)), *near))
    rate = nominal
    while rate > _HIGHEST_RATE:
        rate = (rate + 1) // 2
    exact, ntsc, average = float(rate), rate * 1000 / 1001, fps * rate / nominal
    near_ntsc, near_whole = (abs(average - value) < _SAME_RATE * rate for value in (ntsc, exact))
    if near_ntsc or (drop_frame and not near_whole):  # 29.97 with a few frames missing
        exact = ntsc
    note = (
        f"the frames of the source do not come at a constant rate that timecode can count ({fps:.3f} fps on average): "
        f"times are rounded to {exact:.6g} fps, timecode at {rate} fps, {_counting(tag, start, nominal, drop_frame)}"
    )
    return EditClock(rate, exact, False, note, None if start is None else start * rate // nominal, drop_frame)


def _constant_rate(seconds: FloatArray, fps: float) -> float | None:
    """The rate nearest to `fps` that timecode can count and all frames keep to; None when there is none."""
    rate = max(1, round(fps))
    if rate <= _HIGHEST_RATE:
        for exact in sorted((float(rate), rate * 1000 / 1001), key=lambda value: abs(value - fps)):
            if np.abs(seconds - np.arange(len(seconds)) / exact).max() <= 0.6 / exact:
                return exact
    return None


def _read_timecode(tag: str, rates: Sequence[int]) -> tuple[int | None, int, bool]:
    """A container's timecode as frames since 00:00:00:00, the first rate that can count it, whether drop-frame."""
    match = _TIMECODE.fullmatch(tag)
    if match is not None:
        hours, minutes, seconds, frames = (int(match[group]) for group in (1, 2, 3, 5))
        marked = match[4] != ":"
        for rate in sorted(rates, key=lambda rate: marked and rate not in _DROP_FRAME_RATES):
            if hours < 24 and minutes < 60 and seconds < 60 and frames < rate:
                drop_frame = marked and rate in _DROP_FRAME_RATES
                return _frame_number(hours, minutes, seconds, frames, rate, drop_frame), rate, drop_frame
    return None, rates[0], False


def _counting(tag: str, start: int | None, rate: int, drop_frame: bool) -> str:
    """How timecode is counted and from where, for the note."""
    shown = _one_line(tag)[:40]
    if start is not None:
        return f"{'drop-frame' if drop_frame else 'non-drop'}, from the source's {shown}"
    return "non-drop" + (f"; the source's timecode is ignored: '{shown}' is none at {rate} fps" if tag else "")


def edit_frames(summary: Summary, clock: EditClock) -> list[tuple[int, int]]:
    """The segments as half-open (start, end) in frames of `clock.rate` since 00:00:00:00, each at least one."""
    first, rate = clock.start or 0, clock.exact_rate
    if clock.counts_frames:
        return [(first + int(start), first + int(end)) for start, end in summary.segments]
    rounded = [(first + round(start * rate), first + round(end * rate)) for start, end in summary.segment_seconds]
    return [(start, max(end, start + 1)) for start, end in rounded]


def timecode(frame: int, rate: int, *, drop_frame: bool = False) -> str:
    """Timecode of a frame count: `HH:MM:SS:FF`, or drop-frame `HH:MM:SS;FF` where the rate is a multiple of 30.

    Drop-frame numbering (SMPTE ST 12-1) leaves out the first 2 numbers (4 at 60 fps) of each minute but every tenth,
    so that 29.97 frames a second, counted as 30, stay with the time of day.
    """
    if drop_frame:
        dropped = rate // 15
        tens, rest = divmod(frame, 600 * rate - 9 * dropped)
        frame += dropped * (9 * tens + max(0, (rest - dropped) // (60 * rate - dropped)))
    seconds, frames = divmod(frame, rate)
    mark = ";" if drop_frame else ":"
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{frames:02d}"


def _frame_number(hours: int, minutes: int, seconds: int, frames: int, rate: int, drop_frame: bool) -> int:
    """Frames since 00:00:00:00; the inverse of `timecode`."""
    minutes += 60 * hours
    dropped = rate // 15 * (minutes - minutes // 10) if drop_frame else 0
    return (60 * minutes + seconds) * rate + frames - dropped


def write_edl(summary: Summary, path: Path, clip_name: str) -> None:
    """Write a CMX 3600 edit decision list: one cut a segment, video and (when there is sound) both audio channels.

    The source side of each cut is in the source's timecode, the record side runs from 00:00:00:00.

    Args:
        summary: What to write.
        path: The file to write.
        clip_name: The source's file name, by which an editor finds the media.

    Raises:
        OutputError: The file cannot be written.
    """
    clock = edit_clock(summary)
    title = f"{_one_line(Path(clip_name).stem)[:60]} summary"
    _write_edl([(summary, clip_name, clock)], path, title, clock)


def write_film_edl(videos: Sequence[Summary], path: Path, title: str) -> None:
    """Write one CMX 3600 edit decision list of pieces of several videos, each with a reel name of its own.

    The list has one rate, that of most seconds; times of videos with another are rounded to it.

    Args:
        videos: Those that are shown, in the order of the film.
        path: The file to write.
        title: Of the list.

    Raises:
        OutputError: The file cannot be written.
    """
    clocks = [edit_clock(video) for video in videos]
    seconds: dict[float, float] = {}
    for video, clock in zip(videos, clocks, strict=True):
        seconds[clock.exact_rate] = seconds.get(clock.exact_rate, 0.0) + video.selected_seconds
    record = next(clock for clock in clocks if seconds[clock.exact_rate] == max(seconds.values()))
    sources = [
        (video, Path(video.info.path).name, _at_rate_of(record, clock))
        for video, clock in zip(videos, clocks, strict=True)
    ]
    _write_edl(sources, path, _one_line(title)[:68], record)


def _at_rate_of(record: EditClock, clock: EditClock) -> EditClock:
    """A clock in frames of the record's rate, to which its times are rounded."""
    if clock.exact_rate == record.exact_rate:
        return clock
    start, rate, drop_frame = clock.start, record.rate, clock.drop_frame and record.rate in _DROP_FRAME_RATES
    if start is not None:  # the same time of day
        hours, minutes, seconds, frames = map(int, re.split("[:;]", clock.code(start)))
        start = _frame_number(hours, minutes, seconds, frames * rate // clock.rate, rate, drop_frame)
    note = f"{clock.note}; here times are rounded to {record.exact_rate:.6g} fps, the rate of the list"
    return EditClock(rate, record.exact_rate, False, note, start, drop_frame)


def _write_edl(
    sources: Sequence[tuple[Summary, str, EditClock]], path: Path, title: str, record_clock: EditClock
) -> None:
    lines = [f"TITLE: {title}", f"FCM: {'' if record_clock.drop_frame else 'NON-'}DROP FRAME", ""]
    record = number = 0
    reels: set[str] = set()
    for summary, clip_name, clock in sources:
        name, reel = _one_line(clip_name), _reel(summary, clip_name)
        reel = next(one for one in (reel, *(f"{reel[:4]}_{n}" for n in range(2, 1000))) if one not in reels)
        reels.add(reel)
        channels = "AA/V" if summary.info.has_audio else "V"
        for first, (start, end) in enumerate(edit_frames(summary, clock)):
            number += 1
            source = f"{clock.code(start)} {clock.code(end)}"
            played = f"{record_clock.code(record)} {record_clock.code(record + end - start)}"
            # Columns: event, reel, channels, C = cut, source in/out, record in/out.
            lines.append(f"{number:03d}  {reel:<8} {channels:<5} C        {source} {played}")
            lines.append(f"* FROM CLIP NAME: {name}")
            if first == 0:
                lines.append(f"* COMMENT: {clock.note}")
                if number == 1:
                    lines.append(f"* COMMENT: {generated_by()}")
                if summary.info.reel_name not in ("", reel):
                    lines.append(f"* COMMENT: reel {_one_line(summary.info.reel_name)}")
            record += end - start
    write_text(path, "\n".join(lines) + "\n")


def write_otio(summary: Summary, path: Path, source: Path, *, folder: Path | None = None) -> None:
    """Write an OpenTimelineIO timeline: a video track and, when there is sound, an audio track.

    Args:
        summary: What to write.
        path: The file to write, usually `summary.otio`.
        source: The original video; the timeline refers to it relative to itself, or by its name alone where the
            way would spell out the machine's folders.
        folder: Where the timeline will lie in the end, when that is not the folder of `path`.

    Raises:
        MissingExtraError: opentimelineio is not installed.
        OutputError: The file cannot be written.
    """
    title = f"{_one_line(source.stem)} summary"
    _write_otio([(summary, source)], path, title, folder or path.parent)


def write_film_otio(videos: Sequence[Summary], path: Path, title: str, *, folder: Path) -> None:
    """Write one OpenTimelineIO timeline of pieces of several videos, each at its own rate; as `write_otio`."""
    _write_otio([(video, Path(video.info.path)) for video in videos], path, _one_line(title), folder)


def _write_otio(sources: Sequence[tuple[Summary, Path]], path: Path, title: str, folder: Path) -> None:
    try:
        import opentimelineio as otio
    except ImportError as error:
        raise MissingExtraError(
            "writing .otio needs the package opentimelineio: pip install 'sspvs[export]', or use the .edl"
        ) from error
    timeline = otio.schema.Timeline(title)
    kinds = [otio.schema.TrackKind.Video]
    if any(summary.info.has_audio for summary, _ in sources):
        kinds.append(otio.schema.TrackKind.Audio)
    for kind in kinds:
        track = otio.schema.Track(kind.lower(), kind=kind)
        for summary, source in sources:
            clips = _otio_clips(otio, summary, source, folder)
            if kind == otio.schema.TrackKind.Audio and not summary.info.has_audio:
                clips = [otio.schema.Gap(duration=clip.source_range.duration) for clip in clips]
            track.extend(clips)
        timeline.tracks.append(track)
    notes = dict.fromkeys(edit_clock(summary).note for summary, _ in sources)
    timeline.metadata["sspvs"] = {"generated_by": generated_by(), "note": "; ".join(notes)}
    write_text(path, otio.adapters.write_to_string(timeline, "otio_json", indent=2) + "\n")


def _otio_clips(otio: Any, summary: Summary, source: Path, folder: Path) -> list[Any]:
    clock = edit_clock(summary)
    rate = clock.exact_rate
    first = clock.start or 0
    total = summary.timeline.n_frames if clock.counts_frames else summary.timeline.end_seconds * rate
    shots = shot_of_frames(summary, summary.segments[:, 0])

    url = source_urls(source, folder)[0]

    def span(start: float, length: float) -> Any:
        return otio.opentime.TimeRange(
            otio.opentime.RationalTime(start, rate), otio.opentime.RationalTime(length, rate)
        )

    clips = []
    for (start, end), shot in zip(edit_frames(summary, clock), shots, strict=True):
        media = otio.schema.ExternalReference(target_url=url, available_range=span(first, max(total, end - first)))
        clip = otio.schema.Clip(_one_line(source.name), media_reference=media, source_range=span(start, end - start))
        clip.metadata["cmx_3600"] = {"reel": _reel(summary, source.name)}
        clip.metadata["sspvs"] = {"shot_index": int(shot), "score": float(summary.shot_scores[shot])}
        clips.append(clip)
    return clips


def _reel(summary: Summary, clip_name: str) -> str:
    """The reel that the source names, or else its file name, as a CMX 3600 reel: up to 8 of A-Z, 0-9 and _."""
    name = summary.info.reel_name or Path(clip_name).stem
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().strip().upper()
    reel = re.sub(r"[^A-Z0-9_]+", "_", ascii_name)[:8]
    if not reel.strip("_"):
        return "AX"
    return f"{reel}_" if reel in _RESERVED_REELS else reel


def _one_line(text: str) -> str:
    """Text without line breaks, which would start a new statement, that any file takes."""
    return " ".join("".join(c if c.isprintable() else " " for c in printable(text)).split())
