"""The file formats of the field: recognised, explained, read into a `VideoTable`, and converted into each other.

    format        `Format`, what each of them has; `FORMATS`, the registry; the settings and ledger of a conversion
    head          the start of a path, from which formats are recognised
    conversion    `detect`, which format a path is of; `inspect_file`, what its keys mean and what is wrong with it;
                  `read_table`, its videos; `convert`, from one format to another, one video at a time, with an account
                  of what was lost
    inspection    the findings
    seconds       values, summaries and shots resampled to one a second
    tfrecord      a container

Each other module is one foreign format. To add one, write such a module, here or elsewhere (see `format`).
"""

from sspvs.formats.conversion import convert, detect, inspect_file, read_table
from sspvs.formats.format import FORMATS, Format, Ledger, Settings
from sspvs.formats.inspection import Inspection

__all__ = [
    "FORMATS",
    "Format",
    "Inspection",
    "Ledger",
    "Settings",
    "convert",
    "detect",
    "inspect_file",
    "read_table",
]
