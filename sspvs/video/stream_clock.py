"""Raw timestamps as strictly increasing seconds, whatever the container did to them.

The times of a file are repaired once, while it is decoded from its start; sampling, scoring, cutting, sound and edit
lists all use the `Timeline` that comes of it.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import islice
from typing import Any, TypeGuard

import numpy as np

from sspvs.types import FloatArray, IntArray

WINDOW = 16  # frames that are looked at together where timestamps do not increase
SETTLED = WINDOW - 4  # how many of them get their times at once; the rest first needs to see what follows
JUMP_SECONDS = 1.0
RESTART_GAIN, SMALL_RESTART_GAIN = 3, 8
"""How many more timestamps of a window a restart must explain than glitches of single frames do: after a fall of more
than JUMP_SECONDS that is not made up for within the window, and after any other."""
FALL_SECONDS, NEAR_SECONDS = 0.05, 5.0
"""Sound whose times fall back by more than the first was restarted, if that brings it nearer than the second to where
the pictures were."""
SILENT_SECONDS, GAP_SECONDS, GAP_FRAMES = 1.0, 10.0, 10.0
"""A picture that stands still is a hole when it does so for longer than GAP_FRAMES usual frames, and for longer than
SILENT_SECONDS where the sound pauses with it, or GAP_SECONDS where there is no sound."""


class StreamClock:
    """Turns raw timestamps into strictly increasing seconds, the first frame at 0.

    Only a frame without a usable timestamp of its own (none, one that stands still or falls back, one ahead of those
    that follow) gets another time: after the frame before it, spread before the next usable one, at most an average
    frame apart. Where timestamps fall back and stay there, whatever joined the streams restarted the clock: it goes on
    one frame after the last one.
    """

    def __init__(self, time_base: Fraction, fps: float) -> None:
        self._time_base = time_base
        self._step = 1.0 / fps
        self._last: float | None = None
        self._shift = 0.0  # raw seconds less this are seconds
        self.origins: list[tuple[float, float]] = []
        self.guessed = 0

    def times(
        self, frames: Iterable[Any], stamp: Callable[[Any], int | None] = lambda frame: frame.pts
    ) -> Iterator[tuple[float, Any]]:
        """Yield (seconds, frame), one frame late; a window late where timestamps need repair."""
        ticks, parts = self._time_base.numerator, self._time_base.denominator
        source = ((None if (stated := stamp(frame)) is None else stated * ticks / parts, frame) for frame in frames)
        waiting = list(islice(source, 2))
        while waiting:
            raw, frame = waiting[0]
            if self._is_regular(raw, waiting[1][0] if len(waiting) > 1 else math.inf):
                if self._last is None:
                    self._start(0.0, raw)
                self._last = raw - self._shift
                yield self._last, frame
                del waiting[0]
            else:
                waiting += islice(source, WINDOW - len(waiting))
                more = len(waiting) == WINDOW
                for seconds in self._settle([raw for raw, _ in waiting], SETTLED if more else WINDOW):
                    self._last = seconds
                    yield seconds, waiting.pop(0)[1]
            if len(waiting) < 2:
                waiting += islice(source, 2 - len(waiting))

    def _is_regular(self, raw: float | None, following: float | None) -> TypeGuard[float]:
        """Whether a timestamp lies between the last frame and the next timestamp."""
        if raw is None or following is None or following <= raw:
            return False
        return self._last is None or raw - self._shift > self._last

    def _start(self, seconds: float, raw: float) -> None:
        self.origins.append((seconds, raw))
        self._shift = raw - seconds

    def _settle(self, raws: Sequence[float | None], most: int) -> list[float]:
        """Times of the first frames of a window: at most `most`, and none after a restart. May be none, at one."""
        restart = self._restart([None if raw is None else raw - self._shift for raw in raws])
        if not self.origins:
            self._start(0.0, self._first_raw(raws[:restart]))
        values = [None if raw is None else raw - self._shift for raw in raws[:restart]]
        kept = longest_rise(values, self._last)
        times = self._spread(values, kept)[:most]
        self.guessed += len(times) - sum(index < len(times) for index in kept)
        if restart is not None and restart <= most:
            raw, last = raws[restart], times[-1] if times else self._last
            assert raw is not None
            assert last is not None
            self._start(last + self._step, raw)
            times.append(last + self._step)
        return times

    def _first_raw(self, raws: Sequence[float | None]) -> float:
        """The raw time of the first frame, guessed where it has none that is usable."""
        usable = [(index, raw) for index in longest_rise(raws) if (raw := raws[index]) is not None]
        if not usable:
            return 0.0
        (index, raw), (_, following) = usable[0], usable[min(1, len(usable) - 1)]
        step = min(self._step, following - raw) if following > raw else self._step
        return raw - index * step

    def _restart(self, values: Sequence[float | None]) -> int | None:
        """Index of the first frame after a restart of the clock, if there is one."""
        explained = len(longest_rise(values, self._last))
        best, restart, high = 0, None, self._last
        for index, value in enumerate(values):
            if value is None:
                continue
            if high is not None and value <= high:
                gain = len(longest_rise(values[:index], self._last)) + len(longest_rise(values[index:])) - explained
                made_up = any(later is not None and later > high for later in values[index:])
                small = made_up or high - value <= JUMP_SECONDS
                if gain > best and gain >= (SMALL_RESTART_GAIN if small else RESTART_GAIN):
                    best, restart = gain, index
            high = value if high is None else max(high, value)
        return restart

    def _spread(self, values: Sequence[float | None], kept: Sequence[int]) -> list[float]:
        """Kept values as they are; the others before the next kept one, at most an average frame apart."""
        times: list[float] = [0.0] if self._last is None and 0 not in kept else []
        last = self._last or 0.0
        for place in [*kept, len(values)]:
            following = values[place] if place < len(values) else None
            missing = place - len(times)
            step = self._step
            if following is not None:
                step = min(step, (following - last) / (missing + 1))
            times += [last + step * (number + 1) for number in range(missing)]
            if following is not None:
                times.append(following)
            last = times[-1] if times else last
        return times

    def end(self, last_frame: Any) -> float:
        """When the last frame ends."""
        assert self._last is not None, "no frame came"
        return frame_end(self._last, last_frame, self._time_base, self._step)


def frame_end(seconds: float, frame: Any, time_base: Fraction, usual_seconds: float) -> float:
    """When a last frame ends that is shown from `seconds` on: by its own duration where that makes sense."""
    length = float((getattr(frame, "duration", None) or 0) * time_base)
    return seconds + (length if 0 < length <= max(JUMP_SECONDS, 10 * usual_seconds) else usual_seconds)


class SoundClock:
    """Puts raw times of sound, in the file's order, on the pictures' clock; they follow it where it was restarted."""

    def __init__(self, origins: Sequence[tuple[float, float]]) -> None:
        self._origins = list(origins) or [(0.0, 0.0)]
        self._last = -math.inf
        self.restarts = 0

    def seconds(self, raw: float) -> float:
        """The time of the next packet or frame of sound."""
        if raw < self._last - FALL_SECONDS:
            for number, (_, start) in enumerate(self._origins[self.restarts + 1 :], start=self.restarts + 1):
                if abs(raw - start) < NEAR_SECONDS:
                    self.restarts = number
                    break
        self._last = raw
        return raw - self.shift

    @property
    def shift(self) -> float:
        """Raw seconds less this are seconds, since the last restart."""
        seconds, start = self._origins[self.restarts]
        return start - seconds


def longest_rise(values: Sequence[float | None], above: float | None = None) -> list[int]:
    """Indices of the longest strictly increasing subsequence above `above`; of equals the one of earliest values."""
    lengths: list[int] = []
    befores: list[int] = []
    for index, value in enumerate(values):
        length, before = 0, -1
        if value is not None and (above is None or value > above):
            length = 1
            for earlier in range(index):
                other = values[earlier]
                if lengths[earlier] >= length and other is not None and other < value:
                    length, before = lengths[earlier] + 1, earlier
        lengths.append(length)
        befores.append(before)
    chain: list[int] = []
    index = lengths.index(max(lengths)) if any(lengths) else -1
    while index >= 0:
        chain.append(index)
        index = befores[index]
    return chain[::-1]


def frames_before_gaps(frame_seconds: FloatArray, sound_seconds: Callable[[], FloatArray]) -> IntArray:
    """(G,) frames behind which the clock jumps, as it does where a recording was paused.

    Only the sound, which goes on beside a picture, distinguishes a picture that stands still from a hole in the
    recording. Without sound, a still picture that lasts much longer than usual is taken for a hole.
    """
    holds = np.diff(frame_seconds)
    if len(holds) == 0:
        return np.zeros(0, dtype=np.int64)
    still = np.flatnonzero(holds > max(SILENT_SECONDS, GAP_FRAMES * float(np.median(holds))))
    if len(still) == 0:
        return still.astype(np.int64)
    starts, ends = frame_seconds[still], frame_seconds[still + 1]
    sound = np.sort(sound_seconds())
    if len(sound) < 2:
        return still[holds[still] > GAP_SECONDS].astype(np.int64)
    heard = (np.searchsorted(sound, ends) - np.searchsorted(sound, starts)) * float(np.median(np.diff(sound)))
    silent = heard < 0.5 * holds[still]
    between = (sound[0] <= starts) & (ends <= sound[-1] + SILENT_SECONDS)
    gaps: IntArray = still[silent & (between | (holds[still] > GAP_SECONDS))].astype(np.int64)
    return gaps
