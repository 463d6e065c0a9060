"""The errors of this package, and how messages are made: what was expected, what was found, where, and what to do.

The command line turns each of them into one line on stderr and exit status 2. A caller's wrong argument is a plain
`ValueError`.
"""

import codecs
import logging
import os
import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path, PurePath
from traceback import walk_tb
from typing import TypeVar
from urllib.parse import unquote

logger = logging.getLogger(__name__)

PathT = TypeVar("PathT", bound="str | os.PathLike[str]")

_ADDRESS = re.compile(r"(?:[^/=]*=)?([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
"""`http://host/file`, `NAME=s3://bucket/key`; not `C://folder`."""
_COLLAPSED = re.compile(r"(https?|s?ftps?|rt[sm]ps?|s3|gs|file):/(.*)", re.DOTALL)  # what a `Path` makes of an address
_FEW = 3
_LONGEST = 1000
_TRACEBACK = "Traceback (most recent call last)"


class SspvsError(Exception):
    """Base of every error this package raises on purpose.

    Example:
        >>> try:
        ...     sspvs.summarize("missing.mp4")
        ... except sspvs.SspvsError as error:
        ...     print(error)
        no such file: missing.mp4
    """


class AddressError(SspvsError):
    """The address of something on a network, or a URI, where a path is expected."""


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


class RefusedContentError(FeatureFileError, DatasetError):
    """Contents of an h5 file that no reader follows: links to other files, sizes that it cannot hold."""


class ProtocolUnavailableError(DatasetError):
    """A protocol that needs what the dataset does not have."""


class WeightsNotFoundError(SspvsError):
    """Model weights that are not on this machine, or not the file they should be."""


class CheckpointError(SspvsError):
    """A checkpoint that cannot be read, is not to be trusted, or does not fit the model."""


class TrainingDivergedError(CheckpointError):
    """A training whose weights, losses or outputs became NaN or infinite."""


class ExportError(SspvsError):
    """A model that cannot be exported: to another format, which must compute the same, or to a hub."""


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
    """Text that any file and screen takes: the lone surrogate of an odd byte in a file name becomes U+FFFD."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


class UnknownOptionError(ValueError):
    """An option of the command line, or a key of a config, that does not exist; `verb --help` explains what does."""

    def __init__(self, option: str, known: Iterable[str], verb: str) -> None:
        self.option, self.known = option, tuple(known)
        close = nearest(option, self.known)
        more = f"; did you mean {close}?" if close else f" (see `{verb} --help`)"
        super().__init__(f"unknown option {option}{more}")


def local_only(path: PathT) -> PathT:
    """A path (or `NAME=PATH`) as given; AddressError for `http://...`, which `Path` would turn into `http:/...`."""
    found = (_COLLAPSED if isinstance(path, PurePath) else _ADDRESS).fullmatch(str(path))
    if found is None:
        return path
    scheme, rest = found.groups()
    if scheme.lower() == "file":
        remedy = f"give the path itself: {unquote(rest)}"
    else:
        remedy = "download the file first (yt-dlp gets videos from web sites) and give its path"
    raise AddressError(f"addresses are not read: {scheme}://{rest}; {remedy}")


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word nearest to a mistyped one, or ""; `lr` stands for dotted keys that end in it."""
    dashes = word[: len(word) - len(word.lstrip("-"))] and "--"
    names = {name.lstrip("-").lower(): name.lstrip("-") for name in known}
    parts = word.strip("-").lower().split(".")
    keys = [tuple(name.split(".")) for name in names]
    found: tuple[str, ...] = ()
    for part in parts:
        level = {key[len(found)] for key in keys if key[: len(found)] == found and len(key) > len(found)}
        close = [part] if part in level else get_close_matches(part, sorted(level), 1)
        found = (*found, *close)
        if not close:
            break
    if len(found) == len(parts) and ".".join(found) in names:
        return dashes + names[".".join(found)]
    ending = [key for key in keys if len(key) > 1 and key[-1] == parts[-1]]
    within = [key for key in ending if key[: len(found)] == found] or ending
    return " or ".join(sorted(dashes + names[".".join(key)] for key in within)) if len(within) <= _FEW else ""


def listed(words: Iterable[str], most: int = 8, separator: str = ", ") -> str:
    """The first `most` words and how many are left, for messages: `a, b and 2 more`, `a; and 2 more`."""
    found = list(words)
    rest = f"{separator.rstrip(', ')} and {len(found) - most} more" if len(found) > most else ""
    return separator.join(found[:most]) + rest


def one_line(error: BaseException) -> str:
    """An error's message on a single line that a screen takes, its kind where it has none; the ends of a long one."""
    message = printable(str(error))
    if _TRACEBACK in message:
        message = re.sub(r"^(sspvs\.errors\.\w+|ValueError): ", "", message.strip().splitlines()[-1])
    message = " ".join(message.split())
    if len(message) > _LONGEST:
        message = f"{message[: _LONGEST // 2]} ... {message[-_LONGEST // 2 :]}"
    return message or type(error).__name__


def first_line(error: BaseException) -> str:
    """The first line of an error's message, for libraries that add pages; its kind where it has none."""
    return (printable(str(error)).strip().splitlines() or [type(error).__name__])[0].strip()


def reason(error: Exception) -> str:
    """One line about an error that ends one item of a batch while the rest go on; `--debug` shows its traceback too."""
    logger.debug("this one failed, the rest go on", exc_info=error)
    message = one_line(error)
    expected = isinstance(error, (SspvsError, ValueError, OSError)) or message == type(error).__name__
    return message if expected else f"{type(error).__name__}: {message}"


def unforeseen(error: Exception) -> str:
    """One line about an error that no code raises on purpose, with the file that it is about."""
    kind, message = type(error).__name__, one_line(error)
    message = message if message.startswith(kind) else f"{kind}: {message}"
    file = None  # the path that the innermost function of this package has, of those that were at work
    for frame, _ in walk_tb(error.__traceback__):
        if str(frame.f_globals.get("__name__")).startswith("sspvs."):
            file = next((value for value in frame.f_locals.values() if isinstance(value, Path)), file)
    where = message if file is None else about(file, message)
    return f"{where}; this was not foreseen: please report it, with what --debug shows"


def about(path: Path, message: str) -> str:
    """A message with the file that it is about, unless it names that itself."""
    name = printable(str(path))
    return message if name in message else f"{name}: {message}"
