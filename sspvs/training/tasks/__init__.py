"""The tasks that `sspvs fit|validate|test|predict` knows: `task` of a config, one file each.

base.py             what the command line has to know of a task
pretraining.py      `pretrain`: the towers, on videos with text
summarization.py    `summarize`: the progressive summarizer, on annotated videos
refinement.py       `refine`: features refined without labels, on any videos
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from sspvs.training.given import config_of, options
from sspvs.training.tasks.base import TrainingTask

__all__ = ["DEFAULT", "TASKS", "TrainingTask", "task_asked_for", "task_named", "task_of_kind"]

DEFAULT = "pretrain"
TASKS = {
    "pretrain": "sspvs.training.tasks.pretraining",
    "summarize": "sspvs.training.tasks.summarization",
    "refine": "sspvs.training.tasks.refinement",
}
"""Name -> the module that has it as `TASK`, imported when it is asked for."""


def task_named(name: object) -> TrainingTask:
    """A task of the table.

    Raises:
        ValueError: There is none of that name.
    """
    if not isinstance(name, str) or name not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, got {name!r}")
    found: TrainingTask = import_module(TASKS[name]).TASK
    return found


def task_of_kind(kind: object) -> TrainingTask | None:
    """The task whose checkpoint folders say that they are of a kind; None when there is none."""
    return next((task for task in map(task_named, TASKS) if task.kind == kind), None)


def task_asked_for(arguments: Sequence[str]) -> TrainingTask:
    """The task that config files and `--task` ask for; the last word counts, as for every other setting.

    Asked before there is a parser: what the parser takes depends on it.

    Args:
        arguments: What follows the verb.

    Raises:
        ValueError: There is no task of that name.
    """
    name: object = DEFAULT
    for option, value in options(arguments):
        if option == "--task":
            name = value
        elif option == "--config":
            name = config_of(value).get("task", name)
    return task_named(name)
