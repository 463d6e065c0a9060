"""The tasks that `sspvs fit|validate|test|predict` knows: `task` of a config, one file each.

base.py             what the command line has to know of a task
pretraining.py      `pretrain`: the towers, on videos with text
summarization.py    `summarize`: the progressive summarizer, on annotated videos
refinement.py       `refine`: features refined without labels, on any videos
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module

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
    if name not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, got {name!r}")
    found: TrainingTask = import_module(TASKS[str(name)]).TASK
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
    for option, value in _options(arguments):
        name = value if option == "--task" else _in_file(value, name)
    return task_named(name)


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """`--task` and `--config`, whichever way they are written, with their values."""
    for place, word in enumerate(arguments):
        option, equals, value = word.partition("=")
        option = "--config" if option == "-c" else option
        if option in ("--task", "--config"):
            if equals:
                yield option, value
            elif place + 1 < len(arguments):
                yield option, arguments[place + 1]


def _in_file(path: str, otherwise: object) -> object:
    """`task` of a config file; what is wrong with a file that may be one the parser says later."""
    import yaml

    from sspvs.files import WrongFileError, read_text

    try:
        content = yaml.safe_load(read_text(path))
    except WrongFileError as error:
        raise ValueError(f"{path}: expected a config (YAML), but {error}") from error
    except (OSError, ValueError, yaml.YAMLError):
        return otherwise
    return content.get("task", otherwise) if isinstance(content, dict) else otherwise
