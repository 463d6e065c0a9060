"""Reading a video in a process of its own: a hang can be stopped, a crash is not ours.

It also decodes the next chunk while the parent works on this one. The child waits when the parent does not take
its chunks, so that memory stays bounded on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sspvs.types import DecodeReport, ImageArray, Timeline, VideoInfo
from sspvs.video.child import DecodingChild, Message, pack_timeline, unpack_timeline
from sspvs.video.reader import VideoReader, check_file, check_indices, check_sampling, silent
from sspvs.video.sampling import DEFAULT_RESIZE, FrameChunk, Resize


class IsolatedReader(VideoReader):
    """A video decoded by a child process."""

    def __init__(
        self,
        path: Path | str,
        decoder: str,
        time_limit_seconds: float,
        command: Sequence[str] | None = None,
        timeline: Timeline | None = None,
    ) -> None:
        """Open a video."""
        super().__init__(timeline)
        self._path, self._decoder = str(path), decoder
        self._limit, self._command = time_limit_seconds, command
        self._closed = False
        self._asking = False
        self._child: DecodingChild | None = None
        self._ready_child()

    def _ready_child(self) -> DecodingChild:
        """The child, idle with the video open; a new one when the last was stopped or is busy."""
        if self._closed:
            raise ValueError(f"{self._path}: the reader is closed")
        if self._child is not None and (self._asking or not self._child.alive):
            self._child.close()
            self._child = None
        if self._child is None:
            child = DecodingChild(self._path, self._limit, self._command)
            try:
                known, *arrays = (None,) if self._timeline is None else pack_timeline(self._timeline)
                (opened,) = child.ask("open", arrays, path=self._path, decoder=self._decoder, timeline=known)
            except BaseException:
                child.close()
                raise
            self.info = VideoInfo(**opened.fields)
            self._child = child
        return self._child

    def sample(
        self, rate_hz: float | None = 2.0, resize: Resize = DEFAULT_RESIZE, chunk_frames: int = 32
    ) -> Iterator[FrameChunk]:
        """See `VideoReader.sample`."""
        check_sampling(rate_hz, chunk_frames)
        return self._sample(rate_hz, resize, chunk_frames)

    def _sample(self, rate_hz: float | None, resize: Resize, chunk_frames: int) -> Iterator[FrameChunk]:
        for message in self._ask(
            "sample",
            rate_hz=None if rate_hz is None else float(rate_hz),
            resize=asdict(resize),
            chunk_frames=chunk_frames,
        ):
            if message.kind == "chunk":
                yield FrameChunk(*message.arrays)
            else:
                self._keep_facts(message)

    def scan(self) -> None:
        """See `VideoReader.scan`."""
        (message,) = self._ask("scan")
        self._keep_facts(message)

    def frames_at(self, frames: Sequence[int], resize: Resize = DEFAULT_RESIZE) -> ImageArray:
        """See `VideoReader.frames_at`."""
        if self._timeline is None:
            self.scan()
        check_indices(frames, self.timeline.n_frames)
        (message,) = self._ask("frames_at", frames=[int(frame) for frame in frames], resize=asdict(resize))
        images: ImageArray = message.arrays[0]
        return images

    def _ask(self, kind: str, **fields: Any) -> Iterator[Message]:
        child = self._ready_child()
        answers = child.ask(kind, **fields)
        self._asking = True
        try:
            yield from answers
        finally:
            if child is self._child:
                self._asking = False

    def _keep_facts(self, message: Message) -> None:
        report = {**message.fields["report"], "warnings": tuple(message.fields["report"]["warnings"])}
        self._timeline = unpack_timeline(message.fields["timeline"], message.arrays[0])
        self._decode_report = DecodeReport(**report)
        self._frame_change = message.arrays[1] if len(message.arrays) > 1 else None

    def close(self) -> None:
        """See `VideoReader.close`."""
        self._closed = True
        if self._child is not None:
            self._child.close()


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
    """Open a video to be decoded by this very process."""
    if decoder == "decord":
        from sspvs.video.decord_reader import DecordReader

        return DecordReader(path, beat)
    from sspvs.video.pyav_reader import PyAVReader

    return PyAVReader(path, beat, timeline)
