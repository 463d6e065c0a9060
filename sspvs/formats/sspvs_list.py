"""A `train_list.json` or `val_list.json` of the SSPVS release: a list of video ids."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from sspvs.formats.inspection import Inspection, Use
from sspvs.formats.kind import Kind
from sspvs.formats.release_layout import read_list


def inspect(path: Path, inspection: Inspection) -> None:
    """The ids."""
    ids = read_list(path)
    inspection.n_videos = len(set(ids))
    for key, count in Counter(ids).items():
        if count > 1:
            inspection.problem(f"named {count} times", key, blocking=False)
    inspection.uses = [Use("pretraining: it says who trains and who validates", True)]


KIND = Kind(
    name="sspvs-list",
    what="a list of video ids, as in the SSPVS release (JSON)",
    matches=lambda glimpse: isinstance(glimpse.json, list) and isinstance(glimpse.first, str),
    inspect=inspect,
    instead="convert the release folder that it lies in",
)
