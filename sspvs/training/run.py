"""A run's folder: its settings (`--run.*`), its loggers, its `config.yaml`."""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytorch_lightning as pl
import yaml
from pytorch_lightning.cli import LightningArgumentParser, SaveConfigCallback
from pytorch_lightning.loggers import CSVLogger, Logger, WandbLogger

from sspvs.atomic import write_text
from sspvs.errors import MissingExtraError
from sspvs.schema import Range, Settings
from sspvs.sharing import shareable
from sspvs.temporaries import sweep

WandbMode = Literal["off", "offline", "online"]

_CONFIG = "config.yaml"
_BEFORE_TRAINING = {_CONFIG, "hparams.yaml"}  # the second is the CSV logger's


@dataclass(frozen=True)
class RunSettings(Settings):
    """A run's folder is `root/name/version_0`, `version_1` and so on: nothing is overwritten."""

    group = "run"

    root: str = "runs"
    """Folder of all runs."""
    name: str = "pretrain"
    """Of this experiment; `--ckpt_path last` looks through its versions."""
    monitor: str = "val/loss"
    """Figure by which the best checkpoint is chosen."""
    mode: Literal["min", "max"] = "min"
    """Whether lower or higher is better."""
    best_test: Literal["sspvs", "csta", "ctvsum"] | None = None
    """How `sspvs crossval --checkpoint-rule best-test` takes an epoch by `best_by`. `sspvs`: the least sum of ranks
    among the epochs, of one figure the best; `csta`: the last epoch in which all figures rose above those of the epoch
    kept before; `ctvsum`: the last epoch. Null: the best `monitor`."""
    best_by: tuple[str, ...] | None = None
    """Its figures of the tested videos: `kendall_tau`, `spearman_rho`, `f_score_avg`, `f_score_max`."""
    save_every: Annotated[int, Range(least=1)] = 1000
    """Steps between checkpoints to restart from; one more is written at the end of every epoch."""
    samples: Annotated[int, Range(least=0)] = 4
    """Validation videos that are plotted after each validation; 0 for none."""

    def conflicts(self) -> list[str]:
        """A name that is no name of a folder; a rule without figures."""
        is_folder = self.name and "/" not in self.name
        wrong = [] if is_folder else [f"name must be a folder's name, got {self.name!r}"]
        if self.best_test is not None and not self.best_by:
            wrong.append(f"best_test {self.best_test} needs the figures best_by, such as [kendall_tau]")
        return wrong


def build_loggers(
    given: Any, run: RunSettings, wandb: WandbMode, project: str, name: str | None, group: str | None
) -> list[Logger] | bool:
    """The loggers of a run; the folder of the first is the run's. `given` is `trainer.logger` of the config."""
    if given is False:
        return False
    more = [] if given in (None, True) else list(given) if isinstance(given, (list, tuple)) else [given]
    for folder in Path(run.root, run.name).glob("**/"):  # of earlier versions, one of which may go on in this one
        sweep(folder)
    csv = CSVLogger(run.root, name=run.name, flush_logs_every_n_steps=20)
    loggers: list[Logger] = [csv, *more]
    if wandb != "off":
        folder, settings = Path(csv.log_dir), wandb_settings()
        # Never called with a step: `trainer/global_step` is an axis of its own, and nothing is dropped as out of order.
        logger = WandbLogger(
            save_dir=folder,
            project=project,
            name=name or f"{run.name}/{folder.name}",
            group=group or run.name,
            offline=wandb == "offline",
            log_model=False,
            reinit="finish_previous",
            settings=settings,
        )
        loggers.append(logger)
    return loggers


def wandb_settings() -> Any:
    """Settings that keep the machine, its user, the command, its screen and file paths out of W&B."""
    try:
        import wandb
    except ModuleNotFoundError as error:
        raise MissingExtraError("W&B is not installed: pip install wandb, or leave --wandb off") from error
    return wandb.Settings(x_disable_meta=True, disable_git=True, console="off", host="", username="")


def wandb_of(loggers: list[Logger]) -> WandbLogger | None:
    """The W&B logger among them."""
    return next((one for one in loggers if isinstance(one, WandbLogger)), None)


def folder_of(trainer: pl.Trainer) -> Path | None:
    """The run's folder, that of its first logger; None without loggers."""
    folder = getattr(trainer.loggers[0], "log_dir", None) if trainer.loggers else None
    return None if folder is None else Path(folder)


class RunConfig(SaveConfigCallback):
    """Writes the whole config, every default included, to `config.yaml` in the run's own folder, and to W&B."""

    def __init__(self, parser: LightningArgumentParser, config: Any, **how: Any) -> None:
        super().__init__(parser, config, save_to_log_dir=False, **how)

    def save_config(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:  # noqa: ARG002
        """Called by Lightning on one process."""
        config = yaml.safe_load(self.parser.dump(self.config, skip_link_targets=True))
        folder = folder_of(trainer)
        config = shareable(config, folder or Path(trainer.default_root_dir))
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / _CONFIG, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
        wandb = wandb_of(trainer.loggers)
        if wandb is not None:
            wandb.log_hyperparams({"config": config})


def remove_unstarted(trainer: pl.Trainer) -> None:
    """Remove a run's folder that has its config and nothing else: no step was taken, or none was kept."""
    folder = folder_of(trainer)
    if folder is None or not trainer.is_global_zero or not folder.is_dir():
        return
    if {path.name for path in folder.iterdir()} <= _BEFORE_TRAINING:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            folder.parent.rmdir()  # of all versions, where this was the first
