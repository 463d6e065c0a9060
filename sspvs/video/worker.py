"""The child's side of `sspvs.video.isolated`: decodes on request. Imports numpy and a decoder, nothing else.

It never outlives its parent: waiting for a request ends with the pipe, sending an answer breaks with it, and a
decoder that hangs is ended by an alarm whose default action needs no interpreter.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from sspvs.types import FloatArray, Resize
from sspvs.video.isolated import Message, open_here, pack_timeline, read_message, unpack_timeline, write_message
from sspvs.video.reader import VideoReader

BEAT_SECONDS = 0.5


class Parent:
    """The process that sends requests, and the proof to it that this one is still at work."""

    def __init__(self, answers: BinaryIO, time_limit_seconds: float) -> None:
        self._answers = answers
        # Longer than the parent's own limit: only for a parent that is no more.
        self._alarm_seconds = 2 * time_limit_seconds + 10
        self._last_beat = time.monotonic()

    def send(self, kind: str, fields: dict[str, Any] | None = None, arrays: tuple[Any, ...] = ()) -> None:
        """Send an answer; waits while the parent is busy, so that nothing piles up."""
        self._set_alarm(0)
        write_message(self._answers, kind, fields, arrays)
        self._last_beat = time.monotonic()
        self._set_alarm(self._alarm_seconds)

    def beat(self) -> None:
        """Report, every half second at most, that work goes on."""
        if time.monotonic() - self._last_beat > BEAT_SECONDS:
            self.send("alive")

    def rest(self) -> None:
        """Nothing to do: no alarm."""
        self._set_alarm(0)

    def _set_alarm(self, seconds: float) -> None:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, seconds)


class Worker:
    """Answers the parent's requests, one after the other."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._reader: VideoReader | None = None

    def answer(self, request: Message) -> None:
        """Carry out a request and send the result; an error becomes an answer too."""
        actions: dict[str, Callable[..., None]] = {
            "open": self._open,
            "sample": self._sample,
            "scan": self._scan,
            "frames_at": self._frames_at,
            "sound": self._sound,
            "subtitles": self._subtitles,
            "write": self._write,
        }
        try:
            actions[request.kind](*request.arrays, **request.fields)
        except BrokenPipeError:
            raise
        except Exception as error:
            text = " ".join(str(error).split()) or repr(error)
            kind = "OSError" if isinstance(error, OSError) else type(error).__name__
            self._parent.send("error", {"type": kind, "text": text})

    def _open(
        self, frame_seconds: FloatArray | None = None, *, path: str, decoder: str, timeline: dict[str, Any] | None
    ) -> None:
        self._reader = open_here(Path(path), decoder, self._parent.beat, unpack_timeline(timeline, frame_seconds))
        self._parent.send("done", asdict(self._reader.info))

    def _opened(self) -> VideoReader:
        assert self._reader is not None, "nothing is open"
        return self._reader

    def _sample(self, rate_hz: float | None, resize: dict[str, Any], chunk_frames: int) -> None:
        for chunk in self._opened().sample(rate_hz, Resize(**resize), chunk_frames):
            self._parent.send("chunk", arrays=tuple(array for array in chunk if array is not None))
        self._send_facts(self._opened())

    def _scan(self) -> None:
        self._opened().scan()
        self._send_facts(self._opened())

    def _send_facts(self, reader: VideoReader) -> None:
        timeline, seconds = pack_timeline(reader.timeline)
        trace = () if reader.trace is None else tuple(vars(reader.trace).values())
        self._parent.send("done", {"timeline": timeline, "report": asdict(reader.decode_report)}, (*seconds, *trace))

    def _frames_at(self, frames: list[int], resize: dict[str, Any]) -> None:
        self._parent.send("done", arrays=(self._opened().frames_at(frames, Resize(**resize)),))

    def _sound(self, rate: int) -> None:
        for block in self._opened().sound(rate, scan=False):
            self._parent.send("chunk", arrays=(block,))
        self._parent.send("done")

    def _subtitles(self) -> None:
        self._parent.send("done", {"rows": self._opened().subtitles()})

    def _write(
        self, *seconds: FloatArray, footage: list[dict[str, Any]], out_path: str, settings: dict[str, Any]
    ) -> None:
        from sspvs.video.clips import encode_film
        from sspvs.video.footage import ClipSettings, unpack_footage

        def progress(seconds: float) -> None:
            self._parent.send("progress", {"seconds": seconds})

        parts, how = unpack_footage(footage, seconds), ClipSettings(**settings)
        try:
            clip = encode_film(parts, Path(out_path), how, progress, self._parent.beat)
        except BrokenPipeError:
            Path(out_path).unlink(missing_ok=True)  # the parent is gone and cannot do it
            raise
        self._parent.send("done", {**asdict(clip), "path": out_path})


def main() -> NoReturn:
    """Serve requests from standard input until it ends."""
    if hasattr(signal, "SIGINT"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # decoders that print to standard output must not break the messages
    parent = Parent(answers, float(sys.argv[1]))
    worker = Worker(parent)
    try:
        parent.send("ready")
        while True:
            parent.rest()
            request = read_message(sys.stdin.buffer)
            if request is None:
                break
            worker.answer(request)
    except BrokenPipeError:
        pass
    os._exit(0)  # without waiting for threads of a decoder, or flushing to a parent that is gone
