"""Reading video with PyAV in this process: every frame is decoded, timed and compared with the one before."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.errors import VideoError, listed
from sspvs.types import DecodeReport, FloatArray, ImageArray, Resize, Timeline
from sspvs.video.frame_source import Deinterlacer, FrameSource
from sspvs.video.orientation import FrameConverter
from sspvs.video.pyav_stream import (
    DecodeCounts,
    container_info,
    decode_frames,
    open_container,
    packet_seconds,
    video_stream,
)
from sspvs.video.reader import FrameChunk, VideoReader, is_pick
from sspvs.video.stream_clock import SoundClock, StreamClock, frames_before_gaps
from sspvs.video.trace import Tracer

LONGEST_SECONDS = 7 * 86_400.0
"""Longer videos are damaged clocks: silence and tables of that length are made beside the pictures."""


class PyAVReader(VideoReader):
    """A video decoded in this process."""

    def __init__(
        self, path: Path | str, beat: Callable[[], None] = lambda: None, timeline: Timeline | None = None
    ) -> None:
        super().__init__(timeline)
        self._path = Path(path)
        self.info, self._orientation = container_info(path, beat)
        self._beat = beat
        self._key_seconds: FloatArray | None = None  # known after a pass

    def _sample(self, rate_hz: float | None, resize: Resize, chunk_frames: int) -> Iterator[FrameChunk]:
        convert = FrameConverter(resize, self.info, self._orientation)
        picked: list[tuple[int, float, ImageArray, ImageArray]] = []
        for index, start, end, frame in self._pass():
            if is_pick(start, end, rate_hz):
                picked.append((index, start, *convert.both(frame)))
            if len(picked) == chunk_frames:
                yield _chunk(picked)
                picked = []
        if picked:
            yield _chunk(picked)

    def scan(self) -> None:
        for _ in self._pass():
            pass

    def _pass(self) -> Iterator[tuple[int, float, float, Any]]:
        """Decode everything; yields (index, start, end, frame) one frame late, when the end is known."""
        times: list[float] = []
        keys: list[float] = []
        counts, tracer = DecodeCounts(self._beat), Tracer()
        with open_container(self._path) as container:
            stream = video_stream(container, self._path)
            clock = StreamClock(stream.time_base, self.info.fps)
            held: Any = None
            for start, frame in clock.times(decode_frames(container, stream, counts)):
                if held is not None:
                    yield len(times) - 1, times[-1], start, held
                if frame.key_frame:
                    keys.append(start)
                times.append(start)
                tracer.add(frame)
                held = frame
            if held is None:
                raise VideoError(f"no frame of {self._path} can be decoded; is it damaged?")
            end = clock.end(held)
            yield len(times) - 1, times[-1], end, held
        seconds = np.array(times)
        gaps = tuple(frames_before_gaps(seconds, lambda: self._sound_seconds(clock.origins)).tolist())
        self._timeline = Timeline(seconds, end, tuple(clock.origins), clock.guessed, gaps)
        if (shown := float(self._timeline.shown_seconds[-1])) > LONGEST_SECONDS:
            days = shown / 86_400
            raise VideoError(f"{self._path}: its {len(seconds)} frames claim to last {days:.0f} days; is it damaged?")
        self._trace = tracer.trace()
        self._key_seconds = np.array(keys)
        self._decode_report = self._report(self._timeline, counts)

    def _sound_seconds(self, origins: Sequence[tuple[float, float]]) -> FloatArray:
        """Times of the packets of sound on the clock of the pictures."""
        clock = SoundClock(origins)
        raw = packet_seconds(self._path, "audio", self._beat)
        return np.array([clock.seconds(seconds) for seconds in raw[np.isfinite(raw)].tolist()])

    def _report(self, timeline: Timeline, counts: DecodeCounts) -> DecodeReport:
        warnings = []
        declared, decoded = self.info.declared_frames, timeline.n_frames
        lasts, claimed = timeline.end_seconds, self.info.duration_seconds
        if counts.corrupt:
            warnings.append(
                f"{counts.corrupt} of {decoded + counts.refused} frames are damaged, or predicted from damaged ones"
            )
        if counts.stopped:
            warnings.append(f"the file could not be read to its end ({counts.stopped})")
        elif decoded < declared - counts.refused - 1:
            warnings.append(f"the container claims {declared} frames, {decoded} could be decoded")
        elif lasts < 0.9 * claimed - 1.0:
            warnings.append(f"the container claims {claimed:.1f} s, {lasts:.1f} s could be decoded")
        if timeline.guessed_frames:
            warnings.append(f"no usable time in {timeline.guessed_frames} of {decoded} frames: guessed from others")
        if len(timeline.origins) > 1:
            joints = listed((f"{seconds:.1f}" for seconds, _ in timeline.origins[1:]), 3)
            warnings.append(f"the file's clock starts again at {joints} s; picture and sound continue from there")
        for frame in timeline.gaps[:3]:
            seconds, after = timeline.end_of(frame), timeline.seconds_of(frame + 1)
            warnings.append(f"nothing was recorded between {seconds:.1f} s and {after:.1f} s: left out")
        return DecodeReport(declared, decoded, counts.corrupt, "pyav", tuple(warnings), counts.refused)

    def _frames_at(self, frames: Sequence[int], resize: Resize) -> ImageArray:
        convert = FrameConverter(resize, self.info, self._orientation)
        wanted = {int(frame): np.flatnonzero(np.equal(frames, frame)) for frame in set(frames)}
        images = np.empty((len(frames), *convert.shape), dtype=np.uint8)
        for index, frame in self._find(sorted(wanted)):
            images[wanted[index]] = convert(frame)
        return images

    def _find(self, wanted: list[int]) -> Iterator[tuple[int, Any]]:
        """The frames with these rising indices."""
        left = list(wanted)
        times = self.timeline.frame_seconds
        with FrameSource(self._path, self.info, self._timeline, self._key_seconds, self._beat) as source:
            for index in wanted:
                frame = source.at(float(times[index]))
                if frame is not None:
                    left.remove(index)
                    yield index, frame
        if left:  # a frame that only comes when decoding from the start
            for index, _, _, frame in self._pass():
                if index in left:
                    yield index, next(Deinterlacer()([frame]))


def _chunk(picked: list[tuple[int, float, ImageArray, ImageArray]]) -> FrameChunk:
    picks, seconds, frames, shown = zip(*picked, strict=True)
    differ = any(one is not other for one, other in zip(frames, shown, strict=True))
    pictures = np.stack(shown) if differ else None
    return FrameChunk(np.stack(frames), np.array(picks, dtype=np.int64), np.array(seconds), pictures)
