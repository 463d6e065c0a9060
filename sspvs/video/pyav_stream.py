"""The shared part of reading with PyAV: opening, tolerant decoding, the facts of a container."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import av
import av.error
import numpy as np

from sspvs.errors import VideoError, printable
from sspvs.machine import available_cores
from sspvs.types import TEXT_CODECS, FloatArray, VideoInfo
from sspvs.video.colour import hdr_kind
from sspvs.video.files import ONE_FILE
from sspvs.video.orientation import Orientation, displayed_size, orientation_of
from sspvs.video.stream_clock import JUMP_SECONDS, SoundClock

logger = logging.getLogger(__name__)

DEFAULT_FPS = 25.0  # used to guess times when neither packets nor the container give any
SMALL_PICTURE_PIXELS = 640 * 480
FEW_CORES = 2
MOST_PIXELS = 2**27  # of a picture, four times those of 8K video. A decoder holds many at once.
USUAL_CUE_SECONDS, ASS_FIELDS = 3.0, 8  # of a cue that does not state its end; commas before the text of an event
READ_ATTEMPTS = 16  # how often in a row the container may refuse to give a packet before the rest counts as lost

_ANY_METADATA: dict[str, Any] = {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "replace"}
"""Metadata in odd encodings must not keep a video from being read; PyAV 19 always accepts them."""


@contextmanager
def open_container(path: Path | str) -> Iterator[Any]:
    """A PyAV input container that is closed on the way out (PyAV leaks those that are not)."""
    try:
        # An absolute path, so that a colon in a name is not taken for a protocol.
        container = av.open(str(Path(path).absolute()), options=ONE_FILE, **_ANY_METADATA)
    except av.error.ArgumentError as error:
        raise VideoError(f"not a video in one file, of a format that is read: {path}") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"not a video that can be read ({_reason(error)}): {path}") from error
    try:
        yield container
    finally:
        container.close()


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error).lower()


def codec_name(stream: Any) -> str:
    """What FFmpeg calls the kind of a stream; `unknown` where it has no name for it."""
    return "unknown" if stream.codec_context is None else str(stream.codec_context.name)


def video_stream(container: Any, path: Path | str) -> Any:
    """The container's best video stream, set up for threaded decoding."""
    streams = [stream for stream in container.streams.video if not _has_disposition(stream, "attached_pic")]
    if not streams:
        kinds = sorted({stream.type for stream in container.streams if stream not in container.streams.video})
        raise VideoError(f"no video in {path} (its streams: {', '.join(kinds) or 'none'})")
    streams = [stream for stream in streams if stream.codec_context is not None]
    if not streams:
        raise VideoError(f"the video in {path} is of a kind that FFmpeg cannot read; is it damaged?")
    stream = max(streams, key=lambda one: one.codec_context.width * one.codec_context.height)
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > MOST_PIXELS:
        raise VideoError(f"{path} claims pictures of {width} x {height} pixels; is it damaged?")
    stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}  # sizes change on the way
    # Threads by frame cost small pictures a third more processor time (480x270), which few cores do not have.
    spare_threads = width * height <= SMALL_PICTURE_PIXELS and available_cores() <= FEW_CORES
    stream.thread_type = "SLICE" if spare_threads else "AUTO"
    return stream


def _has_disposition(stream: Any, name: str) -> bool:
    return name in str(getattr(getattr(stream, "disposition", None), "name", ""))


