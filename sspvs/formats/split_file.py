"""Split files of every style: who trains and who tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sspvs.annotations.splits import read_splits
from sspvs.formats.glimpse import Glimpse
from sspvs.formats.inspection import Inspection, KeyNote, NoSuchVideoError, Use, span
from sspvs.formats.kind import Kind

_SIGNS = {"train_keys", "test_keys", "val_keys"}


def matches(glimpse: Glimpse) -> bool:
    """JSON folds in a list, alone or by name; or YAML that speaks of them."""
    if glimpse.suffix in (".yml", ".yaml"):
        return any(sign.encode() in glimpse.head for sign in ("train", "test"))
    return _is_fold(glimpse.json) or _is_fold(glimpse.first)


def _is_fold(entry: Any) -> bool:
    return isinstance(entry, dict) and bool(_SIGNS & set(entry) or {"train", "test"} <= set(entry))


def inspect(path: Path, inspection: Inspection) -> None:
    """Every fold."""
    splits = read_splits(path)
    tested = [ref for fold in splits.folds for ref in fold.test]
    everyone = {ref for fold in splits.folds for ref in (*fold.train, *fold.val, *fold.test)}
    inspection.n_videos = len(everyone)
    inspection.facts |= {
        "folds": str(len(splits.folds)),
        "setting": splits.setting,
        "trained on, a fold": span([len(fold.train) for fold in splits.folds]),
        "validated on, a fold": span([len(fold.val) for fold in splits.folds]),
        "tested, a fold": span([len(fold.test) for fold in splits.folds]),
        "tested in any fold": f"{len(set(tested))} videos",
        "datasets": ", ".join(sorted({ref.dataset or "(the one evaluated)" for ref in everyone})),
        "sha256": splits.sha256,
    }
    for sentence in splits.repairs:
        inspection.problem(sentence, blocking=False)
    if len(tested) > len(set(tested)):
        inspection.problem("some videos are tested in more than one fold", blocking=False)
    if not any(fold.val for fold in splits.folds):
        inspection.problem(
            "no validation part: what chooses the checkpoint must be held out of the training part", blocking=False
        )
    inspection.keys = [
        KeyNote("train_keys", len(splits.folds), "list", "text", "videos that are trained on"),
        KeyNote("test_keys", len(splits.folds), "list", "text", "videos that are tested"),
    ]
    if inspection.video is not None:
        _detail(inspection, splits.folds, inspection.video)
    inspection.uses = [Use("evaluation (--splits THIS)", True), Use("training by folds", True)]
    inspection.advice.append(f"how much of a dataset it tests: sspvs data splits --read '{path}' --dataset D.h5")


def _detail(inspection: Inspection, folds: tuple[Any, ...], video: str) -> None:
    for number, fold in enumerate(folds):
        parts = [part for part in ("train", "val", "test") if any(ref.key == video for ref in getattr(fold, part))]
        if parts:
            inspection.detail[f"fold {number}"] = ", ".join(parts)
    if not inspection.detail:
        raise NoSuchVideoError(video)


KIND = Kind(
    name="splits",
    what="folds of training and test videos",
    matches=matches,
    inspect=inspect,
    instead="sspvs data splits reads and makes split files",
)
