"""What the processes of a run found out about videos, brought together by video id: each video counts once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from torch import distributed

Row = TypeVar("Row")


def joined_by_id(rows: Mapping[str, Row]) -> dict[str, Row]:
    """The rows of all processes, the same in each; every process must call this.

    Args:
        rows: By video id. Of a video that several processes were given, the row of the first of them is taken.
    """
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return dict(rows)
    everyone: list[dict[str, Row]] = [{} for _ in range(distributed.get_world_size())]
    distributed.all_gather_object(everyone, dict(rows))
    out: dict[str, Row] = {}
    for part in everyone:
        for video, row in part.items():
            out.setdefault(video, row)
    return out
