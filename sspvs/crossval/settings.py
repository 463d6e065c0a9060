"""What a cross-validation is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Rule = Literal["val", "last", "best-test"]
Keep = Literal["none", "chosen"]
Wandb = Literal["off", "offline", "online"]

VALIDATE_ON = {"val": "held-out", "last": "nothing", "best-test": "test"}
"""Rule -> `data.validate_on`: the videos that choose the weights."""
_OURS = {
    "--data.fold": "all folds are gone through",
    "--data.validate_on": "--checkpoint-rule says so",
    "--data.seed": "--seeds says so",
    "--seed_everything": "--seeds says so",
    "--ckpt_path": "every fold starts from nothing, or from --model.pretrained",
    "--run.root": "--out says so",
    "--wandb_group": "it is the name of --out",
    "--wandb_name": "it is the fold's",
    "--trainer.fast_dev_run": "nothing comes out of it that one could test",
    "--trainer.enable_checkpointing": "the chosen weights are needed",
}


@dataclass(frozen=True)
class CrossvalSettings:
    """All folds of a config's split, under several seeds.

    Attributes:
        configs: Config files of `task: summarize` or `task: refine`; later ones come on top.
        out: Folder of everything that comes out; the same again goes on where it stopped.
        overrides: Words as on the command line of `sspvs fit`, such as `("--model.optim.lr", "1e-4")`.
        seeds: Of weights, order, crops and dropout. Folds and held-out videos are drawn by `data.split_seed`.
        rule: What chooses the weights of a fold. `val`: the best epoch on videos held out of training. `last`: the
            last epoch, nothing is held out. `best-test`: the best epoch on the tested videos, to compare with published
            figures that were made so; they stand in a column of their own.
        jobs: Processes, each with folds of its own.
        devices: GPUs that the processes share in turn; empty: what `trainer.devices` says.
        keep: Whose weights are kept as checkpoint folders: `chosen`, those of the first seed; or `none`.
        wandb: W&B off, offline or online: a run a fold, and one with the table, all in one group.
        wandb_project: Its project.
    """

    configs: tuple[str, ...]
    out: Path
    overrides: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)
    rule: Rule = "val"
    jobs: int = 1
    devices: tuple[int, ...] = ()
    keep: Keep = "chosen"
    wandb: Wandb = "off"
    wandb_project: str = "sspvs"

    def __post_init__(self) -> None:
        if not self.configs:
            raise ValueError("give a config: --config configs/finetune/NAME.yaml")
        for name, kind in (("rule", Rule), ("keep", Keep), ("wandb", Wandb)):
            if getattr(self, name) not in get_args(kind):
                raise ValueError(f"{name} must be one of {', '.join(get_args(kind))}, got {getattr(self, name)!r}")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"seeds must be one or more different numbers, none negative, got {self.seeds}")
        if self.jobs < 1 or min(self.devices, default=0) < 0:
            raise ValueError(f"jobs must be at least 1 and devices not negative, got {self.jobs} and {self.devices}")
        for word in self.overrides:
            option = word.partition("=")[0]
            if option in _OURS:
                raise ValueError(f"{option} cannot be given to a cross-validation: {_OURS[option]}")

    def arguments(self) -> list[str]:
        """The command line of `sspvs fit` that all folds share."""
        words = [word for config in self.configs for word in ("--config", config)]
        words += self.overrides
        words += ["--data.validate_on", VALIDATE_ON[self.rule], "--trainer.enable_checkpointing", "true"]
        return [*words, "--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]

    def fold_arguments(self, seed: int, fold: int, root: Path) -> list[str]:
        """The command line of one fold.

        Args:
            seed: Which seed.
            fold: Which fold.
            root: Folder of its run.
        """
        words = [*self.arguments(), "--data.fold", str(fold), "--data.seed", str(seed), "--seed_everything", str(seed)]
        words += ["--run.root", str(root), "--wandb", self.wandb, "--wandb_project", self.wandb_project]
        words += ["--wandb_group", self.out.resolve().name, "--wandb_name", f"seed_{seed}/fold_{fold}"]
        return [*words, "--trainer.devices", "1"] if self.devices else words
