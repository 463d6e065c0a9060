"""The file formats of the field: told apart, explained, and converted into each other.

    registry      the table: kind -> its module
    detect        which kind a file is; unusable: files that are of none
    inspecting    `inspect_file`: what a file is, what its keys mean, what is wrong, what it is good for
    conversion    `convert`: a reader's records -> a writer, one video at a time, with an account of what was lost
    record        what every format is read into: annotations, features, texts

One module a kind (`community`, `mrhisum`, `videoxum`, ...) has a `KIND`: how to recognise, inspect, read and write it.
To add one, write such a module and name it in the registry.
"""

from sspvs.formats.conversion import convert
from sspvs.formats.detect import READ, WRITTEN, detect, inspect_file
from sspvs.formats.inspection import Inspection
from sspvs.formats.kind import Ledger, Settings
from sspvs.formats.record import VideoRecord, VideoText

__all__ = [
    "READ",
    "WRITTEN",
    "Inspection",
    "Ledger",
    "Settings",
    "VideoRecord",
    "VideoText",
    "convert",
    "detect",
    "inspect_file",
]
