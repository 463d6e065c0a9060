"""The parent's side of a decoding process: starting it, asking it, stopping it.

A decoder can loop forever holding the interpreter lock, or crash; neither must take the user's program with it.
The child is a plain `python -c` with the parent's import path, not a multiprocessing child, so that a script
without a `__main__` guard works.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from sspvs import errors
from sspvs.errors import DecodeTimeoutError, SspvsError, VideoError
from sspvs.video.messages import Message, read_message, write_message

START_LIMIT_SECONDS = 60.0
"""A busy machine may need long to start an interpreter; that is not the decoder's fault."""
_BOOTSTRAP = "import sys; sys.path[:] = sys.argv.pop(1).splitlines(); from sspvs.video.worker import main; main()"


class DecodingChild:
    """A process that decodes for this one; killed when it is silent for too long, closed or forgotten."""

    def __init__(self, subject: str, time_limit_seconds: float, command: Sequence[str] | None = None) -> None:
        """Start the process.

        Args:
            subject: What it works on, for messages.
            time_limit_seconds: The longest it may be silent while it has something to do.
            command: Another program that speaks the same messages; for tests.

        Raises:
            VideoError: It does not start.
        """
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
        """Have something done.

        Args:
            kind: What.
            arrays: Arrays that go with it.
            **fields: How; values that JSON can hold.

        Yields:
            Answers up to and including the last one, whose kind is `done`. Leaving earlier stops the child.

        Raises:
            SspvsError: What the child raised.
            DecodeTimeoutError: It was silent for too long, and was stopped.
            VideoError: It died.
        """
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
