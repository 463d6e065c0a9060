"""What libraries raise when a file is damaged: any of many things."""

from __future__ import annotations

from tarfile import TarError
from tokenize import TokenError
from zipfile import BadZipFile
from zlib import error as ZlibError

from sspvs.errors import SspvsError

DAMAGE = (
    SspvsError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    TokenError,  # of NumPy's headers
    AttributeError,
    NameError,  # scipy's MATLAB reader has such a path
    RuntimeError,
    ArithmeticError,
    EOFError,
    MemoryError,
    BadZipFile,
    ZlibError,
    TarError,
)
"""Reading any file of a user may raise these; they are caught where a file or a video of it is opened, and told."""
