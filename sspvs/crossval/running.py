"""`cross_validate`: train and test every fold under every seed, in one process or several, and gather the figures."""

import logging
import multiprocessing
import os
import pickle
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, get_args

import torch

from sspvs.benchmark.rows import Baseline, EvaluationSettings
from sspvs.crossval.fold_run import FoldJob, report, run_fold
from sspvs.crossval.folder import RESULT, CrossvalFolder, FoldRecord
from sspvs.crossval.plan import CrossvalSettings, Keep, Plan, Rule
from sspvs.crossval.results import CrossValidation, gather, judge_of, log_summary
from sspvs.data.fold_data import FoldDataModule
from sspvs.evaluation.protocol import DEFAULT_PROTOCOL
from sspvs.machine import environment
from sspvs.training.run import WandbMode
from sspvs.training.signals import quieten
from sspvs.training.tasks import chosen_task

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")


def cross_validate(
    config: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    overrides: Iterable[str] = (),
    seeds: int | Sequence[int] | None = None,
    checkpoint_rule: Rule | None = None,
    jobs: int | None = None,
    devices: Sequence[int] = (),
    protocol: str | None = None,
    rule: str | None = None,
    keep: Keep = "chosen",
    name: str | None = None,
    wandb: WandbMode = "off",
    wandb_project: str = "sspvs",
    with_ridge: bool = True,
    progress: bool = False,
) -> CrossValidation:
    """Train and test every fold of a config's split under several seeds; what is finished is not made again.

    Args:
        config: A config of `task: summarize` or `task: refine`, or several; later ones come on top.
        out: Folder of everything that comes out, `result.json` among it. The same call goes on where it was
            interrupted, by whatever; other settings in the same folder are refused once a fold is finished.
        overrides: Words as on the command line, such as `["--model.optim.lr", "1e-4"]`. `{fold}` in a word becomes the
            number of the fold: `["--model.pretrained", "pretrained/fold_{fold}"]`.
        seeds: How many, from 0; or which. None: 3, or of a config with `published` its own `seed_everything`.
        checkpoint_rule: `val`, `last` or `best-test`: what chooses the weights of a fold; `CrossvalSettings` explains.
            None: `val`, of refined features `last`.
        jobs: Processes that make folds; None: one a device, or this one alone.
        devices: GPUs for them, by number.
        protocol: What rank correlations are computed under, or `all`; None: the config's `data.protocol`.
        rule: How scores become summaries, for F1: a name of `RULES`, such as `sspvs`; None: the config's `data.rule`.
        keep: `chosen`: keep the weights of the first seed's folds as checkpoint folders. `none`: only scores.
        name: What the method is called in tables; None: the config's `run.name`, of refined features the combination
            of terms, such as `refined A*G*H`.
        wandb: W&B `off`, `offline` or `online`.
        wandb_project: Its project.
        with_ridge: Put a row of ridge regression on the same folds beside, and what it makes of shuffled labels.
        progress: Bars, and a line on stderr for each fold that is finished.

    Returns:
        The figures, with contrastive, random, human and consensus rows beside, of refined features also those of
        other combinations of terms.

    Raises:
        ValueError: Settings that do not go together, or other ones than the folder was started with.
        DatasetError: The data is not what it should be.
        ProtocolUnavailableError: The dataset does not have what the protocol needs.
        OutputError: The folder cannot be written to, or another process works in it.

    Example:
        >>> result = sspvs.cross_validate("finetune.yaml", "crossval", seeds=1)
        >>> len(result.folds)
        3
    """
    how = EvaluationSettings(protocol or DEFAULT_PROTOCOL, rule or "default")
    if isinstance(seeds, int) and seeds < 1:
        raise ValueError(f"seeds must be one or more, got {seeds}")
    configs = tuple(os.fspath(one) for one in ([config] if isinstance(config, (str, os.PathLike)) else config))
    words = tuple(overrides)
    settings = CrossvalSettings(
        configs=configs,
        out=Path(out),
        overrides=words,
        seeds=tuple(range(3 if seeds is None else seeds)) if not isinstance(seeds, Sequence) else tuple(seeds),
        rule=checkpoint_rule or chosen_task([*(f"--config={one}" for one in configs), *words]).rule,
        jobs=max(1, len(devices)) if jobs is None else jobs,
        devices=tuple(devices),
        keep=keep,
        wandb=wandb,
        wandb_project=wandb_project,
        with_ridge=with_ridge,
    )
    quieten()
    plan = Plan.read(settings)
    how = replace(how, protocol=protocol or plan.data.protocol or how.protocol, rule=rule or plan.data.rule or how.rule)
    if seeds is None and plan.config.get("published"):
        settings = replace(settings, seeds=(int(plan.config["seed_everything"]),))
    _refuse_missing_devices(plan, devices)
    name = plan.name if name is None else name
    if name in get_args(Baseline):
        raise ValueError(f"'{name}' is the name of a baseline; call the method something else (--name)")
    judge_of(plan, how).check_protocols()
    folder = CrossvalFolder(settings.out)
    if not is_first_process():  # it trains along with the first one, which alone writes
        _make(plan, settings, folder, progress=False)
        return gather(plan, settings, how, name)
    with folder.claimed():
        plan = replace(plan, config=folder.identify(plan.identity, plan.config))
        folder.clear_work()
        _make(plan, settings, folder, progress=progress)
        result = gather(plan, settings, how, name, progress=progress)
        result.write(folder.path / RESULT)
    if wandb != "off":
        log_summary(result, wandb, wandb_project)
    return result


