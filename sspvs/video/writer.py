"""Writing stretches of videos, with their sound, as a file that plays everywhere: H.264 and AAC in MP4."""

import os
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sspvs.atomic import atomic_file
from sspvs.errors import OutputError
from sspvs.types import Timeline, WrittenClip
from sspvs.video.footage import ClipSettings, Footage, Stretch, check_footage, pack_footage
from sspvs.video.isolated import DecodingChild
from sspvs.video.reader import check_file


def write_clips(
    source: Path | str,
    segments_seconds: Sequence[Stretch | tuple[float, float]],
    out_path: Path | str,
    *,
    timeline: Timeline | None = None,
    **settings: Any,
) -> WrittenClip:
    """Write stretches of a video one after the other into one MP4.

    Args:
        source: The video.
        segments_seconds: Half-open (start, end) stretches in seconds from the first frame of the video, in the
            order they shall play; what lies behind the end of the video is cut off.
        out_path: The file to write; its folder must exist.
        timeline: When each frame of the source is shown, as a pass over it found; saves another look at the file.
        **settings: As of `write_film`.

    Returns:
        What was written.

    Raises:
        VideoError: The source cannot be decoded, or has nothing in the segments.
        DecodeTimeoutError: Nothing was decoded for longer than the time limit.
        OutputError: The file cannot be written.
        ValueError: No segments, an empty or negative one, or a setting out of range.
    """
    return write_film([Footage(source, segments_seconds, timeline)], out_path, **settings)


def write_film(
    footage: Sequence[Footage],
    out_path: Path | str,
    *,
    crf: int = 23,
    preset: str = "veryfast",
    max_height: int | None = None,
    chapters: Sequence[tuple[float, str]] = (),
    crossfade: float = 0.0,
    sound_crossfade: float = 0.0,
    aspect: tuple[int, int] | None = None,
    progress: bool = False,
    time_limit_seconds: float = 60.0,
    isolated: bool = True,
) -> WrittenClip:
    """Write stretches of one or more videos one after the other into one MP4.

    Frames keep their own timing and the rotation of their source is applied. Sound is cut at the same instants to
    the sample, faded over a few milliseconds at the cuts or into what follows, and placed by its absolute position,
    so that it does not drift however many cuts there are. The file appears under its name only when it is complete.

    Where sources differ, the film has the picture size that is shown for the longest time, and other pictures are
    fitted into it with black bars. Its sound is stereo at 48 kHz then, unless the sources agree on something else, and
    silent where a source has none. Warnings begin with the name of their source.

    Args:
        footage: The sources and their stretches, in the order they shall play.
        out_path: The file to write; its folder must exist.
        crf: Quality of x264, 0 (lossless) to 51 (worst).
        preset: Speed of x264, `ultrafast` to `veryslow`.
        max_height: Make the picture at most this high, in pixels.
        chapters: (start, name) of each chapter, in seconds of the film; each ends where the next one begins.
        crossfade: Seconds in which two stretches that do not follow each other in their source are blended, pictures
            and sound, at most half of the shorter one. Half of it is taken from beyond each of the two, as far as it
            states in `Stretch` that this may be shown; the rest shortens the film.
        sound_crossfade: Seconds in which sound alone fades from one stretch into the next, at equal power, by what
            the sources have beyond them; the length stays.
        aspect: Width and height of a shape such as (9, 16) that is cut out of all pictures, where the `camera` of each
            source is.
        progress: Show a progress bar on stderr.
        time_limit_seconds: The longest decoding and encoding may give nothing before they are stopped.
        isolated: Work in a process of its own, which can be stopped and whose crash does not reach this one.

    Returns:
        What was written.

    Raises:
        VideoError: A source cannot be decoded, or nothing lies in the segments.
        DecodeTimeoutError: Nothing was decoded for longer than the time limit.
        OutputError: The file cannot be written.
        ValueError: No segments, an empty or negative one, or a setting out of range.
    """
    check_footage(footage)
    settings = ClipSettings(crf, preset, max_height, tuple(chapters), crossfade, sound_crossfade, aspect)
    out_path = Path(out_path)
    for part in footage:
        check_file(Path(part.source))
    _check_output(out_path)
    total = round(sum((one.end - one.start) / one.speed for part in footage for one in part.stretches), 1)
    from tqdm import tqdm

    subject = str(footage[0].source) if len(footage) == 1 else f"one of {len(footage)} videos"
    with ExitStack() as stack:
        # The child comes first: it removes the file where this process is killed while it waits.
        child = stack.enter_context(closing(DecodingChild(subject, time_limit_seconds))) if isolated else None
        bar = stack.enter_context(tqdm(total=total, unit="s", desc="writing", disable=None if progress else True))
        partial = stack.enter_context(atomic_file(out_path))

        def advance(seconds: float) -> None:
            bar.update(round(seconds, 1) - bar.n)

        if child is None:
            from sspvs.video.clips import encode_film

            return replace(encode_film(footage, partial, settings, advance), path=out_path)
        packed, arrays = pack_footage(footage)
        for message in child.request("write", arrays, footage=packed, out_path=str(partial), settings=asdict(settings)):
            if message.kind == "progress":
                advance(message.fields["seconds"])
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in message.fields.items()
        }
        return replace(WrittenClip(**fields), path=out_path)


def _check_output(out_path: Path) -> None:
    folder = out_path.parent
    if not folder.is_dir():
        raise OutputError(f"cannot write {out_path}: no such folder {folder}")
    if out_path.is_dir():
        raise OutputError(f"cannot write {out_path}: it is a folder")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"cannot write {out_path}: no permission to write into {folder}")
