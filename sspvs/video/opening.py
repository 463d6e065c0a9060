"""The choice of a decoder, and of the process it works in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sspvs.types import Timeline
from sspvs.video.isolated import IsolatedReader
from sspvs.video.reader import VideoReader, check_file, silent

DECODERS = ("auto", "pyav", "decord")


def open_video(
    path: Path | str,
    *,
    decoder: str = "auto",
    time_limit_seconds: float = 60.0,
    isolated: bool = True,
    timeline: Timeline | None = None,
) -> VideoReader:
    """Open a video file.

    Args:
        path: The file.
        decoder: `pyav`, `decord`, or `auto`, which is PyAV: it was faster on every file measured
            (`tools/bench/decoding.py`), for sampling (1.2 to 2.4 times decord) as for single frames (1.0 to 1.8
            times), it counts damage instead of hiding it, and has wheels for every machine.
        time_limit_seconds: The longest a decoder may give nothing before it is stopped.
        isolated: Decode in a process of its own, which can be stopped and whose crash is not ours.
        timeline: What an earlier pass over the same file found; saves another one.

    Returns:
        A reader; use it as a context manager.

    Raises:
        VideoError: Not a file that can be decoded.
        ValueError: An unknown decoder or a time limit that is not positive.
    """
    if decoder not in DECODERS:
        raise ValueError(f"decoder must be one of {', '.join(DECODERS)}, got {decoder!r}")
    if not time_limit_seconds > 0:
        raise ValueError(f"time_limit_seconds must be positive, got {time_limit_seconds}")
    path = Path(path)
    check_file(path)
    if isolated:
        return IsolatedReader(path, decoder, time_limit_seconds, timeline=timeline)
    return open_here(path, decoder, timeline=timeline)


def open_here(
    path: Path, decoder: str, beat: Callable[[], None] = silent, timeline: Timeline | None = None
) -> VideoReader:
    """Open a video to be decoded by this very process.

    Args:
        path: The file.
        decoder: `auto`, `pyav` or `decord`.
        beat: Called as decoding goes on.
        timeline: What an earlier pass over the same file found.

    Returns:
        A reader.

    Raises:
        VideoError: Not a file that can be decoded.
        MissingExtraError: decord was asked for and is not installed.
    """
    if decoder == "decord":
        from sspvs.video.decord_reader import DecordReader

        return DecordReader(path, beat)
    from sspvs.video.pyav_reader import PyAVReader

    return PyAVReader(path, beat, timeline)
