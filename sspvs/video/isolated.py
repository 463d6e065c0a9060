"""How a process and its decoding child talk: length-prefixed messages over a pair of pipes.

A message is four bytes of header length, a JSON header, and the raw bytes of the arrays that the header lists.
Nothing is unpickled.
"""

from __future__ import annotations

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
from typing import IO, Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from sspvs import errors
from sspvs.errors import DecodeTimeoutError, SspvsError, VideoError
from sspvs.types import DecodeReport, FloatArray, ImageArray, Timeline, VideoInfo
from sspvs.video.reader import (
    DEFAULT_RESIZE,
    FrameChunk,
    Resize,
    VideoReader,
    check_file,
    check_indices,
    check_sampling,
    silent,
)

_LENGTH = struct.Struct(">I")


class Message(NamedTuple):
    """One message.

    Attributes:
        kind: What it is about.
        fields: Plain values.
        arrays: Arrays of any shape.
    """

    kind: str
    fields: dict[str, Any]
    arrays: tuple[Any, ...]


def write_message(
    stream: BinaryIO, kind: str, fields: dict[str, Any] | None = None, arrays: Sequence[npt.NDArray[Any]] = ()
) -> None:
    """Send a message."""
    shapes = [(array.dtype.str, array.shape) for array in arrays]
    header = json.dumps({"kind": kind, "fields": fields or {}, "arrays": shapes}).encode()
    stream.write(_LENGTH.pack(len(header)) + header)
    for array in arrays:
        if array.size:
            stream.write(np.ascontiguousarray(array).data.cast("B"))
    stream.flush()


def read_message(stream: BinaryIO) -> Message | None:
    """Wait for a message."""
    length = bytearray(_LENGTH.size)
    if not _fill(stream, memoryview(length)):
        return None
    raw = bytearray(_LENGTH.unpack(length)[0])
    if not _fill(stream, memoryview(raw)):
        return None
    header = json.loads(bytes(raw))
    arrays = []
    for dtype, shape in header["arrays"]:
        array = np.empty(shape, dtype=np.dtype(dtype))
        if array.size and not _fill(stream, array.data.cast("B")):
            return None
        arrays.append(array)
    return Message(header["kind"], header["fields"], tuple(arrays))


def pack_timeline(timeline: Timeline) -> tuple[dict[str, Any], FloatArray]:
    """A timeline as plain fields and the array that goes with them."""
    fields = {"end_seconds": timeline.end_seconds, "origins": timeline.origins, "gaps": timeline.gaps}
    return {**fields, "guessed_frames": timeline.guessed_frames}, timeline.frame_seconds


def unpack_timeline(fields: dict[str, Any], frame_seconds: FloatArray) -> Timeline:
    """The timeline that `pack_timeline` took apart."""
    origins = tuple((float(seconds), float(raw)) for seconds, raw in fields["origins"])
    return Timeline(frame_seconds, fields["end_seconds"], origins, fields["guessed_frames"], tuple(fields["gaps"]))


def _fill(stream: BinaryIO, view: memoryview) -> bool:
    while len(view):
        count = stream.readinto(view)  # type: ignore[attr-defined]
        if not count:
            return False
        view = view[count:]
    return True


START_LIMIT_SECONDS = 60.0
"""A busy machine may need long to start an interpreter; that is not the decoder's fault."""
_BOOTSTRAP = "import sys; sys.path[:] = sys.argv.pop(1).splitlines(); from sspvs.video.worker import main; main()"


