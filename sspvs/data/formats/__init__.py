"""The file formats of the field: told apart, explained, and converted into each other.

    registry      the table: kind -> its module
    detect        which kind a file is; unusable: files that are of none
    inspecting    `inspect_file`: what a file is, what its keys mean, what is wrong, what it is good for
    conversion    `convert`: a reader's records -> a writer, one video at a time, with an account of what was lost
    record        what every format is read into: annotations, features, texts

One module a kind (`community`, `mrhisum`, `videoxum`, ...) has a `KIND`: how to recognise, inspect, read and write it.
To add one, write such a module and name it in the registry.
"""

from sspvs.data.formats.conversion import convert
from sspvs.data.formats.detect import detect
from sspvs.data.formats.inspecting import inspect_file
from sspvs.data.formats.inspection import Inspection
from sspvs.data.formats.kind import Settings
from sspvs.data.formats.ledger import Ledger
from sspvs.data.formats.record import VideoRecord, VideoText
from sspvs.data.formats.registry import READ, WRITTEN

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
