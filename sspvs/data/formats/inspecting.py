"""Looking at a file: what it is, what is wrong with it, what it is good for."""

from __future__ import annotations

import os
from pathlib import Path

from sspvs.data.formats.damage import DAMAGE
from sspvs.data.formats.detect import detect
from sspvs.data.formats.inspection import Inspection, NoSuchVideoError, Watch
from sspvs.data.formats.kind import Kind
from sspvs.data.video_finder import same_name


def inspect_file(path: str | os.PathLike[str], video: str | None = None, *, watch: Watch | None = None) -> Inspection:
    """Look at a file or folder of any kind that the field uses; all of its videos are looked at.

    Args:
        path: The file or folder.
        video: Also say more about this video, by key or by name.
        watch: Shows progress over a collection of videos, such as a progress bar.

    Returns:
        What was found; `usable` says whether it can be used for what it is.

    Raises:
        DatasetError: When there is no such file or folder.
        ValueError: When there is no such video in it.
    """
    path = Path(path)
    found = detect(path)
    if not isinstance(found, Kind):
        what, advice = found
        return Inspection(str(path), "none", what, usable=False, advice=[advice])
    try:
        return _inspect(path, found, video, watch)
    except NoSuchVideoError:
        names = _inspect(path, found, None, watch).names
        key = next((key for key, name in names.items() if video is not None and same_name(name, video)), None)
        if key is None:
            raise
        return _inspect(path, found, key, watch)


def _inspect(path: Path, kind: Kind, video: str | None, watch: Watch | None) -> Inspection:
    inspection = Inspection(str(path), kind.name, kind.what, video=video, watch=watch)
    try:
        kind.inspect(path, inspection)
    except NoSuchVideoError:
        raise
    except DAMAGE as error:
        inspection.problem(error, remedy="copy, download or make it again")
    return inspection.conclude()
