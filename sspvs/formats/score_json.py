"""Scores as JSON: `{video: [score, ...]}`, a value a pick or a frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sspvs.formats.glimpse import Glimpse
from sspvs.formats.inspection import Inspection, KeyNote, NoSuchVideoError, Use, span
from sspvs.formats.kind import Kind
from sspvs.types.video import LARGEST


def matches(glimpse: Glimpse) -> bool:
    """An object whose first value is a flat list of numbers (or null where somebody wrote a NaN)."""
    first = glimpse.first
    if not isinstance(glimpse.json, dict) or not isinstance(first, list) or not first:
        return False
    return isinstance(first[0], (int, float)) and not isinstance(first[0], bool)


def inspect(path: Path, inspection: Inspection) -> None:
    """Every video of a score JSON."""
    scores: dict[str, Any] = Glimpse(path).json
    inspection.n_videos = len(scores)
    lengths = []
    for name, values in scores.items():
        try:
            array = np.asarray(values, dtype=np.float64)
        except (ValueError, TypeError, OverflowError):
            inspection.problem("expected a flat list of numbers, found something else in it", name)
            continue
        if array.ndim != 1 or not len(array):
            inspection.problem(f"expected a flat list of numbers, found shape {array.shape}", name)
            continue
        lengths.append(len(array))
        if not (usable := np.abs(array) <= LARGEST).all():
            inspection.problem(f"{int((~usable).sum())} scores are NaN, null, infinite or above {LARGEST:.3g}", name)
        elif array.min() == array.max():
            inspection.problem("the same score everywhere: no rank correlation", name, blocking=False)
        if name == inspection.video:
            inspection.detail = {"scores": f"{len(array)}, {array.min():g} to {array.max():g}"}
    if inspection.video is not None and inspection.video not in scores:
        raise NoSuchVideoError(inspection.video)
    inspection.keys = [
        KeyNote(
            "a video's key or name", len(scores), f"list of {span(lengths)}", "numbers", "a score a pick or a frame"
        )
    ]
    inspection.uses = [Use("evaluation (sspvs evaluate --dataset D.h5 --scores THIS)", True, "needs the dataset file")]


KIND = Kind(
    name="scores-json",
    what="a method's scores, a list a video (JSON)",
    matches=matches,
    inspect=inspect,
    instead="scores are evaluated, not converted: sspvs evaluate --dataset D.h5 --scores THIS",
)
