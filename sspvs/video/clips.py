"""Encoding stretches of a video as MP4: pictures, and sound cut to the sample, with as little decoding as possible."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from sspvs.errors import VideoError
from sspvs.types import FloatArray, Timeline, WrittenClip
from sspvs.video.frame_source import FrameSource
from sspvs.video.orientation import FrameShaper
from sspvs.video.pyav_reader import PyAVReader
from sspvs.video.pyav_stream import container_info, packet_seconds, times_are_usable
from sspvs.video.reader import silent
from sspvs.video.sound import AudioSource, open_audio

TIME_BASE = Fraction(1, 90_000)  # clock of the pictures: fine enough for any frame rate, as MPEG uses it
UNEVEN = 1.5  # a frame shown for so many times the usual length is not shown about as long as the others
AUDIO_STEP_SECONDS = 0.5
"""How far sound may lag behind the pictures while both are written, so that little waits in memory."""
FADE_SECONDS = 0.005
FRAME_SAMPLES = 1024
MOST_SAMPLES = 2**23  # of a stretch, held in memory at a time: three minutes


@dataclass(frozen=True)
class ClipSettings:
    """How clips are encoded; see `sspvs.video.writer.write_clips`."""

    crf: int = 23
    preset: str = "veryfast"
    max_height: int | None = None


def encode_clips(
    source: Path,
    segments: Sequence[tuple[float, float]],
    out_path: Path,
    settings: ClipSettings,
    timeline: Timeline | None = None,
    progress: Callable[[float], None] = lambda _: None,
    beat: Callable[[], None] = silent,
) -> WrittenClip:
    """Encode segments into an MP4 file."""
    info, orientation = container_info(source, beat)
    if timeline is None:
        times = packet_seconds(source, beat=beat)
        if not times_are_usable(times):
            reader = PyAVReader(source, beat)
            reader.scan()
            timeline = reader.timeline
    times = np.sort(times) - info.start_seconds if timeline is None else timeline.frame_seconds
    shaper = FrameShaper(info, orientation, settings.max_height)
    warnings: list[str] = []
    frames = FrameSource(source, info, timeline, beat=beat)
    with frames, open_audio(source, info, timeline, warnings) as sound:
        try:
            with av.open(str(out_path.absolute()), "w", format="mp4", options={"movflags": "+faststart"}) as output:
                rate = Fraction(info.fps).limit_denominator(1001)
                pictures = PictureTrack(output, shaper, rate, settings, reorder=holds_are_even(times, segments))
                track = AudioTrack(output, sound) if sound is not None else None
                seconds = _encode_segments(segments, frames, pictures, track, progress)
                pictures.finish(seconds)
                if track is not None:
                    track.finish()
        except av.error.FFmpegError as error:
            if isinstance(error, OSError):
                raise
            raise VideoError(f"cannot encode parts of {source}: {error}") from error
    if info.hdr:
        warnings.append(f"the source is HDR ({info.hdr}): its colours were tone-mapped to SDR (BT.709)")
    if frames.deinterlacer.used:
        warnings.append("the source is interlaced: its frames were deinterlaced, as many as before")
    width, height = shaper.size
    lost = sound.lost_seconds if sound is not None else seconds if info.has_audio else 0.0
    if sound is not None and lost:
        warnings.append(f"{lost:.2f} s of the summary's {seconds:.2f} s of sound cannot be decoded and are silent")
    has_audio, n_frames = sound is not None, pictures.n_frames
    return WrittenClip(out_path, seconds, n_frames, width, height, has_audio, tuple(warnings), lost)


def holds_are_even(frame_seconds: FloatArray, segments: Sequence[tuple[float, float]]) -> bool:
    """Whether the frames of all segments are shown about equally long."""
    holds = [np.diff(frame_seconds[(frame_seconds > start - 1e-4) & (frame_seconds < end)]) for start, end in segments]
    lengths = np.concatenate(holds)
    return len(lengths) == 0 or bool(lengths.max() <= UNEVEN * np.median(lengths))


def _encode_segments(
    segments: Sequence[tuple[float, float]],
    frames: FrameSource,
    pictures: "PictureTrack",
    track: "AudioTrack | None",
    progress: Callable[[float], None],
) -> float:
    """Write every segment; returns the seconds written."""
    written = 0.0  # seconds of output before this segment
    for start, end in segments:
        heard = last = start
        for frame, shown, gone in frames.between(start, end):
            pictures.add(frame, written + shown - start)
            last = gone
            if last - heard >= AUDIO_STEP_SECONDS and end - last > AUDIO_STEP_SECONDS:
                if track is not None:
                    track.add(heard, last, written + heard - start, fade_in=heard == start)
                heard = last
                progress(written + last - start)
        if track is not None and last > heard:
            track.add(heard, last, written + heard - start, fade_in=heard == start, fade_out=True)
        written += last - start
        progress(written)
    if pictures.n_frames == 0:
        raise VideoError(f"no frame of {frames.path} lies in the segments to write")
    return written


class PictureTrack:
    """The H.264 stream of an output file."""

    def __init__(
        self, output: Any, shaper: FrameShaper, rate: Fraction, settings: ClipSettings, *, reorder: bool
    ) -> None:
        self._output, self._shaper = output, shaper
        self._stream = output.add_stream("libx264", rate=rate)
        self._stream.width, self._stream.height = shaper.size
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"crf": str(settings.crf), "preset": settings.preset, **({} if reorder else {"bf": "0"})}
        self._stream.codec_context.time_base = TIME_BASE
        self._stream.thread_type = "FRAME"  # PyAV's own choice, slices, is slower and makes bigger files
        self._waiting: dict[int, int] = {}  # pts -> duration of pictures inside the encoder
        self._last_pts = -1
        self._first_dts = 0
        self._held: Any = None  # the last packet, whose duration is known at the end
        self.n_frames = 0

    def add(self, frame: Any, seconds: float) -> None:
        """Append a decoded frame."""
        if self.n_frames == 0:
            colour, color_range = self._shaper.tags(frame)
            encoder = self._stream.codec_context  # the container's tags are made of these
            encoder.colorspace, encoder.color_primaries, encoder.color_trc = colour
            encoder.color_range = color_range
        picture = self._shaper(frame)
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

    def __init__(self, output: Any, source: AudioSource) -> None:
        self._output, self._source = output, source
        self._layout = "mono" if source.channels == 1 else "stereo"
        self._stream = output.add_stream("aac", rate=source.rate)
        self._stream.codec_context.layout = self._layout
        self._stream.codec_context.format = "fltp"
        self._stream.bit_rate = 80_000 * source.channels
        self._waiting = np.zeros((source.channels, 0), dtype=np.float32)
        self._encoded = 0
        self._written = 0

    def add(self, start: float, end: float, at: float, *, fade_in: bool = False, fade_out: bool = False) -> None:
        """Append the sound of a stretch."""
        rate = self._source.rate
        first = round(start * rate)
        wanted = round((at + end - start) * rate) - self._written
        ramp_samples = min(int(FADE_SECONDS * rate), wanted // 2)
        ramp = np.arange(ramp_samples, dtype=np.float32) / max(1, ramp_samples)
        for begin in range(0, wanted, MOST_SAMPLES):
            stop = min(begin + MOST_SAMPLES, wanted)
            if wanted - stop < ramp_samples:  # the fade is not cut in two
                stop = wanted
            sound = self._source.read(first + begin, first + stop)
            if fade_in and ramp_samples and begin == 0:
                sound[:, :ramp_samples] *= ramp
            if fade_out and ramp_samples and stop == wanted:
                sound[:, -ramp_samples:] *= ramp[::-1]
            self._encode(sound, FRAME_SAMPLES)
            if stop == wanted:
                break
        self._written += wanted

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
            frame.sample_rate, frame.pts = self._source.rate, self._encoded
            used += block.shape[1]
            self._encoded += block.shape[1]
            self._output.mux(self._stream.encode(frame))
        self._waiting = sound[:, used:].copy()
