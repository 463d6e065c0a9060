"""Cross-validation: a config in; every fold under every seed trained and tested; one table out.

settings.py      what is asked for: seeds, the rule that chooses the weights, processes
plan.py          the config read once: folds, tested videos, and what identifies the experiment
folder.py        what lies where; finished folds, whole or not there; nobody else's
fold_run.py      one fold: train, choose the weights, score the tested videos
progress.py      a bar or a line for each fold
records.py       what is kept of a fold beside its scores
processes.py     folds in several processes, each on a device of its own
averaging.py     results of runs -> per video the mean over them
gathering.py     finished folds -> figures, beside the rows that no table goes without
results.py       what was found: as a value, as a file, several side by side
tracking.py      the table in W&B
running.py       cross_validate(config, out)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sspvs.crossval.results import CrossValidation, side_by_side
    from sspvs.crossval.running import cross_validate

__all__ = ["CrossValidation", "cross_validate", "side_by_side"]

_HOME = {"CrossValidation": "results", "cross_validate": "running", "side_by_side": "results"}


def __getattr__(name: str) -> Any:
    """Load a public name from its home on first use (PEP 562): worker processes start without torch."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
