"""Encoding a film as MP4: pictures, and sound cut to the sample, with as little decoding as possible."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from sspvs.errors import VideoError
from sspvs.types import FloatArray, WrittenClip
from sspvs.video.footage import ClipSettings, Footage
from sspvs.video.frame_source import FrameSource
from sspvs.video.orientation import FrameShaper, film_size, fitted
from sspvs.video.pyav_reader import PyAVReader
from sspvs.video.pyav_stream import container_info, packet_seconds, times_are_usable
from sspvs.video.reader import silent
from sspvs.video.sound import AudioSource, open_audio
from sspvs.video.tracks import AudioTrack, PictureTrack

UNEVEN = 1.5  # a frame shown for so many times the usual length is not shown about as long as the others
AUDIO_STEP_SECONDS = 0.5
"""How far sound may lag behind the pictures while both are written, so that little waits in memory."""
USUAL_SOUND = (48_000, 2)  # where sources differ


def encode_film(
    footage: Sequence[Footage],
    out_path: Path,
    settings: ClipSettings,
    progress: Callable[[float], None] = lambda _: None,
    beat: Callable[[], None] = silent,
) -> WrittenClip:
    """Encode stretches of sources into an MP4 file."""
    reels = [Reel(part, beat) for part in footage]
    main = _longest(reels)
    size = film_size(main.info.width, main.info.height, settings.max_height)
    sounds = {reel.sound for reel in reels if reel.sound is not None}
    rate, channels = sounds.pop() if len(sounds) == 1 else USUAL_SOUND
    any_sound = any(reel.sound for reel in reels)
    reel = reels[0]
    try:
        with av.open(str(out_path.absolute()), "w", format="mp4", options={"movflags": "+faststart"}) as output:
            set_chapters(output, settings.chapters, sum(reel.seconds for reel in reels))
            even = holds_are_even([holds for reel in reels for holds in reel.holds])
            frame_rate = Fraction(main.info.fps).limit_denominator(1001)
            pictures = PictureTrack(output, size, frame_rate, settings, reorder=even)
            track = AudioTrack(output, rate, channels) if any_sound else None
            film = Film(pictures, track, progress)
            for reel in reels:
                same = film_size(reel.info.width, reel.info.height, settings.max_height) == size
                inside = size if same else fitted(reel.info.width, reel.info.height, size)
                with reel.opened(rate, channels) as (frames, sound):
                    film.add(reel, frames, sound, FrameShaper(reel.orientation, size, inside))
            if pictures.n_frames == 0:
                names = ", ".join(str(reel.path) for reel in reels)
                raise VideoError(f"no frame of {names} lies in the segments to write")
            pictures.finish(film.seconds)
            if track is not None:
                track.finish()
    except av.error.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise VideoError(f"cannot encode parts of {reel.path}: {error}") from error
    warnings = tuple(
        warning if len(reels) == 1 else f"{reel.path.name}: {warning}" for reel in reels for warning in reel.warnings
    )
    lost = sum(reel.lost_seconds for reel in reels)
    return WrittenClip(out_path, film.seconds, pictures.n_frames, *size, any_sound, warnings, lost, tuple(film.starts))


def _longest(reels: "Sequence[Reel]") -> "Reel":
    """The first of the sources with the picture size that is shown for the longest time."""
    shown = Counter[tuple[int, int]]()
    for reel in reels:
        shown[reel.info.width, reel.info.height] += reel.seconds  # type: ignore[assignment]
    size = max(shown, key=shown.__getitem__)
    return next(reel for reel in reels if (reel.info.width, reel.info.height) == size)


def set_chapters(output: Any, chapters: Sequence[tuple[float, str]], seconds: float) -> None:
    """Write (start, name) pairs as chapters of an MP4 file that lasts so long, before its first packet."""
    if not chapters:
        return
    milli = [round(1000 * start) for start, _ in chapters] + [round(1000 * seconds)]
    output.set_chapters(
        [
            {
                "id": number,
                "start": start,
                "end": max(start + 1, end),
                "time_base": Fraction(1, 1000),
                "metadata": {"title": name},
            }
            for number, (start, end, (_, name)) in enumerate(zip(milli, milli[1:], chapters, strict=False))
        ]
    )


def holds_are_even(holds: Sequence[FloatArray]) -> bool:
    """Whether the frames of all stretches are shown about equally long, by the seconds of each."""
    lengths = np.concatenate(holds)
    return len(lengths) == 0 or bool(lengths.max() <= UNEVEN * np.median(lengths))


class Reel:
    """One source of a film: its facts, its stretches, and what was met while it was written."""

    def __init__(self, footage: Footage, beat: Callable[[], None]) -> None:
        self.path, self._beat, self._timeline = Path(footage.source), beat, footage.timeline
        self.info, self.orientation = container_info(self.path, beat)
        if self._timeline is None:
            times = packet_seconds(self.path, beat=beat)
            if not times_are_usable(times):
                reader = PyAVReader(self.path, beat)
                reader.scan()
                self._timeline = reader.timeline
        if self._timeline is None:
            self._times = np.sort(times) - self.info.start_seconds
            self._end = float(self._times[-1]) + 1 / self.info.fps
        else:
            self._times, self._end = self._timeline.frame_seconds, self._timeline.end_seconds
        self.stretches = footage.stretches
        self.warnings: list[str] = []
        self.lost_seconds = self.written = 0.0
        with open_audio(self.path, self.info, self._timeline, self.warnings) as sound:
            self.sound = None if sound is None else (sound.rate, sound.channels)

    @property
    def seconds(self) -> float:
        """Seconds that the stretches last."""
        return sum(max(0.0, min(end, self._end) - start) for start, end in self.stretches)

    @property
    def holds(self) -> list[FloatArray]:
        """Seconds for which the frames of each stretch are shown."""
        times = self._times
        return [np.diff(times[(times > start - 1e-4) & (times < end)]) for start, end in self.stretches]

    @contextmanager
    def opened(self, rate: int, channels: int) -> "Iterator[tuple[FrameSource, AudioSource | None]]":
        """The source's pictures and sound, and afterwards what was met."""
        frames = FrameSource(self.path, self.info, self._timeline, beat=self._beat)
        with frames, open_audio(self.path, self.info, self._timeline, [], rate, channels) as sound:
            yield frames, sound
        if self.info.hdr:
            self.warnings.append(f"the source is HDR ({self.info.hdr}): its colours were tone-mapped to SDR (BT.709)")
        if frames.deinterlacer.used:
            self.warnings.append("the source is interlaced: its frames were deinterlaced, as many as before")
        lost = sound.lost_seconds if sound is not None else self.written if self.info.has_audio else 0.0
        if sound is not None and lost:
            self.warnings.append(
                f"{lost:.2f} s of the summary's {self.written:.2f} s of sound cannot be decoded and are silent"
            )
        self.lost_seconds = lost


