"""Decoded frames of any stretch of a video, deinterlaced where they are made of two fields."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import av
import av.error
import av.filter
import numpy as np

from sspvs.types import FloatArray, ImageArray, Resize, Timeline, VideoInfo
from sspvs.video.orientation import FrameConverter
from sspvs.video.pyav_stream import DecodeCounts, container_info, decode_frames, open_container, video_stream
from sspvs.video.stream_clock import frame_end

EDGE_SECONDS = 1e-4
"""Frames that reach into a segment by less than this are not part of it: bounds are rounded numbers. Less where frames
follow each other more quickly."""
SKIP_SECONDS = 2.0  # stretches shorter than this are decoded through rather than jumped over
SEEK_MARGINS_SECONDS = (0.0, 2.0, 20.0)  # how much earlier to look for a key frame when a jump landed behind its target


def pictures_at(path: Path, seconds: Iterable[float], resize: Resize) -> Iterator[ImageArray]:
    """The (H, W, 3) uint8 pictures on screen at increasing seconds of a video; its times are its own."""
    info, orientation = container_info(path)
    converter = FrameConverter(resize, info, orientation)
    with FrameSource(path, info) as source:
        for second in seconds:
            for frame, _, _ in source.between(second, second + 2 * EDGE_SECONDS):
                yield converter(frame)
                break


class Deinterlacer:
    """Deinterlaces flagged frames by bwdif, one picture a frame at its own time; frames come one later."""

    def __init__(self) -> None:
        self.used = False

    def __call__(self, frames: Iterable[Any]) -> Iterator[Any]:
        """The frames of one run of decoding, in order; progressive ones untouched."""
        graph: Any = None
        inside: deque[Any] = deque()  # what went into the filter and has not come out
        made_for: tuple[Any, ...] = ()
        alone = True
        for frame in frames:
            layout = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range)
            if graph is not None and layout != made_for:
                yield from _drained(graph, inside, alone)
                graph = None
            if graph is None and frame.interlaced_frame:
                graph, made_for, alone = _graph(frame), layout, True
                self.used = True
            if graph is None:
                yield frame
                continue
            graph.push(frame)
            inside.append(frame)
            if len(inside) > 1:
                yield _paired(graph.pull(), inside)
                alone = False
        if graph is not None:
            yield from _drained(graph, inside, alone)


def _graph(frame: Any) -> Any:
    graph = av.filter.Graph()
    source = graph.add(
        "buffer",
        video_size=f"{frame.width}x{frame.height}",
        pix_fmt=frame.format.name,
        time_base="1/90000",  # unused: times are kept beside the filter
        colorspace=str(int(frame.colorspace)),
        range=str(int(frame.color_range)),
    )
    deinterlace = graph.add("bwdif", mode="send_frame", deint="interlaced")
    graph.link_nodes(source, deinterlace, graph.add("buffersink")).configure()
    return graph


def _drained(graph: Any, inside: deque[Any], alone: bool) -> Iterator[Any]:
    if alone:  # a frame with no neighbour at all would come out with both its fields
        graph.push(inside[0])
    graph.push(None)
    while inside:
        yield _paired(graph.pull(), inside)


def _paired(made: Any, inside: deque[Any]) -> Any:
    """The next frame out of the filter, with the time of the frame that it was made of."""
    frame = inside.popleft()
    if not frame.interlaced_frame:
        return frame
    made.pts, made.time_base = frame.pts, frame.time_base
    return made


class FrameSource:
    """Decoded frames of any stretch of a video, each at its time in the timeline; jumps where times are the file's."""

    def __init__(
        self,
        path: Path,
        info: VideoInfo,
        timeline: Timeline | None = None,
        key_seconds: FloatArray | None = None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self.path = path
        self._info = info
        self._timeline = timeline
        self._jumps = timeline is None or timeline.is_raw
        self._edge = EDGE_SECONDS
        if timeline is not None and timeline.n_frames > 1:
            self._edge = min(EDGE_SECONDS, float(np.diff(timeline.frame_seconds).min()) / 4)
        self._key_seconds = key_seconds
        self._beat = beat
        self.deinterlacer = Deinterlacer()
        self._stack = ExitStack()
        self._frames: Iterator[tuple[float, Any]] = iter(())
        self._held: tuple[float, Any] | None = None  # the frame on screen where this source stands
        self._following: tuple[float, Any] | None = None  # the one after it, if it was looked at
        self._peeked = False

    def __enter__(self) -> "FrameSource":
        self._rewind()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def between(self, start: float, end: float) -> Iterator[tuple[Any, float, float]]:
        """Yield (frame, shown, gone) for the frames on screen in [start, end), with times clipped to it."""
        if not self._lies_ahead(start):
            self._seek(start)
        while self._held is not None and self._held[0] < end - self._edge:
            seconds, frame = self._held
            if not self._peeked:
                self._following, self._peeked = next(self._frames, None), True
            gone = self._following[0] if self._following is not None else self._end(seconds, frame)
            if gone > start + self._edge:
                yield frame, max(seconds, start), min(gone, end)
            if gone >= end + self._edge:
                return  # the frame reaches over the end: the next stretch may begin with it
            self._held, self._peeked = self._following, False

    def at(self, seconds: float) -> Any | None:
        """The frame whose presentation time is `seconds`, or None when it does not come."""
        for frame, _, _ in self.between(seconds, seconds + 2 * self._edge):
            exact = self._held is not None and abs(self._held[0] - seconds) < self._edge
            return frame if exact else None
        return None

    def _end(self, seconds: float, frame: Any) -> float:
        if self._timeline is not None:
            return self._timeline.end_seconds
        return frame_end(seconds, frame, self._stream.time_base, 1.0 / self._info.fps)

    def _lies_ahead(self, seconds: float) -> bool:
        """Whether decoding on gets there sooner than a jump."""
        if self._held is None or seconds < self._held[0] - self._edge:
            return False
        if not self._jumps:
            return True
        if self._key_seconds is None:
            return seconds <= self._held[0] + SKIP_SECONDS
        now, then = np.searchsorted(self._key_seconds, [self._held[0], seconds + self._edge], side="right")
        return bool(now == then)

    def _rewind(self) -> None:
        self._stack.close()
        self._container = self._stack.enter_context(open_container(self.path))
        self._stream = video_stream(self._container, self.path)
        self._begin()

    def _seek(self, seconds: float) -> None:
        for margin in SEEK_MARGINS_SECONDS if self._jumps else ():
            target = seconds - margin
            if target <= 0:
                break
            pts = round((target + self._info.start_seconds) / self._stream.time_base)
            try:
                self._container.seek(pts, stream=self._stream, backward=True)
            except av.error.FFmpegError:
                break
            self._begin()
            if self._held is not None and self._held[0] <= seconds + self._edge:
                return
        self._rewind()

    def _begin(self) -> None:
        self._frames = self._decode()
        self._held, self._peeked = next(self._frames, None), False

    def _decode(self) -> Iterator[tuple[float, Any]]:
        frames = self.deinterlacer(decode_frames(self._container, self._stream, DecodeCounts(self._beat)))
        if self._jumps:
            for frame in frames:
                yield float((frame.pts or 0) * self._stream.time_base) - self._info.start_seconds, frame
        else:
            assert self._timeline is not None
            yield from zip(self._timeline.frame_seconds.tolist(), frames, strict=False)
