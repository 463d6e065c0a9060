"""One interface to every decoder, and the choice between them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from sspvs.errors import VideoError
from sspvs.files import START_BYTES, VIDEO, why_not
from sspvs.types import DecodeReport, FloatArray, ImageArray, Timeline, VideoInfo
from sspvs.video.files import list_of_files
from sspvs.video.sampling import DEFAULT_RESIZE, FrameChunk, Resize


class VideoReader(ABC):
    """A video open for reading; a context manager.

    Attributes:
        info: What the container says.
    """

    info: VideoInfo

    def __init__(self, timeline: Timeline | None = None) -> None:
        self._timeline = timeline
        self._decode_report: DecodeReport | None = None
        self._frame_change: FloatArray | None = None

    @abstractmethod
    def sample(
        self, rate_hz: float | None = 2.0, resize: Resize = DEFAULT_RESIZE, chunk_frames: int = 32
    ) -> Iterator[FrameChunk]:
        """One pass over the whole video, its picks in chunks.

        A pick is the frame on screen at t = 0, 1/rate, 2/rate ...; a rate above the frame rate gives each frame
        once. Memory does not depend on the length of the video.

        Args:
            rate_hz: Picks per second; None gives every frame.
            resize: Size of the frames given.
            chunk_frames: The most picks in a chunk.

        Yields:
            Chunks in order; all but the last have `chunk_frames` picks.

        Raises:
            VideoError: The video cannot be decoded at all, or the decoder crashed.
            DecodeTimeoutError: The decoder gave nothing within its time limit.
            ValueError: A rate or chunk size that is not positive.
        """

    @abstractmethod
    def scan(self) -> None:
        """One pass without taking frames, to know `timeline`, `decode_report` and `frame_change`."""

    @abstractmethod
    def frames_at(self, frames: Sequence[int], resize: Resize = DEFAULT_RESIZE) -> ImageArray:
        """The frames with these indices, exactly.

        Makes the pass that gives the timeline first if none was made and none was given.

        Args:
            frames: Frame indices in [0, N), in any order; repeats are fine.
            resize: Size of the frames given.

        Returns:
            (len(frames), H, W, 3) uint8 RGB.

        Raises:
            ValueError: An index outside the video.
            VideoError: The frames cannot be decoded.
        """

    @property
    def timeline(self) -> Timeline:
        """When each decoded frame is shown; known once a pass has run to its end."""
        if self._timeline is None:
            raise ValueError(f"{self.info.path}: the timeline is known after sample() has run to its end")
        return self._timeline

    @property
    def decode_report(self) -> DecodeReport:
        """What decoding met; known once a pass has run to its end."""
        if self._decode_report is None:
            raise ValueError(f"{self.info.path}: decode_report is known after sample() has run to its end")
        return self._decode_report

    @property
    def frame_change(self) -> FloatArray | None:
        """(N,) float32 mean absolute luma change (0..255) of each frame against the one before, the first one 0.

        None before a pass has run to its end, and for decoders that do not decode every frame (decord).
        """
        return self._frame_change

    @abstractmethod
    def close(self) -> None:
        """Release the file and the decoder; closing twice is fine."""

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def silent() -> None:
    """What decoding calls for every packet when nothing waits for it."""


def check_sampling(rate_hz: float | None, chunk_frames: int) -> None:
    """Refuse a rate or a chunk size that makes no sense."""
    if rate_hz is not None and not 0 < rate_hz < float("inf"):
        raise ValueError(f"rate_hz must be positive or None, got {rate_hz}")
    if chunk_frames < 1:
        raise ValueError(f"chunk_frames must be at least 1, got {chunk_frames}")


def check_indices(frames: Sequence[int], n_frames: int) -> None:
    """Refuse frame indices outside the video."""
    outside = [int(frame) for frame in frames if not 0 <= frame < n_frames]
    if outside:
        raise ValueError(f"frame {outside[0]} is outside the video, which has frames 0 to {n_frames - 1}")


def check_file(path: Path) -> None:
    """Refuse what cannot be a video before any decoder sees it."""
    try:
        if path.is_dir():
            raise VideoError(f"expected a video file, got a folder: {path}")
        if not path.exists():
            raise VideoError(f"no such file: {path}")
        if not path.is_file():  # opening a named pipe would wait for a writer for ever
            raise VideoError(f"expected a video file, got a pipe, socket or device: {path}")
        if path.stat().st_size == 0:
            raise VideoError(f"expected a video, got an empty file: {path}")
        reason = why_not(path, *VIDEO)
        if reason is not None:
            raise VideoError(f"expected a video, but {reason}: {path}")
        with path.open("rb") as file:
            what = list_of_files(file.read(START_BYTES))
        if what is not None:
            raise VideoError(
                f"expected a video, but it is {what}, which names other files; give those, or join them: {path}"
            )
    except OSError as error:
        raise VideoError(f"cannot read {path}: {error.strerror}") from error
