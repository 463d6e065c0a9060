"""Reading a video in a process of its own: a hang can be stopped, and a crash does not reach the caller.

The child also decodes the next chunk while the parent works on this one, and waits when the parent does not take its
chunks, so that memory stays bounded on both sides. The two talk over a pair of pipes. A message is four bytes of
header length, a JSON header, and the raw bytes of the arrays that the header lists; nothing is unpickled.
`sspvs.video.worker` is the child's side.
"""

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sspvs import errors
from sspvs.errors import DecodeTimeoutError, SspvsError, VideoError
from sspvs.types import DecodeReport, FloatArray, FrameTrace, ImageArray, Resize, Timeline, VideoInfo
from sspvs.video.reader import FrameChunk, VideoReader, check_file

DECODERS = ("auto", "pyav", "decord")
START_LIMIT_SECONDS = 60.0  # a busy machine may need long to start an interpreter; that is not the decoder's fault
_LENGTH = struct.Struct(">I")
_BOOTSTRAP = "import sys; sys.path[:] = sys.argv.pop(1).splitlines(); from sspvs.video.worker import main; main()"


class Message(NamedTuple):
    """A kind, plain values by name, and arrays of any shape."""

    kind: str
    fields: dict[str, Any]
    arrays: tuple[Any, ...]


def write_message(
    stream: Any, kind: str, fields: dict[str, Any] | None = None, arrays: Sequence[npt.NDArray[Any]] = ()
) -> None:
    """Send a message; arrays travel as they lie in memory."""
    shapes = [(array.dtype.str, array.shape) for array in arrays]
    header = json.dumps({"kind": kind, "fields": fields or {}, "arrays": shapes}).encode()
    stream.write(_LENGTH.pack(len(header)) + header)
    for array in arrays:
        if array.size:
            stream.write(np.ascontiguousarray(array).data.cast("B"))
    stream.flush()


def read_message(stream: Any) -> Message | None:
    """Wait for a message; None when the other side is gone, even in the middle of a message."""

    def read_into(buffer: bytearray | memoryview) -> bool:
        return bool(stream.readinto(buffer) == len(buffer))

    length = bytearray(_LENGTH.size)
    if not read_into(length) or not read_into(raw := bytearray(_LENGTH.unpack(length)[0])):
        return None
    header = json.loads(bytes(raw))
    arrays = [np.empty(shape, dtype=np.dtype(dtype)) for dtype, shape in header["arrays"]]
    if not all(read_into(array.data.cast("B")) for array in arrays if array.size):
        return None
    return Message(header["kind"], header["fields"], tuple(arrays))


def pack_timeline(timeline: Timeline | None) -> tuple[dict[str, Any] | None, tuple[FloatArray, ...]]:
    """A timeline as plain fields and the array that goes with them."""
    if timeline is None:
        return None, ()
    fields = {name: value for name, value in vars(timeline).items() if name != "frame_seconds"}
    return fields, (timeline.frame_seconds,)


def unpack_timeline(fields: dict[str, Any] | None, frame_seconds: FloatArray | None) -> Timeline | None:
    """The inverse of `pack_timeline`."""
    if fields is None or frame_seconds is None:
        return None
    origins = tuple((seconds, raw) for seconds, raw in fields["origins"])
    return Timeline(frame_seconds, **{**fields, "origins": origins, "gaps": tuple(fields["gaps"])})


