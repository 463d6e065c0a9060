"""What can go wrong with a user's files, machine or settings, and what to do about it.

Each message says what was expected, what was found, where, and what to do. The command line turns any of
these into one line on stderr and exit status 2. A caller's wrong argument is a plain `ValueError`.
"""

from __future__ import annotations

import codecs
import logging
import re
from pathlib import Path

logger = logging.getLogger(__name__)


class SspvsError(Exception):
    """Base of every error this package raises on purpose."""


class VideoError(SspvsError):
    """A video file that cannot be opened, decoded or written."""


class DecodeTimeoutError(VideoError):
    """A decoder that produced nothing for longer than its time limit and was stopped."""


class FeatureFileError(SspvsError):
    """A feature file that cannot be read, or whose contents do not fit together."""


class FingerprintMismatchError(FeatureFileError):
    """Features made by one extractor, given to something made for another."""


class DatasetError(SspvsError):
    """Annotations, splits or scores that cannot be read, or that do not fit together."""


class ProtocolUnavailableError(DatasetError):
    """A protocol that needs what the dataset does not have."""


class WeightsNotFoundError(SspvsError):
    """Model weights that are not on this machine, or not the file they should be."""


class CheckpointError(SspvsError):
    """A checkpoint that cannot be read, is not to be trusted, or does not fit the model."""


class TrainingDivergedError(CheckpointError):
    """A training that came to weights, or to scores, that are no numbers."""


class ExportError(SspvsError):
    """A model that cannot be given to others: as another format, which must compute the same, or on a hub."""


class MissingExtraError(SspvsError):
    """An optional package that a feature needs and that is not installed."""


class OutputError(SspvsError):
    """A place that cannot be written to."""


REPLACE = "sspvs-replace"
"""Error handler for text streams: what an encoding lacks becomes U+FFFD, or `?` where it lacks that too."""


def _replacement(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    try:
        mark = "\ufffd".encode(error.encoding)
    except UnicodeEncodeError:
        mark = "?".encode(error.encoding)
    return mark * (error.end - error.start), error.end


codecs.register_error(REPLACE, _replacement)


def printable(text: str) -> str:
    r"""Text that any file and any screen takes.

    A file name that is not valid UTF-8 reaches Python with a lone surrogate for each odd byte; each becomes U+FFFD.

    Example:
        >>> printable("latin\udce9.mp4") == "latin\ufffd.mp4"
        True
    """
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def one_line(error: BaseException) -> str:
    """What an error says, on a single line; its kind where it says nothing."""
    return " ".join(printable(str(error)).split()) or type(error).__name__


def reason(error: Exception) -> str:
    """One line about an error that ends one item of a batch while the rest go on; `--debug` shows its traceback too."""
    logger.debug("this one failed, the rest go on", exc_info=error)
    said = one_line(error)
    expected = isinstance(error, (SspvsError, ValueError, OSError)) or said == type(error).__name__
    return said if expected else f"{type(error).__name__}: {said}"


def about(path: Path, said: str) -> str:
    """A sentence with the file that it is about, unless it names that itself."""
    name = printable(str(path))
    return said if name in said else f"{name}: {said}"


def first_line(error: BaseException) -> str:
    """The first line of what an error says, for libraries that add pages; its kind where it says nothing."""
    return (printable(str(error)).strip().splitlines() or [type(error).__name__])[0].strip()
