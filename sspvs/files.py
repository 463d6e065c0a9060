"""The kind of a file by its first bytes, and the one way to read text, JSON and YAML.

Downloads go wrong in ways that a file's name hides: a Git LFS pointer, a web page, a server's error reply, an archive
that was not unpacked, a truncated file. What opens a user's file checks its kind here, before or after it fails.
Nothing is unpickled, and nothing is opened that may never end or never begin: pipes, devices, sockets.

What is not the expected kind of file, or too large, raises `WrongFileError`, an `OSError` as of any file that cannot be
read; text that is no JSON or YAML, or beyond the bounds of `sspvs.parsing`, a `ValueError` with the place in the file.
"""

import os
import re
import stat
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from sspvs.parsing import MOST_BYTES, parse_json, parse_yaml

START_BYTES = 4096  # how much of a file decides its kind

DOWNLOAD_AGAIN = "download or copy it again, and compare its size with the original's"
_UNPACK = "unpack it first"

TEXT = ("text", "json")  # kinds that a reader of text takes; anything else is no text
STAND_INS = ("empty", "zeros", "lfs", "annex", "page", "reply", "office", "gzip", "bzip2", "xz", "zstd", "7z", "rar")
"""Kinds that are in the place of the file itself."""
VIDEO = ("video", "text", "json", "xml", "zeros", "pickle", "tar")
"""Kinds that are left to the decoders: they read more than what begins as a film does."""

_SPECIAL = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


class WrongFileError(OSError):
    """A file that is something else than it should be; the message has what, and what to do."""


class FileKind(NamedTuple):
    """A kind of file, in a word and in a few, and what to do where something else was expected."""

    name: str
    what: str
    remedy: str = ""


_EMPTY = FileKind("empty", "an empty file (0 bytes)", DOWNLOAD_AGAIN)
_ZEROS = FileKind("zeros", "nothing but zero bytes, as an unfinished download or copy leaves them", DOWNLOAD_AGAIN)
_LFS = FileKind("lfs", "a Git LFS pointer, not the file itself", "run `git lfs pull`")
_ANNEX = FileKind("annex", "a git-annex pointer, not the file itself", "run `git annex get`")
_PAGE = FileKind(
    "page",
    "a web page, not the file itself",
    "the download needed a confirmation first, or was refused: download it again, in a browser if need be",
)
_OFFICE = FileKind("office", "an Office document (.xlsx, .ods)", "save its table as CSV")
_PICKLE = FileKind("pickle", "a pickle, which is never opened: Python pickles can run any code")
_MAGIC = (
    (rb"\x89HDF\r\n\x1a\n", FileKind("h5", "an HDF5 file (.h5)")),
    (rb"PK\x03\x04(?s:.{26})(\[Content_Types\]|_rels/|docProps/|xl/|mimetypeapplication/vnd\.oasis)", _OFFICE),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OFFICE),
    (rb"PK\x03\x04", FileKind("zip", "a zip archive (.npz, PyTorch)", _UNPACK)),
    (rb"\x1f\x8b\x08", FileKind("gzip", "a gzip archive", _UNPACK)),
    (rb"BZh[1-9]1AY&SY", FileKind("bzip2", "a bzip2 archive", _UNPACK)),
    (rb"\xfd7zXZ\x00", FileKind("xz", "an xz archive", _UNPACK)),
    (rb"\x28\xb5\x2f\xfd", FileKind("zstd", "a Zstandard archive", _UNPACK)),
    (rb"7z\xbc\xaf'\x1c", FileKind("7z", "a 7z archive", _UNPACK)),
    (rb"Rar!\x1a\x07", FileKind("rar", "a RAR archive", _UNPACK)),
    (rb"(?s:.{257})ustar", FileKind("tar", "a tar archive", _UNPACK)),
    (rb"\x93NUMPY", FileKind("npy", "a NumPy array (.npy)")),
    (rb"MATLAB 5\.0", FileKind("mat", "a MATLAB v5 file")),
    (rb"%PDF-", FileKind("pdf", "a PDF document")),
    (rb"(?s:.{4})ftyp|\x1aE\xdf\xa3|RIFF(?s:.{4})AVI ", FileKind("video", "a video")),
    # The length of a safetensors header may begin with the same bytes.
    (rb"\x80[\x02-\x05](?!\x00{6}\{)", _PICKLE),
)
_MESSAGE_KEYS = ("message", "error", "detail", "msg", "error_description", "reason")
_BESIDE = ("errors", "code", "status", "statusCode", "status_code", "title", "type", "success", "path", "timestamp")
_REPLY_KEYS = {*_MESSAGE_KEYS, *_BESIDE, "documentation_url", "request_id", "requestId"}
_PLAIN_REPLY = re.compile(
    r"(\d{3}\W+)?((page|file|repository|entry|object|resource)? ?not found|forbidden|access denied|permission denied|"
    r"unauthori[sz]ed|bad (request|gateway)|gateway time-?out|service unavailable|internal server error|"
    r"too many requests|rate limit exceeded|moved permanently|invalid username or password)\W*",
    re.IGNORECASE,
)


