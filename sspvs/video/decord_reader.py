"""Reading video with decord: its own idea of random access, for comparison and for those who trust it.

decord cannot tell what it met: it gives the last good frame for a damaged one, its length is the container's claim,
and it may loop forever on a container that claims too many frames. So indices are read in rising order, the last
ones last, and `sspvs.video.open_video` runs it in a process with a time limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.errors import MissingExtraError, VideoError, first_line
from sspvs.types import DecodeReport, FloatArray, ImageArray, IntArray, Timeline
from sspvs.video.orientation import Orientation
from sspvs.video.pyav_stream import container_info, packet_seconds, times_are_usable
from sspvs.video.reader import (
    DEFAULT_RESIZE,
    FrameChunk,
    Resize,
    VideoReader,
    check_indices,
    check_sampling,
    choose_picks,
    silent,
)

BATCH_BYTES = 32 * 2**20
"""decord gives full-size frames: no more of them at once than fit in here."""


class DecordReader(VideoReader):
    """A video decoded in this process by decord."""

    def __init__(self, path: Path | str, beat: Callable[[], None] = silent) -> None:
        """Open a video."""
        super().__init__()
        decord = _import_decord()
        self.info, orientation = container_info(path, beat)
        if orientation not in (Orientation(), Orientation(False, True, True)):
            # decord 0.6.0 turns them itself, and gives four scrambled channels.
            raise VideoError(f"decord cannot read videos that are turned by 90 degrees, as {path} is: use pyav")
        if self.info.hdr:
            raise VideoError(f"decord cannot map HDR ({self.info.hdr}) to standard range, as {path} needs it: use pyav")
        self._beat = beat
        self._failure: type[Exception] = decord.DECORDError
        try:
            self._video = decord.VideoReader(str(Path(path).absolute()), ctx=decord.cpu(0))
            stamps = self._video.get_frame_timestamp(range(len(self._video)))[:, 0].astype(np.float64)
        except (self._failure, RuntimeError, IndexError) as error:
            raise VideoError(f"decord cannot open {path} ({first_line(error)}); try the decoder pyav") from error
        exact = packet_seconds(path, beat=beat)
        if not times_are_usable(exact):
            raise VideoError(f"decord cannot read {path}, whose frames have no usable times of their own: use pyav")
        # decord's own are in single precision, which is 0.2 ms after an hour.
        self._order, times = _rising(np.sort(exact) if len(exact) == len(stamps) else stamps)
        self._timeline = Timeline(times, float(times[-1] + 1.0 / self.info.fps))
        self._decode_report = DecodeReport(self.info.declared_frames, len(times), 0, "decord")

    def sample(
        self, rate_hz: float | None = 2.0, resize: Resize = DEFAULT_RESIZE, chunk_frames: int = 32
    ) -> Iterator[FrameChunk]:
        """See `VideoReader.sample`."""
        check_sampling(rate_hz, chunk_frames)
        picks = choose_picks(self.timeline.frame_seconds, self.timeline.end_seconds, rate_hz)
        return self._sample(picks, resize, chunk_frames)

    def _sample(self, picks: IntArray, resize: Resize, chunk_frames: int) -> Iterator[FrameChunk]:
        for first in range(0, len(picks), chunk_frames):
            some = picks[first : first + chunk_frames]
            yield FrameChunk(self._read(some, resize), some, self.timeline.frame_seconds[some])

    def scan(self) -> None:
        """See `VideoReader.scan`; decord knows its timeline from the start."""

    def frames_at(self, frames: Sequence[int], resize: Resize = DEFAULT_RESIZE) -> ImageArray:
        """See `VideoReader.frames_at`."""
        check_indices(frames, self.timeline.n_frames)
        rising, places = np.unique(np.asarray(frames, dtype=np.int64), return_inverse=True)
        images: ImageArray = self._read(rising, resize)[places]
        return images

    def _read(self, rising: IntArray, resize: Resize) -> ImageArray:
        """The frames with these rising indices, decoded a few at a time."""
        shrink = _Shrinker(resize, self.info.width, self.info.height)
        images = np.empty((len(rising), *shrink.shape), dtype=np.uint8)
        step = max(1, BATCH_BYTES // (self.info.width * self.info.height * 3))
        for first in range(0, len(rising), step):
            self._beat()
            try:
                batch = self._video.get_batch(self._order[rising[first : first + step]]).asnumpy()
                self._video.seek(0)  # or it decodes ahead without bound while nobody reads
            except (self._failure, RuntimeError, IndexError) as error:
                raise VideoError(f"decord failed on {self.info.path}: {first_line(error)}") from error
            for place, image in enumerate(batch, start=first):
                images[place] = shrink(image)
        return images

    def close(self) -> None:
        """See `VideoReader.close`."""
        self._video = None


class _Shrinker:
    """Resizes RGB arrays with the filter that PyAV's frames are resized with, so that decoders agree."""

    def __init__(self, resize: Resize, width: int, height: int) -> None:
        from av.video.reformatter import VideoReformatter

        width, height = resize.target_size(width, height)
        self.shape = (height, width, 3)
        self._filter = resize.filter.upper()
        self._reformatter = VideoReformatter()

    def __call__(self, image: ImageArray) -> ImageArray:
        import av

        height, width, _ = self.shape
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        small = self._reformatter.reformat(frame, width=width, height=height, interpolation=self._filter)
        pixels: ImageArray = np.asarray(small.to_ndarray(), dtype=np.uint8)
        return pixels


def _import_decord() -> Any:
    try:
        import decord
    except (ImportError, OSError) as error:
        raise MissingExtraError(
            "the decoder decord is not installed (it has wheels for x86-64 Linux and Windows only): use pyav"
        ) from error
    return decord


def _rising(stamps: FloatArray) -> tuple[IntArray, FloatArray]:
    """The indices by which decord knows them in order of presentation, and their times from 0, each time once."""
    times, order = np.unique(stamps, return_index=True)
    return order.astype(np.int64), times - times[0]
