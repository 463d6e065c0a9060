"""Split files of every style: which videos are trained on and which are tested."""

from pathlib import Path
from typing import Any, ClassVar

from sspvs.annotations.splits import read_splits
from sspvs.formats.format import FORMATS, Format
from sspvs.formats.head import PathHead
from sspvs.formats.inspection import Inspection, span

_SIGNS = {"train_keys", "test_keys", "val_keys"}
_PARTS = ("train", "val", "test")


@FORMATS.register("splits")
class SplitFile(Format):
    """Folds, in JSON or YAML."""

    what = "folds of training and test videos"
    order = 100
    keys: ClassVar = {
        "train_keys": ("list", "videos that are trained on"),
        "test_keys": ("list", "videos that are tested"),
    }
    instead = "sspvs data splits reads and makes split files"

    def matches(self, head: PathHead) -> bool:
        """JSON folds in a list, alone or by name; or YAML that names such parts."""
        if head.suffix in (".yml", ".yaml"):
            return any(sign in head.start for sign in (b"train", b"test"))
        return _is_fold(head.json) or _is_fold(head.first)

    def inspect(self, path: Path, found: Inspection) -> None:
        splits = read_splits(path)
        folds = splits.folds
        tested = [ref for fold in folds for ref in fold.test]
        everyone = {ref for fold in folds for ref in (*fold.train, *fold.val, *fold.test)}
        found.n_videos = len(everyone)
        found.facts |= {
            "folds": str(len(folds)),
            "setting": splits.setting,
            "trained on, a fold": span([len(fold.train) for fold in folds]),
            "validated on, a fold": span([len(fold.val) for fold in folds]),
            "tested, a fold": span([len(fold.test) for fold in folds]),
            "tested in any fold": f"{len(set(tested))} videos",
            "datasets": ", ".join(sorted({ref.dataset or "(the one evaluated)" for ref in everyone})),
            "sha256": splits.sha256,
        }
        for sentence in splits.repairs:
            found.problem(sentence, blocking=False)
        if len(tested) > len(set(tested)):
            found.problem("some videos are tested in more than one fold", blocking=False)
        if not any(fold.val for fold in folds):
            what = "no validation part: what chooses the checkpoint must be held out of the training part"
            found.problem(what, blocking=False)
        found.explain(self.keys, len(folds), "text")
        for number, fold in enumerate(folds):
            parts = [part for part in _PARTS if any(ref.key == found.video for ref in getattr(fold, part))]
            if parts:
                found.detail[f"fold {number}"] = ", ".join(parts)
        found.use("evaluation (--splits THIS)", True)
        found.use("training by folds", True)
        found.advice.append(f"how much of a dataset it tests: sspvs data splits --read '{path}' --dataset D.h5")


def _is_fold(entry: Any) -> bool:
    return isinstance(entry, dict) and bool(_SIGNS & set(entry) or {"train", "test"} <= set(entry))
