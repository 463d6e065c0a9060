"""Encoding a film as MP4: pictures, and sound cut to the sample, with as little decoding as possible."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from sspvs.errors import VideoError
from sspvs.types import FloatArray, WrittenClip
from sspvs.video.footage import ClipSettings, Footage, cut_size, film_size
from sspvs.video.reader import silent
from sspvs.video.reel import Reel, Run
from sspvs.video.takes import Take, film_seconds, takes_of
from sspvs.video.tracks import AudioTrack, PictureTrack

UNEVEN = 1.5  # a frame shown for so many times the usual length is not shown about as long as the others
AUDIO_STEP_SECONDS = 0.5
"""How far sound may lag behind the pictures while both are written, so that little waits in memory."""
FAST_STEP = 0.9  # of the usual length of a frame: how soon a take that is fast shows another picture
BLEND_RATE = 25.0  # pictures a second of a crossfade, or as many as the film has
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
    stretches = [(number, stretch) for number, reel in enumerate(reels) for stretch in reel.stretches]
    takes = takes_of(stretches, [reel.end for reel in reels], settings.crossfade, settings.sound_crossfade)
    main = _longest(reels)
    size = film_size(main.info.width, main.info.height, settings.max_height)
    if settings.aspect:
        size = cut_size(*size, settings.aspect)
    sounds = {reel.sound_format for reel in reels if reel.sound_format is not None}
    rate, channels = sounds.pop() if len(sounds) == 1 else USUAL_SOUND
    has_sound = any(reel.sound_format for reel in reels)
    reel = reels[0]
    try:
        with ExitStack() as stack:
            options = {"movflags": "+faststart"}
            output = stack.enter_context(av.open(str(out_path.absolute()), "w", format="mp4", options=options))
            set_chapters(output, settings.chapters, film_seconds(takes))
            even = holds_are_even([holds for reel in reels for holds in reel.holds])
            frame_rate = Fraction(main.info.fps).limit_denominator(1001)
            even = even and (not settings.crossfade or frame_rate * UNEVEN >= BLEND_RATE)
            pictures = PictureTrack(output, size, frame_rate, settings, reorder=even)
            follow = settings.crossfade + settings.sound_crossfade > 0
            track = AudioTrack(output, rate, channels, follow=follow) if has_sound else None
            film = Film(pictures, track, frame_rate, progress)
            for (number, _), take in zip(stretches, takes, strict=True):
                reel = reels[number]
                if not reel.is_open:
                    reel.open(stack, settings, size, rate, channels)
                film.add(reel, take)
            if pictures.n_frames == 0:
                names = ", ".join(str(reel.path) for reel in reels)
                raise VideoError(f"no frame of {names} lies in the segments to write")
            film.finish()
    except av.error.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise VideoError(f"cannot encode parts of {reel.path}: {error}") from error
    warnings = tuple(
        warning if len(reels) == 1 else f"{reel.path.name}: {warning}" for reel in reels for warning in reel.notes()
    )
    lost = sum(reel.lost_seconds for reel in reels)
    n_frames, starts = pictures.n_frames, tuple(film.starts)
    return WrittenClip(out_path, film.seconds, n_frames, *size, has_sound, warnings, lost, starts)


def _longest(reels: Sequence[Reel]) -> Reel:
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


class Film:
    """What is written so far, take after take."""

    def __init__(
        self, pictures: PictureTrack, track: AudioTrack | None, rate: Fraction, progress: Callable[[float], None]
    ) -> None:
        self._pictures, self._track, self._rate, self._progress = pictures, track, float(rate), progress
        self._target: int | None = None  # the matrix of all pictures
        self._before: Run | None = None
        self.seconds = 0.0  # where the next take begins
        self.starts: list[float] = []

    def add(self, reel: Reel, take: Take) -> None:
        """Write a take, up to where it is blended with the next one."""
        self.starts.append(self.seconds)
        reel.shaper.target = self._target
        run = Run(reel, take, self.seconds)
        if self._target is None and run.held is not None:
            self._pictures.tag(*reel.shaper.tags(run.held[0]))
            self._target = reel.shaper.target
        if self._before is not None:
            self._blend(self._before, run)
            if self._before.reel is not reel:
                self._before.reel.close()
        self._before = run
        last = self._write(run)
        if take.tail:
            last = take.end - take.tail * take.speed
        reel.written += (last - take.start) / take.speed
        self.seconds += (last - take.start) / take.speed
        self._progress(self.seconds)

    def _write(self, run: Run) -> float:
        """Write what is not blended; returns when it ends, in seconds of the source."""
        take = run.take
        last = take.start + take.lead * take.speed
        begin = heard = take.start + take.heard_lead * take.speed
        quiet = take.heard_tail * take.speed
        due = -np.inf  # when a take that is fast shows another picture
        for frame, shown, last in run.until(run.film_seconds(take.end) - take.tail if take.tail else np.inf):
            if take.speed == 1 or shown >= due:
                self._pictures.add(run.picture(frame), shown)
                due = shown + FAST_STEP / self._rate
            if last - heard >= AUDIO_STEP_SECONDS and take.end - quiet - last > AUDIO_STEP_SECONDS:
                self._hear(run, heard, last, fade_in=heard == begin and not take.sound_lead)
                heard = last
                self._progress(run.film_seconds(last))
        end = (take.end if take.tail else last) - quiet
        if end > heard:
            fade_in = heard == begin and not take.sound_lead
            self._hear(run, heard, end, fade_in=fade_in, fade_out=not take.sound_tail)
        return last

    def _hear(self, run: Run, start: float, end: float, *, fade_in: bool = False, fade_out: bool = False) -> None:
        """Write the sound of a stretch of the source."""
        if self._track is not None:
            at = run.film_seconds(start)
            if run.take.speed != 1:
                end = start + (end - start) / run.take.speed
            self._track.add(run.sound, start, end, at, fade_in=fade_in, fade_out=fade_out)

    def _blend(self, before: Run, run: Run) -> None:
        """Write what two takes share."""
        take, count = run.take, round(run.take.lead * max(self._rate, BLEND_RATE))
        for number in range(count):
            at = self.seconds + number * take.lead / count
            picture = blended(before.picture_at(at), run.picture_at(at), (number + 1) / (count + 1))
            self._pictures.add(picture, at)
        if count:
            run.shown_until = self.seconds + take.lead
        if self._track is not None and take.sound_lead:
            at = self.seconds - (take.sound_lead - take.heard_lead)
            one, other = ((each.sound, each.source_seconds(at)) for each in (before, run))
            self._track.cross(one, other, at, take.sound_lead)

    def finish(self) -> None:
        """Write what the encoders still hold."""
        self._pictures.finish(self.seconds)
        if self._track is not None:
            self._track.finish()


def blended(one: Any, other: Any, share: float) -> Any:
    """A yuv420p picture of two, `share` of it of the second; the other one where there is only one."""
    if one is None or other is None:
        return one or other
    weight = round(256 * share)
    first, second = (picture.to_ndarray().astype(np.uint16) for picture in (one, other))
    mixed = ((256 - weight) * first + weight * second + 128) >> 8
    return av.VideoFrame.from_ndarray(mixed.astype(np.uint8), format="yuv420p")
