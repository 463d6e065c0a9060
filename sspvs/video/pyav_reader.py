"""Reading video with PyAV: FFmpeg's libraries inside a wheel, no system FFmpeg."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.errors import VideoError
from sspvs.types import DecodeReport, ImageArray, Timeline
from sspvs.video.pyav_stream import (
    DecodeCounts,
    FrameConverter,
    LumaSampler,
    StreamClock,
    container_info,
    decode_frames,
    luma_change,
    open_container,
    video_stream,
)
from sspvs.video.reader import VideoReader, check_indices, check_sampling
from sspvs.video.sampling import FrameChunk, Resize, is_pick


class PyAVReader(VideoReader):
    """A video decoded in this process."""

    def __init__(self, path: Path | str) -> None:
        """Open a video.

        Args:
            path: The file.

        Raises:
            VideoError: Not a video, or nothing in it can be decoded.
        """
        super().__init__()
        self._path = Path(path)
        self.info, self._orientation = container_info(path)
        self._pts: list[int | None] = []
        self._key_frames: list[int] = []

    def sample(
        self, rate_hz: float | None = 2.0, resize: Resize = Resize(), chunk_frames: int = 32
    ) -> Iterator[FrameChunk]:
        """See `VideoReader.sample`."""
        check_sampling(rate_hz, chunk_frames)
        return self._sample(rate_hz, FrameConverter(resize, self.info, self._orientation), chunk_frames)

    def _sample(self, rate_hz: float | None, convert: FrameConverter, chunk_frames: int) -> Iterator[FrameChunk]:
        images: list[ImageArray] = []
        picks: list[int] = []
        seconds: list[float] = []
        for index, start, end, frame in self._pass():
            if is_pick(start, end, rate_hz):
                images.append(convert(frame))
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
        pts: list[int | None] = []
        keys: list[int] = []
        counts, luma = DecodeCounts(), LumaSampler()
        with open_container(self._path) as container:
            stream = video_stream(container, self._path)
            clock = StreamClock(stream.time_base, self.info.fps)
            held, samples = None, None
            for frame in decode_frames(container, stream, counts):
                start = clock.seconds(frame.pts)
                if held is not None:
                    yield len(times) - 1, times[-1], start, held
                if frame.key_frame:
                    keys.append(len(times))
                times.append(start)
                pts.append(frame.pts)
                before, samples = samples, luma(frame)
                changes.append(luma_change(before, samples))
                held = frame
            if held is None:
                raise VideoError(f"no frame of {self._path} can be decoded; is it damaged?")
            end = clock.end(held)
            yield len(times) - 1, times[-1], end, held
        self._timeline = Timeline(np.array(times), end)
        self._frame_change = np.array(changes, dtype=np.float32)
        self._pts, self._key_frames = pts, keys
        self._decode_report = self._report(len(times), end, clock, counts)

    def _report(self, decoded: int, end: float, clock: StreamClock, counts: DecodeCounts) -> DecodeReport:
        warnings = []
        declared = self.info.declared_frames
        if counts.corrupt:
            warnings.append(f"{counts.corrupt} damaged frames or packets were met while decoding")
        if counts.stopped:
            warnings.append(f"the file could not be read to its end ({counts.stopped})")
        elif decoded < declared - counts.corrupt - 1:
            warnings.append(f"the container claims {declared} frames, {decoded} could be decoded")
        elif end < 0.9 * self.info.duration_seconds - 1.0:
            warnings.append(f"the container claims {self.info.duration_seconds:.1f} s, {end:.1f} s could be decoded")
        if clock.repaired:
            warnings.append(f"{clock.repaired} frames had no usable time of their own; theirs was guessed")
        return DecodeReport(declared, decoded, counts.corrupt, "pyav", tuple(warnings))

    def frames_at(self, frames: Sequence[int], resize: Resize = Resize()) -> ImageArray:
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

    def _find(self, wanted: list[int]) -> Iterator[tuple[int, Any]]:
        left = set(wanted)
        for index, _, _, frame in self._pass():
            if index in left:
                yield index, frame

    def close(self) -> None:
        """See `VideoReader.close`; nothing is held open between passes."""


def _chunk(images: list[ImageArray], picks: list[int], seconds: list[float]) -> FrameChunk:
    return FrameChunk(np.stack(images), np.array(picks, dtype=np.int64), np.array(seconds))
