"""Reading and writing video files.

`open_video` gives a `VideoReader`: it streams the picks of a video in chunks, resized while they are decoded, and
afterwards has the exact timeline. `write_clips` writes stretches of a video with their sound, `write_film` of several
videos. The decoders (PyAV, decord) are imported when they are used, and by default run in a process of their own.
"""

from sspvs.types import WrittenClip
from sspvs.video.files import list_videos
from sspvs.video.footage import Footage
from sspvs.video.isolated import open_video
from sspvs.video.reader import FrameChunk, Resize, VideoReader
from sspvs.video.writer import write_clips, write_film

__all__ = [
    "Footage",
    "FrameChunk",
    "Resize",
    "VideoReader",
    "WrittenClip",
    "list_videos",
    "open_video",
    "write_clips",
    "write_film",
]
