"""Which checkpoint is exported, and what it says of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sspvs.errors import CheckpointError
from sspvs.tasks.checkpoint import CONFIG, SUMMARIZE, WEIGHTS, find_folder, read_settings, read_tensors
from sspvs.tasks.handover import pretrained_settings
from sspvs.tasks.summarize import SummarizeTask
from sspvs.version import package_version


@dataclass(frozen=True)
class CheckpointFacts:
    """What is known about a summarizer.

    Attributes:
        settings: Of its task, plain types.
        n_weights: Numbers in its weights.
        sspvs: The version that wrote it.
    """

    settings: Mapping[str, Any]
    n_weights: int
    sspvs: str

    @classmethod
    def of(cls, source: str | Path | SummarizeTask) -> CheckpointFacts:
        """Of a checkpoint folder, a hub id on this machine, a `.ckpt` file, or a task.

        Raises:
            CheckpointError: It cannot be read, or is of something else.
            WeightsNotFoundError: Nothing is there.
        """
        task = load_summarizer(source) if not isinstance(source, SummarizeTask) and Path(source).is_file() else source
        if isinstance(task, SummarizeTask):
            numbers = sum(tensor.numel() for tensor in task.state_dict().values())
            return cls(dict(task.hparams), numbers, package_version())
        refuse_others(task)
        folder = find_folder(task, SUMMARIZE)
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        numbers = sum(tensor.numel() for tensor in read_tensors(folder / WEIGHTS).values())
        return cls(read_settings(folder), numbers, str(config.get("sspvs", "unknown")))

    @property
    def fingerprint(self) -> Mapping[str, Any] | None:
        """What made the features it was trained on; None when unknown."""
        known: Mapping[str, Any] | None = self.settings.get("feature_fingerprint")
        return known


def load_summarizer(source: str | Path) -> SummarizeTask:
    """A summarizer from a checkpoint folder, a `.ckpt` file or a hub id on this machine.

    Raises:
        CheckpointError: It cannot be read, or is of something else.
        WeightsNotFoundError: Nothing is there.
    """
    refuse_others(source)
    return SummarizeTask.from_pretrained(source)


def refuse_others(source: str | Path) -> None:
    """Say what a checkpoint is when it is not of a summarizer.

    Raises:
        CheckpointError: It is of pretraining, or cannot be read.
        WeightsNotFoundError: Nothing is there.
    """
    if "summarizer" not in pretrained_settings(source):
        raise CheckpointError(
            f"{source}: a checkpoint of pretraining, which scores no frames; only summarizers are exported: fine-tune "
            "it first, with `sspvs fit` and a config of `task: summarize`"
        )
