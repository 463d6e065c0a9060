"""How a training verb ends: Ctrl-C, SIGTERM and SIGHUP become exceptions, exceptions become an exit status.

Light: the command line imports it before torch and Lightning.
"""

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any, NoReturn

Handler = Callable[[int, FrameType | None], Any]

STOPPING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals that save and stop a training."""

_arrived: list[int] = []  # in the block of `ending_on_signals`, in order


class StoppedBySignalError(SystemExit):
    """SIGTERM or SIGHUP ended the command; `outcome` is what became of the work, `status` 128 + its number."""

    def __init__(self, number: int, outcome: str = "") -> None:
        super().__init__(number, outcome)
        self.number, self.outcome = number, outcome
        self.status = self.code = 128 + number

    def __str__(self) -> str:
        return f"stopped by {self.name} {self.outcome}".rstrip()

    @property
    def name(self) -> str:
        """The signal's, such as `SIGTERM`."""
        return signal.Signals(self.number).name


def quieten() -> None:
    """Hide what Lightning, torch and jsonargparse print, unless it is an error or the log is at level DEBUG."""
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        return
    import pytorch_lightning  # noqa: F401  # sets its level when it is imported

    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric|torch|jsonargparse)\b")


def exit_status(work: Callable[[], object], stopped: str = "") -> int:
    """Run a training verb's work, which imports within `interruptible_imports`; returns the command's exit status.

    `stopped` is printed when SIGTERM or SIGHUP stopped it. What Lightning refuses becomes a ValueError.
    """
    try:
        with ending_on_signals():
            work()
    except StoppedBySignalError as error:
        sys.stderr.write(f"stopped by {error.name}; {stopped}\n" if stopped else f"{error}\n")
        return error.status
    except SystemExit as ended:  # --help and --print_config end so
        return int(ended.code or 0)
    except ModuleNotFoundError as error:  # of an accelerator's package
        raise ValueError(str(error)) from error
    except Exception as error:
        if type(error).__name__ == "MisconfigurationException":  # Lightning's, of settings
            raise ValueError(str(error)) from error
        raise
    return 0


@contextmanager
def listening(numbers: Iterable[int], handler: Handler) -> Iterator[None]:
    """Handle signals within the block, in the main thread only; ignored ones, as under `nohup`, stay ignored."""
    listens = threading.current_thread() is threading.main_thread()
    heard = [number for number in numbers if listens and signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in heard}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, signal.SIG_DFL if previous is None else previous)


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """End the block by KeyboardInterrupt or StoppedBySignalError, also where a library catches them and fails."""
    _arrived.clear()
    try:
        with listening((signal.SIGINT, *STOPPING), _raise):
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


def interruptible_imports() -> AbstractContextManager[None]:
    """End the process at once on Ctrl-C; for imports, which leave nothing and may catch a `KeyboardInterrupt`."""
    return listening((signal.SIGINT,), _leave)


def raise_arrived() -> None:
    """Raise what a signal raised within `ending_on_signals`, in case that a library caught it."""
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