def _refuse_missing_devices(plan: Plan, devices: Sequence[int]) -> None:
    """A process that sees no GPU would silently train on the CPU."""
    if not devices or plan.config["trainer"]["accelerator"] not in ("auto", "gpu", "cuda"):
        return
    known = torch.cuda.device_count()
    if missing := [device for device in devices if device >= known]:
        raise ValueError(f"--devices: there is no GPU {missing[0]} on this machine, which has {known}")


def is_first_process() -> bool:
    """Whether this process is not one of several that train together, started by another one or by a launcher."""
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
    shown = progress and settings.jobs == 1 and not settings.devices  # not where several bars would be drawn
    todo = [FoldJob(settings, plan.digest, seed, fold, seed == keep, shown) for seed, fold in left]
    done = len(every) - len(todo)
    if progress and done:
        sys.stderr.write(f"{done} of {len(every)} folds are finished already\n")
    for record in _records(todo, settings):
        done += 1
        if progress and record is not None:
            report(record, done, len(every))


def _records(todo: Sequence[FoldJob], settings: CrossvalSettings) -> Iterator[FoldRecord | None]:
    """Of the folds, as they are finished."""
    if settings.jobs > 1 or settings.devices:
        yield from run_in_processes(todo, settings.jobs, settings.devices)
        return
    before: FoldDataModule[Any] | None = None
    for job in todo:
        record, before = run_fold(job, before)
        yield record


def run_in_processes(jobs: Sequence[FoldJob], count: int, devices: Sequence[int]) -> Iterator[FoldRecord]:
    """Make folds in processes, each with a GPU; what a fold raises is raised here, and stops the others."""
    context = multiprocessing.get_context("spawn")
    names, threads = visible_names(devices, os.environ.get(_VISIBLE)), max(1, torch.get_num_threads() // count)
    left = list(jobs)
    workers: dict[Connection, SpawnProcess] = {}
    busy: set[Connection] = set()
    try:
        for number in range(min(count, len(left))):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, threads, logging.getLogger().level))
            # It must see one device only before it imports torch, which it does first.
            with environment(_VISIBLE, names[number % len(names)]) if names else nullcontext():
                process.start()
            theirs.close()
            workers[ours] = process
            busy.add(ours)
            ours.send(left.pop(0))
        while busy:
            for pipe in wait(list(busy)):
                assert isinstance(pipe, Connection)
                yield _answer(pipe, workers[pipe])
                if left:
                    pipe.send(left.pop(0))
                else:
                    busy.remove(pipe)
    finally:
        for pipe, process in workers.items():
            pipe.close()  # a process that waits for a fold ends
            if pipe in busy:  # something went wrong
                process.terminate()
            process.join(timeout=10)
            if process.is_alive():
                process.kill()
                process.join()


def visible_names(devices: Sequence[int], visible: str | None) -> list[str]:
    """Values of `CUDA_VISIBLE_DEVICES`, now `visible`, with which a process sees one of these devices alone."""
    if not visible:
        return [str(device) for device in devices]
    known = [name.strip() for name in visible.split(",")]
    unknown = [device for device in devices if device >= len(known)]
    if unknown:
        raise ValueError(f"no device {unknown[0]}: {_VISIBLE} is {visible}, which leaves 0 to {len(known) - 1}")
    return [known[device] for device in devices]


def _answer(pipe: Connection, process: SpawnProcess) -> FoldRecord:
    """A finished fold's record; raises what it raised."""
    try:
        answer = pipe.recv()
    except (EOFError, OSError) as error:
        process.join()
        raise RuntimeError(
            f"a process ended while it made a fold (exit code {process.exitcode}; out of memory?); finished folds are "
            "kept: the same command again makes the rest"
        ) from error
    if isinstance(answer, BaseException):
        raise answer
    record: FoldRecord = answer
    return record


def _work(pipe: Connection, threads: int, level: int) -> None:
    """What a process does: one fold after the other, until there are none or the parent has gone."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.basicConfig(level=level, format="%(levelname)s: %(message)s")
    quieten()
    torch.set_num_threads(threads)
    before: FoldDataModule[Any] | None = None
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):  # the parent waits no more
        while True:
            job: FoldJob = pipe.recv()
            try:
                answer: Any
                answer, before = run_fold(job, before)
            except BaseException as error:
                answer = _sendable(error)
            pipe.send(answer)


def _sendable(error: BaseException) -> BaseException:
    """The same, or what can be pickled of it."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever an exception of some library raises then
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _end_with_parent() -> None:
    """A process whose parent was killed ends at once, so that the same command can start again."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