class Film:
    """What is written so far, stretch after stretch."""

    def __init__(self, pictures: PictureTrack, track: AudioTrack | None, progress: Callable[[float], None]) -> None:
        self._pictures, self._track, self._progress = pictures, track, progress
        self._target: int | None = None  # the matrix of all pictures
        self.seconds = 0.0
        self.starts: list[float] = []  # of each stretch

    def add(self, reel: Reel, frames: FrameSource, sound: AudioSource | None, shaper: FrameShaper) -> None:
        """Write every stretch of a source."""
        before, track = self.seconds, self._track
        shaper.target = self._target
        for start, end in reel.stretches:
            self.starts.append(self.seconds)
            heard = last = start
            for frame, shown, gone in frames.between(start, end):
                if self._pictures.n_frames == 0:
                    self._pictures.tag(*shaper.tags(frame))
                    self._target = shaper.target
                self._pictures.add(shaper(frame), self.seconds + shown - start)
                last = gone
                if last - heard >= AUDIO_STEP_SECONDS and end - last > AUDIO_STEP_SECONDS:
                    if track is not None:
                        track.add(sound, heard, last, self.seconds + heard - start, fade_in=heard == start)
                    heard = last
                    self._progress(self.seconds + last - start)
            if track is not None and last > heard:
                track.add(sound, heard, last, self.seconds + heard - start, fade_in=heard == start, fade_out=True)
            self.seconds += last - start
            self._progress(self.seconds)
        reel.written = self.seconds - before