def kind_of_start(start: bytes) -> FileKind | None:
    """The kind of a file by its first `START_BYTES`; None when it is none of the known ones."""
    if not start:
        return _EMPTY
    for pattern, kind in _MAGIC:
        if re.match(pattern, start):
            return kind
    if not start.strip(b"\0"):
        return _ZEROS
    text = start_of_text(start)
    if text is None:
        return None
    text = text.strip()
    if text.startswith(("version https://git-lfs", "version https://hawser")):
        return _LFS
    if re.match(r"\S*annex/objects/", text):
        return _ANNEX
    if text.startswith("<"):
        return _markup(text)
    reply = _reply(text) if len(start) < START_BYTES else None
    if reply is not None:
        return _error_reply(reply)
    return FileKind("json", "JSON") if text[:1] in ("{", "[") else FileKind("text", "text")


def start_of_text(start: bytes) -> str | None:
    """Text out of the first `START_BYTES` of a file, without a letter that is cut in two; None when it is no text."""
    for cut in range(4 if len(start) >= START_BYTES else 1):
        try:
            return decode_text(start[: len(start) - cut])
        except UnicodeDecodeError:
            continue
    return None


def check_regular(path: str | os.PathLike[str]) -> int:
    """The size in bytes of a regular file, 0 in `/proc`; pipes and devices are refused unopened: they may never end."""
    status = Path(path).stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError("it is a folder, not a file")
    if not stat.S_ISREG(status.st_mode):
        what = next((name for is_such, name in _SPECIAL if is_such(status.st_mode)), "no regular file")
        raise WrongFileError(f"it is {what}; save its content as a file and give that")
    return status.st_size


def kind_of(path: str | os.PathLike[str]) -> FileKind | None:
    """The kind of a file; None when it is none of the known ones."""
    if check_regular(path) == 0:
        return _EMPTY
    with Path(path).open("rb") as file:
        return kind_of_start(file.read(START_BYTES))


def why_not(path: str | os.PathLike[str], *accepted: str) -> str | None:
    """Why a file is none of the `accepted` kinds: `it is a Git LFS pointer ...`; None otherwise."""
    found = kind_of(path)
    if found is None:
        return None
    if found.name not in accepted:
        what = "the file is empty (0 bytes)" if found is _EMPTY else f"it is {found.what}"
        return what + (f"; {found.remedy}" if found.remedy else "")
    if found.name == "zip" and not zipfile.is_zipfile(path):
        return f"it is a zip archive (.npz, PyTorch) that is cut short; {DOWNLOAD_AGAIN}"
    return None


def check_kind(path: str | os.PathLike[str], *accepted: str) -> None:
    """Refuse a file that is none of the `accepted` kinds."""
    reason = why_not(path, *accepted)
    if reason is not None:
        raise WrongFileError(reason)


def read_content(path: str | os.PathLike[str], *accepted: str) -> bytes:
    """The bytes of a file that is read whole: text, or one of the `accepted` kinds."""
    check_kind(path, *TEXT, *accepted)
    with Path(path).open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise WrongFileError(f"it has more than {MOST_BYTES >> 20} MiB; text of that size is not read")
    return content


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a file: UTF-8, or UTF-16 with a byte order mark, as spreadsheets write it."""
    return decode_text(read_content(path))


def read_json(path: str | os.PathLike[str], *, once: bool = False) -> Any:
    """The value of a JSON file; with `once`, a name that occurs twice in one object is refused."""
    return parse_json(read_text(path), once=once)


def read_yaml(path: str | os.PathLike[str]) -> Any:
    """The value of a YAML file."""
    return parse_yaml(read_text(path))


def decode_text(content: bytes) -> str:
    """Text from UTF-8, or UTF-16 with a byte order mark, without that mark; NUL bytes are refused."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    text = content.decode(encoding)
    if "\0" in text:
        place = max(content.find(b"\0"), 0)
        raise UnicodeDecodeError(encoding, content, place, place + 1, "a NUL byte, which text does not have")
    return text


def _markup(text: str) -> FileKind:
    low = text.lower()
    if re.search(r"<(!doctype html|html|head|body)\b", low):
        return _PAGE
    found = re.search(r"<error\b.*?<(?:code|message)>(.*?)<", low + "<", re.DOTALL)
    if found:
        return _error_reply(text[found.start(1) : found.end(1)])
    return FileKind("xml", "an XML document")


def _error_reply(message: str) -> FileKind:
    what = f'a server\'s error reply ("{message.strip()[:80]}"), not the file itself'
    return FileKind("reply", what, "download it again")


def _reply(text: str) -> str | None:
    """The message of a server's error that was saved in place of a file; None when it is no such error."""
    if _PLAIN_REPLY.fullmatch(text):
        return text
    if not text.startswith("{"):
        return None
    try:
        content: Any = parse_json(text)
    except ValueError:
        return None
    if isinstance(content.get("error"), dict):  # {"error": {"code": 404, "message": "..."}}
        content = {**content.pop("error"), **content}
    if not set(content) <= _REPLY_KEYS:
        return None
    return next((content[key] for key in _MESSAGE_KEYS if isinstance(content.get(key), str)), None)
