"""Score files (h5): ours, and those of others who recorded scores, summaries and their F1."""

from __future__ import annotations

from pathlib import Path

from sspvs.data.formats.h5_keys import explain_keys
from sspvs.data.formats.inspection import Inspection, Use
from sspvs.data.formats.kind import Kind
from sspvs.features.store.score_check import score_problems, scored_videos


def inspect(path: Path, inspection: Inspection) -> None:
    """Every video of a score file."""
    explain_keys(path, inspection, "scores")
    names = scored_videos(path)
    inspection.n_videos = len(names)
    inspection.names = {key: name for key, name in names.items() if name != key}
    for key, problem, blocking in score_problems(path):
        inspection.problem(problem, key, blocking=blocking, remedy="score it again" if blocking else "")
    inspection.uses = [Use("evaluation (sspvs evaluate --dataset D.h5 --scores THIS)", True, "needs the dataset file")]


KIND = Kind(
    name="scores",
    what="a method's scores, a group a video (h5)",
    matches=lambda glimpse: glimpse.family == "scores",
    inspect=inspect,
    instead="scores are evaluated, not converted: sspvs evaluate --dataset D.h5 --scores THIS",
)
