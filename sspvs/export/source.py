"""Which checkpoint is exported, and what it says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from sspvs.errors import CheckpointError
from sspvs.machine import package_version
from sspvs.sharing import named
from sspvs.tasks.checkpoint import PRETRAIN, REFINE, SUMMARIZE, Checkpoint
from sspvs.tasks.refine import RefineTask
from sspvs.tasks.saved_task import SavedTask
from sspvs.tasks.summarize import SummarizeTask

Exported: TypeAlias = SummarizeTask | RefineTask  # what can be exported

_TASKS: Mapping[str, type[SummarizeTask] | type[RefineTask]] = {SUMMARIZE: SummarizeTask, REFINE: RefineTask}
_NETWORKS = {SUMMARIZE: "summarizer", REFINE: "refiner"}
_INPUTS = {SUMMARIZE: "video", REFINE: "refiner"}


@dataclass(frozen=True)
class CheckpointFacts:
    """What is known about a checkpoint; `weights_sha256` is of the file with its weights, None of a task in no file."""

    kind: str
    settings: Mapping[str, Any]
    n_weights: int
    sspvs: str
    weights_sha256: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", named(self.settings))  # for others to read

    @classmethod
    def of(cls, source: str | Path | Exported) -> "CheckpointFacts":
        """Of a checkpoint folder, a hub id on this machine, a `.ckpt` file, or a task."""
        if not isinstance(source, SavedTask):
            found = find_exported(source)
            if found.path.is_dir():
                saved = found.checked(strict=True)
                numbers = sum(saved.state[name].numel() for name in saved.state if name not in saved.tied)
                return cls(found.kind, saved.settings, numbers, saved.version or "unknown", found.sha256)
            source = load_exported(source)
        numbers = sum(tensor.numel() for tensor in source.state_dict().values())
        return cls(source.kind, dict(source.hparams), numbers, package_version())

    @property
    def fingerprint(self) -> Mapping[str, Any] | None:
        """What made the features it was trained on; None when unknown."""
        known: Mapping[str, Any] | None = self.settings.get("feature_fingerprint")
        return known

    @property
    def feature_dim(self) -> int:
        """D of the features it takes."""
        width: int = self.settings[_INPUTS[self.kind]]["feature_dim"]
        return width

    @property
    def network(self) -> str:
        """Where its settings say what it is: `summarizer` or `refiner`."""
        return _NETWORKS[self.kind]


def load_exported(source: str | Path) -> Exported:
    """A task from a checkpoint folder, a `.ckpt` file or a hub id on this machine."""
    found = find_exported(source)
    return _TASKS[found.kind].from_pretrained(found.path)


def find_exported(source: str | Path) -> Checkpoint:
    """Where a checkpoint lies; one of pretraining is refused, for it scores no frames."""
    found = Checkpoint.open(source, (*_TASKS, PRETRAIN))
    if found.kind == PRETRAIN:
        raise CheckpointError(
            f"{source}: a checkpoint of pretraining, which scores no frames; only summarizers and refined checkpoints "
            "are exported: fine-tune it first, with `sspvs fit` and a config of `task: summarize`"
        )
    return found
