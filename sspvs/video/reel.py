"""One source of a film while it is encoded: its facts, its pictures and its sound."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.types import FloatArray
from sspvs.video.footage import JUMP_SECONDS, ClipSettings, Footage, cut_size, film_size, inside_size
from sspvs.video.frame_source import EDGE_SECONDS, FrameSource
from sspvs.video.orientation import FrameShaper
from sspvs.video.pyav_reader import PyAVReader
from sspvs.video.pyav_stream import container_info, packet_seconds, times_are_usable
from sspvs.video.sound import AudioSource, open_audio
from sspvs.video.takes import Take


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
            self.end = float(self._times[-1]) + 1 / self.info.fps
        else:
            self._times, self.end = self._timeline.frame_seconds, self._timeline.end_seconds
        self.stretches = footage.stretches
        self._camera = np.array([[0.0, 0.5]]) if footage.camera is None else footage.camera
        self._path: tuple[FloatArray, FloatArray] = (
            np.zeros(1),
            np.zeros(1),
        )  # seconds, and the first row or column of what is cut out
        self._warnings: list[str] = []
        with open_audio(self.path, self.info, self._timeline, self._warnings) as sound:
            self.sound_format = None if sound is None else (sound.rate, sound.channels)
        self.sound: AudioSource | None = None
        self._stack = ExitStack()
        self._frames: list[FrameSource] = []
        self.written = 0.0  # seconds of the film

    @property
    def seconds(self) -> float:
        """Seconds that the stretches last."""
        return sum(max(0.0, min(stretch.end, self.end) - stretch.start) for stretch in self.stretches)

    @property
    def holds(self) -> list[FloatArray]:
        """Seconds for which the frames of each stretch are shown."""
        times = self._times
        return [np.diff(times[(times > one.start - 1e-4) & (times < one.end)]) for one in self.stretches]

    @property
    def is_open(self) -> bool:
        """Whether pictures can be taken from it."""
        return bool(self._frames)

    def open(self, stack: ExitStack, settings: ClipSettings, size: tuple[int, int], rate: int, channels: int) -> None:
        """Open the source for a film of that size and sound; `stack` closes it at the latest."""
        stack.callback(self.close)
        width, height, aspect = self.info.width, self.info.height, settings.aspect
        inside = film_size(width, height, settings.max_height)
        if (cut_size(*inside, aspect) if aspect else inside) != size:
            inside = inside_size(width, height, size, cut=aspect is not None)
        self.shaper = FrameShaper(self.orientation, size, inside)
        if aspect:
            self._follow(inside, size)
        # Of two stretches that are blended, each has its own decoder.
        for _ in range(2 if settings.crossfade else 1):
            frames = FrameSource(self.path, self.info, self._timeline, beat=self._beat)
            self._frames.append(self._stack.enter_context(frames))
        sound = open_audio(self.path, self.info, self._timeline, [], rate, channels)
        self.sound = self._stack.enter_context(sound)

    def _follow(self, inside: tuple[int, int], size: tuple[int, int]) -> None:
        """Turn the camera's path into pixels; where it stands still, into whole ones of luma and chroma."""
        camera, room = self._camera, self.shaper.room
        length = inside[0] if inside[0] - size[0] == room else inside[1]
        offsets = np.clip(camera[:, 1] * length - (length - room) / 2, 0, room)
        jumps = np.flatnonzero(np.diff(camera[:, 0]) <= JUMP_SECONDS) + 1
        still = [part.min() == part.max() for part in np.split(offsets, jumps)]
        of_shot = np.repeat(still, np.diff([0, *jumps, len(offsets)]))
        self._path = camera[:, 0], np.where(of_shot, 2 * np.round(offsets / 2), offsets)

    def picture(self, frame: Any, seconds: float) -> Any:
        """A frame as the film shows it at that second of the source."""
        return self.shaper(frame, float(np.interp(seconds, *self._path)))

    def close(self) -> None:
        """Close the source's files."""
        self._stack.close()

    def between(self, start: float, end: float) -> Iterator[tuple[Any, float, float]]:
        """As of `FrameSource`; with crossfades, beside those that were begun before."""
        self._frames.reverse()
        return self._frames[0].between(start, end)

    @property
    def lost_seconds(self) -> float:
        """Seconds of the film's sound that cannot be decoded."""
        if self.sound is not None:
            return self.sound.lost_seconds
        return self.written if self.info.has_audio else 0.0

    def notes(self) -> list[str]:
        """What was met, as sentences."""
        notes, lost = list(self._warnings), self.lost_seconds
        if self.info.hdr:
            notes.append(f"the source is HDR ({self.info.hdr}): its colours were tone-mapped to SDR (BT.709)")
        if any(frames.deinterlacer.used for frames in self._frames):
            notes.append("the source is interlaced: its frames were deinterlaced, as many as before")
        if self.sound is not None and lost:
            notes.append(
                f"{lost:.2f} s of the summary's {self.written:.2f} s of sound cannot be decoded and are silent"
            )
        return notes


class Run:
    """A take while it is written: its pictures one after the other, on the film's clock."""

    def __init__(self, reel: Reel, take: Take, at: float) -> None:
        self.reel, self.take, self._at = reel, take, at
        self.sound = reel.sound if take.speed == 1 else None
        self._frames = reel.between(take.start, take.end)
        self.held = next(self._frames, None)  # a frame, and when the source shows it and the next one
        self._shaped: tuple[Any, Any] = (None, None)  # a frame, and the picture made of it
        self.shown_until = at  # seconds of the film

    def film_seconds(self, seconds: float) -> float:
        """When the film shows what the source shows at `seconds`."""
        start, speed = self.take.start, self.take.speed
        return self._at + seconds - start if speed == 1 else self._at + (seconds - start) / speed

    def source_seconds(self, seconds: float) -> float:
        """The inverse of `film_seconds`."""
        return self.take.start + (seconds - self._at) * self.take.speed

    def until(self, end: float) -> Iterator[tuple[Any, float, float]]:
        """Frames before a second of the film, when they are shown there, and when the source shows the next ones."""
        while self.held is not None and self.film_seconds(self.held[1]) < end - EDGE_SECONDS:
            frame, shown, gone = self.held
            if self.film_seconds(gone) > self.shown_until:
                yield frame, max(self.film_seconds(shown), self.shown_until), gone
            if self.film_seconds(gone) > end + EDGE_SECONDS:
                return  # it is still on screen in what follows
            self.held = next(self._frames, None)

    def picture_at(self, seconds: float) -> Any:
        """The picture on screen at a second of the film; the last one where there are no more."""
        while self.held is not None and self.film_seconds(self.held[2]) <= seconds + EDGE_SECONDS:
            if (following := next(self._frames, None)) is None:
                break
            self.held = following
        return self._shaped[1] if self.held is None else self.picture(self.held[0])

    def picture(self, frame: Any) -> Any:
        """A frame that is held, as the film shows it."""
        if self._shaped[0] is not frame:
            assert self.held is not None
            self._shaped = frame, self.reel.picture(frame, self.held[1])
        return self._shaped[1]
