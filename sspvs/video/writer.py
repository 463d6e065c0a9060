"""Writing stretches of a video, with their sound, as a file that plays everywhere: H.264 and AAC in MP4."""

import os
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from sspvs.atomic import atomic_file
from sspvs.errors import OutputError
from sspvs.types import Timeline, WrittenClip
from sspvs.video.isolated import DecodingChild, pack_timeline
from sspvs.video.reader import check_file

TOUCHING_SECONDS = 1e-4  # segments closer than this are one: no cut is heard or seen between them
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
"""What x264 calls its trades of speed against size."""


def write_clips(
    source: Path | str,
    segments_seconds: Sequence[tuple[float, float]],
    out_path: Path | str,
    *,
    timeline: Timeline | None = None,
    crf: int = 23,
    preset: str = "veryfast",
    max_height: int | None = None,
    progress: bool = False,
    time_limit_seconds: float = 60.0,
    isolated: bool = True,
) -> WrittenClip:
    """Write stretches of a video one after the other into one MP4.

    Frames keep their own timing and the rotation of the source is applied. Sound is cut at the same instants to
    the sample, faded over a few milliseconds at the cuts, and placed by its absolute position, so that it does
    not drift however many cuts there are. The file appears under its name only when it is complete.

    Args:
        source: The video.
        segments_seconds: Half-open (start, end) stretches in seconds from the first frame of the video, in the
            order they shall play; what lies behind the end of the video is cut off.
        out_path: The file to write; its folder must exist.
        timeline: When each frame of the source is shown, as a pass over it found; saves another look at the file.
        crf: Quality of x264, 0 (lossless) to 51 (worst).
        preset: Speed of x264, `ultrafast` to `veryslow`.
        max_height: Make the picture at most this high, in pixels.
        progress: Show a progress bar on stderr.
        time_limit_seconds: The longest decoding and encoding may give nothing before they are stopped.
        isolated: Work in a process of its own, which can be stopped and whose crash does not reach this one.

    Returns:
        What was written.

    Raises:
        VideoError: The source cannot be decoded, or has nothing in the segments.
        DecodeTimeoutError: Nothing was decoded for longer than the time limit.
        OutputError: The file cannot be written.
        ValueError: No segments, an empty or negative one, or a setting out of range.
    """
    segments = _checked_segments(segments_seconds)
    if not 0 <= crf <= 51:
        raise ValueError(f"crf must lie in [0, 51], got {crf}")
    if preset not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {preset!r}")
    if max_height is not None and max_height < 2:
        raise ValueError(f"max_height must be at least 2, got {max_height}")
    source, out_path = Path(source), Path(out_path)
    check_file(source)
    _check_output(out_path)
    settings: dict[str, Any] = {"crf": crf, "preset": preset, "max_height": max_height}
    total = round(sum(end - start for start, end in segments), 1)
    from tqdm import tqdm

    with ExitStack() as stack:
        # The child comes first: it removes the file where this process is killed while it waits.
        child = stack.enter_context(closing(DecodingChild(str(source), time_limit_seconds))) if isolated else None
        bar = stack.enter_context(tqdm(total=total, unit="s", desc="writing", disable=None if progress else True))
        partial = stack.enter_context(atomic_file(out_path))

        def advance(seconds: float) -> None:
            bar.update(round(seconds, 1) - bar.n)

        if child is None:
            from sspvs.video.clips import ClipSettings, encode_clips

            clip = encode_clips(source, segments, partial, ClipSettings(**settings), timeline, advance)
            return replace(clip, path=out_path)
        known, arrays = pack_timeline(timeline)
        fields = {"source": str(source), "out_path": str(partial), "settings": settings, "timeline": known}
        for message in child.request("write", arrays, segments=segments, **fields):
            if message.kind == "progress":
                advance(message.fields["seconds"])
        return WrittenClip(**{**message.fields, "path": out_path, "warnings": tuple(message.fields["warnings"])})


def _checked_segments(segments: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    if len(segments) == 0:
        raise ValueError("expected at least one segment, got none")
    joined: list[tuple[float, float]] = []
    for start, end in segments:
        if not 0 <= start < end < float("inf"):
            raise ValueError(f"a segment must have 0 <= start < end, got ({start}, {end})")
        if joined and abs(joined[-1][1] - start) < TOUCHING_SECONDS:
            joined[-1] = (joined[-1][0], float(end))
        else:
            joined.append((float(start), float(end)))
    return joined


def _check_output(out_path: Path) -> None:
    folder = out_path.parent
    if not folder.is_dir():
        raise OutputError(f"cannot write {out_path}: no such folder {folder}")
    if out_path.is_dir():
        raise OutputError(f"cannot write {out_path}: it is a folder")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"cannot write {out_path}: no permission to write into {folder}")
