"""The two streams of a film that is written: H.264 pictures and AAC sound."""

from fractions import Fraction
from typing import Any

import av
import numpy as np

from sspvs.types import FloatArray
from sspvs.video.colour import Colour
from sspvs.video.footage import ClipSettings
from sspvs.video.sound import AudioSource

TIME_BASE = Fraction(1, 90_000)  # clock of the pictures: fine enough for any frame rate, as MPEG uses it
FADE_SECONDS = 0.005
FRAME_SAMPLES = 1024
MOST_SAMPLES = 2**23  # of a stretch, held in memory at a time: three minutes


class PictureTrack:
    """The H.264 stream of an output file."""

    def __init__(
        self, output: Any, size: tuple[int, int], rate: Fraction, settings: ClipSettings, *, reorder: bool
    ) -> None:
        self._output = output
        self._stream = output.add_stream("libx264", rate=rate)
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"crf": str(settings.crf), "preset": settings.preset, **({} if reorder else {"bf": "0"})}
        self._stream.codec_context.time_base = TIME_BASE
        self._stream.thread_type = "FRAME"  # PyAV's own choice, slices, is slower and makes bigger files
        self._waiting: dict[int, int] = {}  # pts -> duration of pictures inside the encoder
        self._last_pts = -1
        self._first_dts = 0
        self._held: Any = None  # the last packet, whose duration is known at the end
        self.n_frames = 0

    def tag(self, colour: Colour, color_range: int) -> None:
        """State the colour of all pictures, before the first one."""
        encoder = self._stream.codec_context  # the container's tags are made of these
        encoder.colorspace, encoder.color_primaries, encoder.color_trc = colour
        encoder.color_range = color_range

    def add(self, picture: Any, seconds: float) -> None:
        """Append a yuv420p frame of the stream's size."""
        pts = max(round(seconds / TIME_BASE), self._last_pts + 1)
        if self._last_pts >= 0:
            self._waiting[self._last_pts] = pts - self._last_pts
        picture.pts, picture.time_base = pts, TIME_BASE
        picture.pict_type = 0  # or x264 would repeat the source's choice of key frames
        self._last_pts = pts
        self.n_frames += 1
        self._mux(self._stream.encode(picture))

    def finish(self, seconds: float) -> None:
        """Write what the encoder still holds; the last frame lasts until `seconds`."""
        self._waiting[self._last_pts] = max(1, round(seconds / TIME_BASE) - self._last_pts)
        self._mux(self._stream.encode(None))
        if self._held is not None:
            # The container adds up decoding times, so its length hangs on the packet that is decoded last.
            decoded = self._held.dts - self._first_dts
            self._held.duration = max(1, round(seconds / TIME_BASE) - decoded)
            self._output.mux(self._held)

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.duration = self._waiting.pop(packet.pts, 0)
            if self._held is None:
                self._first_dts = packet.dts
            else:
                self._output.mux(self._held)
            self._held = packet


class AudioTrack:
    """The AAC stream of an output file."""

    def __init__(self, output: Any, rate: int, channels: int, *, follow: bool = False) -> None:
        self._output, self._rate, self._follow = output, rate, follow
        self._next: int | None = None  # the sample of the source that follows what is written
        self._layout = "mono" if channels == 1 else "stereo"
        self._stream = output.add_stream("aac", rate=rate)
        self._stream.codec_context.layout = self._layout
        self._stream.codec_context.format = "fltp"
        self._stream.bit_rate = 80_000 * channels
        self._waiting = np.zeros((channels, 0), dtype=np.float32)
        self._encoded = 0
        self._written = 0

    def add(
        self,
        source: AudioSource | None,
        start: float,
        end: float,
        at: float,
        *,
        fade_in: bool = False,
        fade_out: bool = False,
    ) -> None:
        """Append the sound of a stretch that the film plays at `at` seconds; silence without a source."""
        rate = self._rate
        first = self._first(start)
        wanted = round((at + end - start) * rate) - self._written
        ramp_samples = min(int(FADE_SECONDS * rate), wanted // 2)
        ramp = np.arange(ramp_samples, dtype=np.float32) / max(1, ramp_samples)
        for begin in range(0, wanted, MOST_SAMPLES):
            stop = min(begin + MOST_SAMPLES, wanted)
            if wanted - stop < ramp_samples:  # the fade is not cut in two
                stop = wanted
            sound = self._read(source, first + begin, first + stop)
            if fade_in and ramp_samples and begin == 0:
                sound[:, :ramp_samples] *= ramp
            if fade_out and ramp_samples and stop == wanted:
                sound[:, -ramp_samples:] *= ramp[::-1]
            self._encode(sound, FRAME_SAMPLES)
            if stop == wanted:
                break
        self._written += wanted
        self._next = first + wanted

    def cross(
        self, one: tuple[AudioSource | None, float], other: tuple[AudioSource | None, float], at: float, seconds: float
    ) -> None:
        """Append two sources from where they stand, the first fading into the second at equal power."""
        wanted = round((at + seconds) * self._rate) - self._written
        angle = (np.arange(wanted, dtype=np.float32) + 0.5) * (np.pi / 2 / max(1, wanted))
        first, second = self._first(one[1]), round(other[1] * self._rate)
        sound = self._read(one[0], first, first + wanted) * np.cos(angle)
        sound += self._read(other[0], second, second + wanted) * np.sin(angle)
        self._encode(sound, FRAME_SAMPLES)
        self._written += wanted
        self._next = second + wanted

    def _first(self, seconds: float) -> int:
        """The sample of a source at a second, or the one next to it that follows what is written."""
        first = round(seconds * self._rate)
        if self._follow and self._next is not None and abs(self._next - first) <= 1:
            return self._next
        return first

    def _read(self, source: AudioSource | None, first: int, last: int) -> FloatArray:
        if source is None:
            return np.zeros((len(self._waiting), last - first), dtype=np.float32)
        return source.read(first, last)

    def finish(self) -> None:
        """Write what is left."""
        self._encode(self._waiting[:, :0], 1)
        self._output.mux(self._stream.encode(None))

    def _encode(self, sound: FloatArray, at_least: int) -> None:
        sound = np.concatenate([self._waiting, sound], axis=1)
        used = 0
        while sound.shape[1] - used >= at_least:
            block = np.ascontiguousarray(sound[:, used : used + FRAME_SAMPLES])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=self._layout)
            frame.sample_rate, frame.pts = self._rate, self._encoded
            used += block.shape[1]
            self._encoded += block.shape[1]
            self._output.mux(self._stream.encode(frame))
        self._waiting = sound[:, used:].copy()
