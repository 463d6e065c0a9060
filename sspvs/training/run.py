"""Where a run lies, and what is kept of it: `--run.*` and `--wandb*` of the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WandbMode = Literal["off", "offline", "online"]


@dataclass(frozen=True)
class RunSettings:
    """A run's folder is `root/name/version_0`, `version_1` and so on: nothing is overwritten."""

    root: str = "runs"
    """Folder of all runs."""
    name: str = "pretrain"
    """Of this experiment; `--ckpt_path last` looks through its versions."""
    monitor: str = "val/loss"
    """Figure by which the best checkpoint is chosen."""
    mode: Literal["min", "max"] = "min"
    """Whether lower or higher is better."""
    save_every: int = 1000
    """Steps between checkpoints to restart from; one more is written at the end of every epoch."""
    samples: int = 4
    """Validation videos that are plotted after each validation; 0 for none."""

    def __post_init__(self) -> None:
        if self.save_every < 1 or self.samples < 0:
            raise ValueError(
                f"run: save_every must be at least 1 and samples not negative, got {self.save_every}, {self.samples}"
            )
        if not self.name or "/" in self.name:
            raise ValueError(f"run: name must be a folder's name, got {self.name!r}")


@dataclass(frozen=True)
class WandbSettings:
    """Weights & Biases, beside the CSV files."""

    mode: WandbMode = "off"
    """`off`, `offline` (files to be synchronised later with `wandb sync`) or `online`."""
    project: str = "sspvs"
    """Its project."""
    name: str | None = None
    """Of the run there; null: the run's name and version."""
    group: str | None = None
    """Runs that belong together, such as the parts of a restarted one; null: the run's name."""
