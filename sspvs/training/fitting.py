"""`sspvs.fit`: a training run from Python."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class TrainedRun:
    """What a training left.

    Attributes:
        folder: The run's folder; None with `trainer.fast_dev_run`.
        checkpoint: Checkpoint folder of the best weights, for `from_pretrained`; None where none was saved.
        metrics: The last logged figures by name, such as `val/tau`.
    """

    folder: Path | None
    checkpoint: Path | None
    metrics: Mapping[str, float]


def fit(
    config: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    overrides: Mapping[str, Any] | None = None,
    *,
    resume: str | os.PathLike[str] | None = None,
) -> TrainedRun:
    """Train what a config describes: pretraining, fine-tuning or refinement.

    The same as `sspvs fit --config CONFIG --NAME VALUE ...`.

    Args:
        config: A YAML file as those in `configs/`, or several, of which later ones override earlier ones.
        overrides: Settings by dotted name, such as `{"trainer.max_epochs": 1, "data.dataset": "tvsum.h5"}`.
        resume: Checkpoint to go on from (`--ckpt_path`).

    Returns:
        Where the run lies, its best checkpoint, and its last figures.

    Raises:
        ValueError: A setting is unknown or out of its range.
        SspvsError: The data or a checkpoint cannot be used.

    Example:
        >>> run = sspvs.fit("finetune.yaml", {"trainer.max_epochs": 1, "run.root": "runs"})
        >>> scores = sspvs.Summarizer.from_pretrained(run.checkpoint).score(np.zeros((8, 16)))
    """
    from sspvs.training.command_line import TrainingCLI
    from sspvs.training.saving import PRETRAINED

    configs = [config] if isinstance(config, (str, os.PathLike)) else list(config)
    arguments = [word for path in configs for word in ("--config", os.fspath(path))]
    for name, value in (overrides or {}).items():
        arguments.append(f"--{name}={value if isinstance(value, str) else json.dumps(value)}")
    if resume is not None:
        arguments += ["--ckpt_path", os.fspath(resume)]
    trainer = TrainingCLI("fit", arguments).trainer
    folder = None if trainer.log_dir is None else Path(trainer.log_dir)
    saved = [folder / PRETRAINED / name for name in ("best", "last")] if folder is not None else []
    return TrainedRun(
        folder,
        next((path for path in saved if path.is_dir()), None),
        {name: float(value) for name, value in trainer.callback_metrics.items()},
    )