class DecodingChild:
    """A process that decodes for this one; killed when it is silent for too long, closed or forgotten."""

    def __init__(self, subject: str, time_limit_seconds: float, command: Sequence[str] | None = None) -> None:
        """Start the process."""
        self._subject, self._limit = subject, time_limit_seconds
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the finalizer
        try:
            self._process = subprocess.Popen(
                command if command is not None else _worker_command(time_limit_seconds),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        except OSError as error:
            raise VideoError(f"cannot start a process to decode {subject}: {error}") from error
        self._finalizer = weakref.finalize(self, _kill, self._process, self._complaints)
        self._next_message(max(time_limit_seconds, START_LIMIT_SECONDS))

    @property
    def process_id(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be asked something."""
        return self._finalizer.alive and self._process.poll() is None

    def ask(self, kind: str, arrays: Sequence[Any] = (), **fields: Any) -> Iterator[Message]:
        """Have something done."""
        finished = False
        try:
            assert self._process.stdin is not None
            try:
                write_message(self._process.stdin, kind, fields, arrays)  # type: ignore[arg-type]
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
            assert self._process.stdout is not None
            message = read_message(self._process.stdout)  # type: ignore[arg-type]
        except (OSError, ValueError):
            message = None  # closed under our hands
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
        self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, self._complaints.tell() - 4096))
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        self.close()
        how = _signal_name(-code) if code < 0 else f"exit status {code}"
        last_words = f": {lines[-1].strip()}" if lines and code > 0 else ""
        return VideoError(f"the decoder crashed on {self._subject} ({how}){last_words}")


def _worker_command(time_limit_seconds: float) -> list[str]:
    # The parent's own import path: with -m the current folder would come first, and a user's `json.py` with it.
    # This package's own place is added for installations that find it by an import hook.
    places = [*sys.path, str(Path(__file__).resolve().parents[2])]
    return [sys.executable, "-c", _BOOTSTRAP, "\n".join(places), str(time_limit_seconds)]


def _kill(process: subprocess.Popen[bytes], complaints: IO[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, complaints):
        if stream is not None:
            with contextlib.suppress(OSError):  # unsent bytes to a dead process
                stream.close()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _rebuilt(name: str, text: str) -> Exception:
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, SspvsError):
        return kind(text)
    if name in ("ValueError", "OSError"):
        return ValueError(text) if name == "ValueError" else OSError(text)
    return VideoError(f"the decoder failed with {name}: {text}")


class IsolatedReader(VideoReader):
    """A video decoded by a child process."""

    def __init__(
        self,
        path: Path | str,
        decoder: str,
        time_limit_seconds: float,
        command: Sequence[str] | None = None,
        timeline: Timeline | None = None,
    ) -> None:
        """Open a video."""
        super().__init__(timeline)
        self._path, self._decoder = str(path), decoder
        self._limit, self._command = time_limit_seconds, command
        self._closed = False
        self._asking = False
        self._child: DecodingChild | None = None
        self._ready_child()

    def _ready_child(self) -> DecodingChild:
        """The child, idle with the video open; a new one when the last was stopped or is busy."""
        if self._closed:
            raise ValueError(f"{self._path}: the reader is closed")
        if self._child is not None and (self._asking or not self._child.alive):
            self._child.close()
            self._child = None
        if self._child is None:
            child = DecodingChild(self._path, self._limit, self._command)
            try:
                known, *arrays = (None,) if self._timeline is None else pack_timeline(self._timeline)
                (opened,) = child.ask("open", arrays, path=self._path, decoder=self._decoder, timeline=known)
            except BaseException:
                child.close()
                raise
            self.info = VideoInfo(**opened.fields)
            self._child = child
        return self._child

    def sample(
        self, rate_hz: float | None = 2.0, resize: Resize = DEFAULT_RESIZE, chunk_frames: int = 32
    ) -> Iterator[FrameChunk]:
        """See `VideoReader.sample`."""
        check_sampling(rate_hz, chunk_frames)
        return self._sample(rate_hz, resize, chunk_frames)

    def _sample(self, rate_hz: float | None, resize: Resize, chunk_frames: int) -> Iterator[FrameChunk]:
        for message in self._ask(
            "sample",
            rate_hz=None if rate_hz is None else float(rate_hz),
            resize=asdict(resize),
            chunk_frames=chunk_frames,
        ):
            if message.kind == "chunk":
                yield FrameChunk(*message.arrays)
            else:
                self._keep_facts(message)

    def scan(self) -> None:
        """See `VideoReader.scan`."""
        (message,) = self._ask("scan")
        self._keep_facts(message)

    def frames_at(self, frames: Sequence[int], resize: Resize = DEFAULT_RESIZE) -> ImageArray:
        """See `VideoReader.frames_at`."""
        if self._timeline is None:
            self.scan()
        check_indices(frames, self.timeline.n_frames)
        (message,) = self._ask("frames_at", frames=[int(frame) for frame in frames], resize=asdict(resize))
        images: ImageArray = message.arrays[0]
        return images

    def _ask(self, kind: str, **fields: Any) -> Iterator[Message]:
        child = self._ready_child()
        answers = child.ask(kind, **fields)
        self._asking = True
        try:
            yield from answers
        finally:
            if child is self._child:
                self._asking = False

    def _keep_facts(self, message: Message) -> None:
        report = {**message.fields["report"], "warnings": tuple(message.fields["report"]["warnings"])}
        self._timeline = unpack_timeline(message.fields["timeline"], message.arrays[0])
        self._decode_report = DecodeReport(**report)
        self._frame_change = message.arrays[1] if len(message.arrays) > 1 else None

    def close(self) -> None:
        """See `VideoReader.close`."""
        self._closed = True
        if self._child is not None:
            self._child.close()


DECODERS = ("auto", "pyav", "decord")


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
        isolated: Decode in a process of its own, which can be stopped and whose crash is not ours.
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
    path: Path, decoder: str, beat: Callable[[], None] = silent, timeline: Timeline | None = None
) -> VideoReader:
    """Open a video to be decoded by this very process."""
    if decoder == "decord":
        from sspvs.video.decord_reader import DecordReader

        return DecordReader(path, beat)
    from sspvs.video.pyav_reader import PyAVReader

    return PyAVReader(path, beat, timeline)
