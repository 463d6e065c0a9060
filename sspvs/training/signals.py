"""Keeps the libraries' own messages away."""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn


def quieten() -> None:
    """Nothing of less than an error from Lightning, torch and jsonargparse; the first sets its level when imported."""
    import pytorch_lightning  # noqa: F401

    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric|torch|jsonargparse)\b")


Handler = Callable[[int, FrameType | None], Any]

STOPPING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Those that save and stop a training."""

_arrived: list[int] = []  # in the block of `ending_on_signals`, in order


class StoppedBySignalError(SystemExit):
    """SIGTERM or SIGHUP ended the command.

    Args:
        number: The signal's.
        said: What became of the work, where that is known.

    Attributes:
        status: The exit status: 128 + number, as shells count.
    """

    def __init__(self, number: int, said: str = "") -> None:
        super().__init__(number, said)
        self.number, self.said = number, said
        self.status = self.code = 128 + number

    def __str__(self) -> str:
        return f"stopped by {self.name} {self.said}".rstrip()

    @property
    def name(self) -> str:
        """The signal's, such as `SIGTERM`."""
        return signal.Signals(self.number).name


def listen(numbers: Iterable[int], handler: Handler) -> dict[int, Any]:
    """Install a handler for signals; one that the process ignores, as under `nohup`, stays ignored.

    Args:
        numbers: Of the signals.
        handler: What to do.

    Returns:
        The handlers before, by signal, for `restore`; empty outside the main thread, which alone can listen.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in heard}


def restore(before: dict[int, Any]) -> None:
    """Install the handlers that `listen` returned."""
    for number, handler in before.items():
        signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """End the block by `KeyboardInterrupt` on Ctrl-C and by `StoppedBySignalError` on SIGTERM and SIGHUP.

    Where a library catches such an exception and fails later with another one, that one counts as the signal's; where
    it goes on, see `raise_arrived`.
    """
    _arrived.clear()
    before = listen((signal.SIGINT, *STOPPING), _raise)
    try:
        yield
    except SystemExit as ended:
        if isinstance(ended.__context__, KeyboardInterrupt):  # so Lightning ends
            raise KeyboardInterrupt from ended
        if type(ended).__name__ == "SIGTERMException":  # Lightning's, where another process received it
            raise StoppedBySignalError(signal.SIGTERM) from ended
        raise
    except Exception as error:
        if _arrived:
            raise _ending(_arrived[0]) from error
        raise
    finally:
        restore(before)


@contextmanager
def interruptible_imports() -> Iterator[None]:
    """End the process at once on Ctrl-C; for imports, which leave nothing and may catch a `KeyboardInterrupt`."""
    before = listen((signal.SIGINT,), _leave)
    try:
        yield
    finally:
        restore(before)


def raise_arrived() -> None:
    """Raise what a signal raised within `ending_on_signals`, in case that a library caught it.

    Raises:
        KeyboardInterrupt: It was Ctrl-C.
        StoppedBySignalError: It was another one.
    """
    if _arrived:
        raise _ending(_arrived[0])


def _ending(number: int) -> BaseException:
    return KeyboardInterrupt() if number == signal.SIGINT else StoppedBySignalError(number)


def _raise(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    _arrived.append(number)
    raise _ending(number)


def _leave(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    os.write(2, b"interrupted\n")
    os._exit(128 + number)
