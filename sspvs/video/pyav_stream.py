"""What every use of PyAV here shares: opening, tolerant decoding, clocks, orientation, pixels."""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import av.error
import numpy as np
from av.video.reformatter import VideoReformatter

from sspvs.errors import VideoError
from sspvs.types import FloatArray, ImageArray, VideoInfo
from sspvs.video.sampling import Resize

logger = logging.getLogger(__name__)

DEFAULT_FPS = 25.0
"""Used to guess times when neither packets nor the container give any."""
CLOCK_JUMP_SECONDS = 1.0
"""Timestamps that fall back by more than this have been restarted; by less, they are a glitch of one frame."""
READ_ATTEMPTS = 16
"""How often in a row the container may refuse to give a packet before the rest counts as lost."""


@contextmanager
def open_container(path: Path | str) -> Iterator[Any]:
    """A PyAV input container that is closed on the way out (PyAV leaks those that are not).

    Raises:
        VideoError: FFmpeg cannot make sense of the file.
    """
    try:
        # An absolute path, so that a colon in a name is not taken for a protocol. Metadata in odd encodings
        # must not keep a video from being read.
        container = av.open(str(Path(path).absolute()), metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"not a video that can be read ({_reason(error)}): {path}") from error
    try:
        yield container
    finally:
        container.close()


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error).lower()


def video_stream(container: Any, path: Path | str) -> Any:
    """The container's best video stream, set up for threaded decoding.

    Raises:
        VideoError: There is none; a cover picture does not count.
    """
    streams = [stream for stream in container.streams.video if not _is_cover(stream)]
    if container.format.name == "tty":  # FFmpeg draws text files as ANSI art
        streams = []
    if not streams:
        kinds = sorted({stream.type for stream in container.streams if stream not in container.streams.video})
        raise VideoError(f"no video in {path} (its streams: {', '.join(kinds) or 'none'})")
    streams = [stream for stream in streams if stream.codec_context is not None]
    if not streams:
        raise VideoError(f"the video in {path} is of a kind that FFmpeg does not know; is it damaged?")
    stream = max(streams, key=lambda one: one.codec_context.width * one.codec_context.height)
    stream.thread_type = "AUTO"
    return stream


def _is_cover(stream: Any) -> bool:
    return "attached_pic" in str(getattr(getattr(stream, "disposition", None), "name", ""))


class Orientation(NamedTuple):
    """How stored pixels become the picture a viewer sees: first transpose, then mirror.

    Attributes:
        transpose: Swap rows and columns.
        mirror_x: Mirror left and right, after the transposition.
        mirror_y: Mirror top and bottom, after the transposition.
    """

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @property
    def clockwise_degrees(self) -> int:
        """The rotation part, counted clockwise: 0, 90, 180 or 270."""
        if self.transpose:
            return 270 if self.mirror_y else 90
        return 180 if self.mirror_y else 0

    def apply(self, image: ImageArray) -> ImageArray:
        """Turn an (H, W, ...) picture."""
        if self.transpose:
            image = image.swapaxes(0, 1)
        if self.mirror_y:
            image = image[::-1]
        if self.mirror_x:
            image = image[:, ::-1]
        return image


def orientation_of(frame: Any) -> Orientation:
    """The orientation in a decoded frame's display matrix (ISO 14496-12, 8.3.2: x' = ax + cy, y' = bx + dy)."""
    for data in frame.side_data:
        kind = data if isinstance(data, str) else getattr(data.type, "name", "")
        if kind == "DISPLAYMATRIX":
            raw = bytes(frame.side_data[data] if isinstance(data, str) else data)
            a, b, _, c, d = struct.unpack("=9i", raw[:36])[:5]
            if abs(a) + abs(d) >= abs(b) + abs(c):
                return Orientation(False, a < 0, d < 0)
            return Orientation(True, c < 0, b < 0)
    return Orientation()


def displayed_size(stream: Any, frame: Any, orientation: Orientation) -> tuple[int, int]:
    """Width and height as seen: pixel aspect and orientation applied."""
    width, height = frame.width, frame.height
    aspect = stream.sample_aspect_ratio
    if aspect and aspect > 0 and aspect != 1:
        width = max(1, round(width * aspect))
    return (height, width) if orientation.transpose else (width, height)