class DecodingChild:
    """A process that decodes for this one (or `command`); killed when silent too long, closed or garbage-collected."""

    def __init__(self, subject: str, time_limit_seconds: float, command: Sequence[str] | None = None) -> None:
        self._subject, self._limit = subject, time_limit_seconds
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the finalizer
        try:
            self._process = subprocess.Popen(
                command if command is not None else _worker_command(time_limit_seconds),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        except OSError as error:
            raise VideoError(f"cannot start a process to decode {subject}: {error}") from error
        self._finalizer = weakref.finalize(self, _kill, self._process, self._stderr)
        self._next_message(max(time_limit_seconds, START_LIMIT_SECONDS))

    @property
    def process_id(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can take a request."""
        return self._finalizer.alive and self._process.poll() is None

    def request(self, kind: str, arrays: Sequence[Any] = (), **fields: Any) -> Iterator[Message]:
        """Yield answers up to the last one, whose kind is `done`, or raise the child's error; leaving stops it."""
        finished = False
        try:
            try:
                write_message(self._process.stdin, kind, fields, arrays)
            except OSError:
                raise self._death() from None
            while not finished:
                message = self._next_message(self._limit)
                finished = message.kind in ("done", "error")
                if message.kind == "error":
                    raise _rebuilt(message.fields["type"], message.fields["text"])
                if message.kind != "alive":
                    yield message
        finally:
            if not finished:
                self.close()

    def close(self) -> None:
        """Stop the process; it has nothing to lose."""
        self._finalizer()

    def _next_message(self, limit: float) -> Message:
        expired = threading.Event()

        def give_up() -> None:
            expired.set()
            self._process.kill()

        watchdog = threading.Timer(limit, give_up)
        watchdog.daemon = True
        watchdog.start()
        try:
            message = read_message(self._process.stdout)
        except (OSError, ValueError):
            message = None  # closed by another thread
        finally:
            watchdog.cancel()
        if expired.is_set():
            self.close()
            raise DecodeTimeoutError(
                f"decoding {self._subject} gave nothing for {limit:g} s and was stopped; the file may be damaged"
                " (a longer time limit helps only if the machine is very slow)"
            )
        if message is None:
            raise self._death()
        return message

    def _death(self) -> VideoError:
        if not self._finalizer.alive:
            return VideoError(f"reading {self._subject} was interrupted: its reader was closed or started anew")
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:  # it closed its pipe and lives on
            self._process.kill()
            code = self._process.wait()
        self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, self._stderr.tell() - 4096))
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        self.close()
        how = _signal_name(-code) if code < 0 else f"exit status {code}"
        last_words = f": {lines[-1].strip()}" if lines and code > 0 else ""
        return VideoError(f"the decoder crashed on {self._subject} ({how}){last_words}")


class IsolatedReader(VideoReader):
    """A video decoded by a child process, which is started anew when the last one was stopped or is busy."""

    def __init__(
        self,
        path: Path | str,
        decoder: str,
        time_limit_seconds: float,
        command: Sequence[str] | None = None,
        timeline: Timeline | None = None,
    ) -> None:
        super().__init__(timeline)
        self._path, self._decoder = str(path), decoder
        self._limit, self._command = time_limit_seconds, command
        self._closed = self._busy = False
        self._child: DecodingChild | None = None
        self._ready_child()

    def _ready_child(self) -> DecodingChild:
        """The child, idle with the video open; a new one when the last was stopped or is busy."""
        if self._closed:
            raise ValueError(f"{self._path}: the reader is closed")
        if self._child is not None and (self._busy or not self._child.alive):
            self._child.close()
            self._child = None
        if self._child is None:
            child = DecodingChild(self._path, self._limit, self._command)
            try:
                known, arrays = pack_timeline(self._timeline)
                (opened,) = child.request("open", arrays, path=self._path, decoder=self._decoder, timeline=known)
            except BaseException:
                child.close()
                raise
            self.info = VideoInfo(**opened.fields)
            self._child = child
        return self._child

    def _sample(self, rate_hz: float | None, resize: Resize, chunk_frames: int) -> Iterator[FrameChunk]:
        rate_hz = None if rate_hz is None else float(rate_hz)
        for message in self._request("sample", rate_hz=rate_hz, resize=asdict(resize), chunk_frames=chunk_frames):
            if message.kind == "chunk":
                yield FrameChunk(*message.arrays)
            else:
                self._keep_facts(message)

    def scan(self) -> None:
        (message,) = self._request("scan")
        self._keep_facts(message)

    def _frames_at(self, frames: Sequence[int], resize: Resize) -> ImageArray:
        (message,) = self._request("frames_at", frames=[int(frame) for frame in frames], resize=asdict(resize))
        images: ImageArray = message.arrays[0]
        return images

    def _sound(self, rate: int) -> Iterator[FloatArray]:
        for message in self._request("sound", rate=rate):
            if message.kind == "chunk":
                yield message.arrays[0]

    def _subtitles(self) -> list[tuple[float, float, str]]:
        (message,) = self._request("subtitles")
        return [(start, end, text) for start, end, text in message.fields["rows"]]

    def _request(self, kind: str, **fields: Any) -> Iterator[Message]:
        child = self._ready_child()
        answers = child.request(kind, **fields)
        self._busy = True
        try:
            yield from answers
        finally:
            if child is self._child:
                self._busy = False

    def _keep_facts(self, message: Message) -> None:
        report = {**message.fields["report"], "warnings": tuple(message.fields["report"]["warnings"])}
        seconds, *trace = message.arrays
        self._timeline = unpack_timeline(message.fields["timeline"], seconds)
        self._decode_report = DecodeReport(**report)
        self._trace = FrameTrace(*trace) if trace else None

    def close(self) -> None:
        self._closed = True
        if self._child is not None:
            self._child.close()


