"""Names of files for videos, where a format has a file a video."""

from __future__ import annotations

import re

from sspvs.data.formats.ledger import Ledger
from sspvs.data.formats.record import VideoRecord

_FORBIDDEN = re.compile(r'[/\\\x00-\x1f<>:"|?*]')


class FileNames:
    """One name a video, none twice, and none that a file system refuses.

    Args:
        ledger: Told when a name had to be changed.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._taken: set[str] = set()
        self._ledger = ledger

    def stem(self, record: VideoRecord) -> str:
        """The file name, without ending, of one video: its own name; with its key where that name is taken."""
        safe = _FORBIDDEN.sub("_", record.name).strip(" .") or "_"
        if safe.casefold() in self._taken:
            safe = _FORBIDDEN.sub("_", f"{record.name}_{record.key}")
        self._taken.add(safe.casefold())
        if safe != record.name:
            self._ledger.change(f"its file is called '{safe}'", record.key)
        if record.name != record.key:
            self._ledger.leave_out("keys such as video_7 (files have the videos' own names)", record.key)
        return safe
