"""What a file is that should be h5 and is not, told from its first bytes. Nothing is unpickled."""

from __future__ import annotations

from pathlib import Path

_STARTS = (
    (b"PK\x03\x04", "a zip archive (.npz, PyTorch, office)"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"\x93NUMPY", "a NumPy array (.npy)"),
    (b"MATLAB 5.0", "a MATLAB v5 file"),
    (b"<", "a web page or XML; was the download refused?"),
    (b"version https://git-lfs", "a Git LFS pointer; fetch the file itself"),
)


def why_not_h5(path: Path) -> str | None:
    """Why a file cannot be opened as h5, in a few words; None when it starts as h5 files do.

    Raises:
        OSError: When it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(4096)
    if start.startswith(b"\x89HDF\r\n\x1a\n") or _has_user_block(path):
        return None
    if not start:
        return "the file is empty"
    for bytes_, kind in _STARTS:
        if start.startswith(bytes_):
            return f"it is {kind}"
    if start[0] == 0x80 and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "it is a Python pickle, which is never opened: it could run any code"
    if start.lstrip()[:1] in (b"{", b"["):
        return "it is JSON"
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(start) - 4:  # not just a letter cut in two
            return "it does not start as h5 files do"
    return "it is text"


def _has_user_block(path: Path) -> bool:
    """MATLAB v7.3 files and others put 512 bytes or more before the h5 content."""
    size, offset = path.stat().st_size, 512
    with path.open("rb") as file:
        while offset < min(size, 1 << 20):
            file.seek(offset)
            if file.read(8) == b"\x89HDF\r\n\x1a\n":
                return True
            offset *= 2
    return False