def frame_rate(stream: Any) -> float:
    """Average frames per second, as the container states it, as far as it does."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and 0 < float(rate) < 1000:
            return float(rate)
    return DEFAULT_FPS


@dataclass
class DecodeCounts:
    """What decoding met."""

    beat: Callable[[], None] = lambda: None  # called for every packet: progress is no hang
    corrupt: int = 0  # packets refused, frames marked damaged, and frames predicted from either
    refused: int = 0  # packets refused, whose frames did not come out
    stopped: str = ""  # why reading stopped before the end of the file, or empty


def decode_frames(container: Any, stream: Any, counts: DecodeCounts) -> Iterator[Any]:
    """Frames in presentation order from where the container stands; damage is counted, not raised.

    Damage lasts: what is predicted from a lost picture shows it until the next key frame, and FFmpeg does not mark
    it, so every frame up to there counts.
    """
    encrypted = "enc_key_id" in stream.metadata  # as Matroska states it
    damaged_from: int | None = None  # raw time of the damage that the frames still show
    for packet in _packets(container, stream, counts):
        counts.beat()
        if encrypted or packet.has_sidedata("encryption_info"):  # decoders make pictures even of some ciphertext
            raise VideoError(f"{container.name} is encrypted: it cannot be read without its key")
        try:
            frames = packet.decode()
        except (av.error.FFmpegError, ValueError) as error:
            logger.debug("packet at %s refused: %s", packet.pts, error)
            counts.corrupt += 1
            counts.refused += 1
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


def packet_seconds(
    path: Path | str, kind: Literal["video", "audio"] = "video", beat: Callable[[], None] = lambda: None
) -> FloatArray:
    """(packets,) raw seconds as the packets state them, in the order of the file; NaN for a packet without a time."""
    with open_container(path) as container:
        stream = video_stream(container, path) if kind == "video" else audio_stream(container)
        if stream is None:
            return np.zeros(0)
        seconds = []
        for packet in _packets(container, stream, DecodeCounts(beat)):
            beat()
            if packet.size:
                seconds.append(math.nan if packet.pts is None else float(packet.pts * stream.time_base))
        return np.array(seconds)


def times_are_usable(packet_times: FloatArray) -> bool:
    """Whether each of (packets,) presentation times is a frame's own, so that frames can be found by them."""
    rising = np.isfinite(packet_times).all() and len(np.unique(packet_times)) == len(packet_times)
    # Packets come in the order of decoding, which is a few frames off; restarted clocks fall back by more.
    return bool(rising and (np.maximum.accumulate(packet_times) - packet_times < JUMP_SECONDS).all())


def audio_stream(container: Any) -> Any:
    """The container's default audio stream, or the one with most channels up to two; None when none is known."""

    def preference(stream: Any) -> tuple[bool, int, int]:
        return _has_disposition(stream, "default"), min(2, stream.codec_context.channels), -stream.index

    known = [stream for stream in container.streams.audio if stream.codec_context is not None]
    return max(known, key=preference, default=None)


def container_info(path: Path | str, beat: Callable[[], None] = lambda: None) -> tuple[VideoInfo, Orientation]:
    """Facts of the container and of the first frame that decodes."""
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
            timecode=_tag(container, stream, "timecode"),
            reel_name=_tag(container, stream, "reel_name"),
            recorded=_tag(container, stream, "creation_time"),
            hdr=hdr_kind(frame),
            subtitle_codecs=" ".join(map(codec_name, container.streams.subtitles)),
        )
    return info, orientation


def _tag(container: Any, stream: Any, name: str) -> str:
    """The value of a tag of the picture, of a data track (QuickTime's `tmcd`, Sony's `rtmd`) or of the whole file."""
    for holder in (stream, *container.streams.data, container):
        for key, value in holder.metadata.items():
            if key.lower() == name and value.strip():  # Matroska writes TIMECODE
                return printable(str(value).strip())
    return ""


def _duration(container: Any, stream: Any, fps: float) -> float:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if container.duration and math.isfinite(container.duration) and container.duration > 0:
        return float(container.duration / av.time_base)
    return (stream.frames or 1) / fps


def subtitles_inside(
    path: Path, origins: Sequence[tuple[float, float]], beat: Callable[[], None] = lambda: None
) -> Iterator[tuple[float, float, str]]:
    """(start, end, text with markup) of the subtitles inside a video, in seconds from its first frame.

    Args:
        path: The video file.
        origins: As of `Timeline`.
        beat: Called for every packet.
    """
    with open_container(path) as container:
        streams = [stream for stream in container.streams.subtitles if codec_name(stream) in TEXT_CODECS]
        if not streams:
            return
        stream = min(streams, key=_unlikely_subtitles)
        clock = SoundClock(origins)
        packets = container.demux(stream)
        while True:
            beat()
            try:
                packet = next(packets)
            except (StopIteration, av.error.FFmpegError):  # the rest is damaged
                return
            if packet.pts is None or not packet.size:
                continue
            start = clock.seconds(float(packet.pts * stream.time_base))
            length = float((packet.duration or 0) * stream.time_base) or USUAL_CUE_SECONDS
            try:
                events = [event for event in packet.decode() if event.type == b"ass"]
            except (av.error.FFmpegError, ValueError):
                continue
            for event in events:
                yield start, start + length, event.ass.decode("utf-8", "replace").split(",", ASS_FIELDS)[-1]


def _unlikely_subtitles(stream: Any) -> tuple[bool, bool, bool, int]:
    """Forced subtitles come last, those of the default and of English first."""
    marks = str(getattr(getattr(stream, "disposition", None), "name", "") or "").lower()
    english = str(stream.language or "").lower() in ("en", "eng")
    return "forced" in marks, "default" not in marks, not english, stream.index