def frame_rate(stream: Any) -> float:
    """Average frames per second, as well as the container knows it."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and 0 < float(rate) < 1000:
            return float(rate)
    return DEFAULT_FPS


class StreamClock:
    """Turns raw timestamps into strictly increasing seconds, the first frame at 0.

    A missing timestamp is one frame after the last one. A timestamp that stands still or falls back a little is
    half a frame after the last one; after a fall of more than a second the clock has been restarted by whatever
    joined the streams, and goes on from there.
    """

    def __init__(self, time_base: Fraction, fps: float, start_seconds: float | None = None) -> None:
        """Start a clock.

        Args:
            time_base: Seconds of one tick of the raw timestamps.
            fps: Average frames per second, to guess with.
            start_seconds: Raw time of the video's first frame, when the frames that follow are later ones.
        """
        self._time_base = time_base
        self._frame_seconds = 1.0 / fps
        self._origin = start_seconds
        self._last = 0.0 if start_seconds is None else -math.inf
        self.repaired = 0

    def seconds(self, pts: int | None) -> float:
        """Presentation time of the next frame, whose raw timestamp is `pts`."""
        raw = None if pts is None else float(pts * self._time_base)
        if self._origin is None:
            self._origin = raw or 0.0
            self.repaired += raw is None
            return self._last
        now = self._last + self._frame_seconds if raw is None else raw - self._origin
        if raw is None or now <= self._last:
            self.repaired += 1
            step = 1.0 if raw is None or now < self._last - CLOCK_JUMP_SECONDS else 0.5
            now = self._last + step * self._frame_seconds
            if raw is not None and step == 1.0:
                self._origin = raw - now
        self._last = now
        return now

    def end(self, last_frame: Any) -> float:
        """When the last frame ends."""
        length = float((getattr(last_frame, "duration", None) or 0) * self._time_base)
        sane = 0 < length <= max(CLOCK_JUMP_SECONDS, 10 * self._frame_seconds)
        return self._last + (length if sane else self._frame_seconds)


def silent() -> None:
    """A beat that nobody hears."""


@dataclass
class DecodeCounts:
    """What decoding met.

    Attributes:
        beat: Called for every packet: whoever waits can tell work from a hang.
        corrupt: Packets refused, frames marked damaged, and frames predicted from either.
        stopped: Why reading stopped before the end of the file, or empty.
    """

    beat: Callable[[], None] = silent
    corrupt: int = 0
    stopped: str = ""


def decode_frames(container: Any, stream: Any, counts: DecodeCounts) -> Iterator[Any]:
    """Frames in presentation order from where the container stands; damage is counted, not raised.

    Damage lasts: what is predicted from a lost picture shows it until the next key frame, and FFmpeg does not mark
    it, so every frame up to there counts.

    Args:
        container: An open PyAV container.
        stream: Its video stream.
        counts: Counts what goes wrong.

    Yields:
        PyAV video frames.
    """
    damaged_from: int | None = None  # raw time of the damage that the frames still show
    for packet in _packets(container, stream, counts):
        counts.beat()
        try:
            frames = packet.decode()
        except (av.error.FFmpegError, ValueError) as error:
            logger.debug("packet at %s refused: %s", packet.pts, error)
            counts.corrupt += 1
            damaged_from = packet.pts if damaged_from is None else damaged_from
            continue
        for frame in frames:
            pts = frame.pts if frame.pts is not None else 0
            if damaged_from is not None and frame.key_frame and pts > damaged_from:
                damaged_from = None
            if frame.is_corrupt and damaged_from is None:
                damaged_from = pts
            counts.corrupt += bool(frame.is_corrupt) or (damaged_from is not None and pts >= damaged_from)
            yield frame


def _packets(container: Any, stream: Any, counts: DecodeCounts) -> Iterator[Any]:
    packets, failures = container.demux(stream), 0
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError as error:
            failures += 1
            if failures == READ_ATTEMPTS:
                counts.stopped = _reason(error)
                return
            packets = container.demux(stream)  # a generator that raised is finished
        else:
            failures = 0
            yield packet


def packet_seconds(path: Path | str, beat: Callable[[], None] = silent) -> FloatArray:
    """Presentation times as the packets state them, without decoding: (packets,), rising, not from 0."""
    with open_container(path) as container:
        stream = video_stream(container, path)
        packets = _packets(container, stream, DecodeCounts(beat))
        return np.sort([float(packet.pts * stream.time_base) for packet in packets if packet.pts is not None])


class FrameConverter:
    """Turns decoded frames into small upright RGB pictures, one swscale context for all of them."""

    def __init__(self, resize: Resize, info: VideoInfo, orientation: Orientation) -> None:
        width, height = resize.target_size(info.width, info.height)
        self.shape = (height, width, 3)
        self._stored_size = (height, width) if orientation.transpose else (width, height)
        self._filter = resize.filter.upper()
        self._orientation = orientation
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Any) -> ImageArray:
        """The picture, (H, W, 3) uint8."""
        width, height = self._stored_size
        small = self._reformatter.reformat(
            frame, width=width, height=height, format="rgb24", interpolation=self._filter
        )
        pixels: Any = small.to_ndarray()
        return self._orientation.apply(pixels)


def container_info(path: Path | str, beat: Callable[[], None] = silent) -> tuple[VideoInfo, Orientation]:
    """What the container and the first frame that decodes say.

    Args:
        path: The video.
        beat: Called for every packet that is decoded.

    Raises:
        VideoError: Not a video, or nothing in it can be decoded.
    """
    with open_container(path) as container:
        stream = video_stream(container, path)
        frame = next(decode_frames(container, stream, DecodeCounts(beat)), None)
        if frame is None:
            raise VideoError(f"no frame of {path} can be decoded ({stream.codec_context.name}); is it damaged?")
        orientation = orientation_of(frame)
        width, height = displayed_size(stream, frame, orientation)
        fps = frame_rate(stream)
        info = VideoInfo(
            path=str(path),
            width=width,
            height=height,
            fps=fps,
            duration_seconds=_duration(container, stream, fps),
            declared_frames=int(stream.frames or 0),
            has_audio=len(container.streams.audio) > 0,
            rotation=orientation.clockwise_degrees,
            codec=str(stream.codec_context.name),
            start_seconds=float((frame.pts or 0) * stream.time_base),
        )
    return info, orientation


def _duration(container: Any, stream: Any, fps: float) -> float:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if container.duration and math.isfinite(container.duration) and container.duration > 0:
        return float(container.duration / av.time_base)
    return (stream.frames or 1) / fps
