"""Decoded sound of any stretch of a video, on the clock of its pictures."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from sspvs.types import FloatArray, Timeline, VideoInfo
from sspvs.video.pyav_stream import audio_stream, open_container
from sspvs.video.stream_clock import SoundClock

logger = logging.getLogger(__name__)

KEPT_RATES = (44_100, 48_000)
PRE_ROLL_SECONDS = 0.5
"""Sound decoders need some packets before the first one that is right (MP3 and AAC overlap theirs)."""
DRIFT_SECONDS = 0.01
"""Timestamps may be this far from the running count of samples: millisecond containers round them."""
SKIP_SECONDS = 4.0
USUAL_PACKET_SECONDS = 1024 / 48_000
"""Length of a packet that does not state it."""


class AudioSource:
    """Decoded sound of any stretch of a video, on the clock of its pictures.

    Args:
        path: The video file.
        origins: As of `Timeline`.
        rate: Samples a second; None: the file's own, if players know it, else 48,000.
        channels: 1 or 2; None: as many as the file has, at most 2.
    """

    def __init__(
        self, path: Path, origins: Sequence[tuple[float, float]], rate: int | None = None, channels: int | None = None
    ) -> None:
        self._path, self._origins = path, origins
        self._wanted_rate, self._wanted_channels = rate, channels
        self._stack = ExitStack()
        self._blocks: Iterator[tuple[int, FloatArray]] = iter(())
        self._held: tuple[int, FloatArray] | None = None
        self._lost: list[tuple[float, float]] = []  # stretches that were refused
        self.lost_seconds = 0.0

    def __enter__(self) -> AudioSource:
        self._open()
        context = self._stream.codec_context
        self.rate = self._wanted_rate or (context.sample_rate if context.sample_rate in KEPT_RATES else 48_000)
        self.channels = self._wanted_channels or (1 if context.channels == 1 else 2)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self) -> None:
        self._stack.close()
        self._container = self._stack.enter_context(open_container(self._path))
        self._stream = audio_stream(self._container)
        if len(self._origins) == 1:  # decoders drop a codec's padding once: let it be at the start, not after a jump
            next(decode_sound(self._container, self._stream), None)

    @property
    def ended(self) -> bool:
        """Whether there is no sound behind what was read last."""
        return self._held is None

    def read(self, first: int, last: int) -> FloatArray:
        """(channels, last - first) float32 samples on the clock of the pictures; silence where there is no sound."""
        sound = np.zeros((self.channels, last - first), dtype=np.float32)
        self._go_to(first)
        while self._held is not None and self._held[0] < last:
            at, block = self._held
            begin, end = max(first, at), min(last, at + block.shape[1])
            if begin < end:
                sound[:, begin - first : end - first] = block[:, begin - at : end - at]
            if at + block.shape[1] >= last:
                break  # the next stretch may need the rest of this block
            self._held = next(self._blocks, None)
        start, stop = first / self.rate, last / self.rate
        self.lost_seconds += sum(max(0.0, min(stop, end) - max(start, begin)) for begin, end in self._lost)
        return sound

    def _go_to(self, first: int) -> None:
        """Stand at or before a sample; where the clock was restarted, by decoding all that lies before it."""
        ahead = self._held is not None and self._held[0] <= first
        if len(self._origins) > 1:
            if not ahead:
                self._open()
                self._begin()
        elif not ahead or (self._held is not None and first > self._held[0] + SKIP_SECONDS * self.rate):
            self._seek(first / self.rate)

    def _seek(self, seconds: float) -> None:
        target = seconds + self._origins[0][1] - PRE_ROLL_SECONDS
        pts = int(target / self._stream.time_base)
        first = self._stream.start_time
        try:
            self._container.seek(pts if first is None else max(pts, first), stream=self._stream, backward=True)
        except av.error.FFmpegError as error:
            logger.debug("cannot seek to %.3f s in the sound: %s", seconds, error)
        self._begin()

    def _begin(self) -> None:
        self._lost = []
        self._blocks = self._decode()
        self._held = next(self._blocks, None)

    def _decode(self) -> Iterator[tuple[int, FloatArray]]:
        layout = "mono" if self.channels == 1 else "stereo"
        clock = SoundClock(self._origins)
        resampler, restarts = None, 0
        expected: int | None = None

        def lose(raw: float | None, length: float) -> None:
            if raw is not None:
                seconds = clock.seconds(raw)
                self._lost.append((seconds, seconds + length))

        for frame in decode_sound(self._container, self._stream, lose):
            if frame.pts is not None:
                clock.seconds(float(frame.pts * self._stream.time_base))
            if resampler is None or clock.restarts != restarts:
                resampler = av.AudioResampler(format="fltp", layout=layout, rate=self.rate)
                restarts = clock.restarts
            for block in resampler.resample(frame):
                if block.pts is not None:
                    stamped = round((float(block.pts * block.time_base) - clock.shift) * self.rate)
                    if expected is None or abs(stamped - expected) > DRIFT_SECONDS * self.rate:
                        expected = stamped
                at = expected or 0
                expected = at + block.samples
                yield at, block.to_ndarray()


def decode_sound(
    container: Any, stream: Any, refused: Callable[[float | None, float], None] = lambda *_: None
) -> Iterator[Any]:
    """Audio frames from where the container stands."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError):
            return
        try:
            yield from packet.decode()
        except (av.error.FFmpegError, ValueError) as error:
            logger.debug("sound packet at %s refused: %s", packet.pts, error)
            length = packet.duration * stream.time_base if packet.duration else USUAL_PACKET_SECONDS
            refused(None if packet.pts is None else float(packet.pts * stream.time_base), float(length))


@contextmanager
def open_audio(
    path: Path,
    info: VideoInfo,
    timeline: Timeline | None,
    warnings: list[str],
    rate: int | None = None,
    channels: int | None = None,
) -> Iterator[AudioSource | None]:
    """The sound of a video, or None when there is none that can be decoded (which is added to `warnings`)."""
    if not info.has_audio:
        yield None
        return
    with open_container(path) as container:
        stream = audio_stream(container)
        codec = "unknown codec" if stream is None else stream.codec_context.name
        decodes = stream is not None and next(decode_sound(container, stream), None) is not None
    if not decodes:
        warnings.append(f"the sound of {path.name} cannot be decoded ({codec}): written without")
        yield None
        return
    origins = timeline.origins if timeline is not None and timeline.origins else ((0.0, info.start_seconds),)
    with AudioSource(path, origins, rate, channels) as source:
        yield source
