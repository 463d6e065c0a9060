"""Cross-validation: folds that are not finished are made, then all of them are judged."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from sspvs.benchmark.settings import Baseline
from sspvs.crossval.fold_run import FoldJob, run_fold
from sspvs.crossval.folder import RESULT, CrossvalFolder
from sspvs.crossval.gathering import check_protocols, gather
from sspvs.crossval.plan import Plan
from sspvs.crossval.processes import run_in_processes
from sspvs.crossval.progress import tell
from sspvs.crossval.records import FoldRecord
from sspvs.crossval.results import CrossValidation
from sspvs.crossval.settings import CrossvalSettings, Keep, Rule, Wandb
from sspvs.data.summarization.fold_data import FoldDataModule
from sspvs.evaluation.protocol import DEFAULT_PROTOCOL, protocols_named
from sspvs.evaluation.summary_rule import rule_named
from sspvs.training.quiet import quieten
from sspvs.training.tasks import task_asked_for

_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")


def cross_validate(
    config: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    overrides: Iterable[str] = (),
    seeds: int | Sequence[int] = 3,
    checkpoint_rule: Rule | None = None,
    jobs: int | None = None,
    devices: Sequence[int] = (),
    protocol: str = DEFAULT_PROTOCOL,
    rule: str = "default",
    keep: Keep = "chosen",
    name: str | None = None,
    wandb: Wandb = "off",
    wandb_project: str = "sspvs",
    progress: bool = False,
) -> CrossValidation:
    """Train and test every fold of a config's split under several seeds; what is finished is not made again.

    Args:
        config: A config of `task: summarize` or `task: refine`, or several; later ones come on top.
        out: Folder of everything that comes out, `result.json` among it. The same call goes on where it was
            interrupted, by whatever; other settings in the same folder are refused once a fold is finished.
        overrides: Words as on the command line, such as `["--model.optim.lr", "1e-4"]`.
        seeds: How many, from 0; or which.
        checkpoint_rule: `val`, `last` or `best-test`: what chooses the weights of a fold; `CrossvalSettings` explains.
            None: `val`, of refined features `last`.
        jobs: Processes that make folds; None: one a device, or this one alone.
        devices: GPUs for them, by number.
        protocol: What rank correlations are computed under, or `all`.
        rule: How scores become summaries, for F1: a name of `RULES`, such as `sspvs`.
        keep: `chosen`: keep the weights of the first seed's folds as checkpoint folders. `none`: only scores.
        name: What the method is called in tables; None: the config's `run.name`, of refined features the combination
            of terms, such as `refined A*G*H`.
        wandb: W&B `off`, `offline` or `online`.
        wandb_project: Its project.
        progress: Bars, and a line on stderr for each fold that is finished.

    Returns:
        The figures, with contrastive, random, human and consensus rows beside, of refined features also those of
        other combinations of terms.

    Raises:
        ValueError: Settings that do not go together, or other ones than the folder was started with.
        DatasetError: The data is not what it should be.
        ProtocolUnavailableError: The dataset does not have what the protocol needs.
        OutputError: The folder cannot be written to, or somebody else works in it.
    """
    protocols_named(protocol)
    rule_named(rule)
    if isinstance(seeds, int) and seeds < 1:
        raise ValueError(f"seeds must be one or more, got {seeds}")
    configs = tuple(os.fspath(one) for one in ([config] if isinstance(config, (str, os.PathLike)) else config))
    words = tuple(overrides)
    settings = CrossvalSettings(
        configs=configs,
        out=Path(out),
        overrides=words,
        seeds=tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds),
        rule=_rule_of(configs, words) if checkpoint_rule is None else checkpoint_rule,
        jobs=max(1, len(devices)) if jobs is None else jobs,
        devices=tuple(devices),
        keep=keep,
        wandb=wandb,
        wandb_project=wandb_project,
    )
    if not logging.getLogger().isEnabledFor(logging.DEBUG):
        quieten()
    plan = Plan.read(settings)
    _refuse_missing_devices(plan, devices)
    name = plan.name if name is None else name
    if name in get_args(Baseline):
        raise ValueError(f"'{name}' is the name of a baseline; call the method something else (--name)")
    check_protocols(plan, protocol)
    folder = CrossvalFolder(settings.out)
    if not is_first_process():  # it trains along with the first one, which alone writes
        _make(plan, settings, folder, progress=False)
        return gather(plan, settings, protocol=protocol, rule=rule, name=name)
    with folder.claimed():
        plan = replace(plan, config=folder.identify(plan.identity, plan.text))
        folder.clear_work()
        _make(plan, settings, folder, progress=progress)
        result = gather(plan, settings, protocol=protocol, rule=rule, name=name, progress=progress)
        result.write(folder.path / RESULT)
    if wandb != "off":
        from sspvs.crossval.tracking import log_summary

        log_summary(result, wandb, wandb_project)
    return result


def _refuse_missing_devices(plan: Plan, devices: Sequence[int]) -> None:
    """A process that sees no GPU would train on the CPU, and say nothing."""
    if not devices or plan.config["trainer"]["accelerator"] not in ("auto", "gpu", "cuda"):
        return
    import torch

    known = torch.cuda.device_count()
    if missing := [device for device in devices if device >= known]:
        raise ValueError(f"--devices: there is no GPU {missing[0]} on this machine, which has {known}")


def _rule_of(configs: Sequence[str], overrides: Sequence[str]) -> Rule:
    """What chooses the weights where nobody says: it depends on the task."""
    return task_asked_for([*(word for one in configs for word in ("--config", one)), *overrides]).rule


def is_first_process() -> bool:
    """Whether this process was not started by another one, or by a launcher, to train along."""
    return all(int(os.environ.get(name, 0)) == 0 for name in _RANKS)


def _make(plan: Plan, settings: CrossvalSettings, folder: CrossvalFolder, *, progress: bool) -> None:
    """Make the folds that are not finished."""
    every = [(seed, fold) for seed in settings.seeds for fold in range(plan.n_folds)]
    left = [(seed, fold) for seed, fold in every if not folder.is_finished(seed, fold)]
    for seed, fold in every:
        if (seed, fold) not in left and folder.record(seed, fold).digest != plan.digest:
            raise ValueError(
                f"{folder.fold(seed, fold)} was made with other settings than {folder.path}; delete it, and it is made "
                "again"
            )
    keep = settings.seeds[0] if settings.keep == "chosen" else None
    todo = [FoldJob(settings, plan.digest, seed, fold, seed == keep, progress) for seed, fold in left]
    done = len(every) - len(todo)
    if progress and done:
        sys.stderr.write(f"{done} of {len(every)} folds are finished already\n")
    for record in _records(todo, settings):
        done += 1
        if progress and record is not None:
            tell(record, done, len(every))


def _records(todo: Sequence[FoldJob], settings: CrossvalSettings) -> Iterator[FoldRecord | None]:
    """Of the folds, as they are finished."""
    if settings.jobs > 1 or settings.devices:
        yield from run_in_processes(todo, settings.jobs, settings.devices)
        return
    before: FoldDataModule[Any] | None = None
    for job in todo:
        record, before = run_fold(job, before)
        yield record
