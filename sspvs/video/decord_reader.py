"""Reading video with decord: its own idea of random access, for comparison and for those who trust it.

decord does not report damage: it gives the last good frame for a damaged one, its length is the container's claim,
and it may loop forever on a container that claims too many frames. So indices are read in rising order, the last
ones last, and `sspvs.video.open_video` runs it in a process with a time limit.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from sspvs.errors import MissingExtraError, VideoError, first_line
from sspvs.types import DecodeReport, ImageArray, IntArray, Resize, Timeline
from sspvs.video.orientation import Orientation
from sspvs.video.pyav_stream import container_info, packet_seconds, times_are_usable
from sspvs.video.reader import FrameChunk, VideoReader, choose_picks

BATCH_BYTES = 32 * 2**20  # decord gives full-size frames: no more of them at once than fit in here


class DecordReader(VideoReader):
    """A video decoded in this process by decord."""

    def __init__(self, path: Path | str, beat: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        try:
            import decord
        except (ImportError, OSError) as error:
            raise MissingExtraError(
                "the decoder decord is not installed (it has wheels for x86-64 Linux and Windows only): use pyav"
            ) from error
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
        stamps = np.sort(exact) if len(exact) == len(stamps) else stamps
        times, order = np.unique(stamps, return_index=True)  # each time once
        self._order, times = order.astype(np.int64), times - times[0]
        self._timeline = Timeline(times, float(times[-1] + 1.0 / self.info.fps))
        self._decode_report = DecodeReport(self.info.declared_frames, len(times), 0, "decord")

    def _sample(self, rate_hz: float | None, resize: Resize, chunk_frames: int) -> Iterator[FrameChunk]:
        picks = choose_picks(self.timeline.frame_seconds, self.timeline.end_seconds, rate_hz)
        for first in range(0, len(picks), chunk_frames):
            some = picks[first : first + chunk_frames]
            yield FrameChunk(self._read(some, resize), some, self.timeline.frame_seconds[some])

    def scan(self) -> None:
        """See `VideoReader.scan`; decord has its timeline from the start."""

    def _frames_at(self, frames: Sequence[int], resize: Resize) -> ImageArray:
        rising, places = np.unique(np.asarray(frames, dtype=np.int64), return_inverse=True)
        images: ImageArray = self._read(rising, resize)[places]
        return images

    def _read(self, rising: IntArray, resize: Resize) -> ImageArray:
        """The frames with these rising indices, decoded a few at a time."""
        width, height = resize.target_size(self.info.width, self.info.height)
        shrink = _shrinker(width, height, resize.filter.upper())
        images = np.empty((len(rising), height, width, 3), dtype=np.uint8)
        step = max(1, BATCH_BYTES // (self.info.width * self.info.height * 3))
        for first in range(0, len(rising), step):
            self._beat()
            try:
                batch = self._video.get_batch(self._order[rising[first : first + step]]).asnumpy()
                self._video.seek(0)  # or it decodes ahead without bound
            except (self._failure, RuntimeError, IndexError) as error:
                raise VideoError(f"decord failed on {self.info.path}: {first_line(error)}") from error
            for place, image in enumerate(batch, start=first):
                images[place] = shrink(image)
        return images

    def close(self) -> None:
        self._video = None


def _shrinker(width: int, height: int, interpolation: str) -> Callable[[ImageArray], ImageArray]:
    """Resizes RGB arrays as PyAV's frames are resized, so that decoders agree."""
    import av
    from av.video.reformatter import VideoReformatter

    reformatter = VideoReformatter()

    def shrink(image: ImageArray) -> ImageArray:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        small = reformatter.reformat(frame, width=width, height=height, interpolation=interpolation)
        return np.asarray(small.to_ndarray(), dtype=np.uint8)

    return shrink
