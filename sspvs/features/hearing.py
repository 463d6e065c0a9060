"""What a video sounds like, heard once, in a thread beside the pass over its pictures."""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from sspvs.errors import reason
from sspvs.features.backbones import Backbone
from sspvs.features.extract import ExtractedVideo, Sampling, extract_video
from sspvs.features.speech import RATE_HZ, STEP_SAMPLES, STEP_SECONDS, speech_probabilities, steps_of
from sspvs.types import FloatArray, SoundTrace, Timeline, VideoInfo
from sspvs.video import open_video
from sspvs.video.reader import VideoReader

_BAND_HZ = (500, 5000)  # where noise and tones differ; most sound tracks reach as far
_FLOOR = 1e-10  # power of silence, -100 dB
_SAME_SECONDS = 0.01  # origins of clocks that differ by less are the same


def hear(sound: Iterable[FloatArray]) -> SoundTrace:
    """Speech, loudness and noise of sound, in one pass.

    Args:
        sound: (n,) blocks of samples in [-1, 1], one after the other, `RATE_HZ` a second.

    Raises:
        WeightsNotFoundError: As `speech_probabilities`.
    """
    measured = [np.zeros((2, 0), np.float32)]

    def heard() -> Iterator[FloatArray]:
        for steps in steps_of(sound):
            measured.append(_loudness_and_noise(steps))
            yield steps.ravel()

    speech = speech_probabilities(heard())
    loudness, noise = np.concatenate(measured, axis=1)
    return SoundTrace(speech, loudness, noise, STEP_SECONDS)


def _loudness_and_noise(steps: FloatArray) -> FloatArray:
    """(2, k) decibels, and spectral flatness: the geometric mean of the power spectrum over the arithmetic one."""
    low, high = (round(hertz * STEP_SAMPLES / RATE_HZ) for hertz in _BAND_HZ)
    spectrum = np.fft.rfft(steps * np.hanning(STEP_SAMPLES).astype(np.float32), axis=1)[:, low:high]
    power = np.square(np.abs(spectrum)) + _FLOOR
    flatness = np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1)
    loudness = 10 * np.log10(np.square(steps).mean(axis=1) + _FLOOR)
    return np.stack([loudness, flatness]).astype(np.float32)


def extract_and_hear(
    path: str | os.PathLike[str],
    backbone: Backbone,
    sampling: Sampling,
    *,
    further: Sequence[Backbone] = (),
    hears: bool = True,
    progress: bool = False,
) -> tuple[ExtractedVideo, SoundTrace | None, tuple[str, ...]]:
    """Features and thumbnails of a video, and at the same time its sound.

    Returns:
        What was extracted; what is heard, None without `hears`, without sound and where it fails; a sentence about
        such a failure, which ends nothing.
    """
    with Listener(sampling.time_limit_seconds) as listener:
        opened = listener.start if hears else lambda _: None
        extracted = extract_video(
            path, backbone, sampling, thumbnails=True, progress=progress, opened=opened, further=further
        )
        assert extracted.features.timeline is not None
        sound = listener.result(extracted.features.timeline)
    failure = listener.failure
    return extracted, sound, (f"pieces may begin or end within words: {failure}",) if failure else ()


class Listener:
    """Hears a video in a thread of its own; a context manager, which stops it on the way out.

    Args:
        time_limit_seconds: The longest the decoder may give nothing before it is stopped.
    """

    def __init__(self, time_limit_seconds: float) -> None:
        self._limit = time_limit_seconds
        self._thread: threading.Thread | None = None
        self._video: VideoReader | None = None
        self._end_seconds = np.inf
        self._heard: SoundTrace | None = None
        self.failure = ""  # why nothing is heard

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self._end_seconds = 0.0
        if self._video is not None:
            self._video.close()
        if self._thread is not None:
            self._thread.join()

    def start(self, info: VideoInfo) -> None:
        """Begin to hear a file that is being opened."""
        self._info = info
        if info.has_audio:
            self._thread = threading.Thread(target=self._hear, name="hearing", daemon=True)
            self._thread.start()

    def result(self, timeline: Timeline) -> SoundTrace | None:
        """What is heard up to the end of the pictures; None where there is no sound, or a `failure`."""
        self._end_seconds = timeline.end_seconds
        if self._thread is not None:
            self._thread.join()
            clock = timeline.origins or ((0.0, self._info.start_seconds),)
            if len(clock) > 1 or abs(clock[0][1] - clock[0][0] - self._info.start_seconds) > _SAME_SECONDS:
                self._hear(timeline)  # the clock is not the file's own, as was supposed
        return None if self._heard is None or len(self._heard.speech) == 0 else self._heard

    def _hear(self, timeline: Timeline | None = None) -> None:
        self._heard, self.failure = None, ""
        try:
            with open_video(self._info.path, time_limit_seconds=self._limit, timeline=timeline) as video:
                self._video = video
                self._heard = hear(self._wanted(video.sound(RATE_HZ, scan=False)))
        except Exception as error:  # whatever the sound meets, there is a summary of the pictures
            self.failure = reason(error)

    def _wanted(self, sound: Iterable[FloatArray]) -> Iterator[FloatArray]:
        seconds = 0.0
        for block in sound:
            left = self._end_seconds - seconds
            if left <= 0:
                return
            yield block[: round(min(left * RATE_HZ, len(block)))]
            seconds += len(block) / RATE_HZ
