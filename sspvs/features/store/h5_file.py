"""The one door through which h5 files are opened for reading."""

from __future__ import annotations

import os
import re
from pathlib import Path

import h5py

from sspvs.files import DOWNLOAD_AGAIN, WrongFileError, check_regular, why_not


def open_h5(path: str | os.PathLike[str]) -> h5py.File:
    """An h5 file, open for reading; a context manager.

    Raises:
        WrongFileError: It is something else, or cut short; the message says what it is and what to do.
        OSError: When it cannot be read.
    """
    check_regular(path)
    try:
        return h5py.File(path, "r")
    except OSError as error:
        if not Path(path).is_file():
            raise
        cut = re.search(r"truncated file: eof = (\d+).*stored_eof = (\d+)", str(error))
        if cut:
            raise WrongFileError(f"it is cut short: {cut[1]} of {cut[2]} bytes are here; {DOWNLOAD_AGAIN}") from error
        if h5py.is_hdf5(path):
            raise
        raise WrongFileError(why_not(path) or "it does not start as h5 files do") from error
