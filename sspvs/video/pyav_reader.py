"""Reading video with PyAV: FFmpeg's libraries inside a wheel, no system FFmpeg."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.errors import VideoError
from sspvs.types import DecodeReport, FloatArray, ImageArray, Timeline
from sspvs.video.deinterlace import Deinterlacer
from sspvs.video.frame_source import FrameSource
from sspvs.video.luma import LumaSampler, luma_change
from sspvs.video.orientation import FrameConverter
from sspvs.video.pyav_stream import DecodeCounts, container_info, decode_frames, open_container, silent, video_stream
from sspvs.video.reader import VideoReader, check_indices, check_sampling
from sspvs.video.sampling import DEFAULT_RESIZE, FrameChunk, Resize, is_pick
from sspvs.video.stream_clock import StreamClock


class PyAVReader(VideoReader):
    """A video decoded in this process."""

    def __init__(self, path: Path | str, beat: Callable[[], None] = silent) -> None:
        """Open a video.

        Args:
            path: The file.
            beat: Called for every packet that is decoded.

        Raises:
            VideoError: Not a video, or nothing in it can be decoded.
        """
        super().__init__()
        self._path = Path(path)
        self.info, self._orientation = container_info(path, beat)
        self._beat = beat
        self._key_seconds: FloatArray | None = None  # None when the file's own times are not to be trusted

    def sample(
        self, rate_hz: float | None = 2.0, resize: Resize = DEFAULT_RESIZE, chunk_frames: int = 32
    ) -> Iterator[FrameChunk]:
        """See `VideoReader.sample`."""
        check_sampling(rate_hz, chunk_frames)
        return self._sample(rate_hz, FrameConverter(resize, self.info, self._orientation), chunk_frames)

    def _sample(self, rate_hz: float | None, convert: FrameConverter, chunk_frames: int) -> Iterator[FrameChunk]:
        images: list[tuple[ImageArray, ImageArray]] = []
        picks: list[int] = []
        seconds: list[float] = []
        for index, start, end, frame in self._pass():
            if is_pick(start, end, rate_hz):
                images.append(convert.both(frame))
                picks.append(index)
                seconds.append(start)
            if len(picks) == chunk_frames:
                yield _chunk(images, picks, seconds)
                images, picks, seconds = [], [], []
        if picks:
            yield _chunk(images, picks, seconds)

    def scan(self) -> None:
        """See `VideoReader.scan`."""
        for _ in self._pass():
            pass

    def _pass(self) -> Iterator[tuple[int, float, float, Any]]:
        """Decode everything; yields (index, start, end, frame) one frame late, when the end is known."""
        times: list[float] = []
        changes: list[float] = []
        keys: list[float] = []
        counts, luma = DecodeCounts(self._beat), LumaSampler()
        with open_container(self._path) as container:
            stream = video_stream(container, self._path)
            clock = StreamClock(stream.time_base, self.info.fps)
            held: Any = None
            samples: ImageArray | None = None
            for frame in decode_frames(container, stream, counts):
                start = clock.seconds(frame.pts)
                if held is not None:
                    yield len(times) - 1, times[-1], start, held
                if frame.key_frame:
                    keys.append(start)
                times.append(start)
                before, samples = samples, luma(frame)
                changes.append(luma_change(before, samples))
                held = frame
            if held is None:
                raise VideoError(f"no frame of {self._path} can be decoded; is it damaged?")
            end = clock.end(held)
            yield len(times) - 1, times[-1], end, held
        self._timeline = Timeline(np.array(times), end)
        self._frame_change = np.array(changes, dtype=np.float32)
        self._key_seconds = np.array(keys) if not clock.repaired else None
        self._decode_report = self._report(len(times), end, clock, counts)

    def _report(self, decoded: int, end: float, clock: StreamClock, counts: DecodeCounts) -> DecodeReport:
        warnings = []
        declared = self.info.declared_frames
        if counts.corrupt:
            warnings.append(f"{counts.corrupt} frames are damaged, or predicted from damaged ones")
        if counts.stopped:
            warnings.append(f"the file could not be read to its end ({counts.stopped})")
        elif decoded < declared - counts.corrupt - 1:
            warnings.append(f"the container claims {declared} frames, {decoded} could be decoded")
        elif end < 0.9 * self.info.duration_seconds - 1.0:
            warnings.append(f"the container claims {self.info.duration_seconds:.1f} s, {end:.1f} s could be decoded")
        if clock.repaired:
            warnings.append(f"{clock.repaired} frames had no usable time of their own; theirs was guessed")
        return DecodeReport(declared, decoded, counts.corrupt, "pyav", tuple(warnings))

    def frames_at(self, frames: Sequence[int], resize: Resize = DEFAULT_RESIZE) -> ImageArray:
        """See `VideoReader.frames_at`."""
        if self._timeline is None:
            self.scan()
        check_indices(frames, self.timeline.n_frames)
        convert = FrameConverter(resize, self.info, self._orientation)
        wanted = {int(frame): np.flatnonzero(np.equal(frames, frame)) for frame in set(frames)}
        images = np.empty((len(frames), *convert.shape), dtype=np.uint8)
        for index, frame in self._find(sorted(wanted)):
            images[wanted[index]] = convert(frame)
        return images

    def frames_when(self, seconds: Sequence[float], resize: Resize = DEFAULT_RESIZE) -> ImageArray:
        """See `VideoReader.frames_when`."""
        if self._timeline is None and len(seconds):
            convert = FrameConverter(resize, self.info, self._orientation)
            images = []
            with FrameSource(self._path, self.info, beat=self._beat) as source:
                for time in seconds:
                    frame = source.at(float(time))
                    if frame is None:
                        break  # times that were guessed: only a pass from the start finds them
                    images.append(convert(frame))
            if len(images) == len(seconds):
                return np.stack(images)
        return super().frames_when(seconds, resize)

    def _find(self, wanted: list[int]) -> Iterator[tuple[int, Any]]:
        """The frames with these rising indices, by jumping to the key frames before them where times allow it."""
        left = list(wanted)
        if self._key_seconds is not None:
            times = self.timeline.frame_seconds
            with FrameSource(self._path, self.info, self._key_seconds, self._beat) as source:
                for index in wanted:
                    frame = source.at(float(times[index]))
                    if frame is not None:
                        left.remove(index)
                        yield index, frame
        if left:  # no times to jump by, or a frame that only comes when decoding from the start
            for index, _, _, frame in self._pass():
                if index in left:
                    yield index, next(Deinterlacer()([frame]))

    def close(self) -> None:
        """See `VideoReader.close`; nothing is held open between passes."""


def _chunk(images: list[tuple[ImageArray, ImageArray]], picks: list[int], seconds: list[float]) -> FrameChunk:
    frames, shown = zip(*images, strict=True)
    differ = any(one is not other for one, other in images)
    return FrameChunk(
        np.stack(frames), np.array(picks, dtype=np.int64), np.array(seconds), np.stack(shown) if differ else None
    )