def open_video(
    path: Path | str,
    *,
    decoder: str = "auto",
    time_limit_seconds: float = 60.0,
    isolated: bool = True,
    timeline: Timeline | None = None,
) -> VideoReader:
    """Open a video file.

    Args:
        path: The file.
        decoder: `pyav`, `decord`, or `auto`, which is PyAV: it was faster on every file measured
            (`tools/bench/decoding.py`), for sampling (1.2 to 2.4 times decord) as for single frames (1.0 to 1.8
            times), it counts damage instead of hiding it, and has wheels for every machine.
        time_limit_seconds: The longest a decoder may give nothing before it is stopped.
        isolated: Decode in a process of its own, which can be stopped and whose crash does not reach this one.
        timeline: What an earlier pass over the same file found; saves another one.

    Returns:
        A reader; use it as a context manager.

    Raises:
        VideoError: Not a file that can be decoded.
        ValueError: An unknown decoder or a time limit that is not positive.
    """
    if decoder not in DECODERS:
        raise ValueError(f"decoder must be one of {', '.join(DECODERS)}, got {decoder!r}")
    if not time_limit_seconds > 0:
        raise ValueError(f"time_limit_seconds must be positive, got {time_limit_seconds}")
    path = Path(path)
    check_file(path)
    if isolated:
        return IsolatedReader(path, decoder, time_limit_seconds, timeline=timeline)
    return open_here(path, decoder, timeline=timeline)


def open_here(
    path: Path, decoder: str, beat: Callable[[], None] = lambda: None, timeline: Timeline | None = None
) -> VideoReader:
    """Open a video to be decoded by this very process, which calls `beat` as decoding goes on."""
    if decoder == "decord":
        from sspvs.video.decord_reader import DecordReader

        return DecordReader(path, beat)
    from sspvs.video.pyav_reader import PyAVReader

    return PyAVReader(path, beat, timeline)


def _worker_command(time_limit_seconds: float) -> list[str]:
    # The parent's own import path: with -m the current folder would come first, and a user's `json.py` with it.
    # This package's own place is added for installations that find it by an import hook.
    places = [*sys.path, str(Path(__file__).resolve().parents[2])]
    return [sys.executable, "-c", _BOOTSTRAP, "\n".join(places), str(time_limit_seconds)]


def _kill(process: subprocess.Popen[bytes], stderr: IO[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, stderr):
        if stream is not None:
            with contextlib.suppress(OSError):  # unsent bytes to a dead process
                stream.close()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _rebuilt(name: str, text: str) -> Exception:
    kind = {"ValueError": ValueError, "OSError": OSError}.get(name) or getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, (SspvsError, ValueError, OSError)):
        return kind(text)
    return VideoError(f"the decoder failed with {name}: {text}")
